"""What becomes of a message after it was said, by real servers and through to the inbox: edited, taken back, reacted to; theirs, and our own
answers where somebody changes them on the platform. Files both ways. One installation listens to all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest

from cxm.channels.bluesky import ids
from cxm.channels.bluesky.firehose import METHOD
from cxm.channels.bluesky.tests import test_lab as bluesky
from cxm.channels.matrix.homeserver import part
from cxm.channels.matrix.tests import test_lab as matrix
from tests.kit.browser import signed_in
from tests.kit.serving import CLIENT
from tests.kit.waiting import until
from tests.lab.desk import Desk, desk

pytestmark = pytest.mark.lab
GONE = "Deleted where it was said. Its text is no longer kept."
PATIENCE = 180


@dataclass
class House:
    """A desk, and its owner at a screen."""

    desk: Desk
    browser: httpx2.Client

    def connect(self, channel: str, name: str, settings: dict[str, Any], credentials: dict[str, str]) -> str:
        """An account that is heard; its id."""
        body = {"channel": channel, "name": name, "settings": settings, "credentials": credentials}
        made = str(self.desk.rest.post("/accounts", body, 201)["id"])
        self.desk.heard_well(made, 90)
        return made

    def page(self, conversation: dict[str, Any]) -> str:
        """What a member sees of a conversation."""
        shown = self.browser.get(f"/inbox/{conversation['id']}")
        assert shown.status_code == 200
        return unescape(shown.text)

    def message(self, author: str, native: str, fits: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        """The mention in the conversation with ``author`` once it is as it should be."""

        def look() -> dict[str, Any] | None:
            for conversation in self.desk.conversations_with(author):
                for one in conversation["mentions"]:
                    if one["native_id"] == native and fits(one):
                        return one
            return None

        return until(look, what, PATIENCE)

    def shows(self, author: str, *words: str, without: tuple[str, ...] = ()) -> None:
        """The page of the conversation shows these words and none of the others."""
        page = self.page(self.desk.conversation_with(author))
        assert not [word for word in words if word not in page], page
        left = [page[max(at - 300, 0) : at + 50] for word in without if (at := page.find(word)) >= 0]
        assert not left, left

    def file(self, name: str, content: bytes) -> str:
        """A file that a member uploads; its id."""
        rest = self.desk.rest
        headers = {"Authorization": f"Bearer {rest.token}", "Content-Type": "application/octet-stream"}
        made = CLIENT.post(f"{rest.url}/api/v1/uploads?name={name}&type=image/png", content=content, headers=headers, timeout=30)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    ports = [urlsplit(one).port or 443 for one in (matrix.BASE, bluesky.BASE)]
    with desk(*ports) as made, closing(signed_in(made.serve.url, made.rest.email)) as browser:
        yield House(made, browser)


@pytest.mark.skipif(matrix.why_not() is not None, reason=f"no homeserver to speak to at {matrix.BASE}: {matrix.why_not()}")
def test_matrix_edits_reactions_and_redactions_reach_the_inbox(house: House) -> None:
    care, ann = matrix.Person("care"), matrix.Person("ann")
    house.connect("matrix", "Care", {"server_url": matrix.BASE}, {"access_token": care.token})
    room = ann.room(care.id, is_direct=True, preset="trusted_private_chat")

    def replaced(who: matrix.Person, event: str, text: str) -> None:
        new = {"msgtype": "m.text", "body": text}
        who.say(room, f"* {text}", **{"m.new_content": new, "m.relates_to": {"rel_type": "m.replace", "event_id": event}})

    def redacted(event: str) -> None:
        ann.do("PUT", f"/rooms/{part(room)}/redact/{part(event)}/{uuid4().hex}")

    asked = ann.say(room, "Brokn cup")
    conversation = house.desk.conversation_with(ann.id)
    uploaded = matrix.HTTP.request(
        "POST", f"{matrix.BASE}/_matrix/media/v3/upload", content=matrix.PIXEL, headers={"authorization": f"Bearer {ann.token}", "content-type": "image/png"}
    )  # fmt: skip
    address = matrix.asyncio.run(uploaded).json()["content_uri"]
    picture = ann.say(room, "cup.png", msgtype="m.image", url=address, info={"mimetype": "image/png", "size": len(matrix.PIXEL)})
    found = house.message(ann.id, picture, lambda one: one["media"], "the picture is in the inbox")
    assert [(one["kind"], one["name"]) for one in found["media"]] == [("image", "cup.png")]
    house.shows(ann.id, "Brokn cup", "cup.png")

    replaced(ann, asked, "Broken cup")
    found = house.message(ann.id, asked, lambda one: one["text"] == "Broken cup", "the edit is in the inbox")
    assert [one["text"] for one in found["edits"]] == ["Brokn cup"]
    house.shows(ann.id, "Broken cup", "edited", "what it said before")

    first, second = (
        house.desk.reply_is(house.desk.answer(conversation, text), "sent")["native_id"] for text in ("We are sory", "Wrong room")
    )
    replaced(care, first, "We are sorry")
    found = house.message(ann.id, first, lambda one: one["text"] == "We are sorry", "our own answer was edited there")
    assert found["media_type"] == "owned" and [one["text"] for one in found["edits"]] == ["We are sory"]
    house.shows(ann.id, "We are sorry")
    assert house.page(conversation).count("message message-ours") == 2, "each answer once"

    sign = ann.say(room, kind="m.reaction", **{"m.relates_to": {"rel_type": "m.annotation", "event_id": first, "key": "💔"}})
    found = house.message(ann.id, sign, lambda one: one["text"] == "💔", "the reaction is in the inbox")
    assert found["reply_to"] == first and found["state"] == "no_answer_needed"
    house.shows(ann.id, "💔", "a reaction to “We are sorry”")

    for event in (second, asked, sign):
        redacted(event)
        house.message(ann.id, event, lambda one: one.get("deleted_at") and not one["text"], "what was taken back is gone")
    house.shows(ann.id, GONE, without=("Wrong room", "Broken cup", "Brokn cup", "💔"))
    assert len(house.desk.conversations_with(ann.id)) == 1


@pytest.mark.skipif(bluesky.why_not() is not None, reason=f"no server to speak to at {bluesky.BASE}: {bluesky.why_not()}")
def test_bluesky_edits_and_deletions_reach_the_inbox_and_pictures_go_both_ways(house: House) -> None:
    acme, ann = bluesky.Person("acme"), bluesky.Person("ann")
    port = urlsplit(bluesky.BASE).port or 443
    settings = {"handle": acme.handle, "server_url": f"http://127.0.0.1:{port}", "stream_url": f"ws://127.0.0.1:{port}/xrpc/{METHOD}"}
    house.connect("bluesky", "Acme", settings, {"password": acme.password})

    def rewritten(who: bluesky.Person, address: str, text: str) -> None:
        key = address.rpartition("/")[2]
        record = who.do(f"com.atproto.repo.getRecord?repo={who.did}&collection={ids.POST}&rkey={key}", verb="GET")["value"]
        who.write(ids.POST, {**record, "text": text}, key=key)

    blob = bluesky.asyncio.run(
        bluesky.HTTP.request(
            "POST", f"{bluesky.BASE}/xrpc/com.atproto.repo.uploadBlob", content=bluesky.PNG,
            headers={"authorization": f"Bearer {ann.token}", "content-type": "image/png"},
        )
    ).json()["blob"]  # fmt: skip
    embed = {"$type": "app.bsky.embed.images", "images": [{"image": blob, "alt": "A broken cup"}]}
    asked = ann.say(f"@{acme.handle} brokn cup", names=acme, embed=embed)
    bluesky.settle()
    conversation = house.desk.conversation_with(ann.did, seconds=PATIENCE)
    assert [(one["kind"], one["alt"]) for one in conversation["mentions"][0]["media"]] == [("image", "A broken cup")]

    rewritten(ann, asked, f"@{acme.handle} broken cup")
    found = house.message(ann.did, asked, lambda one: "broken" in one["text"], "the edit is in the inbox")
    assert [one["text"] for one in found["edits"]] == [f"@{acme.handle} brokn cup"]
    house.shows(ann.did, "broken cup", "edited", "what it said before")

    media = [{"id": house.file("cup.png", bluesky.PNG)}]
    kept = house.desk.reply_is(house.desk.answer(conversation, "We are sory", media=media), "sent")["native_id"]
    gone = house.desk.reply_is(house.desk.answer(conversation, "Wrong post"), "sent")["native_id"]
    posts = {one["post"]["uri"]: one["post"] for one in ann.thread(asked)["replies"]}
    assert len(posts[kept]["embed"]["images"]) == 1, "they see our picture"
    house.message(ann.did, kept, lambda one: one["media"], "our picture is beside our answer")

    rewritten(acme, kept, "We are sorry")
    found = house.message(ann.did, kept, lambda one: one["text"] == "We are sorry", "our own answer was edited there")
    assert found["media_type"] == "owned" and [one["text"] for one in found["edits"]] == ["We are sory"]
    for who, address in ((acme, gone), (ann, asked)):
        who.delete(address)
        house.message(ann.did, address, lambda one: one.get("deleted_at") and not one["text"], "what was taken back is gone")
    house.shows(ann.did, GONE, "We are sorry", without=("Wrong post", "broken cup"))
