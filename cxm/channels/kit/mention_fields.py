"""The fields of a mention as JSON, one by one: the value as it is kept, or :class:`Bad` with the reason why not."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from math import isfinite
from typing import Any, cast

from cxm.channels.contracts import TEXT_LIMIT, Author, Engagement, Media, Proof
from cxm.channels.kit.text import clean, storable
from cxm.kernel.clock import FIRST, LAST

#: An author nobody named is nobody else: the prefix of the identity made from the mention's own id.
ANONYMOUS = "anonymous:"
#: Counts beyond what JSON numbers carry exactly are kept at this.
COUNT_LIMIT = 2**53
ID_LIMIT = 1024
NAME_LIMIT, TAG_LIMIT = 500, 100
_URL_LIMIT, _LIST_LIMIT = 4096, 100
_ADDRESS = re.compile(r"[^@\s\x00-\x1f<>,;\"]{1,64}@[^@\s\x00-\x1f<>,;\"]{1,253}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_MEDIA_KINDS = frozenset(("image", "video", "audio", "file"))
_NO_ENGAGEMENT = Engagement()


class Bad(Exception):
    """One reason not to take a mention: ``code`` for programs, ``text`` for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


def as_native_id(value: object) -> str:
    """The id by which the platform knows something: a string, or a number that JSON carries exactly."""
    if isinstance(value, str):
        if 0 < len(value) <= ID_LIMIT and (value := storable(value)).strip():
            return value
        if value.strip():
            raise Bad("native_id_invalid", f"native_id is longer than {ID_LIMIT} characters.")
    elif isinstance(value, int) and not isinstance(value, bool):
        if abs(value) <= COUNT_LIMIT:
            return str(value)
        raise Bad("native_id_invalid", "native_id is a number too large to be exact in JSON; send it as a string.")
    elif value is not None:
        raise Bad("native_id_invalid", "native_id must be a string.")
    raise Bad("native_id_missing", "native_id is missing: the id by which the platform knows it.")


def as_texts(entry: dict[str, Any]) -> tuple[str, str | None]:
    """What is said, and the title above it; one of them at least, unless an empty text comes with a picture or a rating."""
    text, title = entry.get("text"), entry.get("title")
    if not (text is None or isinstance(text, str)) or not (title is None or isinstance(title, str)):
        raise Bad("text_invalid", "text and title must be strings.")
    if len(text or "") > TEXT_LIMIT or len(title or "") > TEXT_LIMIT:
        raise Bad("text_too_long", f"The text is longer than {TEXT_LIMIT:,} characters.")
    said = clean(text) if text else ""
    headed = clean(title) if title else None
    if not (said.strip() or (headed and headed.strip())) and not _says_otherwise(entry, text):
        raise Bad("text_missing", "There is neither text nor title.")
    return said, headed


def as_quoted(value: object) -> str:
    """What a text repeats of an earlier one, split off."""
    if not isinstance(value, str):
        raise Bad("quoted_invalid", "quoted must be a string.")
    if len(value) > TEXT_LIMIT:
        raise Bad("text_too_long", f"The text is longer than {TEXT_LIMIT:,} characters.")
    return clean(value)


def _says_otherwise(entry: dict[str, Any], text: str | None) -> bool:
    """Whether an expressly empty text comes with a picture or a rating: that is a whole mention too."""
    return text is not None and bool(entry.get("media") or entry.get("rating") is not None)


def as_instant(value: object, field: str) -> datetime:
    """A moment with its zone, in UTC."""
    if isinstance(value, str) and 10 < len(value) <= 40:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = _upper_instant(value)
        if moment is not None and moment.tzinfo is not None and FIRST <= moment < LAST:
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    raise Bad(f"{field}_invalid", f"{field} must be a date and time with its zone, like 2026-11-21T10:00:00Z.")


def _upper_instant(value: str) -> datetime | None:
    # RFC 3339 allows "t" and "z".
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        return None


def as_string(value: object, field: str, limit: int) -> str | None:
    """A line of text without what no column holds, None where nothing is left of it."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Bad(f"{field}_invalid", f"{field} must be a string.")
    if value.isascii() and len(value) <= limit and "\x00" not in value:
        return value.strip() or None
    if len(value) > limit:
        raise Bad(f"{field}_invalid", f"{field} is longer than {limit} characters.")
    return clean(value).strip() or None


def as_reference(value: object, field: str) -> str | None:
    """The native id of another mention, None where there is none."""
    if value is None or value == "":
        return None
    try:
        return as_native_id(value)
    except Bad as bad:
        raise Bad(f"{field}_invalid", f"{field} must be the native id of a mention, as a string.") from bad


def as_url(value: object, field: str) -> str | None:
    """Only addresses of the web: any other scheme could run something where it is clicked."""
    address = as_string(value, field, _URL_LIMIT)
    if address is None or address[:8].lower().startswith(("https://", "http://")):
        return address
    return None


def as_author(value: object, native_id: str) -> Author:
    """Who said it; ``native_id`` is the mention's own, for one whom nobody named."""
    if value is None:
        return Author(ANONYMOUS + native_id)
    if not isinstance(value, dict):
        raise Bad("author_invalid", "author must be an object.")
    get = cast("dict[str, Any]", value).get
    handle = as_string(get("handle"), "author.handle", NAME_LIMIT)
    own = get("native_id")
    followers = get("followers")
    verified = get("verified")
    return Author(
        native_id=(as_reference(own, "author.native_id") if own is not None else None) or handle or ANONYMOUS + native_id,
        handle=handle,
        name=as_string(get("name"), "author.name", NAME_LIMIT),
        url=None if get("url") is None else as_url(get("url"), "author.url"),
        followers=None if followers is None else as_count(followers, "author.followers"),
        proofs=() if verified is None else _proofs(verified),
    )


