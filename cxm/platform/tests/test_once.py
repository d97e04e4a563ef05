"""What a request that only reads remembers, and when it stops doing so."""

from __future__ import annotations

import contextvars
from collections.abc import Callable

from cxm.platform.once import known, once, within


def counting() -> Callable[[], int]:
    found = iter(range(1, 100))
    return lambda: next(found)


def test_only_within_and_only_for_the_same_key() -> None:
    read = counting()
    assert [once(("a",), read), once(("a",), read)] == [1, 2]  # outside, everything is asked anew
    with within():
        assert known(("a",)) is None
        assert [once(("a",), read), once(("a",), read), once(("b",), read)] == [3, 3, 4]
        assert known(("a",)) == 3
    assert once(("a",), read) == 5 and known(("a",)) is None
    with within():
        assert once(("a",), read) == 6  # the next request knows nothing of the former


def test_none_is_an_answer_too() -> None:
    asked: list[str] = []
    with within():
        for _ in range(2):
            assert once(("nothing",), lambda: asked.append("again")) is None
    assert asked == ["again"]


def test_a_stream_that_outlives_its_request_reads_afresh() -> None:
    read = counting()
    with within():
        assert once(("a",), read) == 1
        stream = contextvars.copy_context()
    assert [stream.run(once, ("a",), read), stream.run(once, ("a",), read)] == [2, 3]
    assert stream.run(known, ("a",)) is None
