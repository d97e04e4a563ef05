"""Files that only lie at a foreign address: fetched for the member when they are looked at, and kept for a while.

The foreign server sees this installation, never the member: not their address, cookies or browser. Every connection passes the guard
(``platform.egress``), each redirect too. What came is judged by its own bytes; it is kept under the mention, in its organization's
folder, and goes with the mention. It is a cache: no part of a backup, and fetched again where it is gone.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import structlog
from django.db import connection, transaction
from django.db.models import Sum

from cxm.kernel.clock import now
from cxm.kernel.errors import CxmError, NotNow
from cxm.kernel.ids import parse_id
from cxm.kernel.network import Unavailable
from cxm.listen.models import FetchedFile, Record
from cxm.listen.sniffing import recognised
from cxm.platform import egress
from cxm.platform.config import settings

T = TypeVar("T")
#: Bytes of one file, and seconds until it must be there.
LIMIT, SECONDS = 20_000_000, 20
#: How long a file is kept, and how long a failure is believed.
KEPT, FAILED = timedelta(days=30), timedelta(minutes=15)
#: A file that no row knows is left behind once it is so old.
SETTLED = timedelta(hours=1)
#: Fetched at once in one process; who finds no place within as many seconds comes again.
_SLOTS, _PATIENCE = threading.BoundedSemaphore(8), 10
#: One fetches, those who want the same wait for it.
_STRIPES = tuple(threading.Lock() for _ in range(256))
#: First key of the advisory locks of a mention's files; the second is derived from the organization.
_LOCK_SPACE = 40_961
_ASKED = {"accept": "image/*, video/*, audio/*, */*;q=0.5", "user-agent": "OpenCXM (fetches for a reader)"}
_log = structlog.get_logger(__name__)


class NotLoaded(CxmError):
    """A file of a mention lies elsewhere and could not be had from there. ``fault``: refused, missing, too_large or unreachable."""

    status = 424
    title = "Could not be loaded"

    def __init__(self, fault: str) -> None:
        texts = {
            "refused": "Its address does not lead to the public internet, or is no web address.",
            "missing": "It is not there any more.",
            "too_large": f"It is larger than {LIMIT // 1_000_000} MB.",
            "unreachable": "The server it lies on did not give it.",
        }
        super().__init__(f"media_{fault}", texts[fault], "Its address stands in the mention; opening it there leaves OpenCXM.")
        self.fault = fault


def web_address(url: object) -> str:
    """A link we may show: web addresses only."""
    text = str(url or "")
    return text if text.startswith(("https://", "http://")) else ""


def place(url: str) -> str:
    """What a file is known by beside its mention."""
    return hashlib.sha256(url.encode(errors="replace")).hexdigest()


def locked(function: str, organization: UUID) -> None:
    """Take the organization's lock of files, within the caller's transaction: shared to keep one, else to forget some."""
    with connection.cursor() as cursor:
        cursor.execute(f"select {function}(%s, %s)", [_LOCK_SPACE, int.from_bytes(organization.bytes[-4:], "big", signed=True)])


def fetched(organization: UUID, mentions: Sequence[UUID]) -> dict[UUID, dict[str, FetchedFile]]:
    """What is known of files of these mentions that lie elsewhere, by mention and :func:`place`: fetched, or failed not long ago."""
    found: dict[UUID, dict[str, FetchedFile]] = {}
    for row in FetchedFile.objects.for_organization(organization).filter(mention_id__in=mentions) if mentions else ():
        if _fresh(row):
            found.setdefault(row.mention_id, {})[row.place] = row
    return found


def opened(organization: UUID, mention: UUID, url: str) -> BinaryIO:
    """The file, from its beginning: the one we have, else fetched now. Raises NotLoaded; NotNow where too much is being fetched."""
    file = _known(organization, mention, url)
    if file is not None:
        return file
    _release()
    stripe = _STRIPES[hash((organization, mention, url)) % len(_STRIPES)]
    with _taken(stripe, SECONDS + _PATIENCE):
        file = _known(organization, mention, url)  # by whoever was first
        if file is not None:
            return file
        _release()
        try:
            with _taken(_SLOTS, _PATIENCE):
                content = download(url)
        except NotLoaded as error:
            _keep(organization, mention, url, None, error.fault)
            raise
        _keep(organization, mention, url, content, "")
        return io.BytesIO(content)


def download(url: str) -> bytes:
    """What lies at a foreign address, whole. Raises NotLoaded. Blocks; for threads without a running loop."""
    try:
        answer = _run(_asked(_encrypted(url)))
    except egress.Forbidden as error:
        raise NotLoaded("refused") from error
    except egress.TooLong as error:
        raise NotLoaded("too_large") from error
    except (Unavailable, TimeoutError) as error:
        raise NotLoaded("unreachable") from error
    if answer.status_code != 200:
        raise NotLoaded("missing" if answer.status_code in (404, 410) else "unreachable")
    return bytes(answer.content)


def forget(organization: UUID, mentions: Sequence[UUID]) -> None:
    """Deleted mentions need nothing any more. Within the caller's transaction, which holds the lock of files."""
    _drop(organization, list(FetchedFile.objects.for_organization(organization).filter(mention_id__in=mentions)))


