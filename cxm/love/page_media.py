"""Files in a conversation, as the thread shows them: in place from our own route where their bytes allow it, else to be downloaded.

Nothing is ever loaded from a foreign address: what a platform only links to is a link that leads there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from cxm.listen import api as listen

_ICONS = {"image": "image", "video": "video", "audio": "music", "file": "file"}
#: A picture's place in the thread, so that nothing jumps when it comes.
_WIDE, _HIGH = 420, 240
_NAME = 80


def media(organization: UUID, mention: str, entries: Sequence[Any]) -> list[dict[str, Any]]:
    """Everything that came with a mention. ``as``: image, video, audio (in place), file (a download), link (elsewhere) or name (lost)."""
    return [_medium(organization, mention, index, entry) for index, entry in enumerate(entries) if isinstance(entry, Mapping)]


def icon(kind: str) -> str:
    """The sign of a kind of file."""
    return _ICONS.get(kind, "file")


def names(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Files of an answer that is not out: named, nothing to open yet."""
    return [
        {
            "as": "name",
            "icon": icon(str(entry.get("kind") or "file")),
            "label": str(entry.get("name") or entry.get("alt") or entry.get("url") or _words(str(entry.get("kind"))))[:_NAME],
            "size": filesizeformat(entry["size"]) if isinstance(entry.get("size"), int) else "",
        }
        for entry in entries
    ]


def _medium(organization: UUID, mention: str, index: int, entry: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(entry.get("kind") or "file")
    found: dict[str, Any] = {
        "as": "name",
        "icon": icon(kind),
        "label": str(entry.get("name") or entry.get("alt") or _words(kind))[:_NAME],
        "alt": str(entry.get("alt") or entry.get("name") or _words(kind))[:300],
        "size": filesizeformat(entry["size"]) if isinstance(entry.get("size"), int) else "",
    }
    if entry.get("blob"):
        found |= {"as": "file", "url": f"/media/{mention}/{index}"}
        shown = listen.shown(organization, str(entry["blob"]))
        if shown is not None:
            width, height = _fitted(shown.width, shown.height)
            found |= {"as": shown.kind, "icon": _ICONS[shown.kind], "type": shown.content_type, "width": width, "height": height}
        return found
    if address := web_address(entry.get("url")):
        host = urlsplit(address).hostname or ""
        return found | {"as": "link", "url": address, "why": _("It lies at {host}; opening it leaves OpenCXM.").format(host=host)}
    return found | {"why": _("It was too large to be kept.") if found["size"] else _("Only its name is known.")}


def _words(kind: str) -> str:
    return {"image": _("picture"), "video": _("film"), "audio": _("sound")}.get(kind) or _("file")


def _fitted(width: int, height: int) -> tuple[int, int]:
    """The picture's measures within its place, its shape kept."""
    if not width or not height:
        return 0, 0
    scale = min(1.0, _WIDE / width, _HIGH / height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def web_address(url: object) -> str:
    """A link we may show: web addresses only."""
    text = str(url or "")
    return text if text.startswith(("https://", "http://")) else ""
