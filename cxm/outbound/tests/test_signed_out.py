"""A reply while its account's sign-in is withdrawn: it waits, untouched, and goes out once somebody has signed in anew."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from cxm.channels.email.tests.provider import MailServer
from cxm.channels.kit.mail.imap import Server
from cxm.channels.testing.oauth import SignInServer
from cxm.connect import api as connect
from cxm.connect import runtime
from cxm.kernel.clock import frozen_at, now
from cxm.outbound import api as outbound
from cxm.outbound import gateway
from cxm.outbound.contracts import NewIntent
from cxm.outbound.models import Intent
from cxm.platform import egress
from tests.houses import House, house, settle  # noqa: F401 - fixtures


def _due(reply: UUID) -> datetime:
    return Intent.everywhere.get(pk=reply).not_before  # everywhere: a test


@pytest.mark.django_db(transaction=True)
def test_a_reply_waits_for_the_sign_in_and_is_sent_once(house: House, monkeypatch: pytest.MonkeyPatch):
    server, mails = SignInServer(), MailServer(0)
    mails.capabilities, mails.takes = "IMAP4rev1 AUTH=XOAUTH2", server.takes
    monkeypatch.setattr(egress, "dial", mails.dial)
    monkeypatch.setattr(runtime.runtime, "_http", server)
    try:
        begun = connect.begin_sign_in(
            house.owner, channel="email", name="care", settings={"address": "care@acme.example"}, way="google",
            client=connect.PlatformApp(server.client_id, server.secret), base="http://testserver",
        )  # fmt: skip
        account = connect.finish_sign_in(house.owner, server.agree(begun.url))
        # The presets ask for STARTTLS, which this server does not speak.
        monkeypatch.setattr("cxm.channels.email.connector._smtp", lambda session: Server("smtp.gmail.com", 587, "plain"))
        new = NewIntent(
            account=account.id, unit=account.unit, text="On its way.", private=True, conversation=uuid4(),
            context={"to": "ann@customer.example", "references": ["<1@customer.example>"], "subject": "Where is it?"},
        )  # fmt: skip
        reply = outbound.propose(house.owner, new)
        server.withdrawn = True
        later = now() + timedelta(hours=2)

        def step() -> tuple[str, int]:
            Intent.everywhere.filter(pk=reply.id).update(not_before=now())  # everywhere: a test
            gateway.carry_out(reply.id)
            found = outbound.reply(house.organization, reply.id)
            return found.state, len(found.attempts)

        with frozen_at(later):
            assert step() == ("queued", 1)
            assert "Sign in anew" in (outbound.reply(house.organization, reply.id).detail or "")
            asked = len(server.asked)
            assert [step() for _ in range(3)] == [("queued", 1)] * 3, "it waits without being tried"
            assert (mails.sent, len(server.asked)) == ([], asked)
            anew = connect.begin_sign_in_anew(house.owner, account.id, base="http://testserver")
            with transaction.atomic():
                settle()
            assert outbound.reply(house.organization, reply.id).reason == "signed_out"
            assert _due(reply.id) > now(), "nobody has signed in yet"
            connect.finish_sign_in(house.owner, server.agree(anew.url))
            with transaction.atomic():
                settle()
            assert _due(reply.id) <= now(), "it need not wait for its turn"
            assert step() == ("sent", 2)
            assert len(mails.sent) == 1 and mails.tokens[-1][0] == "smtp care@acme.example"
    finally:
        monkeypatch.setattr(runtime.runtime, "_http", None)
        runtime.runtime.stop()
