"""What crosses the door of ``understanding``: a verdict about one text, and what carried it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the models can honestly say about one text; what they cannot judge is said to be unknown, never guessed.

    ``language`` is BCP 47 or ``und``. ``sentiment`` is negative, neutral, positive or ``None`` (not judged). ``assessed`` names the
    emotions that could be judged in this language, ``emotions`` those of them that are present. ``intents`` are those found among
    complaint, question, request, praise and purchase. ``spam`` and ``offensive`` are ``None`` where not judged. ``verdicts_by`` is
    ``fast`` where anything was judged, else ``None``.
    """

    language: str = "und"
    sentiment: str | None = None
    emotions: tuple[str, ...] = ()
    assessed: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    spam: bool | None = None
    offensive: bool | None = None
    verdicts_by: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` (end not included) of the text as it was given, counted in code points."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Carried:
    """One verdict and the words that carried it, in the order they stand: ``of`` is a key of the verdict (``sentiment``,
    ``emotions``, ``intents``, ``spam``), ``value`` what was found (``negative``, ``joy``, ``complaint``, ``true``)."""

    of: str
    value: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict with what carried each part of it; a part without words to show (a language by its script) is left out."""

    verdict: Verdict
    carried: tuple[Carried, ...]
