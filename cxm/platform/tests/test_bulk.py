"""Rows in bulk: those another process wrote first are left alone, and told."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from cxm.kernel.clock import now
from cxm.listen.models import Record
from cxm.platform import bulk

pytestmark = pytest.mark.django_db


def _row(key: UUID, organization: UUID, **changes: object) -> Record:
    values: dict[str, object] = {
        "channel": "webhook", "native_id": "ü\t1\n\\", "state": "waiting", "digest": b"\x00\xff", "published_at": now(), "heard_at": now(), **changes,
    }  # fmt: skip
    return Record(id=key, organization_id=organization, **values)


def test_claimed_rows_hold_what_was_given() -> None:
    organization, key = uuid4(), uuid4()
    given = _row(key, organization, overrides={"tags": ["a\\b"]}, account_id=uuid4())
    assert bulk.claim([given], Record) == {key}
    found = Record.objects.get(pk=key)
    for field in Record._meta.concrete_fields:
        stored = getattr(found, field.attname)
        assert (bytes(stored) if isinstance(stored, memoryview) else stored) == getattr(given, field.attname), field.attname


def test_a_row_somebody_else_claimed_first_stays_theirs() -> None:
    theirs, ours, organization = uuid4(), uuid4(), uuid4()
    assert bulk.claim([_row(theirs, organization)], Record) == {theirs}
    assert bulk.known(Record, [theirs, ours]) == {theirs}
    assert bulk.claim([_row(ours, organization), _row(theirs, organization, native_id="late")], Record) == {ours}
    assert Record.objects.get(pk=theirs).native_id == "ü\t1\n\\"
    assert bulk.claim([], Record) == set()
    assert bulk.known(Record, []) == set()
