"""The walk of one mention, from a platform's delivery to the receipt of our answer, through doors alone (docs/walk.md)."""

from __future__ import annotations

import importlib
import re
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.kit.browser import live, signed_in
from tests.kit.deliveries import deliver
from tests.kit.provider import Provider
from tests.kit.serving import Rest, Serve, WebhookAccount
from tests.kit.waiting import until

ROOT = Path(__file__).parents[2]


def test_the_walk_of_one_mention(serve: Serve, rest: Rest, provider: Provider, account: WebhookAccount) -> None:
    person, native, word = f"u-{uuid4().hex[:8]}", f"n-{uuid4().hex}", f"zaffre{uuid4().hex[:8]}"
    before = rest.get("/coverage")
    with closing(signed_in(serve.url, rest.email)) as page, live(page) as told:
        # 1, 2: refused where it is not authentic; stored before it is answered; twice is once
        said = {
            "native_id": native, "kind": "message", "text": f"Terrible service, I am very disappointed. My parcel {word} never came.", "published_at": "2026-11-20T10:00:00Z",
            "author": {"native_id": person, "handle": person, "name": "Lena"},
        }  # fmt: skip
        assert deliver(account.url, "whsec_bm90IHRoZSByaWdodCBrZXkgYXQgYWxs", said).status_code == 401
        assert account.deliver(said, message_id=f"m-{native}").status_code == 202
        assert account.deliver(said, message_id=f"m-{native}").status_code == 200

        # 3-6: a mention with verdicts and a profile, in a conversation of its own
        conversation = account.conversation_of(person)
        (mention,) = rest.get(f"/conversations/{conversation['id']}")["mentions"]
        assert (mention["native_id"], mention["channel"], mention["account"], mention["state"]) == (
            native,
            "webhook",
            account.name,
            "waiting",
        )
        assert (mention["language"], mention["sentiment"]) == ("en", "negative")
        assert mention["verdicts_by"] in ("fast", "deep", "both")
        assert "complaint" in mention["intents"] and set(mention["emotions"]) <= set(mention["assessed"])
        assert conversation["kind"] == "private" and conversation["state"] == "open" and conversation["first_answer_due"]
        profile = rest.get(f"/profiles/{mention['author']['profile']}")
        assert [entry["native_id"] for entry in profile["identities"]] == [person]
        assert rest.get(f"/mentions/{mention['id']}")["text"] == said["text"]

        # 8: the browser is told a name, never a text
        until(lambda: "inbox" in told.names, "the open page is told of the inbox")
        assert not any(word in name or person in name for name in told.names)

        # 9: answered; sent once, signed, under the intent's own id
        told.names.clear()
        reply = account.reply(conversation["id"], "We are sorry. It leaves today.")
        sent = until(lambda: (found := rest.reply_of(reply))["state"] == "sent" and found, "the reply is sent")
        (effect,) = provider.of(reply)
        assert (effect.text, effect.in_reply_to, effect.native_id) == ("We are sorry. It leaves today.", native, sent["native_id"])
        assert all(call.signed for call in provider.calls if call.intent == reply)
        assert [attempt["outcome"] for attempt in sent["attempts"]] == ["sent"]
        until(lambda: f"conversation:{conversation['id']}" in told.names, "the open page is told of the conversation")

    # 10: ours is a mention too, what they wrote is answered; receipts move forward only
    def both() -> list[dict]:
        return rest.get(f"/conversations/{conversation['id']}")["mentions"]

    theirs, ours = until(lambda: (found := both()) and len(found) == 2 and found, "our answer stands in the conversation")
    assert (ours["media_type"], ours["reply"], ours["native_id"]) == ("owned", reply, sent["native_id"])
    assert until(lambda: both()[0]["state"] == "answered", "what they wrote is answered")
    assert until(lambda: rest.get(f"/conversations/{conversation['id']}")["state"] == "waiting", "their turn now")
    for status, shown in (("delivered", "delivered"), ("read", "read"), ("delivered", "read")):
        receipt = {"type": "receipt", "native_id": sent["native_id"], "status": status, "at": "2026-11-20T11:00:00Z"}
        assert account.deliver(receipt).status_code == 202
        until(lambda shown=shown: rest.reply_of(reply)["delivery"] == shown, f"the receipt says {shown}")

    # every mention is found again, and every one ended in a known state
    found = until(lambda: (page := rest.post("/mentions/search", {"query": word}, 200))["count"] == 1 and page, "the store finds it")
    assert found["items"][0]["id"] == theirs["id"]
    until(lambda: rest.get(f"/mentions/{theirs['id']}")["state"] == "answered", "the store knows it is answered")
    coverage = until(lambda: (now := rest.get("/coverage"))["waiting_deliveries"] == 0 and now, "nothing waits")
    assert coverage["heard"] == sum(coverage["states"].values()) + coverage["deleted"] == before["heard"] + 2

    # intent and outcome are in the audit log, whose chain is whole
    verified = serve.cxm("audit", "verify", "--json", "--organization", rest.name)
    assert '"whole": true' in verified.stdout
    names = [event["name"] for event in rest.all("/events") if mention["id"] in str(event["data"]) or reply in str(event["data"])]
    wanted = ["listen.mentions_heard", "outbound.intent_changed", "outbound.said"]
    assert [name for name in dict.fromkeys(names) if name in wanted] == wanted


def test_the_written_walk_leads_to_functions_that_are_there() -> None:
    text = (ROOT / "docs" / "walk.md").read_text()
    steps = [int(number) for number in re.findall(r"^(\d+)\. ", text, re.M)]
    assert steps == list(range(1, 11))
    links = re.findall(r"\[`([\w.]+)`\]\(\.\./(cxm/[\w/]+\.py)\)", text)
    assert len(links) >= len(steps)
    for name, path in links:
        assert (ROOT / path).exists(), path
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        found = module
        for part in name.split("."):
            found = getattr(found, part)
        assert callable(found) or hasattr(found, "run"), f"{name} in {path}"
    for step in re.split(r"^(?=\d+\. )", text, flags=re.M)[1:]:
        assert "](../cxm/" in step, f"a step without its function: {step[:80]}"


def test_the_audit_log_holds_the_intent_before_and_the_outcome_after(rest: Rest, serve: Serve, account: WebhookAccount) -> None:
    conversation = account.talk()
    reply = account.reply(conversation, "Here is your answer.")
    until(lambda: rest.reply_of(reply)["state"] == "sent", "the reply is sent")
    import psycopg

    from cxm.platform.postgres import USER, socket_directory

    def written() -> list[tuple[Any, ...]]:
        with psycopg.connect(host=str(socket_directory(serve.data)), user=USER, dbname="cxm") as connection:
            return connection.execute(
                "select kind, id, intent, action, at, detail from govern_auditentry where subject = %s order by seq", [f"reply:{reply}"]
            ).fetchall()

    until(lambda: len(written()) >= 3, "the outcome is written down")
    rows = written()
    assert [row[0] for row in rows] == ["record", "intent", "outcome"]
    intent, outcome = rows[1], rows[2]
    assert outcome[2] == intent[1] and datetime.fromisoformat(str(intent[4])) <= outcome[4]
    assert "Here is your answer." not in str(rows)
