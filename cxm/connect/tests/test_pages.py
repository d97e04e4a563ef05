"""Channels, accounts and the quarantine as a browser sees them."""

from __future__ import annotations

from html import unescape
from uuid import UUID, uuid4

import pytest
from django.test import Client

from cxm.channels import registry
from cxm.channels.grades import Grade
from cxm.connect import accounts, pages, quarantine_pages, schema_forms, strips
from cxm.connect import api as connect
from cxm.connect.models import Account, Gap, Quarantined
from cxm.kernel.clock import now
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, line, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def settings_of(house: House, account: UUID) -> dict:
    return connect.account(house.organization, account).settings


def test_signed_out_leads_to_the_way_in():
    for path in ("/channels", "/channels/new/webhook", f"/channels/{uuid4()}", "/channels/quarantine"):
        assert Client().get(path)["Location"].startswith("/sign-in?next=")


def test_the_wall_shows_every_channel_and_our_accounts_with_their_health(house: House):
    client = house.browser()
    text = assert_safe(client.get("/channels"))
    assert "Nothing is connected yet." in text
    for channel in registry.channels():
        assert channel.manifest.title in text
        assert f"/channels/new/{channel.name}" in text
    account = house.account(HOSTILE[:150].replace("\u202e", ""))
    Account.objects.for_organization(house.organization).filter(pk=account.id).update(
        state="broken", health="The password is wrong.", mend="Type it again."
    )
    text = assert_safe(client.get("/channels"))
    assert "The password is wrong." in text
    assert "Type it again." in assert_safe(client.get(f"/channels/{account.id}"))


def test_a_secret_is_shown_once_and_never_again(house: House):
    client = house.browser()
    made = post(client, "/channels/new/webhook", {"name": "Shop", "settings.reply_url": "", "settings.idempotent": "on"})
    text = made.content.decode()
    (account,) = connect.accounts(house.organization)
    secret = text.split('value="whsec_')[1].split('"')[0]
    assert len(secret) > 40
    assert f"/in/webhook/{account.id}" in text
    assert "no-store" in made["Cache-Control"]
    assert account.settings["idempotent"] is True
    for path in ("/channels", f"/channels/{account.id}"):
        assert secret not in client.get(path).content.decode()


def test_faults_stand_beside_their_fields_and_nothing_typed_is_lost_but_secrets(house: House):
    client = house.browser()
    typed = {
        "name": "  ",
        "settings.address": "no address",
        "settings.imap_host": "127.0.0.1",
        "settings.imap_port": "abc",
        "settings.folder": "Post/Kunden",
        "credentials.username": "lena",
        "credentials.password": "very secret",
    }
    answer = post(client, "/channels/new/email", {**typed, "name": "Help"})
    text = unescape(answer.content.decode())
    assert answer.status_code == 422
    for name in ("settings.address", "settings.imap_host", "settings.imap_port", "settings.folder", "credentials.username"):
        assert f'name="{name}"' in text
        assert f'value="{typed[name]}"' in text
    assert "very secret" not in text
    assert text.count('aria-invalid="true"') >= 2
    assert connect.accounts(house.organization) == []
    answer = post(client, "/channels/new/email", typed)
    assert answer.status_code == 422


def test_a_name_in_use_is_said_beside_the_name(house: House):
    house.account("Shop")
    answer = post(house.browser(), "/channels/new/webhook", {"name": "Shop"})
    assert answer.status_code == 409
    assert "There is an account “Shop” on webhook already." in answer.content.decode()
    assert 'value="Shop"' in answer.content.decode()


def test_an_address_inside_our_own_network_is_refused(house: House):
    answer = post(house.browser(), "/channels/new/webhook", {"name": "Shop", "settings.reply_url": "http://169.254.169.254/latest"})
    assert answer.status_code == 422
    assert 'value="http://169.254.169.254/latest"' in answer.content.decode()


def test_pause_resume_rename_change_and_remove(house: House):
    account, client = house.account(), house.browser()
    path = f"/channels/{account.id}"
    for action, state in (("pause", "paused"), ("resume", "active")):
        assert post(client, path, {"action": action}).status_code == 302
        assert connect.account(house.organization, account.id).state == state
    assert post(client, path, {"action": "rename", "name": "Front desk"}).status_code == 302
    wrong = post(client, path, {"action": "rename", "name": "x" * 300})
    assert wrong.status_code == 422
    assert "x" * 300 in wrong.content.decode()
    assert "1 to 200 characters." in wrong.content.decode()
    before = Account.objects.for_organization(house.organization).get(pk=account.id)
    stored = accounts.credentials_of(before)
    assert post(client, path, {"action": "change", "settings.reads_back": "on", "credentials.secret": ""}).status_code == 302
    row = Account.objects.for_organization(house.organization).get(pk=account.id)
    assert (row.name, row.settings["reads_back"]) == ("Front desk", True)
    assert accounts.credentials_of(row) == stored  # an empty secret keeps the old one
    assert post(client, path, {"action": "remove"}).status_code == 302
    assert client.get(path).status_code == 404


