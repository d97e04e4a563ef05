"""Which file came with a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cxm.channels.kit.fields import entries, string, table, whole
from cxm.channels.kit.text import one_line

_KINDS = {
    "animation": "video",
    "audio": "audio",
    "video": "video",
    "video_note": "video",
    "voice": "audio",
    "sticker": "image",
    "document": "file",
}


@dataclass(frozen=True, slots=True)
class FileTold:
    """A file as a message tells of it: its ``id`` to ask for it, ``size`` in bytes where told."""

    kind: str
    id: str
    size: int
    name: str | None
    content_type: str | None


def file_of(message: dict[str, Any]) -> FileTold | None:
    """The one file of a message; of a photo its largest size. None where there is none."""
    sizes = [table(one) for one in entries(message.get("photo"))]
    if sizes:
        return _told("image", max(sizes, key=lambda one: whole(one.get("width")) or 0), "image/jpeg")
    # An animation comes also as a document, for programs that know no animations: it stands first in the table.
    return next((_told(kind, table(message[key])) for key, kind in _KINDS.items() if table(message.get(key))), None)


def _told(kind: str, told: dict[str, Any], content_type: str = "") -> FileTold:
    mime = one_line(string(told.get("mime_type"), 200), 100) or content_type
    if kind == "file" and mime.startswith(("image/", "video/", "audio/")):
        kind = mime.partition("/")[0]
    name = one_line(string(told.get("file_name"), 1000), 200)
    return FileTold(kind, string(told.get("file_id"), 500), whole(told.get("file_size")) or 0, name or None, mime or None)
