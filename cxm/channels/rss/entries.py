"""The one shape that every kind of feed is read into."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from cxm.channels.kit.text import one_line, storable

#: Entries of one document that are looked at.
ENTRY_LIMIT = 2_000
#: Characters of a title or name, and of an id.
LINE, ID_LENGTH = 500, 700
_URL = 4_000


class NotAFeed(ValueError):
    """The bytes are no feed; ``code`` for programs, the message for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that an entry names."""

    url: str
    kind: str  # image, video, audio, file
    content_type: str | None = None
    alt: str | None = None


@dataclass(slots=True)
class Entry:
    """One entry as its writer wrote it; texts are plain, addresses absolute. ``place``: from where to where it stands in the document."""

    place: tuple[int, int] = (0, 0)
    raw: Any = None
    own_id: str = ""
    deleted: bool = False
    title: str = ""
    text: str = ""
    link: str = ""
    published: str = ""
    updated: str = ""
    author: str = ""
    author_mark: str = ""
    author_url: str = ""
    tags: tuple[str, ...] = ()
    media: tuple[Enclosure, ...] = ()
    reply_to: str = ""
    comments_url: str = ""
    comments: int = 0

    @property
    def digest(self) -> str:
        """What changes when a reader would see a change."""
        # What follows the question mark in a file's address is often another with each look.
        files = [medium.url.partition("?")[0] for medium in self.media]
        told = "\x1f".join([self.title, self.text, "deleted" if self.deleted else "", *files])
        return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(slots=True)
class Feed:
    """One document. ``data``: the bytes that places refer to (none for JSON). ``hub``, ``topic``: who tells of news, and what it
    knows the feed by. ``pause``: minutes it asks to be left alone."""

    title: str = ""
    link: str = ""
    author: tuple[str, str, str] = ("", "", "")
    hub: str = ""
    topic: str = ""
    pause: int = 0
    broken: bool = False
    data: bytes = b""
    json: dict[str, Any] | None = None
    entries: list[Entry] = field(default_factory=list[Entry])


def joined(base: str, address: str) -> str:
    """``address`` as seen from ``base``."""
    try:
        return urljoin(base, address.strip()) if address.strip() else base
    except ValueError:
        return base


def web(base: str, address: str) -> str:
    """An absolute address of the web, or nothing: any other scheme could run something where it is clicked."""
    if not address.strip():
        return ""
    try:
        whole = urljoin(base, one_line(address, _URL))
        parts = urlsplit(whole)
        return storable(whole) if parts.scheme.lower() in ("http", "https") and parts.hostname and len(whole) <= _URL else ""
    except ValueError:
        return ""


def number(said: str) -> int:
    """A count, 0 where it is none."""
    return int(said) if said.isascii() and said.isdigit() and len(said) <= 9 else 0


def kind_of(content_type: str, medium: str, url: str) -> str:
    """image, audio, video or file, by what is said of it and by its ending."""
    for word in (content_type.partition("/")[0], medium.lower()):
        if word in ("image", "audio", "video"):
            return word
    ending = urlsplit(url).path.rpartition(".")[2].lower()
    endings = {
        "mp3": "audio",
        "m4a": "audio",
        "ogg": "audio",
        "mp4": "video",
        "webm": "video",
        "jpg": "image",
        "jpeg": "image",
        "png": "image",
        "gif": "image",
    }
    return endings.get(ending, "file")
