"""A mention as JSON (the documented shape) into a :class:`~cxm.channels.contracts.Mention`, or a reason why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import Any, cast

from cxm.channels.contracts import (
    INTENTS,
    KINDS,
    MEDIA_TYPES,
    SENTIMENTS,
    STATES,
    TEXT_LIMIT,
    Author,
    Deletion,
    Engagement,
    Item,
    Media,
    Mention,
    Proof,
    Receipt,
    Unmappable,
    Verdicts,
)
from cxm.channels.kit import jsons
from cxm.channels.kit.text import clean, storable

#: An author nobody named is nobody else: the prefix of the identity made from the mention's own id.
ANONYMOUS = "anonymous:"
#: Counts beyond what JSON numbers carry exactly are kept at this.
COUNT_LIMIT = 2**53
ID_LIMIT = 1024
_NAME_LIMIT, _URL_LIMIT, _TAG_LIMIT, _LIST_LIMIT = 500, 4096, 100, 100
_CHANNEL = re.compile(r"[a-z0-9_]{1,40}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ADDRESS = re.compile(r"[^@\s\x00-\x1f<>,;\"]{1,64}@[^@\s\x00-\x1f<>,;\"]{1,253}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_MEDIA_KINDS = frozenset(("image", "video", "audio", "file"))
_NO_ENGAGEMENT = Engagement()
_NO_VERDICTS = Verdicts()
_RECEIPTS = ("delivered", "read", "failed")


class _Bad(Exception):
    """One reason not to take a mention: ``code`` for programs, ``text`` for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


_REASONS = (_Bad, ValueError, TypeError, OverflowError, RecursionError, AttributeError)


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

    ``trusted`` (imports): ``state``, verdicts and ``media_type`` are kept, and ``channel`` (required), ``account``, ``account_id``
    and ``id`` are found in ``context`` under these names. Otherwise all of them are ignored. ``account_name``: our handle; a text
    that names it, like one with ``reply_to``, is ``addressed``. An author without id and handle becomes :data:`ANONYMOUS` plus
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
    if isinstance(error, _Bad):
        code, text = error.code, error.text
    else:
        code, text = "unmappable", f"It cannot be understood ({type(error).__name__})."
    native = entry.get("native_id")
    known = storable(native)[:ID_LIMIT] if isinstance(native, str) and native.strip() else None
    return Unmappable(text, jsons.dump(entry), known, code)


def _mention(entry: dict[str, Any], trusted: bool, account_name: str) -> Mention:
    get = entry.get
    native_id = _native_id(get("native_id"))
    text, title = _texts(entry)
    kind = get("kind")
    if kind is None:
        kind = "post"
    elif kind not in KINDS:
        raise _Bad("kind_unknown", f"“{str(kind)[:40]}” is no kind of mention; use one of {', '.join(KINDS)}.")
    reply_to = None if get("reply_to") is None else _reference(get("reply_to"), "reply_to")
    return Mention(
        native_id=native_id,
        kind=kind,
        author=_author(get("author"), native_id),
        text=text,
        published_at=_instant(get("published_at"), "published_at"),
        title=title,
        url=None if get("url") is None else _url(get("url"), "url"),
        reply_to=reply_to,
        thread=None if get("thread") is None else _reference(get("thread"), "thread"),
        private=kind == "message" and get("visibility") != "public",
        addressed=reply_to is not None or (account_name != "" and _names(text, account_name)),
        media_type=_one_of(get("media_type"), MEDIA_TYPES, "media_type_unknown", "earned") if trusted else "earned",
        country=None if get("country") is None else _country(get("country")),
        location=None if get("location") is None else _string(get("location"), "location", 200),
        rating=None if get("rating") is None else _rating(get("rating")),
        engagement=_engagement(get("engagement")),
        media=_media(get("media")) if get("media") else (),
        tags=_tags(get("tags")) if get("tags") else (),
        edited_at=None if get("edited_at") is None else _instant(get("edited_at"), "edited_at"),
        verdicts=_verdicts(entry) if trusted else _NO_VERDICTS,
        state=_one_of(get("state"), STATES, "state_unknown", None) if trusted else None,
        context=_origin(entry) if trusted else {},
    )


def _deletion(entry: dict[str, Any]) -> Deletion:
    at = entry.get("deleted_at")
    return Deletion(_native_id(entry.get("native_id")), None if at is None else _instant(at, "deleted_at"))


def _receipt(entry: dict[str, Any]) -> Receipt:
    status = entry.get("status")
    if status not in _RECEIPTS:
        raise _Bad("status_unknown", f"A receipt says one of {', '.join(_RECEIPTS)}.")
    at = _instant(entry.get("at"), "at")
    return Receipt(_native_id(entry.get("native_id")), status, at, _string(entry.get("detail"), "detail", 1000))


# --- fields ----------------------------------------------------------------------------------------------------------


