"""Outbound webhooks: secrets and their rotation, the audit log, the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from standardwebhooks.webhooks import Webhook as Standard

from cxm.connect import hooks, rotation
from cxm.connect.models import Webhook
from cxm.connect.tests.hooks_kit import DAY, Receiver, Rest, happened, receiver, rest, stopped, turn  # noqa: F401
from cxm.govern import api as govern
from cxm.kernel.clock import frozen_at, now
from cxm.platform import secrets
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def test_after_a_rotation_both_secrets_hold_for_a_day_then_the_new_one_alone(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    made = call.hook(receiver.url())
    fresh = call("POST", f"/webhooks/{made['id']}/rotate").json()["secret"]
    assert fresh != made["secret"]
    happened(house, "one")
    turn()
    _, headers, body = receiver.got[0]
    for secret in (made["secret"], fresh):
        assert Standard(secret).verify(body, headers)
    with frozen_at(now() + DAY + timedelta(seconds=1)):
        happened(house, "two")
        turn()
    assert len(receiver.got[1][1]["webhook-signature"].split()) == 1


def test_key_rotation_seals_webhook_secrets_anew(house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    call = rest(house)
    made = call.hook(receiver.url())
    fresh = call("POST", f"/webhooks/{made['id']}/rotate").json()["secret"]
    former = secrets.master_keys()
    monkeypatch.setattr(secrets, "master_keys", lambda: ["another key, also long enough for its purpose", *former])
    assert rotation.rotate() == 1
    assert rotation.rotate() == 0
    row = Webhook.objects.for_organization(house.organization).get()
    for sealed, secret in ((row.sealed_secret, fresh), (row.sealed_former_secret, made["secret"])):
        assert secrets.is_current(sealed)
        assert secrets.unseal(sealed) == secret


def test_what_was_done_stands_in_the_audit_log_without_secrets(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    made = call.hook(receiver.url())
    receiver.answer = lambda path, body: (410, {})
    happened(house, "one")
    turn()
    fresh = call("POST", f"/webhooks/{made['id']}/rotate").json()["secret"]
    call("DELETE", f"/webhooks/{made['id']}")
    written = [entry for entry in govern.entries(house.organization) if entry.subject == f"webhook:{made['id']}"]
    assert [entry.action for entry in written] == ["webhook.remove", "webhook.rotate", "webhook.pause", "webhook.create"]
    assert not any(secret in str(entry) for entry in written for secret in (fresh, made["secret"]))


def test_there_are_not_endlessly_many(house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hooks, "MOST", 1)
    call = rest(house)
    call.hook(receiver.url())
    answer = call("POST", "/webhooks", {"url": receiver.url(), "events": []})
    assert (answer.status_code, answer.json()["code"]) == (409, "webhooks_full")


def test_the_page_makes_shows_pauses_and_removes_them(house: House, other: House, receiver: Receiver, turn: Callable[[], int]):
    client = house.browser()
    assert Client().get("/settings/webhooks")["Location"] == "/sign-in?next=%2Fsettings%2Fwebhooks"
    assert "No webhooks yet" in assert_safe(client.get("/settings/webhooks"))
    made = post(client, "/settings/webhooks", {"url": receiver.url(), "which": "some", "events": ["connect.account_changed"]})
    secret = assert_safe(made).split('value="whsec_')[1].split('"')[0]
    assert "no-store" in made["Cache-Control"]
    assert secret not in client.get("/settings/webhooks").content.decode()
    row = Webhook.objects.for_organization(house.organization).get()
    assert row.events == ["connect.account_changed"]
    receiver.answer = lambda path, body: (500, {})
    happened(house, "one")
    turn()
    assert "It answered 500." in client.get("/settings/webhooks").content.decode()
    theirs = other.browser()
    for action in ("pause", "rotate", "remove"):
        assert post(theirs, "/settings/webhooks", {"action": action, "webhook": str(row.id)}).status_code == 404
    for action, state in (("pause", "paused"), ("resume", "active")):
        assert post(client, "/settings/webhooks", {"action": action, "webhook": str(row.id)}).status_code == 302
        row.refresh_from_db()
        assert row.state == state
    assert "whsec_" in post(client, "/settings/webhooks", {"action": "rotate", "webhook": str(row.id)}).content.decode()
    assert post(client, "/settings/webhooks", {"action": "remove", "webhook": str(row.id)}).status_code == 302
    assert not Webhook.objects.for_organization(house.organization).exists()
    assert house.join("agent@marlow.example", "agent").get("/settings/webhooks").status_code == 403


def test_what_is_wrong_stands_beside_its_field_and_hostile_input_is_text(house: House, receiver: Receiver):
    client = house.browser()
    for url in ("https://10.0.0.1/x", HOSTILE[:300], "\x00"):
        answer = post(client, "/settings/webhooks", {"url": url})
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in assert_safe(answer)
    none = post(client, "/settings/webhooks", {"url": receiver.url(), "which": "some"})
    assert (none.status_code, "Choose at least one event." in none.content.decode()) == (422, True)
    assert post(client, "/settings/webhooks", {"action": "remove", "webhook": "\x00"}).status_code == 404
    rest(house).hook(receiver.url("/" + "<script>alert(1)</script>"))
    assert "&lt;script&gt;" in assert_safe(client.get("/settings/webhooks"))
