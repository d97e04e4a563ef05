"""Outbound webhooks: registered by REST, delivered to a receiver of the test's own over real HTTP."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from standardwebhooks.webhooks import Webhook as Standard
from standardwebhooks.webhooks import WebhookVerificationError

from cxm.connect import hooks, hooks_post, rotation
from cxm.connect.events import AccountChanged, ItemsQuarantined
from cxm.connect.models import Webhook
from cxm.connect.runtime import Runtime
from cxm.govern import api as govern
from cxm.govern.events import StopChanged
from cxm.govern.services import members
from cxm.kernel.clock import frozen_at, now
from cxm.platform import config, egress, events, secrets
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@dataclass
class Receiver:
    """An integrator: keeps what it got, answers as told."""

    port: int = 0
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[str, bytes], tuple[int, dict[str, str]]] = lambda path, body: (204, {})

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def names(self, path: str = "/hook") -> list[str]:
        return [json.loads(body)["name"] for at, _, body in self.got if at == path]

    def data(self, path: str = "/hook") -> list[dict[str, Any]]:
        return [json.loads(body)["data"] for at, _, body in self.got if at == path]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver on loopback, allowed as an operator would allow it."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.got.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            status, headers = made.answer(self.path, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.port = server.server_address[1]
    monkeypatch.setenv("CXM_EGRESS_ALLOW", f"127.0.0.1:{made.port}")
    config.settings.cache_clear()
    yield made
    server.shutdown()
    server.server_close()
    monkeypatch.undo()
    config.settings.cache_clear()


@dataclass
class Rest:
    """A token's view of the API."""

    secret: str

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return Client().generic(method, f"/api/v1{path}", headers={"Authorization": f"Bearer {self.secret}", **headers}, **data)

    def hook(self, url: str, *names: str) -> dict[str, Any]:
        answer = self("POST", "/webhooks", {"url": url, "events": list(names)})
        assert answer.status_code == 201, answer.content
        return answer.json()

    def one(self, made: dict[str, Any]) -> dict[str, Any]:
        return self("GET", f"/webhooks/{made['id']}").json()


def rest(house: House, *scopes: str) -> Rest:
    return Rest(govern.create_token(house.owner, "tests", list(scopes) or None)[1])


def happened(house: House, *changes: str) -> None:
    """Something happens to an account, once for each of ``changes``."""
    with transaction.atomic():
        for change in changes:
            events.publish(AccountChanged(organization=house.organization, account=UUID(int=7), change=change))


def stopped(house: House) -> None:
    with transaction.atomic():
        events.publish(StopChanged(organization=house.organization, stop=uuid4(), scope="organization", on=True))


