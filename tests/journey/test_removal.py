"""Removing an account with all that was heard on it: words are nowhere afterwards, nothing is sent, sums stay, others keep theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from cxm.channels.contracts import Polled, RawDelivery
from cxm.connect import api as connect
from cxm.connect import runtime
from cxm.connect.tests.hooks_kit import rest
from cxm.govern import api as govern
from cxm.kernel.clock import format_instant, now
from cxm.listen import api as listen
from cxm.listen import emptying, erasure
from cxm.listen.models import Record
from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from cxm.outbound import api as outbound
from cxm.outbound import gateway
from cxm.platform.models import EventLog
from tests.houses import House, _own_store, assert_safe, house, other, post, settle  # noqa: F401 - fixtures
from tests.journey.test_erasure import everywhere, hand_in, own_ledger, settle_all, store, word  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def heard(word: str, native: str) -> dict[str, Any]:
    said = {"native_id": f"{native}-{uuid4().hex}", "text": f"My {word} is broken", "published_at": format_instant(now())}
    return {**said, "kind": "message", "private": True, "author": {"native_id": "lena"}, "thread": "t"}


def test_all_of_an_account_goes_with_it_and_nothing_is_sent(
    house: House, other: House, store: Any, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = connect.connect(house.owner, channel="webhook", name="Support", settings={"reply_url": "https://platform.example/replies"})[0]
    beside = house.account("Beside")
    call, client = rest(house), house.browser()
    for number in range(3):
        hand_in(house, account, orjson.dumps([heard(word, f"n{number}"), {"native_id": 7, "text": {"no": word}}]), f"d{number}")
    hand_in(house, beside, orjson.dumps(heard("tea", "other")), "d1")
    settle()
    (talk,) = [view.id for view in love.conversations(house.owner, InboxFilter()).items if view.account_id == account.id]
    waiting = love.reply(house.owner, talk, "We send another.").id
    with monkeypatch.context() as stopped:
        stopped.setattr(gateway, "stopped", lambda row: True)
        gateway.carry_out(waiting)
    assert outbound.reply(house.organization, waiting).state == "held"
    before = connect.mailbox_sum(house.organization, account.id)
    late = RawDelivery("late", orjson.dumps(heard(word, "late")), {}, now())

    page = client.get(f"/channels/{account.id}").content.decode()
    assert 'value="delete"' in page and "does not come back if the account is connected again" in page
    assert call("DELETE", f"/accounts/{account.id}?mentions=burn").status_code == 422
    connect.deliver(house.organization, account.id, [late])  # it waits in the mailbox when the account goes
    assert post(client, f"/channels/{account.id}", {"action": "remove", "mentions": "delete"}).status_code == 302
    runtime.keep(account.id, Polled((RawDelivery("later", orjson.dumps(heard(word, "later")), {}, now()),), {}), "poll")
    assert "what was heard there is being deleted" in assert_safe(client.get("/channels"))
    told = call("GET", f"/accounts/{account.id}/removal").json()
    assert (told["mentions"], told["deleted"], told["left"]) == ("deleting", 0, None)
    assert rest(other)("GET", f"/accounts/{account.id}/removal").status_code == 404
    assert call("GET", f"/accounts/{beside.id}/removal").status_code == 404
    settle()
    reply = outbound.reply(house.organization, waiting)
    assert reply.state == "cancelled" and "account was removed" in reply.detail
    gateway.carry_out(waiting)
    assert outbound.reply(house.organization, waiting).state == "cancelled"

    monkeypatch.setattr(erasure, "BATCH", 2)
    whole, done = erasure.entomb, []

    def cut_off(*given: Any, **more: Any) -> int:
        if len(done) == 1:
            raise RuntimeError("the process ends")
        done.append(1)
        return whole(*given, **more)

    monkeypatch.setattr(erasure, "entomb", cut_off)
    with pytest.raises(RuntimeError):
        emptying.empty(house.organization, account.id)
    assert call("GET", f"/accounts/{account.id}/removal").json()["deleted"] == 2
    monkeypatch.setattr(erasure, "entomb", whole)
    assert connect.unfinished_removals() == [(house.organization, account.id)]
    assert emptying.empty(house.organization, account.id) and connect.unfinished_removals() == []
    settle_all(house)

    assert everywhere(word, tmp_path) == []
    told = call("GET", f"/accounts/{account.id}/removal").json()
    assert (told["mentions"], told["deleted"], told["left"]) == ("deleted", 4, 0)
    assert "all that was heard there is deleted" in assert_safe(client.get("/channels"))
    after = connect.mailbox_sum(house.organization, account.id)
    assert (after.deliveries, after.accepted) == (before.deliveries + 1, before.accepted + 1), "the sums stay, with what waited"
    assert listen.search(house.owner, "tea").count == 1, "another account's mentions went, too"
    assert Record.objects.filter(account_id=account.id, deleted_at=None).count() == 0
    assert call("GET", f"/conversations/{talk}").status_code == 200
    assert [one.detail for one in govern.entries(house.organization) if one.action == "account.remove"] == [{"mentions": "delete"}]
    log = EventLog.objects.filter(organization_id=house.organization, name="connect.account_changed")
    assert [orjson.loads(row.payload).get("mentions") for row in log.order_by("id")][-1] == "delete"
