"""Files of a mention: kept beside the database, or fetched from where they lie (:mod:`cxm.listen.remote`); never run.

They are given out only to who may read the mention.

Everything is given as an attachment. A picture, a film or a sound may be shown in place where its bytes (not its name, not what the
sender claims) are those of a known format, a picture's of sane size; SVG is no such format, it can hold scripts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from cxm.channels.contracts import Media
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import NotFound
from cxm.listen import remote, selectors
from cxm.listen.models import KeptFile
from cxm.listen.remote import locked
from cxm.listen.sniffing import Shown, recognised
from cxm.platform import blobs

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\\/:*?\"<>|]+")
_RANGE = re.compile(r"bytes=([0-9]{0,12})-([0-9]{0,12})")


def document(organization: UUID, mention: UUID, entry: Media) -> dict[str, Any]:
    """An entry of a mention's ``media``. Bytes that came along are kept; the entry then has ``content_type``, ``size`` and ``blob``.

    A file over the limit is named with its size and without ``blob``. Raises NotNow where the disk takes nothing. Within the caller's
    transaction.
    """
    shown: dict[str, Any] = {"kind": entry.kind, "url": entry.url, "alt": entry.alt, "name": entry.name}
    if entry.content is None:
        return shown
    shown |= {"content_type": entry.content_type or "application/octet-stream", "size": len(entry.content)}
    if len(entry.content) <= blobs.LIMIT:
        locked("pg_advisory_xact_lock_shared", organization)
        shown["blob"] = blobs.keep(organization, entry.content)
        use = KeptFile(organization_id=organization, mention_id=mention, digest=shown["blob"])
        KeptFile.objects.add_all([use], ignore_conflicts=True)
    return shown


def forget(organization: UUID, mentions: Sequence[UUID]) -> None:
    """Deleted mentions need their files no more; those that no other mention of the organization needs are removed from the disk."""
    with transaction.atomic():
        # Whoever keeps the same file in this moment waits, and then finds it gone and writes it anew.
        locked("pg_advisory_xact_lock", organization)
        known = KeptFile.objects.for_organization(organization)
        digests = set(known.filter(mention_id__in=mentions).values_list("digest", flat=True))
        known.filter(mention_id__in=mentions).delete()
        for digest in digests - set(known.filter(digest__in=digests).values_list("digest", flat=True)):
            blobs.drop(organization, digest)
        remote.forget(organization, mentions)


@require_safe
@govern.page("mentions:read")
def media_file(request: HttpRequest, mention: UUID, index: int) -> HttpResponse:
    """One file of a mention; ``?inline`` asks for a picture, film or sound to be shown in place, ``Range`` for a part of it."""
    return response(govern.actor_of(request), mention, index, inline="inline" in request.GET, part=request.headers.get("Range", ""))


def response(actor: Actor, mention: UUID, index: int, *, inline: bool = False, part: str = "") -> HttpResponse:
    """The file as an answer. The right to the mention is looked at each time.

    What only lies at a foreign address is fetched through the guard and kept for a while; raises NotLoaded where that cannot be done.
    ``part``: a ``Range`` header; a part that can be given is answered 206, one that lies outside 416, what is not understood whole.
    """
    media = selectors.mention(actor, mention).get("media") or []
    entry = media[index] if 0 <= index < len(media) else {}
    with _opened(actor.organization, mention, entry) as file:
        found = recognised(file) if inline else None
        kind = found.content_type if found else None
        answer = _answer(file, kind or "application/octet-stream", part)
    disposition = content_disposition_header(kind is None, _name(entry, index))
    answer.headers["Content-Disposition"] = disposition or "attachment"
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    # Whoever loses the right loses the file: no copy stays behind in the browser.
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _opened(organization: UUID, mention: UUID, entry: Mapping[str, Any]) -> BinaryIO:
    if entry.get("blob"):
        return blobs.opened(organization, str(entry["blob"]))
    if address := remote.web_address(entry.get("url")):
        return remote.opened(organization, mention, address)
    raise NotFound("file")


def _answer(file: BinaryIO, content_type: str, part: str) -> HttpResponse:
    """The file, or the one part asked for (RFC 9110, 14): players jump within films and sounds by it."""
    size = file.seek(0, 2)
    asked = _RANGE.fullmatch(part.strip())
    if not asked or not (asked[1] or asked[2]):
        file.seek(0)
        answer = HttpResponse(file.read(), content_type=content_type)
    else:
        first = int(asked[1]) if asked[1] else max(size - int(asked[2]), 0)
        last = min(int(asked[2]), size - 1) if asked[1] and asked[2] else size - 1
        if first > last:
            answer = HttpResponse(status=416)
            answer.headers["Content-Range"] = f"bytes */{size}"
            return answer
        file.seek(first)
        answer = HttpResponse(file.read(last - first + 1), status=206, content_type=content_type)
        answer.headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    answer.headers["Accept-Ranges"] = "bytes"
    return answer


def _name(entry: dict[str, Any], index: int) -> str:
    """A file name that is only a name: no path, no controls, no turning of the reading direction, not hidden."""
    said = entry.get("name") or ("" if entry.get("blob") else urlsplit(str(entry.get("url") or "")).path.rpartition("/")[2])
    name = _CONTROLS.sub("_", str(said or "")).strip("._ ")[-150:]
    return name or f"file-{index + 1}"


@lru_cache(maxsize=4096)
def shown(organization: UUID, digest: str) -> Shown | None:
    """How a kept file may be shown in place; None where it is only for downloading, or gone. What is kept never changes."""
    try:
        with blobs.opened(organization, digest) as file:
            return recognised(file)
    except NotFound:
        return None
