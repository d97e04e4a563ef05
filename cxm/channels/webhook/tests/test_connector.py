"""What each answer of the reply address means, and what goes to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook

from cxm.channels.contracts import AccountView, AuthExpired, Media, Outgoing, RateLimited, Rejected, Sent, Session, Unavailable
from cxm.channels.kit import webhooks
from cxm.channels.registry import channel

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
INTENT = UUID("01936a00-0000-7000-8000-000000000000")
SECRET = webhooks.new_secret()


@dataclass
class Answer:
    """One HTTP answer."""

    status_code: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        return json.loads(self.content)


class Http:
    """Records calls and gives one answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    async def request(self, method: str, url: str, **more: Any) -> Answer:
        self.calls.append((method, url, more))
        return self.answer


def _session(http: Http, secret: str | None = SECRET, **settings: Any) -> Session:
    account = AccountView(UUID(int=1), "webhook", "acme", {"reply_url": "https://app.example/r?id=7&x=%20a#f", **settings})
    return Session(account, {"secret": secret} if secret else {}, http, dial=None, now=NOW)  # type: ignore[arg-type]


def _answer(status: int, body: Any = None, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Answer(status, content, {name.replace("_", "-"): value for name, value in headers.items()})


OUT = Outgoing(
    INTENT, "reply", "Grüße", True, in_reply_to="m1", thread="t1", media=(Media("image", url="https://x.example/a.png", alt="a"),)
)


def _send(answer: Answer, outgoing: Outgoing = OUT) -> Sent:
    return asyncio.run(channel("webhook").sender(outgoing.kind).send(_session(Http(answer)), outgoing))


def _read_back(answer: Answer) -> Sent | None:
    return asyncio.run(channel("webhook").read_back().read_back(_session(Http(answer)), OUT))


@pytest.mark.parametrize("status", [200, 201, 202, 409])
@pytest.mark.parametrize(("native_id", "known_as"), [("n1", "n1"), (17, "17")])
def test_done(status: int, native_id: Any, known_as: str) -> None:
    assert _send(_answer(status, {"native_id": native_id})).native_id == known_as


@pytest.mark.parametrize(
    "answer",
    [
        _answer(200),
        _answer(204),
        _answer(200, b"<html>"),
        _answer(200, {}),
        _answer(200, {"native_id": None}),
        _answer(200, {"native_id": ""}),
        _answer(200, {"native_id": True}),
        _answer(200, {"native_id": "x" * 2000}),
        _answer(200, [1]),
        _answer(409),
        _answer(500, {"native_id": "n1"}),
        _answer(502),
        _answer(504, {"detail": "slow"}),
    ],
)
def test_unknown(answer: Answer) -> None:
    with pytest.raises(Unavailable) as caught:
        _send(answer)
    assert caught.value.effect_possible


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 410, 422, 451])
def test_refused_for_good_with_its_detail(status: int) -> None:
    with pytest.raises(Rejected) as caught:
        _send(_answer(status, {"detail": "no such\n\u202eperson"}))
    assert caught.value.text == "no such person"
    with pytest.raises(Rejected, match=str(status)):
        _send(_answer(status))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_not_followed(status: int) -> None:
    http = Http(_answer(status, {"native_id": "n1"}, location="https://evil.example"))
    with pytest.raises(Rejected):
        asyncio.run(channel("webhook").sender("reply").send(_session(http), OUT))
    assert len(http.calls) == 1 and not http.calls[0][2].get("follow_redirects")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("30", 30.0),
        ("0", 1.0),
        ("1.5", 1.5),
        ("999999999999999999999999999", 86_400.0),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2020 12:01:00 GMT", 1.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("²", None),
    ],
)
def test_later_honours_retry_after_within_bounds(given: str, seconds: float | None) -> None:
    with pytest.raises(RateLimited) as limited:
        _send(_answer(429, retry_after=given))
    assert limited.value.retry_after == seconds
    with pytest.raises(Unavailable) as away:
        _send(_answer(503, Retry_After=given))
    assert away.value.retry_after == seconds and not away.value.effect_possible