def expire() -> int:
    """What was fetched long ago goes; how many files."""
    old = list(FetchedFile.everywhere.filter(at__lt=now() - KEPT)[:10_000])  # everywhere: a nightly watch over all
    for organization in {row.organization_id for row in old}:
        _drop(organization, [row for row in old if row.organization_id == organization])
    return len(old)


def sweep() -> int:
    """Files that no row knows go: what a process that died had written, whole or in part. A young one may be being written; how many."""
    gone = 0
    for folder in (settings().data / "fetched").glob("*"):
        if (organization := parse_id(folder.name)) is None:
            continue
        old = [path for path in folder.glob("*") if _written_before(path, now().timestamp() - SETTLED.total_seconds())]
        keys = {path: parse_id(path.name) for path in old}
        rows = FetchedFile.objects.for_organization(organization).filter(pk__in=[key for key in keys.values() if key])
        known = set(rows.values_list("pk", flat=True))
        for path in old:
            if keys[path] not in known:
                path.unlink(missing_ok=True)
                gone += 1
    return gone


def _written_before(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime < moment
    except FileNotFoundError:
        return False


# --- inside ------------------------------------------------------------------------------------------------------------------


def _fresh(row: FetchedFile) -> bool:
    return row.at > now() - (FAILED if row.fault else KEPT)


def _known(organization: UUID, mention: UUID, url: str) -> BinaryIO | None:
    row = FetchedFile.objects.for_organization(organization).filter(mention_id=mention, place=place(url)).first()
    if row is None or not _fresh(row):
        return None
    if row.fault:
        raise NotLoaded(row.fault)
    with suppress(FileNotFoundError):
        return _path(organization, row.pk).open("rb")
    return None


@contextmanager
def _taken(lock: Any, seconds: float) -> Iterator[None]:
    if not lock.acquire(timeout=seconds):
        raise NotNow("media_busy", "Many files are being fetched just now.", "Try again in a moment.")
    try:
        yield
    finally:
        lock.release()


def _release() -> None:
    """Give the connection to the database back before a wait: there are fewer of them than readers of slow pictures."""
    if not connection.in_atomic_block:
        connection.close()


def _encrypted(url: str) -> str:
    """``https`` for ``http``, which is never spoken to strangers; most servers know both."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url
    if parts.scheme != "http" or port not in (None, 80) or egress.is_allowed(host, port or 80):
        return url
    return urlunsplit(parts._replace(scheme="https", netloc=parts.netloc.removesuffix(":80")))


async def _asked(address: str) -> Any:
    # A client of its own: no cookie of an earlier answer goes along.
    http = egress.GuardedHttp(lines=2)
    try:
        async with asyncio.timeout(SECONDS):
            return await http.request("GET", address, headers=_ASKED, timeout=8, follow_redirects=True, limit=LIMIT)
    finally:
        await http.close()


def _run(work: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``, which would wait for a silent name server beyond our time."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def _path(organization: UUID, key: UUID) -> Path:
    return settings().data / "fetched" / str(organization) / str(key)


def _keep(organization: UUID, mention: UUID, url: str, content: bytes | None, fault: str) -> None:
    """Remember what came, or why nothing did; not for a mention that was deleted meanwhile. A disk that takes nothing is no reason to fail."""
    shown = recognised(io.BytesIO(content)) if content is not None else None
    values = {
        "kind": shown.kind if shown else "",
        "width": shown.width if shown else 0,
        "height": shown.height if shown else 0,
        "size": len(content or b""),
        "fault": fault,
        "at": now(),
    }
    with transaction.atomic():
        locked("pg_advisory_xact_lock_shared", organization)
        if not Record.objects.filter(pk=mention, organization_id=organization, deleted_at=None).exists():
            return
        key = {"mention_id": mention, "place": place(url)}
        known = FetchedFile.objects.for_organization(organization)
        if not known.filter(**key).update(**values):
            FetchedFile.objects.add_all([FetchedFile(organization_id=organization, **key, **values)], ignore_conflicts=True)
        row = known.get(**key)
        if content is not None:
            try:
                _write(_path(organization, row.pk), content)
            except OSError as error:
                _log.warning("fetched_not_kept", reason=error.strerror)
                row.delete()
    _make_room(organization)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _make_room(organization: UUID) -> None:
    """The oldest go where an organization's files are more than it may keep."""
    known = FetchedFile.objects.for_organization(organization)
    over = (known.aggregate(sum=Sum("size"))["sum"] or 0) - settings().media_cache
    leaving: list[FetchedFile] = []
    for row in known.filter(size__gt=0).order_by("at")[:1000] if over > 0 else ():
        if over <= 0:
            break
        leaving.append(row)
        over -= row.size
    _drop(organization, leaving)


def _drop(organization: UUID, rows: Sequence[FetchedFile]) -> None:
    for row in rows:
        _path(organization, row.pk).unlink(missing_ok=True)
    FetchedFile.objects.for_organization(organization).filter(pk__in=[row.pk for row in rows]).delete()
