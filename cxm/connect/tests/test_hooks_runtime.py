"""Outbound webhooks: the runtime itself, in two processes as far as leases can tell."""

from __future__ import annotations

import threading
from uuid import UUID

import pytest
from django.db import connection, transaction

from cxm.connect import hooks_post
from cxm.connect.events import AccountChanged
from cxm.connect.models import Webhook
from cxm.connect.runtime import Runtime
from cxm.connect.tests.hooks_kit import DAY, Receiver, Rest, happened, receiver, rest, stopped, turn  # noqa: F401
from cxm.platform import events
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, other, post  # noqa: F401 - fixtures
from tests.kit.waiting import until


@pytest.mark.django_db(transaction=True)
def test_the_runtime_tells_each_hook_by_itself_and_never_skips_a_transaction_that_ends_late(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    looks: list[int] = []
    claim = hooks_post.claim_due
    monkeypatch.setattr(hooks_post, "claim_due", lambda *given: (claim(*given), looks.append(1))[0])
    slow = threading.Event()
    receiver.answer = lambda path, body: (slow.wait(10), (200, {}))[1] if path == "/slow" else (200, {})
    call = rest(house)
    call.hook(receiver.url("/slow"))
    call.hook(receiver.url("/swift"))
    written, finish = threading.Event(), threading.Event()

    def late() -> None:
        with transaction.atomic():
            events.publish(AccountChanged(organization=house.organization, account=UUID(int=7), change="began first"))
            written.set()
            finish.wait(60)
        connection.close()

    other_writer = threading.Thread(target=late)
    other_writer.start()
    runtimes = [Runtime(), Runtime()]  # two processes, as far as the leases can tell
    try:
        assert written.wait(5)
        happened(house, "ended first")
        for runtime in runtimes:
            runtime.listen()
        seen = len(looks)
        until(lambda: len(looks) >= seen + 4, "both looked again")
        assert not receiver.got  # told before what began earlier, it would have to be skipped
        finish.set()
        other_writer.join(5)
        until(lambda: len(receiver.names("/swift")) == 2, "what began first and what ended first were told")
        assert [entry["change"] for entry in receiver.data("/swift")] == ["began first", "ended first"]
        until(lambda: len(receiver.names("/slow")) == 1, "the slow one was called")  # it still has not answered the first
        happened(house, "third")
        until(lambda: len(receiver.names("/swift")) == 3, "the third was told")
        assert len(receiver.names("/slow")) == 1
        slow.set()
        until(lambda: len(receiver.names("/slow")) == 3, "the slow one caught up")
        assert [entry["change"] for entry in receiver.data("/slow")] == ["began first", "ended first", "third"]
    finally:
        finish.set()
        slow.set()
        for runtime in runtimes:
            runtime.stop()
    assert len(receiver.got) == 6  # each once
    until(
        lambda: set(Webhook.objects.for_organization(house.organization).values_list("leased_until", flat=True)) == {None},
        "every lease was given back",
    )
