"""A clock that is a day ahead for a while, and is set right again: mail is heard and answered all the same, once, and the gap is shown and filled."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from cxm.channels import registry
from cxm.channels.contracts import ConnectorError
from cxm.channels.email.tests import provider
from cxm.connect import api as connect
from cxm.connect import mailbox, runtime, tasks
from cxm.connect.models import Account
from cxm.connect.tests.hooks_kit import rest
from cxm.kernel.clock import now, shifted_by
from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from cxm.outbound import api as outbound
from cxm.outbound import gateway
from cxm.outbound import tasks as outbound_tasks
from cxm.outbound.models import Intent
from cxm.platform import egress
from tests.houses import House, _own_store, house, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


class Ear:
    """A mailbox, looked at as the runtime looks at it: where it is due, and what went wrong is written down."""

    def __init__(self, house: House, server: provider.MailServer) -> None:
        credentials = {"username": provider.USER, "password": provider.PASSWORD}
        made, _ = connect.connect(
            house.owner, channel="email", name="care@acme.example", settings=provider.SETTINGS, credentials=credentials
        )
        self.house, self.server, self.account = house, server, made.id

    def look(self) -> bool:
        """Look where it is due; whether it was."""
        row = next((one for one in runtime.claim_due() if one.id == self.account), None)
        if row is None:
            return False
        try:
            found = asyncio.run(registry.channel("email").poll().poll(runtime.session_of(row, None), row.cursor))  # type: ignore[arg-type]
        except ConnectorError as error:
            runtime.note_fault(row.id, error)
            return True
        runtime.keep(row.id, found, "poll")
        runtime.note_well(row.id, runtime.next_look(found.next_look, timedelta(minutes=1)), row.next_look_at)
        mailbox.take_in_all(row.id)
        settle()
        return True

    def gaps(self) -> list[tuple[bool, bool]]:
        """Of each gap, newest first: whether it ended after it began, and whether it was filled."""
        found = connect.gaps(self.house.organization, since=now() - 3 * DAY, account=self.account)
        return [(one["ended_at"] is not None and one["ended_at"] >= one["began_at"], one["filled_at"] is not None) for one in found]  # type: ignore[operator]


def test_a_day_ahead_and_back_loses_nothing_and_repeats_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    server = provider.MailServer(1)
    monkeypatch.setattr(egress, "dial", server.dial)
    ear = Ear(house, server)
    try:
        assert ear.look() and ear.gaps() == []
        with shifted_by(DAY):
            server.mails[2] = provider.mail(2)
            assert ear.look(), "what was due is looked at"
            assert ear.gaps() == [(True, True)], "a day in which nobody listened, and what was said in it is fetched"
            one, two = love.conversations(house.owner, InboxFilter()).items
            waits = love.reply(house.owner, one.id, "In a moment", undo_seconds=30).id
            queued = love.reply(house.owner, two.id, "Later").id
            server.fail = "later rcpt"
            gateway.carry_out(queued)
            assert outbound.reply(house.organization, queued).state == "queued" and server.sent == []
            server.fail = "dial"
            Account.everywhere.filter(pk=ear.account).update(next_look_at=now())  # everywhere: a test
            assert ear.look() and ear.gaps() == [(False, False), (True, True)], "it is away"
        server.fail = ""
        server.mails[3] = provider.mail(3)
        assert not ear.look() and _sent(house, waits, queued) == 0, "all of it waits for tomorrow"

        tasks.after_a_clock_set_back()
        assert ear.look() and not ear.look(), "it is due at once, and once"
        assert ear.gaps() == [(True, True)] * 2, "the gap that began tomorrow is over, and filled"
        titles = sorted(one["title"] for one in rest(house)("POST", "/mentions/search", {"query": ""}).json()["items"])
        assert titles == ["Number 1", "Number 2", "Number 3"]

        outbound_tasks.look_after()
        assert _sent(house, queued) == 1 and _sent(house, waits) == 0, "what may still be taken back waits another minute"
        with shifted_by(timedelta(minutes=2)):
            assert _sent(house, waits, queued) == 2 and _sent(house, waits, queued) == 2
            tasks.after_a_clock_set_back()
            assert ear.look()
        assert len(server.sent) == 2, "each reply left once"
        counted = connect.mailbox_sum(house.organization, ear.account)
        assert (counted.accepted, counted.quarantined, counted.waiting) == (3, 0, 0)
    finally:
        runtime.runtime.stop()


def _sent(house: House, *replies: UUID) -> int:
    """Carry these replies out as far as their time has come; how many of them have left."""
    for key in replies:
        gateway.carry_out(key)
    settle()
    return Intent.objects.for_organization(house.organization).filter(id__in=replies, state="sent").count()