@pytest.fixture
def turn() -> Iterator[Callable[[], int]]:
    """Call every hook that is due, as the runtime does each second, within the test's own transaction; how many there were."""
    mine = connections["default"]
    mine.inc_thread_sharing()

    def on_mine(work: Callable[[], Any]) -> Any:
        connections["default"] = mine
        return work()

    async def db(work: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(on_mine, work)

    async def client() -> egress.GuardedHttp:
        return egress.GuardedHttp()  # making one takes a third of a second

    async def go(http: egress.GuardedHttp) -> int:
        due = await db(lambda: hooks_post.claim_due(100))
        for hook in due:  # one after another: they share the test's connection
            await hooks_post.serve_one(hook, http, db)
        return len(due)

    with asyncio.Runner() as runner:
        http = runner.run(client())
        yield lambda: runner.run(go(http), context=contextvars.copy_context())
        runner.run(http.close())
    mine.dec_thread_sharing()


# registering


def test_the_secret_is_answered_once_and_sealed_at_rest(house: House, receiver: Receiver):
    call = rest(house)
    made = call.hook(receiver.url(), "connect.account_changed")
    assert made["secret"].startswith("whsec_")
    assert made["active"] is True
    assert made["events"] == ["connect.account_changed"]
    row = Webhook.objects.for_organization(house.organization).get()
    assert made["secret"] not in row.sealed_secret
    assert secrets.unseal(row.sealed_secret) == made["secret"]
    for answer in (call("GET", "/webhooks"), call("GET", f"/webhooks/{made['id']}"), call("PATCH", f"/webhooks/{made['id']}", {})):
        assert answer.status_code == 200
        assert "secret" not in answer.content.decode()
    assert call("GET", "/webhooks").json()["items"][0]["id"] == made["id"]
    assert call("DELETE", f"/webhooks/{made['id']}").status_code == 204
    assert call("GET", f"/webhooks/{made['id']}").status_code == 404


def test_a_repeated_post_makes_one_hook_and_keeps_the_secret_back(house: House, receiver: Receiver):
    call, body = rest(house), {"url": receiver.url(), "events": []}
    first = call("POST", "/webhooks", body, **{"Idempotency-Key": "one"})
    again = call("POST", "/webhooks", body, **{"Idempotency-Key": "one"})
    assert (first.json()["id"], again.json()["secret"]) == (again.json()["id"], None)
    assert len(call("GET", "/webhooks").json()["items"]) == 1


def test_unknown_events_are_refused_by_name(house: House, receiver: Receiver):
    call = rest(house)
    for names in (["connect.account_changed", "connect.nothing"], ["*"], [""]):
        answer = call("POST", "/webhooks", {"url": receiver.url(), "events": names})
        assert (answer.status_code, answer.json()["code"]) == (422, "events_unknown")
        assert f"“{names[-1]}”" in answer.json()["detail"]
        assert answer.json()["errors"][0]["path"] == f"events.{len(names) - 1}"
    made = call.hook(receiver.url())
    assert call("PATCH", f"/webhooks/{made['id']}", {"events": ["x.y"]}).status_code == 422
    assert call.one(made)["events"] == []


def test_every_declared_event_can_be_asked_for(house: House, receiver: Receiver):
    known = hooks.known_events()
    assert {"connect.account_changed", "govern.stop_changed", "listen.mentions_heard", "love.conversations_opened"} <= set(known)
    assert rest(house).hook(receiver.url(), *known)["events"] == list(known)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x", "https://10.0.0.8/x", "https://169.254.169.254/latest", "https://[::1]/x", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a9fe:a9fe]/",
        "https://2130706433/", "https://0x7f.1/", "https://①②⑦.0.0.1/", "http://example.com/", "ftp://example.com/", "https://a:b@example.com/", "https://example.com:22/",
        "", "nonsense", "https:///x", "https://exa mple.com/", "https://93.184.216.34/" + "a" * 2000,
    ],
)  # fmt: skip
def test_addresses_that_are_not_ours_to_call_are_refused_at_both_doors(house: House, receiver: Receiver, url: str):
    call = rest(house)
    answer = call("POST", "/webhooks", {"url": url, "events": []})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "url"), answer.content
    made = call.hook(receiver.url())
    assert call("PATCH", f"/webhooks/{made['id']}", {"url": url}).status_code == 422
    assert call.one(made)["url"] == receiver.url()


def test_nothing_is_set_on_the_side(house: House, other: House, receiver: Receiver):
    call = rest(house)
    made = call.hook(receiver.url())
    for name, value in {
        "organization": str(other.organization), "organization_id": str(other.organization), "member": str(uuid4()), "rights": ["audit:read"], "secret": "whsec_AAAA",
        "position": "0-0", "state": "active", "reason": "", "id": str(uuid4()), "failures": 0,
    }.items():  # fmt: skip
        for method, path in (("POST", "/webhooks"), ("PATCH", f"/webhooks/{made['id']}")):
            answer = call(method, path, {"url": receiver.url(), "events": [], name: value})
            assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, name)
    assert Webhook.everywhere.count() == 1  # everywhere: of whatever organization


