"""The inbound door: what is not authentic, too large, too deep, too slow."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from uuid import uuid4

import httpx2
import pytest

from tests.attacks.conftest import House
from tests.kit.deliveries import encoded, mark, message, signed
from tests.kit.serving import CLIENT, Rest, Serve, WebhookAccount
from tests.kit.waiting import until


def post(url: str, body: bytes, headers: dict[str, str]) -> httpx2.Response:
    return CLIENT.post(url, content=body, headers=headers, timeout=30)


def test_what_is_not_authentic_is_refused_and_nothing_of_it_is_kept(rest: Rest, account: WebhookAccount) -> None:
    body = encoded(message(f"n-{uuid4().hex}", "Forged."))
    good = signed(account.secret, body)
    at, identifier = good["webhook-timestamp"], good["webhook-id"]
    other = "whsec_" + "A" * 43 + "="
    wrong = [
        {},
        {name: value for name, value in good.items() if name != "webhook-signature"},
        {name: value for name, value in good.items() if name != "webhook-id"},
        {name: value for name, value in good.items() if name != "webhook-timestamp"},
        {**good, "webhook-signature": ""},
        {**good, "webhook-signature": "v1,"},
        {**good, "webhook-signature": "v1,bm9uc2Vuc2U="},
        {**good, "webhook-signature": good["webhook-signature"].replace("v1,", "v2,")},
        {**good, "webhook-signature": "v1a," + good["webhook-signature"][3:]},
        {**good, "webhook-id": f"{identifier}x"},
        {**good, "webhook-timestamp": str(int(at) + 1)},
        {**good, "webhook-timestamp": "now"},
        {**good, "webhook-timestamp": "-1"},
        {**good, "webhook-timestamp": "1e9"},
        {**good, "webhook-id": "a" * 5000},
        signed(other, body),
        signed(account.secret, body, age=301),
        signed(account.secret, body, age=86_400),
        signed(account.secret, body, age=-302),
        {**good, "webhook-signature": mark(account.secret, identifier, at, b"")},
    ]
    for headers in wrong:
        answer = post(account.url, body, headers)
        assert answer.status_code == 401, headers
        assert answer.json()["code"] == "not_authentic" and account.secret not in answer.text
    assert post(account.url, body + b" ", good).status_code == 401, "other bytes under a right signature"
    assert post(account.url, body, {**good, "webhook-signature": f"v1,AAAA v2,x {good['webhook-signature']}"}).status_code == 202, (
        "one of several may match"
    )
    until(lambda: rest.get("/coverage")["waiting_deliveries"] == 0, "intake rests")
    until(account.conversations, "the one good delivery is heard")
    assert len(account.conversations()) == 1


def test_right_at_the_edge_of_the_tolerance_it_counts(account: WebhookAccount) -> None:
    for age in (295, -295):
        assert account.deliver(message(f"n-{uuid4().hex}"), age=age).status_code == 202


def test_the_same_id_with_another_body_is_a_conflict_and_changes_nothing(rest: Rest, account: WebhookAccount) -> None:
    person = f"u-{uuid4().hex[:8]}"
    said = message(f"n-{uuid4().hex}", "The first.", person)
    assert account.deliver(said, message_id="replayed").status_code == 202
    assert account.deliver({**said, "text": "Another."}, message_id="replayed").status_code == 409
    assert account.deliver(said, message_id="replayed").status_code == 200
    conversation = account.conversation_of(person)
    assert [mention["text"] for mention in rest.get(f"/conversations/{conversation['id']}")["mentions"]] == ["The first."]


def test_a_signature_for_one_account_opens_no_other(ours: House, theirs: House) -> None:
    body = encoded(message(f"n-{uuid4().hex}", "Wrong house."))
    second = ours.rest.account()
    assert post(theirs.account.url, body, signed(ours.account.secret, body)).status_code == 401
    assert post(second.url, body, signed(ours.account.secret, body)).status_code == 401
    missing = theirs.account.url.replace(theirs.account.id, str(uuid4()))
    answers = [
        post(url, body, signed(ours.account.secret, body))
        for url in (theirs.account.url, missing, missing.replace("webhook", "email"), missing[:-5] + "zzzzz")
    ]
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1, "an account of theirs and none are told alike"


def test_an_account_that_is_removed_or_has_no_secret_takes_nothing(rest: Rest) -> None:
    account = rest.account()
    body = encoded(message(f"n-{uuid4().hex}"))
    rest.did("DELETE", f"/accounts/{account.id}", None, 204)
    assert post(account.url, body, signed(account.secret, body)).status_code == 401
    from cxm.channels import registry
    from cxm.channels.contracts import NotAuthentic
    from cxm.kernel.clock import now

    for secret in (None, "", "whsec_", "   ", "whsec_!!!"):
        with pytest.raises(NotAuthentic):
            registry.channel("webhook").receive().verify(signed("whsec_", body), body, secret, now())


def test_other_methods_and_addresses_tell_nothing(serve: Serve, account: WebhookAccount) -> None:
    assert CLIENT.get(account.url, timeout=20).status_code == 405
    for path in (
        "/in/",
        "/in/webhook",
        "/in/webhook/",
        f"/in/webhook/{account.id}/more",
        f"/in/{'x' * 4000}/{account.id}",
        "/in/webhook/%00",
        "/in/../api/v1/units",
    ):
        assert CLIENT.post(serve.url + path, content=b"{}", timeout=20).status_code in (401, 404), path


def test_ten_megabytes_and_more_are_refused(account: WebhookAccount) -> None:
    whole = message(f"n-{uuid4().hex}", "x" * 900_000)
    assert account.deliver([{**whole, "native_id": f"{whole['native_id']}-{number}"} for number in range(10)]).status_code == 202
    body = b" " * 10_000_001
    assert post(account.url, body, signed(account.secret, body)).status_code == 413

    def endless():
        for _ in range(200):
            yield b" " * 100_000

    with contextlib.suppress(httpx2.WriteError):  # refused while we were still sending
        assert CLIENT.post(account.url, content=endless(), headers=signed(account.secret, b""), timeout=30).status_code == 413


def test_depth_numbers_and_strange_bytes_are_quarantined_and_hurt_nobody(rest: Rest, account: WebhookAccount) -> None:
    person = f"u-{uuid4().hex[:8]}"
    nasty = [
        b"[" * 200_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b"", b"null", b"1e999999", b"-0", b'"text"', b"\x00" * 100, b"{}" * 10, b'{"native_id": 1e400, "text": "x"}',
        json.dumps({"native_id": "x", "text": "y", "published_at": "0000-00-00T00:00:00Z"}).encode(), b'{"native_id": ' + b"9" * 5000 + b', "text": "x"}',
        json.dumps({"native_id": "x" * 100_000, "text": "y", "published_at": "2026-11-20T10:00:00Z"}).encode(),
        json.dumps({"native_id": f"e-{person}", "text": "y", "published_at": "2026-11-20T10:00:00Z", "engagement": {"likes": 10**30}}).encode(),
        json.dumps([[]] * 50_000).encode(),
    ]  # fmt: skip
    for body in nasty:
        assert account.deliver(body).status_code == 202, body[:60]
    assert account.deliver(message(f"n-{person}", "I am fine.", person)).status_code == 202
    account.conversation_of(person, 60)
    until(lambda: rest.get("/coverage")["waiting_deliveries"] == 0, "intake rests", 60)


def test_what_a_delivery_says_of_ourselves_is_ignored(rest: Rest, account: WebhookAccount, theirs: House) -> None:
    person = f"u-{uuid4().hex[:8]}"
    claims = {
        "channel": "email", "account": theirs.account.name, "account_id": theirs.account.id, "organization": "x", "state": "answered", "media_type": "owned", "sentiment": "positive",
        "emotions": ["joy"], "verdicts_by": "person", "topics": ["x"], "spam": False, "id": str(uuid4()), "reply": str(uuid4()), "unit": theirs.ids["unit"], "context": {"reply": str(uuid4())},
    }  # fmt: skip
    assert account.deliver(message(f"n-{person}", "Terrible service, I am very disappointed.", person, **claims)).status_code == 202
    conversation = account.conversation_of(person)
    (mention,) = rest.get(f"/conversations/{conversation['id']}")["mentions"]
    assert (mention["channel"], mention["account"], mention["account_id"], mention["state"], mention["media_type"]) == (
        "webhook",
        account.name,
        account.id,
        "waiting",
        "earned",
    )
    assert (
        mention["sentiment"] != "positive"
        and mention["verdicts_by"] != "person"
        and not mention["reply"]
        and mention["id"] != claims["id"]
        and mention["topics"] == []
    )


def test_slow_senders_hold_nobody_up(serve: Serve, rest: Rest, account: WebhookAccount) -> None:
    lines = []
    for _ in range(150):
        line = socket.create_connection(("127.0.0.1", serve.port), timeout=10)
        line.sendall(f"POST /in/webhook/{account.id} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n".encode() + b"{")
        lines.append(line)
    try:
        began = time.monotonic()
        assert account.deliver(message(f"n-{uuid4().hex}")).status_code == 202
        assert rest.call("GET", "/units").status_code == 200
        assert time.monotonic() - began < 10
    finally:
        for line in lines:
            line.close()


def test_metrics_are_for_loopback_and_logs_hold_no_words(serve: Serve, rest: Rest, account: WebhookAccount) -> None:
    figures = CLIENT.get(f"{serve.url}/metrics", timeout=20)
    assert figures.status_code == 200 and 'cxm_deliveries_total{channel="webhook",outcome="not_authentic"}' in figures.text
    assert CLIENT.get(f"{serve.url}/metrics", headers={"X-Forwarded-For": "127.0.0.1"}, timeout=20).status_code == 404
    word, person = f"sesame{uuid4().hex[:8]}", f"private-{uuid4().hex[:8]}@example.org"
    account.say(f"The word is {word}", person)
    conversation = account.conversation_of(person)
    account.reply(conversation["id"], f"I keep {word} to myself.")
    assert account.deliver(f'{{"text": 7, "native_id": "{word}"}}'.encode()).status_code == 202
    assert rest.call("POST", "/mentions/search", {"query": f'{word} AND "'}).status_code == 400
    post(account.url, word.encode(), {"webhook-id": f"{word}\r\nforged: line".replace("\r\n", " ")})
    until(lambda: rest.get("/coverage")["waiting_deliveries"] == 0, "intake rests")
    said = serve.said()
    for secret in (word, person, account.secret, rest.token, rest.email):
        assert secret not in said
    assert "Traceback" not in said, said[said.index("Traceback") - 200 :][:3000]
