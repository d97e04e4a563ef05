"""Verdicts of a batch: what an import brought stands, what is missing is judged by the fast tier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cxm.channels.contracts import Mention
from cxm.understanding import api as understanding
from cxm.understanding.contracts import Verdict

_KEYS = ("language", "sentiment", "emotions", "assessed", "intents", "categories", "offensive", "spam")


def judged(items: Sequence[Mention]) -> list[dict[str, Any]]:
    """The verdict keys of the mention JSON for each item, in order. What was given is never overwritten by a model."""
    texts = [f"{item.title}\n{item.text}" if item.title else item.text for item in items]
    found = understanding.assess(texts, [item.verdicts.language for item in items])
    return [_merged(item, verdict) for item, verdict in zip(items, found, strict=True)]


def _merged(item: Mention, verdict: Verdict) -> dict[str, Any]:
    found = item.verdicts
    if (
        found.sentiment is found.emotions is found.assessed is found.intents is found.categories is found.offensive is found.spam is None
    ):  # most often nothing was given
        return {
            "language": found.language or verdict.language, "sentiment": verdict.sentiment, "emotions": list(verdict.emotions),
            "assessed": list(verdict.assessed), "intents": list(verdict.intents), "categories": [], "offensive": verdict.offensive,
            "spam": verdict.spam, "verdicts_by": verdict.verdicts_by,
        }  # fmt: skip
    return _with_given(item, verdict)


def _with_given(item: Mention, verdict: Verdict) -> dict[str, Any]:
    given = {key: getattr(item.verdicts, key) for key in _KEYS}
    was_given = any(value is not None for key, value in given.items() if key != "language")
    result: dict[str, Any] = {
        "language": given["language"] or verdict.language,
        "sentiment": given["sentiment"] if given["sentiment"] is not None else verdict.sentiment,
        "emotions": list(given["emotions"] if given["emotions"] is not None else verdict.emotions),
        "assessed": list(
            given["assessed"] if given["assessed"] is not None else verdict.assessed if given["emotions"] is None else given["emotions"]
        ),
        "intents": list(given["intents"] if given["intents"] is not None else verdict.intents),
        "categories": list(given["categories"] or ()),
        "offensive": given["offensive"] if given["offensive"] is not None else verdict.offensive,
        "spam": given["spam"] if given["spam"] is not None else verdict.spam,
    }
    result["verdicts_by"] = "import" if was_given else verdict.verdicts_by
    return result