def test_another_organizations_hook_answers_as_a_missing_one(house: House, other: House, receiver: Receiver, turn: Callable[[], int]):
    made, theirs = rest(other).hook(receiver.url("/theirs")), rest(house)
    mine = theirs.hook(receiver.url("/mine"))
    for method, path, body in (("GET", "", None), ("PATCH", "", {"active": False}), ("DELETE", "", None), ("POST", "/rotate", {})):
        foreign = theirs(method, f"/webhooks/{made['id']}{path}", body)
        missing = theirs(method, f"/webhooks/{uuid4()}{path}", body)
        assert (foreign.status_code, foreign.json()) == (404, {**missing.json(), "instance": foreign.json().get("instance")}) or (
            foreign.status_code == missing.status_code == 404 and foreign.json()["code"] == missing.json()["code"]
        )
    assert [item["id"] for item in theirs("GET", "/webhooks").json()["items"]] == [mine["id"]]
    happened(house, "ours")
    happened(other, "others")
    assert turn() == 2
    assert (receiver.data("/mine")[0]["change"], receiver.data("/theirs")[0]["change"]) == ("ours", "others")
    assert len(receiver.got) == 2


def test_the_right_is_needed_in_the_whole_organization(house: House, receiver: Receiver):
    for call in (rest(house, "accounts:read"), rest(house, "events:read")):
        assert call("GET", "/webhooks").status_code == 403
        assert call("POST", "/webhooks", {"url": receiver.url(), "events": []}).status_code == 403
    made = rest(house).hook(receiver.url())
    north = house.unit("North")
    invited = govern.invite(house.owner, "north@marlow.example", "North", "manager", north)
    members.accept(invited.link.rsplit("/", 1)[1], "", "a long enough pass phrase")
    actor = govern.actor_for(house.organization, invited.member.id)
    call = Rest(govern.create_token(actor, "tests", None)[1])
    for method, path in (("GET", "/webhooks"), ("GET", f"/webhooks/{made['id']}"), ("DELETE", f"/webhooks/{made['id']}")):
        assert call(method, path).status_code == 403
    assert call("POST", "/webhooks", {"url": receiver.url(), "events": []}).status_code == 403


# delivering


def test_events_come_in_order_signed_and_as_the_list_of_events_shows_them(house: House, receiver: Receiver, turn: Callable[[], int]):
    happened(house, "before")
    call = rest(house)
    made = call.hook(receiver.url())
    happened(house, "one", "two")
    stopped(house)
    happened(house, "three")
    assert turn() == 1
    assert [entry.get("change") for entry in receiver.data()] == ["one", "two", None, "three"]
    listed = call("GET", "/events?limit=500").json()["items"]
    assert [json.loads(body) for _, _, body in receiver.got] == listed[-4:]
    for _, headers, body in receiver.got:
        assert Standard(made["secret"]).verify(body, headers) == json.loads(body)
        with pytest.raises(WebhookVerificationError):
            Standard(made["secret"]).verify(body + b" ", headers)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 4
    assert turn() == 0
    assert call.one(made)["last_delivered_at"] is not None


def test_only_what_was_asked_for_comes_and_the_rest_is_passed_over_once(house: House, receiver: Receiver, turn: Callable[[], int]):
    rest(house).hook(receiver.url(), "govern.stop_changed")
    happened(house, *"abc")
    assert (turn(), turn()) == (1, 0)
    assert receiver.got == []
    stopped(house)
    happened(house, *"abc")
    assert (turn(), turn()) == (1, 0)
    assert receiver.names() == ["govern.stop_changed"]


def test_more_than_a_page_comes_whole_and_in_order(
    house: House, receiver: Receiver, turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hooks_post, "READ", 4)
    rest(house).hook(receiver.url())
    happened(house, *map(str, range(10)))
    turn()
    assert [entry["change"] for entry in receiver.data()] == [str(number) for number in range(10)]


