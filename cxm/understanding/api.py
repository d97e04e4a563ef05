"""The door of ``understanding``: verdicts about texts, and what carried them. Plain Python and numpy; no network, no database.

What judges is loaded by the first text, or by :func:`warm`: most commands judge nothing, and numpy is a seventh of their start.
"""

from __future__ import annotations

from collections.abc import Sequence

from cxm.understanding.contracts import Carried, Explanation, Span, Verdict

__all__ = ["Carried", "Explanation", "Span", "Verdict", "assess", "explain", "warm"]

#: Texts judged in one go: large enough to share numpy's overhead, small enough to stay in the processor's cache.
_CHUNK = 128


def assess(texts: Sequence[str], hints: Sequence[str | None] | None = None) -> list[Verdict]:
    """One verdict per text, in order. Any string is fine (empty, a megabyte, lone surrogates); the first 2,000 characters are read.

    ``hints`` are languages that the channel believes (BCP 47), one per text or ``None``: a hint tips the balance where the text
    itself is undecided, it never overrules it. A text's verdict depends on nothing but the text and its hint.

    Raises ``ValueError`` when there are hints but not one per text.
    """
    from cxm.understanding.judge import judge

    given = list(hints) if hints is not None else [None] * len(texts)
    if len(given) != len(texts):
        raise ValueError("hints must be as many as texts")
    verdicts: list[Verdict] = []
    for begin in range(0, len(texts), _CHUNK):
        verdicts.extend(judge(texts[begin : begin + _CHUNK], given[begin : begin + _CHUNK]))
    return verdicts


def explain(text: str, hint: str | None = None) -> Explanation:
    """The verdict ``assess`` gives and, for each part of it, the words that carried it."""
    from cxm.understanding.explain import carried_by

    return carried_by(text, hint)


def warm() -> None:
    """Load the model and build the tables now (about 0.1 s), so that the first mention need not wait."""
    assess(["warm"])