def _native_id(value: object) -> str:
    if isinstance(value, str):
        if 0 < len(value) <= ID_LIMIT and (value := storable(value)).strip():
            return value
        if value.strip():
            raise _Bad("native_id_invalid", f"native_id is longer than {ID_LIMIT} characters.")
    elif isinstance(value, int) and not isinstance(value, bool):
        if abs(value) <= COUNT_LIMIT:
            return str(value)
        raise _Bad("native_id_invalid", "native_id is a number too large to be exact in JSON; send it as a string.")
    elif value is not None:
        raise _Bad("native_id_invalid", "native_id must be a string.")
    raise _Bad("native_id_missing", "native_id is missing: the id by which the platform knows it.")


def _texts(entry: dict[str, Any]) -> tuple[str, str | None]:
    text, title = entry.get("text"), entry.get("title")
    if not (text is None or isinstance(text, str)) or not (title is None or isinstance(title, str)):
        raise _Bad("text_invalid", "text and title must be strings.")
    if len(text or "") > TEXT_LIMIT or len(title or "") > TEXT_LIMIT:
        raise _Bad("text_too_long", f"The text is longer than {TEXT_LIMIT:,} characters.")
    said = clean(text) if text else ""
    headed = clean(title) if title else None
    if not (said.strip() or (headed and headed.strip())) and not _says_otherwise(entry, text):
        raise _Bad("text_missing", "There is neither text nor title.")
    return said, headed


def _says_otherwise(entry: dict[str, Any], text: str | None) -> bool:
    """Whether an expressly empty text comes with a picture or a rating: that is a whole mention too."""
    return text is not None and bool(entry.get("media") or entry.get("rating") is not None)


def _instant(value: object, field: str) -> datetime:
    if isinstance(value, str) and 10 < len(value) <= 40:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = _upper_instant(value)
        if moment is not None and moment.tzinfo is not None:
            if moment.tzinfo is UTC:
                return moment
            try:
                return moment.astimezone(UTC)
            except OverflowError:
                pass
    raise _Bad(f"{field}_invalid", f"{field} must be a date and time with its zone, like 2026-11-21T10:00:00Z.")


def _upper_instant(value: str) -> datetime | None:
    # RFC 3339 allows "t" and "z".
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        return None


def _string(value: object, field: str, limit: int) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _Bad(f"{field}_invalid", f"{field} must be a string.")
    if value.isascii() and len(value) <= limit and "\x00" not in value:
        return value.strip() or None
    if len(value) > limit:
        raise _Bad(f"{field}_invalid", f"{field} is longer than {limit} characters.")
    return clean(value).strip() or None


def _reference(value: object, field: str) -> str | None:
    if value is None or value == "":
        return None
    try:
        return _native_id(value)
    except _Bad as bad:
        raise _Bad(f"{field}_invalid", f"{field} must be the native id of a mention, as a string.") from bad


def _url(value: object, field: str) -> str | None:
    """Only addresses of the web: any other scheme could run something where it is clicked."""
    address = _string(value, field, _URL_LIMIT)
    if address is None or address[:8].lower().startswith(("https://", "http://")):
        return address
    return None


def _author(value: object, native_id: str) -> Author:
    if value is None:
        return Author(ANONYMOUS + native_id)
    if not isinstance(value, dict):
        raise _Bad("author_invalid", "author must be an object.")
    get = cast("dict[str, Any]", value).get
    handle = _string(get("handle"), "author.handle", _NAME_LIMIT)
    own = get("native_id")
    followers = get("followers")
    verified = get("verified")
    return Author(
        native_id=(_reference(own, "author.native_id") if own is not None else None) or handle or ANONYMOUS + native_id,
        handle=handle,
        name=_string(get("name"), "author.name", _NAME_LIMIT),
        url=None if get("url") is None else _url(get("url"), "author.url"),
        followers=None if followers is None else _count(followers, "author.followers"),
        proofs=() if verified is None else _proofs(verified),
    )


def _proofs(value: object) -> tuple[Proof, ...]:
    if not isinstance(value, dict):
        raise _Bad("author.verified_invalid", "author.verified must be an object with email or phone.")
    get = cast("dict[str, Any]", value).get
    proofs: list[Proof] = []
    if address := _string(get("email"), "author.verified.email", 320):
        if not _ADDRESS.fullmatch(address):
            raise _Bad("author.verified_invalid", "author.verified.email is no address.")
        proofs.append(Proof("email", address.lower()))
    if phone := _string(get("phone"), "author.verified.phone", 40):
        number = re.sub(r"[\s().-]", "", phone)
        if not _PHONE.fullmatch(number):
            raise _Bad("author.verified_invalid", "author.verified.phone must be international, like +4930123456.")
        proofs.append(Proof("phone", number))
    return tuple(proofs)


def _count(value: object, field: str) -> int:
    if type(value) is int and 0 <= value <= COUNT_LIMIT:
        return value
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= 20 else value
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and not isfinite(value)):
        raise _Bad(f"{field}_invalid", f"{field} must be a whole number.")
    return min(max(int(value), 0), COUNT_LIMIT)


