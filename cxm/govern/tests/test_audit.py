"""The audit chain: what was written cannot be changed, removed or put in unseen; intents are paired."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from cxm.govern import api, models

pytestmark = pytest.mark.django_db


def chain(house, count: int = 5) -> list[models.AuditEntry]:
    for number in range(count):
        api.record(house.owner, "test.done", f"thing:{number}", {"number": number, "text": "größer", "nested": {"b": 1, "a": [1.5, None]}})
    return list(models.AuditEntry.objects.for_organization(house.organization).order_by("seq"))


def test_a_whole_chain_verifies(house, other):
    rows = chain(house)
    report = api.verify_audit(house.organization)
    assert (report.whole, report.entries, report.problem) == (True, len(rows), "")
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert api.verify_audit(other.organization).whole


@pytest.mark.parametrize(
    "change",
    [
        {"detail": {"number": 99}},
        {"actor_name": "Somebody else"},
        {"action": "test.undone"},
        {"subject": "thing:x"},
        {"kind": "intent"},
        {"hash": "0" * 64},
        {"previous": "0" * 64},
        {"actor_id": None},
        {"actor_kind": "system"},
    ],
)
def test_any_change_is_found_where_it_is(house, change):
    victim = chain(house)[3]
    assert models.AuditEntry.objects.for_organization(house.organization).filter(id=victim.id).update(**change) == 1
    report = api.verify_audit(house.organization)
    assert not report.whole
    assert report.broken_at == victim.seq


@pytest.mark.parametrize("position", [0, 3, -1])
def test_removal_is_found(house, position):
    rows = chain(house)
    models.AuditEntry.objects.for_organization(house.organization).filter(id=rows[position].id).delete()
    report = api.verify_audit(house.organization)
    assert report.broken_at == rows[position].seq
    assert "missing" in report.problem


def test_a_change_with_its_hash_computed_anew_breaks_the_next(house):
    from cxm.govern.services import audit

    victim = chain(house)[3]
    victim.subject = "thing:forged"
    victim.hash = audit._seal(victim)
    victim.save()
    assert api.verify_audit(house.organization).broken_at == victim.seq + 1


def test_intents_without_outcome_are_listed(house):
    told, silent = (api.intent(house.owner, "reply.send", f"reply:{number}") for number in range(2))
    api.outcome(told, "sent", {"native_id": "n1"})
    report = api.verify_audit(house.organization)
    assert (report.whole, report.unmatched_intents) == (True, (silent,))
    assert [(one.kind, one.intent) for one in api.entries(house.organization)[:3]] == [
        ("outcome", told),
        ("intent", None),
        ("intent", None),
    ]


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_keep_one_chain(house):
    def write() -> None:
        for number in range(5):
            api.record(house.owner, "test.done", f"thing:{number}")
        connection.close()

    before = api.verify_audit(house.organization).entries
    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = api.verify_audit(house.organization)
    assert (report.whole, report.entries) == (True, before + 20)
