"""Sentences that remember what they are made of, so that whoever shows them can say them in the reader's language.

They are made in slices that know no screen. Programs and the command line read them as they are, in English; a page finds the translation
of :attr:`Said.template` and puts the same parts into it. ``tools/messages.py`` gathers the templates from the calls of :func:`said`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString, Self


class Said(str):
    """The sentence in English. ``template`` has places (``{name}``), ``parts`` what stands in them: text that stays as it is, numbers, and
    sentences that are translated themselves."""

    template: str
    parts: Mapping[str, object]

    def __new__(cls, template: str, parts: Mapping[str, object]) -> Self:
        """The sentence of ``template``; its whole numbers are grouped as English groups them."""
        self = super().__new__(
            cls, template.format(**{name: f"{part:,}" if isinstance(part, int) else part for name, part in parts.items()})
        )
        self.template, self.parts = template, parts
        return self

    def __getnewargs__(self) -> tuple[str, Mapping[str, object]]:  # type: ignore[override]  # what makes it anew
        return self.template, self.parts


def said(template: LiteralString, **parts: object) -> Said:
    """``said("There is no field “{name}”.", name=name)``. The template stands in the call itself, so that it is found and translated."""
    return Said(template, parts)
