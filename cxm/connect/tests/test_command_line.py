"""``cxm account`` and ``cxm source`` on accounts that are, fail and go; what ``cxm doctor`` says of them."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cxm.channels.contracts import AuthExpired, Polled, SourceNews
from cxm.connect import accounts, runtime
from cxm.connect import api as connect
from cxm.connect.models import Account, Source
from cxm.kernel.clock import now
from cxm.kernel.errors import Invalid, NotFound
from cxm.platform import config
from cxm.run import doctor
from cxm.run.cli import app, kit
from tests.houses import House, _own_store, house  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def cxm(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command within the test's own transaction; what it prints."""
    monkeypatch.setattr(kit, "engines", lambda data, **_: nullcontext())

    def run(*words: str, stdin: str = "") -> str:
        done = CliRunner().invoke(app, list(words), input=stdin, catch_exceptions=True)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_an_account_is_kept_from_the_command_line(house: House, cxm: Any, tmp_path: Path):
    cxm("account", "add", "rss", "--name", "News")
    (account,) = connect.accounts(house.organization)
    (tmp_path / "in.opml").write_text('<opml><body><outline text="One" xmlUrl="https://one.example/feed"/></body></opml>')
    told = json.loads(cxm("source", "import", "rss/News", str(tmp_path / "in.opml"), "--json"))
    assert (told["read"], told["added"], told["known"], told["refused"]) == (1, 1, 0, [])
    assert "known: 1" in cxm("account", "feeds", "rss/News", "--opml", str(tmp_path / "in.opml"))
    cxm("source", "export", "rss/News", "--output", str(tmp_path / "out.opml"))
    assert "https://one.example/feed" in (tmp_path / "out.opml").read_text() and 'text="One"' in cxm("source", "export", "rss/News")
    (made,) = Source.objects.for_organization(house.organization)
    runtime.keep(account.id, Polled((), {}, sources=(SourceNews(made.id, False, "It answers 404.", "Enter its new address."),)), "poll")
    assert "It answers 404. Enter its new address." in cxm("source", "list", "--failing")
    shown = cxm("account", "show", "rss/News")
    assert "One of its sources cannot be heard: One." in shown and "sources: 1 (0 paused, 1 cannot be heard)" in shown
    assert "paused" in cxm("source", "pause", str(made.id)) and "(paused)" in cxm("source", "list")
    assert "active" in cxm("source", "pause", str(made.id), "--resume")
    assert cxm("account", "pause", "rss/News") == "News: paused\n"
    assert "Paused by you" in cxm("account", "list") and "still cut: Paused by a member." in cxm("account", "show", "rss/News")
    assert cxm("account", "resume", "rss/News") == "News: active\n"
    changed = cxm("source", "change", str(made.id), "--set", "title=Other")
    assert changed.startswith("Other: ") and "title=Other" in changed
    with pytest.raises(Invalid, match="what happens to its mentions"):
        cxm("account", "remove", "rss/News", "--mentions", "burn")
    assert "its mentions stay" in cxm("account", "remove", "rss/News")
    found = str(connect.connect(house.owner, channel="rss", name="Papers")[0].id)
    assert f"cxm account removal {found}" in cxm("account", "remove", "rss/Papers", "--mentions", "delete")
    assert cxm("account", "removal", found) == "rss/Papers: deleting, 0 deleted, not counted yet left\n"
    with pytest.raises(NotFound):
        cxm("account", "show", "rss/News")


def test_signing_in_anew_asks_for_secrets_and_never_takes_them_as_arguments(house: House, cxm: Any):
    account = house.account("Shop")
    before = accounts.credentials_of(Account.everywhere.get(pk=account.id))  # everywhere: a test
    assert "secret (shown once): whsec_" in cxm("account", "sign-in", "webhook/Shop")
    mail = connect.connect(
        house.owner,
        channel="email",
        name="care",
        settings={"address": "a@b.example", "imap_host": "imap.b.example"},
        credentials={"username": "a", "password": "b"},
    )[0]
    assert "stored" in cxm("account", "sign-in", "email/care", "--key", "password", "--anyway", stdin="fresh one\n")
    stored = accounts.credentials_of(Account.everywhere.get(pk=mail.id))  # everywhere: a test
    assert stored == {"username": "a", "password": "fresh one"} and before != accounts.credentials_of(
        Account.everywhere.get(pk=account.id)
    )  # everywhere: a test
    with pytest.raises(AssertionError, match="knows no credential"):
        cxm("account", "sign-in", "email/care", "--key", "colour")


def test_signing_in_at_a_platform_begins_on_the_command_line(house: House, cxm: Any, monkeypatch: pytest.MonkeyPatch):
    begin = (
        "account",
        "authorize",
        "email/care",
        "--way",
        "google",
        "--client-id",
        "our-id",
        "--secret-stdin",
        "--set",
        "address=care@acme.example",
    )
    with pytest.raises(Invalid, match="Nobody knows the address"):
        cxm(*begin, stdin="a-secret\n")
    monkeypatch.setenv("CXM_PUBLIC_URL", "https://cxm.example")
    config.settings.cache_clear()
    try:
        told = json.loads(cxm(*begin, "--json", stdin="a-secret\n"))
        assert (
            told["redirect_uri"] == "https://cxm.example/channels/authorized"
            and "client_id=our-id" in told["url"]
            and "a-secret" not in str(told)
        )
        mail = connect.connect(
            house.owner, channel="email", name="care", settings={"address": "a@b.example", "imap_host": "imap.b.example"}, credentials={"username": "a", "password": "b"},
        )[0]  # fmt: skip
        plain = cxm("account", "authorize", str(mail.id), "--way", "google", "--client-id", "our-id", "--secret-stdin", stdin="a-secret\n")
        assert plain.startswith("open: https://accounts.google.com/") and "https://cxm.example/channels/authorized" in plain
    finally:
        monkeypatch.undo()
        config.settings.cache_clear()


def test_the_doctor_names_accounts_that_fail_with_the_mend(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "engine", nullcontext)
    account = house.account()
    assert [(one.check, one.ok) for one in doctor._accounts()] == [("accounts", True), ("events", True)]
    runtime.note_fault(account.id, AuthExpired("The server refused the password.", "Enter it again."))
    found, _ = doctor._accounts()
    assert (found.check, found.ok, found.text) == ("account webhook/Support", False, "The server refused the password. Enter it again.")
    runtime.note_well(account.id, now())
    assert all(one.ok for one in doctor._accounts())
