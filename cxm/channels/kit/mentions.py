"""A mention as JSON (the documented shape) into a :class:`~cxm.channels.contracts.Mention`, or a reason why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, cast

from cxm.channels.contracts import INTENTS, KINDS, MEDIA_TYPES, SENTIMENTS, STATES, Deletion, Item, Mention, Receipt, Unmappable, Verdicts
from cxm.channels.kit import jsons
from cxm.channels.kit.mention_fields import (
    ID_LIMIT,
    NAME_LIMIT,
    TAG_LIMIT,
    Bad,
    as_author,
    as_country,
    as_engagement,
    as_instant,
    as_list,
    as_media,
    as_native_id,
    as_one_of,
    as_quoted,
    as_rating,
    as_reference,
    as_string,
    as_tags,
    as_texts,
    as_url,
)
from cxm.channels.kit.text import storable

_CHANNEL = re.compile(r"[a-z0-9_]{1,40}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NO_VERDICTS = Verdicts()
_RECEIPTS = ("delivered", "read", "failed")
_REASONS = (Bad, ValueError, TypeError, OverflowError, RecursionError, AttributeError)


def item_from_json(value: object, *, account_name: str = "") -> Item:
    """One element of a delivery to the generic channel: a mention, a deletion or a receipt; never raises.

    Untrusted: what it says of channel, account, state, verdicts, topics and ``media_type`` is ignored.
    """
    if not isinstance(value, dict):
        return Unmappable("This is not a JSON object.", jsons.dump(value), None, "not_an_object")
    entry = cast("dict[str, Any]", value)
    if entry.get("type") == "receipt":
        return _guarded(entry, _receipt)
    if entry.get("deleted") is True:
        return _guarded(entry, _deletion)
    return mention_from_json(entry, trusted=False, account_name=account_name)


def mention_from_json(obj: dict[str, Any], *, trusted: bool, account_name: str = "") -> Mention | Unmappable:
    """The mention that ``obj`` tells, or an :class:`Unmappable` with a code and a sentence; never raises.

    ``trusted`` (imports): ``state``, verdicts, ``media_type``, ``private`` and ``quoted`` are kept, and ``channel`` (required), ``account``, ``account_id``
    and ``id`` are found in ``context`` under these names. Otherwise all of them are ignored. ``account_name``: our handle; a text
    that names it, like one with ``reply_to``, is ``addressed``. An author without id and handle becomes :data:`~cxm.channels.kit.mention_fields.ANONYMOUS` plus
    the mention's id. ``author.verified`` (``email``, ``phone`` in E.164) is what the sender of the JSON vouches for.

    Codes: ``native_id_missing``, ``native_id_invalid``, ``published_at_invalid``, ``text_missing``, ``text_invalid``,
    ``text_too_long``, ``kind_unknown``, ``channel_invalid``, ``<field>_invalid``, ``sentiment_unknown``, ``state_unknown``, ...
    """
    try:
        return _mention(obj, trusted, account_name)
    except _REASONS as error:
        return _unmappable(obj, error)


def _guarded(entry: dict[str, Any], make: Callable[[dict[str, Any]], Item]) -> Item:
    try:
        return make(entry)
    except _REASONS as error:
        return _unmappable(entry, error)


def _unmappable(entry: dict[str, Any], error: Exception) -> Unmappable:
    if isinstance(error, Bad):
        code, text = error.code, error.text
    else:
        code, text = "unmappable", f"It cannot be understood ({type(error).__name__})."
    native = entry.get("native_id")
    known = storable(native)[:ID_LIMIT] if isinstance(native, str) and native.strip() else None
    return Unmappable(text, jsons.dump(entry), known, code)


def _mention(entry: dict[str, Any], trusted: bool, account_name: str) -> Mention:
    get = entry.get
    native_id = as_native_id(get("native_id"))
    text, title = as_texts(entry)
    kind = get("kind")
    if kind is None:
        kind = "post"
    elif kind not in KINDS:
        raise Bad("kind_unknown", f"“{str(kind)[:40]}” is no kind of mention; use one of {', '.join(KINDS)}.")
    private = get("private")
    reply_to = None if get("reply_to") is None else as_reference(get("reply_to"), "reply_to")
    return Mention(
        native_id=native_id,
        kind=kind,
        author=as_author(get("author"), native_id),
        text=text,
        published_at=as_instant(get("published_at"), "published_at"),
        title=title,
        url=None if get("url") is None else as_url(get("url"), "url"),
        reply_to=reply_to,
        thread=None if get("thread") is None else as_reference(get("thread"), "thread"),
        private=private if trusted and isinstance(private, bool) else kind == "message" and get("visibility") != "public",
        quoted=as_quoted(get("quoted")) if trusted and get("quoted") else None,
        addressed=reply_to is not None or (account_name != "" and _names(text, account_name)),
        media_type=as_one_of(get("media_type"), MEDIA_TYPES, "media_type_unknown", "earned") if trusted else "earned",
        country=None if get("country") is None else as_country(get("country")),
        location=None if get("location") is None else as_string(get("location"), "location", 200),
        rating=None if get("rating") is None else as_rating(get("rating")),
        engagement=as_engagement(get("engagement")),
        media=as_media(get("media")) if get("media") else (),
        tags=as_tags(get("tags")) if get("tags") else (),
        edited_at=None if get("edited_at") is None else as_instant(get("edited_at"), "edited_at"),
        verdicts=_verdicts(entry) if trusted else _NO_VERDICTS,
        state=as_one_of(get("state"), STATES, "state_unknown", None) if trusted else None,
        context=_origin(entry) if trusted else {},
    )


def _deletion(entry: dict[str, Any]) -> Deletion:
    at = entry.get("deleted_at")
    return Deletion(as_native_id(entry.get("native_id")), None if at is None else as_instant(at, "deleted_at"))


def _receipt(entry: dict[str, Any]) -> Receipt:
    status = entry.get("status")
    if status not in _RECEIPTS:
        raise Bad("status_unknown", f"A receipt says one of {', '.join(_RECEIPTS)}.")
    at = as_instant(entry.get("at"), "at")
    return Receipt(as_native_id(entry.get("native_id")), status, at, as_string(entry.get("detail"), "detail", 1000))


@lru_cache(maxsize=1024)
def _handle_pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name.casefold())}(?!\w)")


def _names(text: str, account_name: str) -> bool:
    folded = text.casefold()
    return account_name.casefold() in folded and _handle_pattern(account_name).search(folded) is not None


# --- what only an import says ------------------------------------------------------------------------------------------


def _origin(entry: dict[str, Any]) -> Mapping[str, Any]:
    channel = entry.get("channel")
    if not isinstance(channel, str) or not _CHANNEL.fullmatch(channel):
        raise Bad("channel_invalid", "channel must be 1 to 40 of a-z, 0-9 and _.")
    origin: dict[str, Any] = {"channel": channel}
    for name in ("account", "account_id", "id"):
        if name in entry and (value := as_string(entry[name], name, NAME_LIMIT)) is not None:
            origin[name] = value
    return origin


def _verdicts(entry: dict[str, Any]) -> Verdicts:
    if _VERDICTS.isdisjoint(entry):
        return _NO_VERDICTS
    get = entry.get
    # An export of what was never judged carries empty lists; they say nothing.
    judged = not ("verdicts_by" in entry and get("verdicts_by") is None)
    lists = [tuple(cast("list[object]", one)) if isinstance(one := get(name), list) else one for name in _VERDICT_LISTS]
    given = (judged, get("language"), get("sentiment"), *lists, get("offensive"), get("spam"))
    try:
        return _verdicts_of(*given)
    except TypeError:
        # Something unhashable, hence wrong: say what.
        return _verdicts_of.__wrapped__(*given)


_VERDICT_LISTS = ("emotions", "assessed", "intents", "categories")
_VERDICTS = frozenset((*_VERDICT_LISTS, "language", "sentiment", "offensive", "spam"))


@lru_cache(maxsize=2048, typed=True)
def _verdicts_of(
    judged: bool,
    language: object,
    sentiment: object,
    emotions: object,
    assessed: object,
    intents: object,
    categories: object,
    offensive: object,
    spam: object,
) -> Verdicts:
    """The same few hundred combinations come again and again: checked once each."""
    if language is not None and not (isinstance(language, str) and (language == "" or _LANGUAGE.fullmatch(language))):
        raise Bad("language_invalid", "language must be a BCP 47 tag, like de or pt-BR.")
    return Verdicts(
        language=None if not language or language == "und" else language,
        sentiment=as_one_of(sentiment, SENTIMENTS, "sentiment_unknown", None),
        emotions=_words(emotions, "emotions", judged),
        assessed=_words(assessed, "assessed", judged),
        intents=_words(intents, "intents", judged, INTENTS),
        categories=_categories(categories, judged),
        offensive=_truth(offensive, "offensive", judged),
        spam=_truth(spam, "spam", judged),
    )


def _words(value: object, field: str, judged: bool, allowed: tuple[str, ...] | None = None) -> tuple[str, ...] | None:
    if value is None or value == "" or (value == () and not judged):
        return None
    words = as_list(value, field)
    if not words:
        return ()
    try:
        return _checked(tuple(words), field, allowed)
    except TypeError as error:
        raise Bad(f"{field}_invalid", f"{field} must be a list of lower-case names.") from error


@lru_cache(maxsize=4096)
def _checked(words: tuple[object, ...], field: str, allowed: tuple[str, ...] | None) -> tuple[str, ...]:
    for word in words:
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            raise Bad(f"{field}_invalid", f"{field} must be a list of lower-case names.")
        if allowed is not None and word not in allowed:
            raise Bad(f"{field}_unknown", f"“{word}” is not one of {', '.join(allowed)}.")
    return tuple(dict.fromkeys(cast("tuple[str, ...]", words)))


def _categories(value: object, judged: bool) -> tuple[str, ...] | None:
    if value is None or value == "" or (value == () and not judged):
        return None
    names = [as_string(entry, "categories", TAG_LIMIT) for entry in as_list(value, "categories")]
    return tuple(dict.fromkeys(name for name in names if name))


def _truth(value: object, field: str, judged: bool) -> bool | None:
    if value is None or value == "" or (value is False and not judged):
        return None
    if not isinstance(value, bool):
        raise Bad(f"{field}_invalid", f"{field} must be true or false.")
    return value
