"""Files in a conversation: those of its mentions as listening shows them, those of answers that are not out by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from cxm.listen.api import fetched, media_icon, media_tiles, web_address

__all__ = ["fetched", "icon", "media", "names", "web_address"]
_NAME = 80
icon, media = media_icon, media_tiles


def names(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Files of an answer that is not out: named, nothing to open yet."""
    return [
        {
            "as": "name",
            "icon": icon(str(entry.get("kind") or "file")),
            "label": str(entry.get("name") or entry.get("alt") or entry.get("url") or _("file"))[:_NAME],
            "size": filesizeformat(entry["size"]) if isinstance(entry.get("size"), int) else "",
        }
        for entry in entries
    ]
