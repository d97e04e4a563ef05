"""What platforms do to an intake: repeat, hurry, deliver in the wrong order."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from tests.kit.deliveries import message
from tests.kit.history import History
from tests.kit.provider import Provider
from tests.kit.serving import Rest, WebhookAccount
from tests.kit.waiting import until


def rests(rest: Rest) -> dict:
    """Coverage once nothing waits."""
    return until(lambda: (now := rest.get("/coverage"))["waiting_deliveries"] == 0 and now, "intake rests")


def test_the_same_webhook_a_hundred_times_in_a_row_and_at_once_is_one_message(
    rest: Rest, provider: Provider, account: WebhookAccount
) -> None:
    history = History(rest, provider)
    for times, workers in ((2, 1), (100, 1), (100, 16)):
        person = f"u-{uuid4().hex[:8]}"
        said = message(f"n-{uuid4().hex}", "Once.", person)
        with ThreadPoolExecutor(workers) as pool:
            answers = [
                done.status_code
                for done in pool.map(lambda _, said=said: account.deliver(said, message_id=f"m-{said['native_id']}"), range(times))
            ]
        assert sorted(set(answers)) == [200, 202] and answers.count(202) == 1, answers
        history.took(said["native_id"], person)
        # the same message again in another delivery: also a duplicate
        assert account.deliver(said).status_code == 202
        account.conversation_of(person)
    before = rests(rest)
    history.check(account)
    assert rests(rest) == before


def test_ten_messages_of_a_new_contact_at_once_are_one_person_one_conversation_in_order(
    rest: Rest, provider: Provider, account: WebhookAccount
) -> None:
    person = f"u-{uuid4().hex[:8]}"
    start = time.time() - 60
    said = [
        message(f"n-{number}-{person}", str(number), person, published_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + number)))
        for number in range(10)
    ]
    history = History(rest, provider)
    for entry in said:
        history.took(entry["native_id"], person)
    shuffled = said[1::2] + said[::2]
    with ThreadPoolExecutor(10) as pool:
        assert {answer.status_code for answer in pool.map(account.deliver, shuffled)} == {202}
    rests(rest)
    until(lambda: len(rest.get(f"/conversations/{account.conversation_of(person)['id']}")["mentions"]) == 10, "ten messages")
    mentions = rest.get(f"/conversations/{account.conversation_of(person)['id']}")["mentions"]
    assert [mention["text"] for mention in mentions] == [str(number) for number in range(10)]
    assert len({mention["author"]["profile"] for mention in mentions}) == 1
    assert len(rest.get(f"/profiles?query={person}")["items"]) == 1
    history.check(account)


def test_messages_of_one_instant_stand_in_the_order_of_the_delivery(rest: Rest, account: WebhookAccount) -> None:
    person = f"u-{uuid4().hex[:8]}"
    batch = [message(f"n-{number}-{person}", str(number), person, published_at="2026-11-20T10:00:00Z") for number in range(20)]
    assert account.deliver(batch).status_code == 202
    conversation = account.conversation_of(person)
    assert [mention["text"] for mention in rest.get(f"/conversations/{conversation['id']}")["mentions"]] == [
        str(number) for number in range(20)
    ]


def test_an_edit_before_its_message_and_a_deletion_that_wins(rest: Rest, account: WebhookAccount) -> None:
    person = f"u-{uuid4().hex[:8]}"
    edited, early, late, stays = (f"{name}-{uuid4().hex}" for name in ("edited", "early", "late", "stays"))
    say = lambda native, text, **more: account.deliver(message(native, text, person, published_at="2026-11-20T10:00:00Z", **more))  # noqa: E731
    assert say(stays, "stays").status_code == 202
    # the edit overtakes its message: the newer words stand, the older come too late
    assert say(edited, "newer words", edited_at="2026-11-20T11:00:00Z").status_code == 202
    rests(rest)
    assert say(edited, "older words").status_code == 202
    # deleted before it was created: never appears
    assert account.deliver({"native_id": early, "deleted": True}).status_code == 202
    rests(rest)
    assert say(early, "never to be seen").status_code == 202
    # created, deleted, edited late: stays deleted
    assert say(late, "soon gone").status_code == 202
    rests(rest)
    assert account.deliver({"native_id": late, "deleted": True}).status_code == 202
    rests(rest)
    assert say(late, "back again", edited_at="2026-11-21T11:00:00Z").status_code == 202
    rests(rest)
    conversation = account.conversation_of(person)["id"]
    until(
        lambda: {mention["text"] for mention in rest.get(f"/conversations/{conversation}")["mentions"]} == {"stays", "newer words", None},
        "edits and deletions",
    )
    shown = {mention["native_id"]: mention for mention in rest.get(f"/conversations/{conversation}")["mentions"]}
    assert set(shown) == {stays, edited, late}
    assert rest.call("GET", f"/mentions/{shown[late]['id']}").status_code == 410
    problem = rest.call("GET", f"/mentions/{shown[late]['id']}").json()
    assert problem["id"] == shown[late]["id"] and problem["deleted_at"]
    until(lambda: rest.post("/mentions/search", {"query": "newer"}, 200)["count"] >= 1, "the edit is found")
    for gone in ("never to be seen", "back again", "soon gone"):
        assert rest.post("/mentions/search", {"query": f'"{gone}"'}, 200)["count"] == 0
    assert "soon gone" not in str(rest.get(f"/conversations/{conversation}"))


def test_a_poison_item_is_quarantined_with_its_bytes_and_its_neighbours_go_on(rest: Rest, account: WebhookAccount) -> None:
    person = f"u-{uuid4().hex[:8]}"
    good = [message(f"n-{number}-{person}", f"good {number}", person) for number in range(3)]
    batch = [
        good[0],
        {"native_id": f"bad-{person}", "kind": "message", "text": 7},
        good[1],
        "not an object",
        None,
        [1],
        {"x": "y"},
        good[2],
    ]
    assert account.deliver(batch).status_code == 202
    assert account.deliver(b"\xff\xfe not json at all").status_code == 202
    assert account.deliver(b"[" * 100_000 + b"]" * 100_000).status_code == 202
    conversation = account.conversation_of(person)
    until(lambda: len(rest.get(f"/conversations/{conversation['id']}")["mentions"]) == 3, "three neighbours")
    found = until(lambda: len(items := rest.all(f"/quarantine?account={account.id}")) == 7 and items, "seven in quarantine")
    assert f"bad-{person}" in {item["native_id"] for item in found}
    for item in found:
        whole = rest.get(f"/quarantine/{item['id']}")
        assert whole["raw"] and whole["reason"] and whole["code"]
        assert rest.post(f"/quarantine/{item['id']}/replay", None, 200)["state"] == "quarantined"
    rests(rest)
