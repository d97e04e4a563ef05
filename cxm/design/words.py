"""How times, names and numbers read on screen: plain functions, so that Python, templates and tests say the same."""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_skeleton
from django.utils import formats, timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

MINUTE, HOUR, DAY = 60, 3600, 86400
FACES = 8
RTL = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"})
_ARTICLE = "ال"
#: Characters of a text that are asked which way it runs.
_LOOKED_AT = 2000
#: How English writes days, and what is asked of the other languages' own customs for the same: a skeleton of CLDR.
FORMS = {
    "j M": "MMMd", "j M Y": "yMMMd", "j F": "MMMMd", "j F Y": "yMMMMd", "M Y": "yMMM", "D": "E", "l, j F": "MMMMEEEEd",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Due:
    """A clock in words: ``tone`` is neutral, warn or bad."""

    text: str
    tone: str


def span(seconds: float) -> str:
    """A length of time in its one or two largest units: "23 min", "1 h 20 min", "3 d". At least one minute."""
    total = int(abs(seconds))
    if total < HOUR:
        return _("{n} min").format(n=max(1, total // MINUTE))
    if total < DAY:
        hours, minutes = divmod(total // MINUTE, 60)
        return _("{h} h {m} min").format(h=hours, m=minutes) if hours < 3 and minutes else _("{n} h").format(n=hours)
    return _("{n} d").format(n=total // DAY)


def age(when: datetime, now: datetime) -> str:
    """How long ago, as short as can be; a date once it is more than a week."""
    seconds = (now - when).total_seconds()
    if seconds < -MINUTE or seconds > 7 * DAY:
        local, here = timezone.localtime(when), timezone.localtime(now)
        return written(local, "j M" if local.year == here.year else "j M Y")
    if seconds < MINUTE:
        return _("now")
    if seconds < HOUR:
        return _("{n} min").format(n=int(seconds // MINUTE))
    if seconds < DAY:
        return _("{n} h").format(n=int(seconds // HOUR))
    return _("{n} d").format(n=int(seconds // DAY))


def absolute(when: datetime) -> str:
    """Date, time and zone, as the reader writes them."""
    local = timezone.localtime(when)
    return f"{stamped(local, 'j M Y')} {local.tzname()}"


def written(day: date, form: str) -> str:
    """A day in the order and the signs of the reader's language; ``form`` says it as Django's formats do for English.

    "j M" gives 22 Nov, 22 nov, 11月22日. Of a moment it takes the day where it stands: make it local first.
    """
    return _written(day.date() if isinstance(day, datetime) else day, form, get_language() or "en")


def stamped(local: datetime, form: str) -> str:
    """A day and the wall clock, joined as the reader's language joins them; ``form`` as for :func:`written`."""
    return _joint(get_language() or "en").format(f"{local:%H:%M}", written(local, form))


@lru_cache(maxsize=16)
def _joint(language: str) -> str:
    # CLDR's {1} is the date, {0} the time.
    return "{1}, {0}" if language.startswith("en") else str(Locale.parse(language, sep="-").datetime_formats["medium"])


@lru_cache(maxsize=2048)
def _written(day: date, form: str, language: str) -> str:
    if language.startswith("en"):
        return formats.date_format(day, form)
    return format_skeleton(FORMS[form], day, locale=Locale.parse(language, sep="-"))


def due(when: datetime, now: datetime, form: str = "within", warn: int = HOUR) -> Due:
    """The clock that ends at ``when``: "answer within 23 min" (``form`` within), "23 min left" (left), "promised in 23 min" (promised),
    "late by 6 min" after it.

    The tone turns to warn ``warn`` seconds before the end and to bad after it.
    """
    left = (when - now).total_seconds()
    if left < 0:
        return Due(_("late by {span}").format(span=span(left)), "bad")
    patterns = {"left": _("{span} left"), "promised": _("promised in {span}")}
    pattern = patterns.get(form) or _("answer within {span}")
    return Due(pattern.format(span=span(left)), "warn" if left <= warn else "neutral")


def initials(name: str) -> str:
    """One or two letters that stand for a name in any script: "LK", "نع", "林". Empty names give "?"."""
    firsts = []
    for word in name.strip().lstrip("@").split():
        bare = word[len(_ARTICLE) :] if word.startswith(_ARTICLE) and len(word) > 3 else word
        letter = next((sign for sign in bare if unicodedata.category(sign)[0] in "LN"), "")
        if letter:
            firsts.append(letter)
    if len(firsts) == 1:
        word = [sign for sign in name if unicodedata.category(sign)[0] in "LN"]
        firsts = word[:2] if word[0].isascii() else word[:1]
    return "".join([firsts[0], firsts[-1]] if len(firsts) > 1 else firsts).upper() or "?"


def colour(name: str) -> str:
    """``c1`` to ``c8``, always the same for the same name."""
    folded = unicodedata.normalize("NFKC", name).casefold().encode()
    return f"c{zlib.crc32(folded) % FACES + 1}"


def direction(language: str | None) -> str:
    """``rtl`` or ``ltr`` for a BCP 47 tag; ``auto`` where it is unknown."""
    if not language or language == "und":
        return "auto"
    return "rtl" if language.split("-")[0].lower() in RTL else "ltr"


def text_direction(text: str) -> str:
    """``rtl`` or ``ltr`` by the first letter that has a direction and stands in no handle, tag or address; ``auto`` without one.

    What a browser finds by itself takes ``@marlow`` before an Arabic sentence for an English one.
    """
    for word in text[:_LOOKED_AT].split():
        if word.startswith("#") or "@" in word or "://" in word:
            continue
        kind = next((kind for sign in word if (kind := unicodedata.bidirectional(sign)) in ("L", "R", "AL")), "")
        if kind:
            return "ltr" if kind == "L" else "rtl"
    return "auto"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text, marked or not."""

    text: str
    marked: bool


def pieces(text: str, spans: Iterable[tuple[int, int]]) -> list[Piece]:
    """``text`` cut at ``spans`` (start, end in characters; end not included), overlaps joined, what lies outside ignored."""
    cut: list[Piece] = []
    at = 0
    for start, end in sorted(spans):
        start, end = max(start, at), min(end, len(text))
        if start >= end:
            continue
        if start > at:
            cut.append(Piece(text[at:start], False))
        cut.append(Piece(text[start:end], True))
        at = end
    if at < len(text) or not cut:
        cut.append(Piece(text[at:], False))
    return cut


@lru_cache(maxsize=1024)
def _language(tag: str, reader: str) -> str:
    try:
        return Locale.parse(tag, sep="-").get_display_name(Locale.parse(reader, sep="-")) or tag
    except (UnknownLocaleError, ValueError):
        return tag


def language(tag: str | None) -> str:
    """A language's name in the reader's own; the tag where nobody knows it."""
    return "" if not tag or tag == "und" else _language(tag, get_language() or "en")


CHANNEL_ICONS = {
    "bluesky": "at-sign", "mastodon": "at-sign", "x": "at-sign", "threads": "at-sign", "reddit": "messages-square", "discourse": "messages-square",
    "email": "mail", "mail": "mail", "whatsapp": "message-circle", "messenger": "message-circle", "telegram": "send", "matrix": "hash", "slack": "hash",
    "irc": "hash", "rss": "rss", "webhook": "webhook", "sms": "smartphone", "voice": "phone", "phone": "phone", "youtube": "video", "tiktok": "video",
    "instagram": "camera", "flickr": "camera", "news": "newspaper", "form": "square-pen", "app_store": "smartphone", "google_play": "smartphone",
    "google_business": "store", "trustpilot": "star", "tripadvisor": "star",
}  # fmt: skip
KIND_ICONS = {"review": "star", "article": "newspaper", "call": "phone"}


def channel_icon(channel: str, kind: str = "") -> str:
    """The icon for a channel; a review, an article or a call shows its kind where the channel says less."""
    return CHANNEL_ICONS.get(channel) or KIND_ICONS.get(kind) or "message-square"
