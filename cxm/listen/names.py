"""Values of mentions as people read them: states, moods, intents, kinds, languages, channels. For pages."""

from __future__ import annotations

from django.utils.translation import gettext as _

from cxm.channels import registry
from cxm.design import refusals, words

#: The same thing has the same tone on every page.
TONES = {
    "positive": "good", "negative": "bad", "neutral": "neutral", "anger": "bad", "disgust": "bad", "fear": "warn", "joy": "good", "sadness": "info", "waiting": "warn",
    "answered": "good", "unreachable": "bad", "expired": "bad", "crisis": "bad", "legal_threat": "bad", "praise": "good", "complaint": "bad", "churn": "warn",
}  # fmt: skip


def states() -> dict[str, str]:
    """End states of a mention."""
    return {
        "waiting": _("waiting"),
        "answered": _("answered"),
        "no_answer_needed": _("no answer needed"),
        "handed_over": _("handed over"),
        "expired": _("too late to answer"),
        "unreachable": _("cannot be answered"),
    }


def sentiments() -> dict[str, str]:
    """Moods."""
    return {"positive": _("positive"), "neutral": _("neutral"), "negative": _("negative")}


def emotions() -> dict[str, str]:
    """Feelings the models know."""
    return {
        "anger": _("anger"),
        "disgust": _("disgust"),
        "fear": _("fear"),
        "joy": _("joy"),
        "sadness": _("sadness"),
        "surprise": _("surprise"),
    }


def intents() -> dict[str, str]:
    """What somebody wants."""
    return {
        "complaint": _("complaint"),
        "question": _("question"),
        "request": _("request"),
        "praise": _("praise"),
        "purchase": _("wants to buy"),
        "churn": _("wants to leave"),
        "legal_threat": _("legal threat"),
        "crisis": _("crisis"),
    }


def kinds() -> dict[str, str]:
    """Kinds of mentions."""
    return {
        "post": _("post"),
        "comment": _("comment"),
        "review": _("review"),
        "message": _("message"),
        "call": _("call"),
        "answer": _("answer"),
        "article": _("article"),
    }


def language(tag: str | None) -> str:
    """A language's name in the reader's own; the tag where nobody knows it."""
    if not tag or tag == "und":
        return _("unknown language")
    return words.language(tag)


def channel(name: str | None) -> str:
    """A channel as people call it."""
    return refusals.told(registry.title(name or ""))


def word(field: str, value: str) -> str:
    """``value`` of a counted ``field``, readable."""
    if field == "language":
        return language(value)
    if field == "channel":
        return channel(value)
    known = {"state": states, "sentiment": sentiments, "emotions": emotions, "intents": intents, "kind": kinds}.get(field)
    return known().get(value, value) if known else value