def _proofs(value: object) -> tuple[Proof, ...]:
    if not isinstance(value, dict):
        raise Bad("author.verified_invalid", "author.verified must be an object with email or phone.")
    get = cast("dict[str, Any]", value).get
    proofs: list[Proof] = []
    if address := as_string(get("email"), "author.verified.email", 320):
        if not _ADDRESS.fullmatch(address):
            raise Bad("author.verified_invalid", "author.verified.email is no address.")
        proofs.append(Proof("email", address.lower()))
    if phone := as_string(get("phone"), "author.verified.phone", 40):
        number = re.sub(r"[\s().-]", "", phone)
        if not _PHONE.fullmatch(number):
            raise Bad("author.verified_invalid", "author.verified.phone must be international, like +4930123456.")
        proofs.append(Proof("phone", number))
    return tuple(proofs)


def as_count(value: object, field: str) -> int:
    """How many, from 0 on."""
    if type(value) is int and 0 <= value <= COUNT_LIMIT:
        return value
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= 20 else value
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and not isfinite(value)):
        raise Bad(f"{field}_invalid", f"{field} must be a whole number.")
    return min(max(int(value), 0), COUNT_LIMIT)


def as_engagement(value: object) -> Engagement:
    """Likes, shares, comments and views."""
    if not value:
        return _NO_ENGAGEMENT
    if not isinstance(value, dict):
        raise Bad("engagement_invalid", "engagement must be an object of counts.")
    counts = cast("dict[str, Any]", value)
    get = counts.get
    likes, shares, comments, views = get("likes"), get("shares"), get("comments"), get("views")
    if not (likes or shares or comments or views):
        return _NO_ENGAGEMENT
    return Engagement(
        as_count(likes or 0, "engagement.likes"),
        as_count(shares or 0, "engagement.shares"),
        as_count(comments or 0, "engagement.comments"),
        as_count(views or 0, "engagement.views"),
    )


def as_rating(value: object) -> float | None:
    """A rating on whatever scale the platform has."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Bad("rating_invalid", "rating must be a number.")
    try:
        rating = float(value)
    except (ValueError, OverflowError):
        rating = float("inf")
    if not -1e6 <= rating <= 1e6:
        raise Bad("rating_invalid", "rating must be a number.")
    return rating


def as_country(value: object) -> str | None:
    """Two letters (ISO 3166-1), upper case."""
    country = as_string(value, "country", 20)
    if country is None:
        return None
    if len(country) == 2 and country.isascii() and country.isalpha():
        return country.upper()
    raise Bad("country_invalid", "country must be two letters (ISO 3166-1), like DE.")


def as_list(value: object, field: str) -> list[object]:
    """The entries of a list, at most a hundred; an empty value has none."""
    if value is None or value == "":
        return []
    if not isinstance(value, list | tuple):
        raise Bad(f"{field}_invalid", f"{field} must be a list.")
    entries = cast("list[object]", value)
    if len(entries) > _LIST_LIMIT:
        raise Bad(f"{field}_invalid", f"{field} has more than {_LIST_LIMIT} entries.")
    return entries


def as_media(value: object) -> tuple[Media, ...]:
    """Files that came with it; an entry whose address is none of the web is left out."""
    if not value:
        return ()
    return tuple(media for entry in as_list(value, "media") if (media := _medium(entry)) is not None)


def _medium(entry: object) -> Media | None:
    if not isinstance(entry, dict):
        raise Bad("media_invalid", "Each entry of media must be an object with kind and url.")
    get = cast("dict[str, Any]", entry).get
    kind = get("kind")
    url = as_url(get("url"), "media.url")
    if url is None:
        return None
    return Media(
        kind if isinstance(kind, str) and kind in _MEDIA_KINDS else "file",
        url,
        as_string(get("alt"), "media.alt", 10_000),
        as_string(get("name"), "media.name", NAME_LIMIT),
        as_string(get("content_type"), "media.content_type", 200),
    )


def as_tags(value: object) -> tuple[str, ...]:
    """Tags, each once."""
    if not value:
        return ()
    names = [as_string(entry, "tags", TAG_LIMIT) for entry in as_list(value, "tags")]
    return tuple(dict.fromkeys(name for name in names if name))


def as_one_of(value: object, allowed: tuple[str, ...], code: str, default: Any) -> Any:
    """One of the allowed words, or ``default`` where nothing is said."""
    if value is None or value == "":
        return default
    if value not in allowed:
        raise Bad(code, f"“{str(value)[:40]}” is not one of {', '.join(allowed)}.")
    return value
