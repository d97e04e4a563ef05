"""Files that members attach: kept until they were sent and a while longer, given to connectors, never given out again as such.

They lie in a folder of their own beside the files that were heard, so that neither's end is the other's. What was sent becomes a
mention of ours, and ``listen`` keeps its own copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction

from cxm.channels.kit.text import one_line
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import FieldError, Invalid, NotAllowed, NotFound, TooLarge
from cxm.outbound.contracts import UploadView
from cxm.outbound.models import Intent, Upload
from cxm.platform import blobs

#: Bytes of one file; a channel may take less.
LIMIT = 25_000_000
#: Files of one member that wait to be sent.
WAITING = 200
#: How long one is kept; an answer that is held keeps its own longer.
KEPT = timedelta(days=30)
#: Programs: mail servers and platforms refuse the whole message for one of these.
REFUSED = frozenset(
    {
        "ade", "adp", "apk", "app", "appx", "bat", "cab", "chm", "cmd", "com", "cpl", "dll", "dmg", "exe", "hta", "img", "ins", "iso", "isp", "jar", "js",
        "jse", "lib", "lnk", "mde", "msc", "msi", "msp", "mst", "nsh", "pif", "ps1", "scr", "sct", "shb", "sys", "vb", "vbe", "vbs", "vhd", "vxd", "wsc",
        "wsf", "wsh",
    }
)  # fmt: skip
_NAMESPACE = UUID("b3f9b1de-7d7b-5b7e-9f0e-3c0c7a2f6f11")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")
_NOT_IN_NAMES = re.compile(r"[\\/:*?\"<>|]+")


def keep(actor: Actor, name: str, content: bytes, content_type: str = "") -> UploadView:
    """Keep a file for an answer of this member. Raises Invalid (empty, a program, too many), TooLarge, NotAllowed, NotNow."""
    if actor.member is None or not actor.may("conversations:reply"):
        raise NotAllowed("not_allowed", "You may not answer, so you cannot attach files.", "Ask a manager for the right to answer.")
    safe = file_name(name)
    if safe.rpartition(".")[2].casefold() in REFUSED:
        raise _refused(
            "file_refused", f"{safe} is a program; mail servers and platforms refuse those.", "Send a link to it, or another kind of file."
        )
    if not content:
        raise _refused("file_empty", f"{safe} is empty.", "Choose another file.")
    if len(content) > LIMIT:
        raise TooLarge("file_too_large", f"{safe} is larger than {LIMIT // 1_000_000} MB.", "Send a smaller one, or a link to it.")
    kind = content_type.lower().partition(";")[0].strip()
    kind = kind if _TYPE.fullmatch(kind) and not kind.startswith(("message/", "multipart/")) else "application/octet-stream"
    waiting = Upload.objects.for_organization(actor.organization).filter(created_by=actor.member, sent=False)
    if waiting.count() >= WAITING:
        raise _refused("files_waiting", f"{WAITING} files of yours wait to be sent.", "Send or remove some of them first.")
    row = Upload.objects.add(
        actor.organization, name=safe, content_type=kind, kind=_kind(kind), size=len(content), created_by=actor.member, at=now(),
        digest=blobs.keep(_folder(actor.organization), content),
    )  # fmt: skip
    return view(row)


def of(actor: Actor, ids: Sequence[UUID]) -> list[UploadView]:
    """Those of ``ids`` that are this member's own and still there, in the order given."""
    found = {row.id: view(row) for row in Upload.objects.for_organization(actor.organization).filter(id__in=ids, created_by=actor.member)}
    return [found[key] for key in ids if key in found]


def drop(actor: Actor, upload: UUID) -> None:
    """Forget a file that is not sent after all; one that an answer carries stays until that is over."""
    _forget(Upload.objects.for_organization(actor.organization).filter(id=upload, created_by=actor.member, sent=False))


def carried(actor: Actor, upload: UUID) -> dict[str, Any]:
    """The entry of an intent's media for one upload; raises NotFound where it is not this member's own."""
    row = Upload.objects.for_organization(actor.organization).filter(id=upload, created_by=actor.member).first()
    if row is None:
        raise NotFound("upload")
    return {
        "upload": str(row.id),
        "kind": row.kind,
        "name": row.name,
        "content_type": row.content_type,
        "size": row.size,
        "digest": row.digest,
    }


def taken(organization: UUID, media: Iterable[Mapping[str, Any]], *, sent: bool = True) -> None:
    """An intent carries them now, or (``sent`` False) was taken back and does no more. Within its transaction."""
    ids = [UUID(entry["upload"]) for entry in media if entry.get("upload")]
    if ids:
        Upload.objects.for_organization(organization).filter(id__in=ids).update(sent=sent)


def content(organization: UUID, entry: Mapping[str, Any]) -> bytes:
    """The bytes of an intent's file; raises NotFound where they are gone."""
    with blobs.opened(_folder(organization), str(entry.get("digest") or "")) as file:
        return file.read()


def purge() -> int:
    """Forget what is old and no answer under way needs; how many."""
    old = Upload.everywhere.filter(at__lt=now() - KEPT)  # everywhere: the system's own clearing
    open_states = ("waiting", "queued", "claimed", "held", "unknown")
    needed = {
        entry.get("upload")
        for media in Intent.everywhere.filter(state__in=open_states)
        .exclude(media=[])
        .values_list("media", flat=True)  # everywhere: as above
        for entry in media
    }
    return _forget(old.exclude(id__in=[key for key in needed if key]))


def _forget(rows: Any) -> int:
    with transaction.atomic():
        gone = list(rows.select_for_update())
        for row in gone:
            row.delete()
        for organization, digest in {(row.organization_id, row.digest) for row in gone}:
            if not Upload.objects.for_organization(organization).filter(digest=digest).exists():
                transaction.on_commit(lambda organization=organization, digest=digest: _drop_unless_kept_again(organization, digest))
    return len(gone)


def _drop_unless_kept_again(organization: UUID, digest: str) -> None:
    if not Upload.objects.for_organization(organization).filter(digest=digest).exists():
        blobs.drop(_folder(organization), digest)


def view(row: Upload) -> UploadView:
    """The file as others see it."""
    return UploadView(row.id, row.name, row.kind, row.content_type, row.size)


def file_name(name: str) -> str:
    """A name that is only a name: one line, no path, not hidden, its ending kept."""
    whole = _NOT_IN_NAMES.sub("_", one_line(name, 4000).replace("\\", "/").rpartition("/")[2]).strip("._ ")
    stem, dot, ending = whole.rpartition(".")
    if len(whole) > 150:
        whole = f"{stem[: 149 - len(ending)]}.{ending}" if dot and len(ending) <= 20 else whole[:150]
    return whole or "file"


def _folder(organization: UUID) -> UUID:
    return uuid5(_NAMESPACE, organization.hex)


def _kind(content_type: str) -> str:
    main = content_type.partition("/")[0]
    return main if main in ("image", "video", "audio") else "file"


def _refused(code: str, text: str, hint: str) -> Invalid:
    return Invalid(code, text, hint, errors=(FieldError("file", text),))