def test_the_test_button_says_each_step(house: House):
    account, client = house.account(), house.browser()
    answer = post(client, f"/channels/{account.id}/test", **{"HX-Request": "true"})
    assert answer.status_code == 200
    assert "Every step worked." in answer.content.decode()
    assert client.get(f"/channels/{account.id}/test").status_code == 405


def test_another_organization_finds_no_account_of_ours(house: House, other: House):
    account, client = house.account(), other.browser()
    house.read(b"{broken")
    (item,) = Quarantined.objects.for_organization(house.organization)
    assert client.get(f"/channels/{account.id}").status_code == 404
    for action in ("pause", "remove"):
        assert post(client, f"/channels/{account.id}", {"action": action}).status_code == 404
    assert post(client, f"/channels/{account.id}/test").status_code == 404
    assert post(client, f"/channels/quarantine/{item.id}").status_code == 404
    assert "{broken" not in client.get("/channels/quarantine").content.decode()
    assert connect.account(house.organization, account.id).state == "active"


def test_units_bound_who_sees_and_changes_what(house: House):
    north, south = house.unit("North"), house.unit("South")
    mine, theirs = house.account("Nordpost", north), house.account("Suedpost", south)
    client = house.join("manager@marlow.example", "manager", north)
    text = client.get("/channels").content.decode()
    assert ("Nordpost" in text, "Suedpost" in text) == (True, False)
    assert client.get(f"/channels/{theirs.id}").status_code == 404
    assert post(client, f"/channels/{theirs.id}", {"action": "pause"}).status_code == 404
    assert post(client, f"/channels/{mine.id}", {"action": "pause"}).status_code == 302
    assert post(client, "/channels/new/webhook", {"name": "Sneaky", "unit": str(south)}).status_code == 403
    assert post(client, "/channels/new/webhook", {"name": "Rooted", "unit": ""}).status_code == 403
    assert post(client, "/channels/new/webhook", {"name": "Right", "unit": str(north)}).status_code == 200
    assert {one.name for one in connect.accounts(house.organization)} == {"Nordpost", "Suedpost", "Right"}
    offered = client.get("/channels/new/webhook").content.decode()
    assert (str(north) in offered, str(south) in offered) == (True, False)


def test_who_may_only_look_is_offered_nothing_else(house: House):
    account = house.account()
    house.read(b"{broken")
    client = house.join("agent@marlow.example", "agent")
    text = client.get(f"/channels/{account.id}").content.decode()
    for offer in ("Pause the account", "Remove the account", "Test it now", "Rename it", "Settings and credentials"):
        assert offer not in text
    assert "/channels/new/" not in client.get("/channels").content.decode()
    assert "/channels/quarantine" not in client.get("/channels").content.decode()
    assert post(client, f"/channels/{account.id}", {"action": "remove"}).status_code == 403
    assert post(client, f"/channels/{account.id}/test").status_code == 403
    assert client.get("/channels/new/webhook").status_code == 403
    assert client.get("/channels/quarantine").status_code == 403
    assert house.join("privacy@marlow.example", "privacy_officer").get("/channels/quarantine").content.decode().count("Try again") == 0


def test_posts_need_the_token(house: House):
    account, client = house.account(), house.browser()
    for path in (f"/channels/{account.id}", f"/channels/{account.id}/test", "/channels/new/webhook", f"/channels/quarantine/{uuid4()}"):
        assert client.post(path, {"action": "remove", "name": "x"}).status_code == 403
    assert [one.name for one in connect.accounts(house.organization)] == ["Support"]