@pytest.mark.parametrize("kind", ["reply", "post", "edit", "delete", "hide"])
def test_what_goes_out_is_signed_and_whole(kind: str) -> None:
    http = Http(_answer(200, {"native_id": "n"}))
    outgoing = Outgoing(INTENT, kind, "Grüße", True, in_reply_to="m1", thread="t1", media=OUT.media)
    asyncio.run(channel("webhook").sender(kind).send(_session(http), outgoing))
    ((method, url, more),) = http.calls
    assert (method, url) == ("POST", "https://app.example/r?id=7&x=%20a#f")
    assert more["headers"]["webhook-id"] == str(INTENT)
    assert webhooks.verify(more["headers"], more["content"], SECRET, NOW) == str(INTENT)
    assert json.loads(more["content"]) == {
        "type": kind,
        "id": str(INTENT),
        "in_reply_to": "m1",
        "thread": "t1",
        "text": "Grüße",
        "media": [{"kind": "image", "url": "https://x.example/a.png", "alt": "a"}],
    }


def test_reading_back() -> None:
    http = Http(_answer(200, {"native_id": "n1"}))
    assert asyncio.run(channel("webhook").read_back().read_back(_session(http), OUT)) == Sent("n1")
    ((method, url, more),) = http.calls
    assert (method, url) == ("GET", f"https://app.example/r?x=+a&id={INTENT}")
    assert webhooks.verify(more["headers"], b"", SECRET, NOW) == str(INTENT)
    assert _read_back(_answer(404, {"native_id": "n1"})) is None


@pytest.mark.parametrize("answer", [_answer(200), _answer(202, {"native_id": "n"}), _answer(401), _answer(410), _answer(500), _answer(302)])
def test_a_read_back_that_says_nothing_leaves_it_unknown(answer: Answer) -> None:
    with pytest.raises(Unavailable):
        _read_back(answer)


@pytest.mark.parametrize("secret", [None, "", "whsec_", "whsec_!!"])
def test_without_a_secret_nothing_leaves(secret: str | None) -> None:
    http = Http(_answer(200, {"native_id": "n"}))
    with pytest.raises(AuthExpired):
        asyncio.run(channel("webhook").sender("reply").send(_session(http, secret), OUT))
    assert http.calls == []


def test_the_test_button() -> None:
    def steps(answer: Answer, **settings: Any) -> list[tuple[str, bool]]:
        return [(step.name, step.ok) for step in asyncio.run(channel("webhook").tester().test(_session(Http(answer), **settings)))]

    assert steps(_answer(404), reads_back=True) == [("Secret", True), ("Read back", True)]
    assert steps(_answer(500), reads_back=True)[-1] == ("Read back", False)
    assert steps(_answer(200, {"native_id": "n"}), reads_back=True)[-1] == ("Read back", False)
    assert steps(_answer(500)) == [("Secret", True), ("Reply address", True)]
    assert steps(_answer(500), reply_url=None) == [("Secret", True)]


def test_settings_decide_what_may_be_done_again() -> None:
    webhook = channel("webhook")
    assert webhook.idempotent({"idempotent": True}) and not webhook.idempotent({"idempotent": "yes"}) and not webhook.idempotent({})
    assert webhook.reads_back({"reads_back": True}) and not webhook.reads_back({})
    assert webhook.can_send("reply", {"reply_url": "https://x.example"}) and not webhook.can_send("reply", {"reply_url": ""})
    filled, errors = webhook.check_settings({"reply_url": "ftp://x.example", "other": 1})
    assert [error.path for error in errors] == ["settings.other", "settings.reply_url"]
    assert filled["idempotent"] is False


def test_the_scheme_is_the_one_others_speak() -> None:
    now = datetime.now(UTC)
    headers = webhooks.sign("msg_1", b'{"a":1}', SECRET, now)
    Webhook(SECRET).verify(b'{"a":1}', headers)
    theirs = Webhook(SECRET).sign("msg_2", now, '{"a":1}')
    given = {"Webhook-Id": "msg_2", "Webhook-Timestamp": str(int(now.timestamp())), "Webhook-Signature": f"v1,AAAA v1a,x {theirs}"}
    assert webhooks.verify(given, b'{"a":1}', SECRET, now) == "msg_2"
