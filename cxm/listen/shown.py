"""Files of mentions as pages show them: in place from our own route where their bytes allow it, else to be downloaded, else a link.

Nothing is ever loaded from a foreign address. A picture, film or sound that only lies at one is asked of our own route too, which
fetches it (:mod:`cxm.listen.remote`); what else a platform links to is a link that leads there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from cxm.kernel.ids import parse_id
from cxm.listen import media, remote
from cxm.listen.models import FetchedFile

_ICONS = {"image": "image", "video": "video", "audio": "music", "file": "file"}
#: A picture's place, so that nothing jumps when it comes; and that of one whose measures nobody knows yet.
_WIDE, _HIGH = 420, 240
_UNKNOWN = (320, 240)
_NAME = 80
#: Addresses of films that are lists of pieces: a browser cannot play them by themselves.
_LISTS = (".m3u8", ".mpd")

Known = Mapping[str, FetchedFile]


def fetched(organization: UUID, mentions: Iterable[Mapping[str, Any]]) -> dict[str, Known]:
    """What is known of files of ``mentions`` that lie elsewhere, by the mention's id; one question, none where there are no such files."""
    asked = [
        key
        for one in mentions
        if any(isinstance(entry, Mapping) and entry.get("url") and not entry.get("blob") for entry in one.get("media") or ())
        and (key := parse_id(str(one.get("id"))))
    ]
    return {str(key): found for key, found in remote.fetched(organization, asked).items()}


def tiles(organization: UUID, mention: str, entries: Sequence[Any], known: Known | None = None) -> list[dict[str, Any]]:
    """Everything of a mention. ``as``: image, video, audio (in place), file (a download), link (elsewhere), lost (elsewhere, and could
    not be had), name (lost for good). ``known``: what :func:`fetched` says of it."""
    return [_tile(organization, mention, index, entry, known or {}) for index, entry in enumerate(entries) if isinstance(entry, Mapping)]


def icon(kind: str) -> str:
    """The sign of a kind of file."""
    return _ICONS.get(kind, "file")


def _tile(organization: UUID, mention: str, index: int, entry: Mapping[str, Any], known: Known) -> dict[str, Any]:
    kind = str(entry.get("kind") or "file")
    found: dict[str, Any] = {
        "as": "name",
        "icon": icon(kind),
        "label": str(entry.get("name") or entry.get("alt") or _words(kind))[:_NAME],
        "alt": str(entry.get("alt") or entry.get("name") or _words(kind))[:300],
        "size": filesizeformat(entry["size"]) if isinstance(entry.get("size"), int) else "",
    }
    address = remote.web_address(entry.get("url"))
    if entry.get("blob"):
        found |= {"as": "file", "url": f"/media/{mention}/{index}"}
        shown = media.shown(organization, str(entry["blob"]))
        if shown is not None:
            width, height = _fitted(shown.width, shown.height)
            found |= {"as": shown.kind, "icon": _ICONS[shown.kind], "width": width, "height": height}
        return found
    if address:
        return found | _elsewhere(kind, address, f"/media/{mention}/{index}", known.get(remote.place(address)))
    return found | {"why": _("It was too large to be kept.") if found["size"] else _("Only its name is known.")}


def _elsewhere(kind: str, address: str, ours: str, known: FetchedFile | None) -> dict[str, Any]:
    try:
        parts = urlsplit(address)
        host, path = parts.hostname or "", parts.path.lower()
    except ValueError:
        host, path = "", ""
    leads = {"elsewhere": address, "why": _("It lies at {host}; opening it leaves OpenCXM.").format(host=host or address[:60])}
    if kind not in ("image", "video", "audio") or path.endswith(_LISTS):
        return leads | {"as": "link"}
    if known is not None and (known.fault or known.kind not in ("image", "video", "audio")):
        return leads | {"as": "lost", "fault": _faults().get(known.fault) or _("It is nothing that can be shown here.")}
    leads |= {"as": known.kind if known else kind, "url": ours, "remote": True, "fault": _("It could not be loaded.")}
    width, height = _fitted(known.width, known.height) if known and known.width else _UNKNOWN
    return leads | {"width": width, "height": height, "measured": bool(known and known.width)}


def _faults() -> dict[str, str]:
    return {
        "refused": _("Its address does not lead to the public internet."),
        "missing": _("It is not there any more."),
        "too_large": _("It is too large to be fetched."),
        "unreachable": _("The server it lies on did not give it."),
    }


def _words(kind: str) -> str:
    return {"image": _("picture"), "video": _("film"), "audio": _("sound")}.get(kind) or _("file")


def _fitted(width: int, height: int) -> tuple[int, int]:
    """The picture's measures within its place, its shape kept."""
    if not width or not height:
        return 0, 0
    scale = min(1.0, _WIDE / width, _HIGH / height)
    return max(round(width * scale), 1), max(round(height * scale), 1)