def test_quarantined_bytes_are_shown_and_can_do_nothing(house: House):
    house.read(b'{"channel": "x", "text": "<script>alert(1)</script> \xe2\x80\xae \xff\xfe', b'{"native_id": "' + b"z" * 5_000)
    text = assert_safe(house.browser().get("/channels/quarantine"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "\u202e" not in text
    assert "\\u202e" in text
    assert "z" * 1_600 not in text
    assert quarantine_pages.readable(b"a\x00b\xff\n") == "a\\u0000b\\xff\n"


def test_a_replay_takes_it_in_or_says_again_why_not(house: House):
    house.read(b"{broken", line("1", "tea") | {"published_at": "yesterday"})
    client = house.browser()
    rows = list(Quarantined.objects.for_organization(house.organization))
    assert len(rows) == 2
    answer = post(client, f"/channels/quarantine/{rows[0].id}", **{"HX-Request": "true"})
    assert "Still not:" in answer.content.decode()
    Quarantined.objects.for_organization(house.organization).filter(pk=rows[0].id).update(
        raw=b'{"channel": "forum", "native_id": "9", "text": "mended", "published_at": "2026-01-01T00:00:00Z"}'
    )
    answer = post(client, f"/channels/quarantine/{rows[0].id}", **{"HX-Request": "true"})
    assert "It could be read this time and was taken in." in answer.content.decode()
    assert post(client, f"/channels/quarantine/{rows[0].id}").status_code == 409
    assert post(client, f"/channels/quarantine/{rows[1].id}")["Location"] == "/channels/quarantine?done=no"


def test_an_import_that_failed_belongs_to_nobodys_unit(house: House):
    house.read(b"{broken")
    (item,) = Quarantined.objects.for_organization(house.organization)
    client = house.join("manager@marlow.example", "manager", house.unit("North"))
    assert "{broken" not in client.get("/channels/quarantine").content.decode()
    assert post(client, f"/channels/quarantine/{item.id}").status_code == 404


def test_the_strip_marks_what_was_cut_and_never_claims_what_was_not_connected(house: House):
    account = house.account()
    day = now().replace(hour=0, minute=0, second=0, microsecond=0)
    strip = strips.gap_strip(house.owner, 90, account.id)
    assert [one.connected for one in strip.days] == [False] * 89 + [True]
    Gap.objects.add(house.organization, account_id=account.id, began_at=day, ended_at=None, reason="The server did not answer.")
    strip = strips.gap_strip(house.owner, 90, account.id)
    assert strip.days[-1].minutes > 0
    assert "The server did not answer." in assert_safe(house.browser().get(f"/channels/{account.id}"))
    assert strips.gap_strip(house.owner, 90, uuid4()).gaps == ()


def test_fields_follow_the_schema():
    email = registry.channel("email")
    fields = {one["name"]: one for one in schema_forms.fields(email, "settings", {}, {"settings.address": "Say where."})}
    assert fields["settings.imap_security"]["options"] == [("tls", "tls"), ("starttls", "starttls"), ("plain", "not encrypted")]
    assert fields["settings.imap_port"]["type"] == "number"
    assert fields["settings.address"]["error"] == "Say where."
    assert not fields["settings.address"]["optional"]
    secret = next(one for one in schema_forms.fields(email, "credentials", {"password": "p"}, {}) if one["name"] == "credentials.password")
    assert (secret["value"], secret["secret"]) == ("", True)
    assert schema_forms.values(email, "settings", {"settings.imap_port": "993", "settings.address": " a@b.example "})["imap_port"] == 993


def test_the_tier_is_told(house: House, monkeypatch: pytest.MonkeyPatch):
    grades = {"webhook": Grade("silver", True), "email": Grade("gold", False)}
    monkeypatch.setattr(pages, "grade", grades.get)
    text = house.browser().get("/channels").content.decode()
    assert text.count("silver") == text.count("not yet run live") == 1 and "gold" in text
    assert "no grade" not in text, "nothing is said of a channel that came later"


def test_pages_of_the_quarantine_are_full_for_whoever_sees_some_units(house: House):
    north, south = house.unit("North"), house.unit("South")
    mine, theirs, gone = house.account("Nordpost", north), house.account("Suedpost", south), house.account("Westpost", north)
    house.read(*[b"{broken %d" % number for number in range(25)])
    rows = list(Quarantined.objects.for_organization(house.organization).order_by("-received_at", "-id"))
    for place, account in {0: theirs, 23: mine, 24: gone}.items():
        Quarantined.objects.for_organization(house.organization).filter(pk=rows[place].pk).update(account_id=account.id)
    Account.objects.for_organization(house.organization).filter(pk=gone.id).update(removed_at=now())
    client = house.join("manager@marlow.example", "manager", north)
    text = client.get("/channels/quarantine").content.decode()
    assert bytes(rows[23].raw).decode() in text
    assert "cursor=" not in text
    assert bytes(rows[0].raw).decode() not in text
    assert bytes(rows[24].raw).decode() not in text  # a removed account's leftovers belong to whoever may see everything
    assert "cursor=" in house.browser().get("/channels/quarantine").content.decode()
