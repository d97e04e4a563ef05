"""Files that came with a mention: kept beside the database, given out only to who may read the mention, and never run.

Everything is given as an attachment. A picture, a film or a sound may be shown in place where its bytes (not its name, not what the
sender claims) are those of a known format, a picture's of sane size; SVG is no such format, it can hold scripts.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO
from uuid import UUID

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from cxm.channels.contracts import Media
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import NotFound
from cxm.listen import selectors
from cxm.listen.models import KeptFile
from cxm.platform import blobs

#: First key of this part's advisory locks; the second is derived from the organization.
_LOCK_SPACE = 40_961
#: Pixels of a picture shown in place; more is a bomb for whoever looks at it.
PIXEL_LIMIT = 50_000_000
#: Bytes from the beginning of a file in which a picture must have said how large it is.
_HEAD = 262_144
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\\/:*?\"<>|]+")
_RANGE = re.compile(r"bytes=([0-9]{0,12})-([0-9]{0,12})")
_SIZES_OF_JPEG = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


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
        _lock("pg_advisory_xact_lock_shared", organization)
        shown["blob"] = blobs.keep(organization, entry.content)
        use = KeptFile(organization_id=organization, mention_id=mention, digest=shown["blob"])
        KeptFile.objects.add_all([use], ignore_conflicts=True)
    return shown


def forget(organization: UUID, mentions: Sequence[UUID]) -> None:
    """Deleted mentions need their files no more; those that no other mention of the organization needs are removed from the disk."""
    with transaction.atomic():
        # Whoever keeps the same file in this moment waits, and then finds it gone and writes it anew.
        _lock("pg_advisory_xact_lock", organization)
        known = KeptFile.objects.for_organization(organization)
        digests = set(known.filter(mention_id__in=mentions).values_list("digest", flat=True))
        known.filter(mention_id__in=mentions).delete()
        for digest in digests - set(known.filter(digest__in=digests).values_list("digest", flat=True)):
            blobs.drop(organization, digest)


def _lock(function: str, organization: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"select {function}(%s, %s)", [_LOCK_SPACE, int.from_bytes(organization.bytes[-4:], "big", signed=True)])


@require_safe
@govern.page("mentions:read")
def media_file(request: HttpRequest, mention: UUID, index: int) -> HttpResponse:
    """One file of a mention; ``?inline`` asks for a picture, film or sound to be shown in place, ``Range`` for a part of it."""
    return response(govern.actor_of(request), mention, index, inline="inline" in request.GET, part=request.headers.get("Range", ""))


def response(actor: Actor, mention: UUID, index: int, *, inline: bool = False, part: str = "") -> HttpResponse:
    """The file as an answer. The right to the mention is looked at each time; NotFound also for a file we only know the address of.

    ``part``: a ``Range`` header; a part that can be given is answered 206, one that lies outside 416, what is not understood whole.
    """
    media = selectors.mention(actor, mention).get("media") or []
    entry = media[index] if 0 <= index < len(media) else {}
    if not entry.get("blob"):
        raise NotFound("file")
    with blobs.opened(actor.organization, str(entry["blob"])) as file:
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
    name = _CONTROLS.sub("_", str(entry.get("name") or "")).strip("._ ")[-150:]
    return name or f"file-{index + 1}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be shown in place: ``kind`` is image, video or audio; pixels of pictures alone."""

    kind: str
    content_type: str
    width: int = 0
    height: int = 0


@lru_cache(maxsize=4096)
def shown(organization: UUID, digest: str) -> Shown | None:
    """How a kept file may be shown in place; None where it is only for downloading, or gone. What is kept never changes."""
    try:
        with blobs.opened(organization, digest) as file:
            return recognised(file)
    except NotFound:
        return None


def recognised(file: BinaryIO) -> Shown | None:
    """What a file is by its own bytes, where it is something that can be shown; the file stands at its beginning again."""
    kind = picture(file)
    if kind:
        _, size = _measured(file.read(_HEAD))
        file.seek(0)
        return Shown("image", kind, *(size or (0, 0)))
    head = file.read(512)
    file.seek(0)
    return _played(head)


def _played(head: bytes) -> Shown | None:
    """Films and sounds that browsers play, by their containers' own marks."""
    if head[4:8] == b"ftyp" and head[8:12] in (b"M4A ", b"M4B "):
        return Shown("audio", "audio/mp4")
    if head[4:8] == b"ftyp" and head[8:12] in (b"isom", b"iso2", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"3gp4", b"3gp5"):
        return Shown("video", "video/mp4")
    if head[:4] == b"\x1a\x45\xdf\xa3" and b"webm" in head[:64]:
        return Shown("video", "video/webm")
    if head[:4] == b"OggS" and (b"OpusHead" in head[:64] or b"\x01vorbis" in head[:64]):
        return Shown("audio", "audio/ogg")
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return Shown("audio", "audio/wav")
    if head[:4] == b"fLaC":
        return Shown("audio", "audio/flac")
    if head[:3] == b"ID3" or (len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return Shown("audio", "audio/mpeg")
    return None


def picture(file: BinaryIO) -> str | None:
    """The type of a picture by its own bytes, where it is one that can be shown; the file stands at its beginning again."""
    head = file.read(_HEAD)
    file.seek(0)
    kind, size = _measured(head)
    return kind if kind and size and 0 < size[0] * size[1] <= PIXEL_LIMIT else None


def _measured(head: bytes) -> tuple[str | None, tuple[int, int] | None]:
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR" and len(head) >= 24:
        return "image/png", struct.unpack(">II", head[16:24])
    if head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:
        return "image/gif", struct.unpack("<HH", head[6:10])
    if head[:3] == b"\xff\xd8\xff":
        return "image/jpeg", _jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp", _webp(head)
    return None, None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    """Width and height from the frame header (ITU T.81, B.2.2)."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker in _SIZES_OF_JPEG:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 1 if marker == 0xFF else 2 + struct.unpack(">H", head[at + 2 : at + 4])[0]
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    """Width and height of the three forms (Google's WebP container specification)."""
    if len(head) < 30:
        return None
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[12:16] == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None