def _engagement(value: object) -> Engagement:
    if not value:
        return _NO_ENGAGEMENT
    if not isinstance(value, dict):
        raise _Bad("engagement_invalid", "engagement must be an object of counts.")
    counts = cast("dict[str, Any]", value)
    get = counts.get
    likes, shares, comments, views = get("likes"), get("shares"), get("comments"), get("views")
    if not (likes or shares or comments or views):
        return _NO_ENGAGEMENT
    return Engagement(
        _count(likes or 0, "engagement.likes"),
        _count(shares or 0, "engagement.shares"),
        _count(comments or 0, "engagement.comments"),
        _count(views or 0, "engagement.views"),
    )


def _rating(value: object) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _Bad("rating_invalid", "rating must be a number.")
    try:
        rating = float(value)
    except (ValueError, OverflowError):
        rating = float("inf")
    if not -1e6 <= rating <= 1e6:
        raise _Bad("rating_invalid", "rating must be a number.")
    return rating


def _country(value: object) -> str | None:
    country = _string(value, "country", 20)
    if country is None:
        return None
    if len(country) == 2 and country.isascii() and country.isalpha():
        return country.upper()
    raise _Bad("country_invalid", "country must be two letters (ISO 3166-1), like DE.")


def _list(value: object, field: str) -> list[object]:
    if value is None or value == "":
        return []
    if not isinstance(value, list | tuple):
        raise _Bad(f"{field}_invalid", f"{field} must be a list.")
    entries = cast("list[object]", value)
    if len(entries) > _LIST_LIMIT:
        raise _Bad(f"{field}_invalid", f"{field} has more than {_LIST_LIMIT} entries.")
    return entries


def _media(value: object) -> tuple[Media, ...]:
    if not value:
        return ()
    return tuple(media for entry in _list(value, "media") if (media := _medium(entry)) is not None)


def _medium(entry: object) -> Media | None:
    if not isinstance(entry, dict):
        raise _Bad("media_invalid", "Each entry of media must be an object with kind and url.")
    get = cast("dict[str, Any]", entry).get
    kind = get("kind")
    url = _url(get("url"), "media.url")
    if url is None:
        return None
    return Media(
        kind if isinstance(kind, str) and kind in _MEDIA_KINDS else "file",
        url,
        _string(get("alt"), "media.alt", 10_000),
        _string(get("name"), "media.name", _NAME_LIMIT),
        _string(get("content_type"), "media.content_type", 200),
    )


def _tags(value: object) -> tuple[str, ...]:
    if not value:
        return ()
    names = [_string(entry, "tags", _TAG_LIMIT) for entry in _list(value, "tags")]
    return tuple(dict.fromkeys(name for name in names if name))


@lru_cache(maxsize=1024)
def _handle_pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name.casefold())}(?!\w)")


def _names(text: str, account_name: str) -> bool:
    folded = text.casefold()
    return account_name.casefold() in folded and _handle_pattern(account_name).search(folded) is not None


# --- what only an import says ------------------------------------------------------------------------------------------


def _one_of(value: object, allowed: tuple[str, ...], code: str, default: Any) -> Any:
    if value is None or value == "":
        return default
    if value not in allowed:
        raise _Bad(code, f"“{str(value)[:40]}” is not one of {', '.join(allowed)}.")
    return value


def _origin(entry: dict[str, Any]) -> Mapping[str, Any]:
    channel = entry.get("channel")
    if not isinstance(channel, str) or not _CHANNEL.fullmatch(channel):
        raise _Bad("channel_invalid", "channel must be 1 to 40 of a-z, 0-9 and _.")
    origin: dict[str, Any] = {"channel": channel}
    for name in ("account", "account_id", "id"):
        if name in entry and (value := _string(entry[name], name, _NAME_LIMIT)) is not None:
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
        raise _Bad("language_invalid", "language must be a BCP 47 tag, like de or pt-BR.")
    return Verdicts(
        language=None if not language or language == "und" else language,
        sentiment=_one_of(sentiment, SENTIMENTS, "sentiment_unknown", None),
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
    words = _list(value, field)
    if not words:
        return ()
    try:
        return _checked(tuple(words), field, allowed)
    except TypeError as error:
        raise _Bad(f"{field}_invalid", f"{field} must be a list of lower-case names.") from error


@lru_cache(maxsize=4096)
def _checked(words: tuple[object, ...], field: str, allowed: tuple[str, ...] | None) -> tuple[str, ...]:
    for word in words:
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            raise _Bad(f"{field}_invalid", f"{field} must be a list of lower-case names.")
        if allowed is not None and word not in allowed:
            raise _Bad(f"{field}_unknown", f"“{word}” is not one of {', '.join(allowed)}.")
    return tuple(dict.fromkeys(cast("tuple[str, ...]", words)))


def _categories(value: object, judged: bool) -> tuple[str, ...] | None:
    if value is None or value == "" or (value == () and not judged):
        return None
    names = [_string(entry, "categories", _TAG_LIMIT) for entry in _list(value, "categories")]
    return tuple(dict.fromkeys(name for name in names if name))


def _truth(value: object, field: str, judged: bool) -> bool | None:
    if value is None or value == "" or (value is False and not judged):
        return None
    if not isinstance(value, bool):
        raise _Bad(f"{field}_invalid", f"{field} must be true or false.")
    return value