def test_a_turn_ends_in_time_and_goes_on_in_the_next(
    house: House, receiver: Receiver, turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hooks_post, "TURN", 0.2)
    receiver.answer = lambda path, body: (time.sleep(0.15), (204, {}))[1]
    rest(house).hook(receiver.url())
    happened(house, *"abcd")
    turn()
    assert 1 <= len(receiver.got) < 4
    while turn():
        pass
    assert [entry["change"] for entry in receiver.data()] == list("abcd")


def test_what_a_failing_one_missed_comes_later_in_order_under_the_same_id(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    made = call.hook(receiver.url())
    happened(house, "one", "two", "three")
    receiver.answer = lambda path, body: (500 if b'"two"' in body else 200, {})
    start = now()
    with frozen_at(start):
        assert turn() == 1
        assert [entry["change"] for entry in receiver.data()] == ["one", "two"]
        shown = call.one(made)
        assert (shown["active"], shown["failures"], shown["reason"]) == (True, 1, "It answered 500.")
        assert start < datetime.fromisoformat(shown["next_try_at"]) <= start + timedelta(seconds=5)
        assert turn() == 0
    with frozen_at(start + timedelta(seconds=5)):
        assert turn() == 1
    with frozen_at(start + timedelta(seconds=9)):
        assert turn() == 0
    receiver.answer = lambda path, body: (200, {})
    with frozen_at(start + timedelta(seconds=15)):
        assert turn() == 1
        assert [entry["change"] for entry in receiver.data()] == ["one", "two", "two", "two", "three"]
        ids = [headers["webhook-id"] for _, headers, _ in receiver.got]
        assert len(set(ids)) == 3
        assert ids[1] == ids[2] == ids[3]
        assert int(receiver.got[3][1]["webhook-timestamp"]) == int((start + timedelta(seconds=15)).timestamp())  # each try is signed anew
        shown = call.one(made)
        assert (shown["failures"], shown["reason"], shown["failing_since"], shown["next_try_at"]) == (0, "", None, None)


def test_waits_double_to_an_hour_and_after_three_days_it_is_paused_until_somebody_resumes_it(
    house: House, receiver: Receiver, turn: Callable[[], int]
):
    call = rest(house)
    made = call.hook(receiver.url())
    happened(house, "kept")
    receiver.answer = lambda path, body: (503, {})
    start = moment = now()
    waits: list[float] = []
    while True:
        with frozen_at(moment):
            assert turn() == 1
            shown = call.one(made)
            if not shown["active"]:
                break
            due = datetime.fromisoformat(shown["next_try_at"])
            waits.append((due - moment).total_seconds())
            moment = due + timedelta(milliseconds=1)  # JSON has milliseconds
    assert all(0.9 * wanted <= wait <= wanted for wait, wanted in zip(waits, [5 * 2**power for power in range(10)], strict=False))
    assert max(waits) <= 3600
    assert min(waits[11:]) >= 0.9 * 3600
    assert timedelta(days=3) <= moment - start <= timedelta(days=3, hours=1)
    assert shown["reason"] == "It took nothing for three days; the last time: It answered 503."
    assert shown["next_try_at"] is None
    receiver.answer = lambda path, body: (200, {})
    with frozen_at(moment + DAY):
        happened(house, "later")
        assert turn() == 0
        resumed = call("PATCH", f"/webhooks/{made['id']}", {"active": True}).json()
        assert (resumed["active"], resumed["reason"], resumed["failing_since"]) == (True, "", None)
        receiver.got.clear()
        assert turn() == 1
        assert [entry["change"] for entry in receiver.data()] == ["kept", "later"]


def test_gone_pauses_at_once_and_retry_after_is_honoured(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    gone, busy = call.hook(receiver.url("/gone")), call.hook(receiver.url("/busy"))
    receiver.answer = lambda path, body: (410, {}) if path == "/gone" else (429, {"retry-after": "600"})
    happened(house, "one", "two")
    with frozen_at(now()):
        assert turn() == 2
        shown = call.one(gone)
        assert (shown["active"], shown["reason"]) == (False, "It answered 410: it wants to be told nothing any more.")
        shown = call.one(busy)
        assert shown["active"] is True
        assert datetime.fromisoformat(shown["next_try_at"]) >= now() + timedelta(seconds=540)
    assert len(receiver.got) == 2


def test_a_redirect_is_not_followed(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    made = call.hook(receiver.url())
    receiver.answer = lambda path, body: (307, {"location": receiver.url("/elsewhere")})
    happened(house, "one")
    turn()
    assert [path for path, _, _ in receiver.got] == ["/hook"]
    assert call.one(made)["reason"] == "It answered 307. A redirect is not followed; enter the address it leads to."


def test_the_guard_judges_each_call_again(house: House, receiver: Receiver, turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch):
    call = rest(house)
    made = call.hook(receiver.url())
    happened(house, "one")
    monkeypatch.setenv("CXM_EGRESS_ALLOW", "")
    config.settings.cache_clear()
    assert turn() == 1
    assert receiver.got == []
    assert "refused" in call.one(made)["reason"]


def test_nobody_there_is_a_failure_like_any_other(
    house: House, receiver: Receiver, turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CXM_EGRESS_ALLOW", f"127.0.0.1:{receiver.port},127.0.0.1:9")
    config.settings.cache_clear()
    call = rest(house)
    made, well = call.hook("http://127.0.0.1:9/x"), call.hook(receiver.url())
    happened(house, "one")
    assert turn() == 2
    assert "does not answer" in call.one(made)["reason"]
    assert (call.one(made)["failures"], call.one(well)["failures"], len(receiver.got)) == (1, 0, 1)


def test_an_endless_answer_is_cut(house: House, receiver: Receiver, turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hooks_post, "CALL_SECONDS", 0.3)
    receiver.answer = lambda path, body: (time.sleep(1), (200, {}))[1]
    call = rest(house)
    made = call.hook(receiver.url())
    happened(house, "one")
    turn()
    assert "did not answer within" in call.one(made)["reason"]


def test_a_stop_does_not_hold_them(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    call.hook(receiver.url(), "govern.stop_changed")
    assert call("POST", "/stops", {"scope": "organization", "reason": "drill"}).status_code == 201
    assert turn() == 1
    assert receiver.data()[0]["on"] is True


# whose rights


def test_only_what_the_token_that_made_it_may_read_is_told(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house, "webhooks:write", "stops:read")
    call.hook(receiver.url())
    happened(house, "hidden")
    with transaction.atomic():
        events.publish(ItemsQuarantined(organization=house.organization, account=None, count=1))
    stopped(house)
    assert (turn(), turn()) == (1, 0)
    assert receiver.names() == ["govern.stop_changed"]
    answer = call("POST", "/webhooks", {"url": receiver.url(), "events": ["connect.account_changed"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "events_not_readable")
    assert "connect.account_changed" in answer.json()["detail"]


def test_who_points_it_elsewhere_answers_for_it(house: House, receiver: Receiver, turn: Callable[[], int]):
    made = rest(house).hook(receiver.url())
    narrow = rest(house, "webhooks:write", "stops:read")
    assert narrow("PATCH", f"/webhooks/{made['id']}", {"url": receiver.url("/mine")}).status_code == 200
    happened(house, "hidden")
    stopped(house)
    turn()
    assert [path for path, _, _ in receiver.got] == ["/mine"]
    assert receiver.names("/mine") == ["govern.stop_changed"]
    wide = rest(house).hook(receiver.url(), "connect.account_changed")
    assert narrow("PATCH", f"/webhooks/{wide['id']}", {"url": receiver.url("/mine")}).status_code == 422


def test_it_is_paused_where_its_member_left_or_lost_the_right(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    for email in ("leaves@marlow.example", "falls@marlow.example"):
        invited = govern.invite(house.owner, email, "Someone", "manager", None)
        members.accept(invited.link.rsplit("/", 1)[1], "", "a long enough pass phrase")
        actor = govern.actor_for(house.organization, invited.member.id)
        made = Rest(govern.create_token(actor, "tests", None)[1]).hook(receiver.url())
        happened(house, "before")
        assert turn() == 1
        receiver.got.clear()
        if email.startswith("leaves"):
            members.remove(house.owner, invited.member.id)
        else:
            members.change(house.owner, invited.member.id, role="agent")
        happened(house, "after")
        assert turn() == 1
        shown = call.one(made)
        assert (receiver.got, shown["active"]) == ([], False)
        assert "may no longer have it called" in shown["reason"]
        assert call("PATCH", f"/webhooks/{made['id']}", {"active": True}).json()["active"] is True
        assert turn() == 1
        assert receiver.data()[0]["change"] == "after"
        receiver.got.clear()
        assert call("DELETE", f"/webhooks/{made['id']}").status_code == 204


def test_a_paused_one_keeps_its_place_and_a_removed_one_hears_nothing(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    made = call.hook(receiver.url())
    assert call("PATCH", f"/webhooks/{made['id']}", {"active": False}).json()["reason"] == "A member paused it."
    happened(house, "one")
    assert turn() == 0
    call("PATCH", f"/webhooks/{made['id']}", {"active": True})
    assert turn() == 1
    assert receiver.data()[0]["change"] == "one"
    call("DELETE", f"/webhooks/{made['id']}")
    happened(house, "two")
    assert turn() == 0
    assert len(receiver.got) == 1


def test_paused_in_the_middle_of_a_turn_it_hears_no_more(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    made = call.hook(receiver.url())
    row = Webhook.objects.for_organization(house.organization)
    happened(house, "one", "two")
    real = hooks_post.note_taken

    def note(*given: Any, **named: Any) -> bool:
        row.update(state="paused", reason="A member paused it.", revision=99)  # while the first one was under way
        return real(*given, **named)

    hooks_post.note_taken = note  # type: ignore[assignment]
    try:
        turn()
    finally:
        hooks_post.note_taken = real  # type: ignore[assignment]
    assert [entry["change"] for entry in receiver.data()] == ["one"]
    assert call.one(made)["reason"] == "A member paused it."
    call("PATCH", f"/webhooks/{made['id']}", {"active": True})
    turn()
    assert [entry["change"] for entry in receiver.data()] == ["one", "two"]


# secrets


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


# the page


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


# the runtime itself


def until(condition: Callable[[], bool], seconds: float = 15) -> bool:
    ends = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends:
        time.sleep(0.02)
    return condition()


@pytest.mark.django_db(transaction=True)
def test_the_runtime_tells_each_hook_by_itself_and_never_skips_a_transaction_that_ends_late(house: House, receiver: Receiver):
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
            finish.wait(10)
        connection.close()

    other_writer = threading.Thread(target=late)
    other_writer.start()
    runtimes = [Runtime(), Runtime()]  # two processes, as far as the leases can tell
    try:
        assert written.wait(5)
        happened(house, "ended first")
        for runtime in runtimes:
            runtime.listen()
        assert not until(lambda: bool(receiver.got), 1.5)  # told before what began earlier, it would have to be skipped
        finish.set()
        other_writer.join(5)
        assert until(lambda: len(receiver.names("/swift")) == 2)
        assert [entry["change"] for entry in receiver.data("/swift")] == ["began first", "ended first"]
        assert until(lambda: len(receiver.names("/slow")) == 1)  # it still has not answered the first
        happened(house, "third")
        assert until(lambda: len(receiver.names("/swift")) == 3)
        assert len(receiver.names("/slow")) == 1
        slow.set()
        assert until(lambda: len(receiver.names("/slow")) == 3)
        assert [entry["change"] for entry in receiver.data("/slow")] == ["began first", "ended first", "third"]
    finally:
        finish.set()
        slow.set()
        for runtime in runtimes:
            runtime.stop()
    assert len(receiver.got) == 6  # each once
    assert until(lambda: set(Webhook.objects.for_organization(house.organization).values_list("leased_until", flat=True)) == {None})
