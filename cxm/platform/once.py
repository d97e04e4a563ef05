"""What does not change while one page is made is read once for it: organization, units, memberships, queues.

Only requests that read have such a memory (:func:`within`, a middleware). Elsewhere, in what sends above all, every question goes to the
database; and so it does in a stream that outlives the request which began it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

T = TypeVar("T")


@dataclass(slots=True)
class _Memory:
    values: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    open: bool = True


_memory: ContextVar[_Memory | None] = ContextVar("read_once", default=None)


@contextmanager
def within() -> Generator[None]:
    """From here to the end, :func:`once` remembers; what was begun here and goes on afterwards reads afresh."""
    memory = _Memory()
    token = _memory.set(memory)
    try:
        yield
    finally:
        memory.open = False
        _memory.reset(token)


def once(key: tuple[Any, ...], read: Callable[[], T]) -> T:
    """What ``read`` gives, asked once for each ``key`` of a request that only reads. The key begins with the asking function's name and
    holds all that the answer depends on; nobody changes the answer."""
    memory = _memory.get()
    if memory is None or not memory.open:
        return read()
    if key not in memory.values:
        memory.values[key] = read()
    return cast(T, memory.values[key])


def known(key: tuple[Any, ...]) -> Any:
    """What :func:`once` remembers under ``key``; None where nobody has asked."""
    memory = _memory.get()
    return memory.values.get(key) if memory is not None and memory.open else None
