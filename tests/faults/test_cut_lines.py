"""The line to the database is cut at each statement in turn: what is answered 2xx stands, everything else is told to come again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client
from structlog.testing import capture_logs

from cxm.connect import api as connect
from cxm.connect import door
from cxm.connect.models import Delivery
from cxm.govern import api as govern
from cxm.platform import jobs
from tests.houses import House, _own_store, house  # noqa: F401 - fixtures
from tests.kit.deliveries import encoded, message, signed

pytestmark = pytest.mark.django_db(transaction=True)
#: No call of ours needs as many statements.
MOST = 120


@pytest.fixture(autouse=True)
def _fresh_lines() -> Iterator[None]:
    """Lines that were cut leave the pool with the test."""
    yield
    connection.close()
    connection.close_pool()


class Line:
    """Counts statements; cuts the line before one of them, or instead of the commit (0)."""

    def __init__(self, at: int) -> None:
        self.at, self.seen, self.cut = at, 0, False
        self.told: list[str] = []

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        self.seen += 1
        if self.seen == self.at:
            self.cut = True
            connection.connection.close()
        return execute(sql, params, many, context)


@contextmanager
def cut_at(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    line, sound = Line(number), connection._commit

    def commit() -> None:
        if number == 0:
            line.cut = True
            connection.connection.close()
        sound()

    with monkeypatch.context() as patch, connection.execute_wrapper(line):
        patch.setattr(connection, "_commit", commit)
        yield line
    connection.close()


def each_moment(call: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Line]]:
    """What ``call`` answers, cut off at every moment there is, and at last not at all."""
    for number in range(MOST):
        with cut_at(number, monkeypatch) as line, capture_logs() as told:
            answer = call()
        line.told = [repr(entry.get("exc_info")) for entry in told]
        yield answer, line
        if number and not line.cut:
            return
    raise AssertionError("It never ends.")


def knock(account: str, secret: str) -> door.Knock:
    """A delivery at the door."""
    body = encoded(message(uuid4().hex))
    loop = asyncio.new_event_loop()
    try:
        return door.Knock("webhook", account, signed(secret, body), body, loop.create_future(), loop)
    finally:
        loop.close()


@pytest.mark.parametrize("waits", [False, True], ids=["nobody enqueued", "another enqueues at the same moment"])
def test_a_delivery_is_kept_or_refused_wherever_the_database_goes_away(house: House, monkeypatch: pytest.MonkeyPatch, waits: bool) -> None:
    account, secret = connect.connect(house.owner, channel="webhook", name="Web")
    if waits:
        monkeypatch.setattr(jobs, "_may_enqueue", lambda *_, **__: True)
        door.store_group([knock(str(account.id), secret)])

    def deliver() -> tuple[int, str]:
        told = knock(str(account.id), secret)
        try:
            door.store_group([told])
        except OperationalError:
            return 503, ""
        assert told.delivery is not None
        return told.status[0], told.delivery.delivery_id

    answers = [answer for answer, _ in each_moment(deliver, monkeypatch)]
    assert {status for status, _ in answers} == {202, 503}
    stored = set(Delivery.objects.for_organization(house.organization).values_list("delivery_id", flat=True))
    assert {key for status, key in answers if status == 202} <= stored, "answered 2xx and not there"


def test_an_answer_is_kept_or_refused_wherever_the_database_goes_away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    account = connect.connect(house.owner, channel="webhook", name="Web", settings={"reply_url": "https://platform.example/replies"})[0]
    with transaction.atomic():
        house.hear(account, "m1", "Where is my order?")
    client = Client(raise_request_exception=False)
    token = govern.create_token(house.owner, "tests", None)[1]
    bearer = {"Authorization": f"Bearer {token}"}
    (conversation,) = client.get("/api/v1/conversations", headers=bearer).json()["items"]
    path, kept, statuses = f"/api/v1/conversations/{conversation['id']}/replies", [], set()

    def answer() -> Any:
        body = {"text": f"Here it is {uuid4()}"}
        return client.post(path, body, content_type="application/json", headers=bearer | {"Idempotency-Key": uuid4().hex})

    for said, line in each_moment(answer, monkeypatch):
        statuses.add(said.status_code)
        assert said.status_code in (202, 503), (line.at, line.seen, said.status_code, line.told, said.content[:300])
        if said.status_code == 202:
            kept.append(said.json()["id"])
        else:
            assert int(said.headers["Retry-After"]) > 0
    assert statuses == {202, 503}
    for key in kept:
        assert client.get(f"/api/v1/replies/{key}", headers=bearer).status_code == 200, "answered 2xx and not there"
