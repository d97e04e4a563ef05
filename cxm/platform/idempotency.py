"""Idempotency-Key: the same request twice has one effect and one answer, for 24 hours.

While a request runs it holds a PostgreSQL advisory lock on its key, so that a second one knows that the first still runs, in
whichever process, and a crash lets go of it. The effect and the remembered answer are committed in one transaction: a crash leaves
both or neither. An operation that must commit by itself (``own_transaction``) is the exception; it has to bear being repeated.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from cxm.kernel.clock import now
from cxm.kernel.errors import CxmError, FieldError, Invalid
from cxm.platform.models import IdempotencyKey

KEPT = timedelta(hours=24)
HEADER = "Idempotency-Key"
#: Members of an answer that are given once and never kept.
SECRETS = ("secret", "token", "link")
_LOCK_SPACE = 0x1DE0
View = TypeVar("View", bound=Callable[..., Any])


class StillRunning(CxmError):
    """The first request under this key has not ended."""

    status = 409
    title = "Still running"
    retry_after = 1


def own_transaction(view: View) -> View:
    """Mark an operation that commits by itself; it is not wrapped in a transaction, so it must bear being repeated after a crash."""
    view.own_transaction = True  # type: ignore[attr-defined]
    return view


def once(request: HttpRequest, organization: UUID, caller: str, run: Callable[[], HttpResponse], *, wrap: bool = True) -> HttpResponse:
    """Answer ``request`` by ``run``, or by what it answered before under the same key.

    Raises Invalid (``idempotency_key_reused``) for another body under the key, :class:`StillRunning` while the first runs. Only
    answers of success are remembered: after a refusal nothing was done, and the corrected request may use the key.
    """
    key = request.headers.get(HEADER, "")
    if not key:
        return run()
    if len(key) > 255 or not key.isascii() or not key.isprintable():
        raise Invalid(
            "idempotency_key_invalid",
            f"{HEADER} has 1 to 255 printable ASCII characters.",
            errors=(FieldError(HEADER, "1 to 255 printable ASCII characters"),),
        )
    mark = hashlib.sha256(b"\x1f".join([(request.method or "").encode(), request.get_full_path().encode(), request.body])).hexdigest()
    with _running(organization, caller, key), transaction.atomic() if wrap else contextlib.nullcontext():
        rows = IdempotencyKey.objects.filter(organization_id=organization, caller=caller, key=key)
        row = rows.first()
        if row is not None and row.at > now() - KEPT:
            return _again(row, mark)
        rows.delete()
        response = run()
        if 200 <= response.status_code < 300 and not response.streaming:
            IdempotencyKey.objects.create(
                organization_id=organization,
                caller=caller,
                key=key,
                fingerprint=mark,
                status=response.status_code,
                body=_without_secrets(response),
                at=now(),
            )
        elif wrap and response.status_code >= 500:
            transaction.set_rollback(True)
        return response


def forget_old() -> int:
    """Delete what is older than 24 hours; returns how many."""
    return IdempotencyKey.objects.filter(at__lte=now() - KEPT).delete()[0]


@contextlib.contextmanager
def _running(organization: UUID, caller: str, key: str) -> Iterator[None]:
    number = int.from_bytes(hashlib.sha256(f"{organization}\x1f{caller}\x1f{key}".encode()).digest()[:4], "big", signed=True)
    if not _locked("pg_try_advisory_lock", number):
        raise StillRunning(
            "idempotency_running", "The first request under this key is still running.", "Ask again in a moment, with the same key."
        )
    try:
        yield
    finally:
        if not connection.needs_rollback:
            _locked("pg_advisory_unlock", number)
        else:  # an outer transaction already failed: the lock goes with the connection
            connection.close()


def _locked(function: str, number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"select {function}(%s, %s)", [_LOCK_SPACE, number])
        return bool(cursor.fetchone()[0])


def _again(row: IdempotencyKey, mark: str) -> HttpResponse:
    if row.fingerprint != mark:
        raise Invalid("idempotency_key_reused", "This Idempotency-Key was used for another request.", "Take a fresh key for each request.")
    response = HttpResponse(row.body, status=row.status, content_type="application/json; charset=utf-8")
    response["Idempotency-Replayed"] = "true"
    return response


def _without_secrets(response: HttpResponse) -> str:
    text = response.content.decode()
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if not isinstance(body, dict):
        return text
    return orjson.dumps({name: None if name in SECRETS else value for name, value in body.items()}).decode()
