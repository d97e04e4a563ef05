"""What the figures say of sends: which channel, and what came of it."""

from __future__ import annotations

from concurrent.futures import Future
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from cxm.channels.contracts import Rejected, Sent
from cxm.connect import api as connect
from cxm.outbound import api as outbound
from cxm.outbound import gateway
from cxm.outbound.tests.test_intents import intent
from tests.houses import House, house  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def counted(channel: str, outcome: str) -> float:
    return REGISTRY.get_sample_value("cxm_sends_total", {"channel": channel, "outcome": outcome}) or 0.0


def answered(house: House, monkeypatch: pytest.MonkeyPatch, result: Sent | Exception) -> UUID:
    call: Future[Sent] = Future()
    call.set_exception(result) if isinstance(result, Exception) else call.set_result(result)
    monkeypatch.setattr(connect, "send", lambda *_: call)
    made = outbound.propose(house.owner, intent(house))
    gateway.carry_out(made.id)
    return made.id


def test_each_attempt_is_counted_under_its_channel(house: House, monkeypatch: pytest.MonkeyPatch):
    sent, refused, others = counted("webhook", "sent"), counted("webhook", "refused"), counted("any", "sent")
    assert outbound.reply(house.organization, answered(house, monkeypatch, Sent("n1"))).state == "sent"
    assert outbound.reply(house.organization, answered(house, monkeypatch, Rejected("Too long.", "Shorten it."))).state == "failed"
    assert (counted("webhook", "sent"), counted("webhook", "refused")) == (sent + 1, refused + 1)
    assert counted("any", "sent") == others
