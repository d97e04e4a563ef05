"""Bluesky's own servers and a whole installation: heard, answered so that the sender sees it, nothing lost and nothing twice."""

from __future__ import annotations

import sys
import time
from urllib.parse import urlsplit

import pytest

from cxm.channels.bluesky.tests.test_lab import BASE, Person, settle, why_not
from tests.kit.waiting import until
from tests.lab.desk import desk

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(why_not() is not None, reason=f"no server to speak to at {BASE}: {why_not()}"),
]


def test_a_mention_is_answered_and_what_happens_meanwhile_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    acme, ann = Person("acme"), Person("ann")
    port = urlsplit(BASE).port or 443
    with desk(port) as made:
        settings = {"handle": acme.handle, "server_url": f"http://127.0.0.1:{port}"}
        body = {"channel": "bluesky", "name": "Acme", "settings": settings, "credentials": {"password": acme.password}}
        account = made.rest.post("/accounts", body, 201)["id"]
        made.heard_well(account, 60)

        written = time.monotonic()
        asked = ann.say(f"@{acme.handle} where is my order?", names=acme)
        conversation = made.conversation_with(ann.did, seconds=90)
        heard = time.monotonic() - written
        with capsys.disabled():
            sys.stdout.write(f"\n  from the post to the inbox: {heard:.1f} s ")
        assert conversation["kind"] == "public" and conversation["mentions"][0]["text"] == f"@{acme.handle} where is my order?"

        reply = made.answer(conversation, f"@{ann.handle} It leaves today.")
        sent = made.reply_is(reply, "sent", seconds=60)
        seen = [one["post"] for one in ann.thread(asked)["replies"]]
        assert [(one["uri"], one["record"]["text"]) for one in seen] == [(sent["native_id"], f"@{ann.handle} It leaves today.")]

        made.serve.stop()
        for number in range(3):
            ann.say(f"Meanwhile {number}", to=sent["native_id"])
        ann.delete(asked)
        settle()
        made.serve.start()
        conversation = made.conversation_with(ann.did, mentions=5, seconds=120)
        texts = [one["text"] for one in conversation["mentions"]]
        assert texts[1:] == [f"@{ann.handle} It leaves today.", *(f"Meanwhile {number}" for number in range(3))]
        until(lambda: not made.conversation_with(ann.did)["mentions"][0]["text"], "what was taken back is gone", 180)
        assert len(made.conversation_with(ann.did)["mentions"]) == 5
    feed = ann.do(f"app.bsky.feed.getAuthorFeed?actor={acme.did}", verb="GET")["feed"]
    assert [one["post"]["uri"] for one in feed] == [sent["native_id"]]
