"""Against a real network on loopback (PDS, AppView, PLC), at ``CXM_LAB_BLUESKY`` or port 25831; skipped, saying so, where none answers.

``CXM_LAB_BLUESKY_SETTLE`` is asked before each look, so that the AppView has seen what was just written.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from cxm.channels.bluesky import ids, sending
from cxm.channels.bluesky import server as servers
from cxm.channels.bluesky.connector import Delete, Poll, Publish, ReadBack, Reply, Test
from cxm.channels.bluesky.mapping import map_delivery
from cxm.channels.contracts import (
    AccountView,
    AuthExpired,
    ConnectorError,
    Deletion,
    Gone,
    Item,
    Media,
    Mention,
    Outgoing,
    Rejected,
    Session,
    SourceView,
)
from cxm.channels.testing.live import LoopbackHttp
from cxm.kernel.clock import format_instant, now
from cxm.kernel.ids import new_id

BASE = os.environ.get("CXM_LAB_BLUESKY", "http://localhost:25831")
SETTLE = os.environ.get("CXM_LAB_BLUESKY_SETTLE", "http://localhost:25899/")
LABELER = os.environ.get("CXM_LAB_BLUESKY_LABELER", "http://localhost:25871/.well-known/ozone-metadata.json")
HTTP = LoopbackHttp()
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def why_not() -> str | None:
    try:
        answer = asyncio.run(HTTP.request("GET", f"{BASE}/xrpc/com.atproto.server.describeServer", timeout=5))
    except ConnectorError as error:
        return error.text
    return None if answer.status_code == 200 else f"it answered {answer.status_code}"


pytestmark = [pytest.mark.lab, pytest.mark.skipif(why_not() is not None, reason=f"no server to speak to at {BASE}: {why_not()}")]


def settle() -> None:
    """Until the AppView has taken in what was written. Asked twice: what came in while it looked is noted in the background after that."""
    for _ in range(2):
        assert asyncio.run(HTTP.request("GET", SETTLE, timeout=60)).status_code == 200


class Person:
    """Somebody with an account of their own there."""

    def __init__(self, name: str) -> None:
        self.handle = f"{name}{uuid4().hex[:8]}.test"
        self.token = ""
        body = {"handle": self.handle, "email": f"{self.handle}@lab.test", "password": "pw"}
        told = self.do("com.atproto.server.createAccount", body)
        self.token, self.did = str(told["accessJwt"]), str(told["did"])
        self.write("app.bsky.actor.profile", {"displayName": name.title()}, key="self")
        self.password = str(self.do("com.atproto.server.createAppPassword", {"name": "cxm"})["password"])

    def do(self, method: str, body: Any = None, verb: str = "POST") -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        answer = asyncio.run(HTTP.request(verb, f"{BASE}/xrpc/{method}", headers=headers, json=body, timeout=60))
        assert answer.status_code < 300, (method, answer.status_code, answer.content)
        return answer.json() if answer.content else {}

    def write(self, collection: str, record: Mapping[str, Any], key: str = "") -> str:
        told = {"repo": self.did, "collection": collection, "record": {"$type": collection, **record}, **({"rkey": key} if key else {})}
        return str(self.do("com.atproto.repo.putRecord" if key else "com.atproto.repo.createRecord", told)["uri"])

    def say(self, text: str, **more: Any) -> str:
        """A post; ``names`` is mentioned, ``to`` answered."""
        record: dict[str, Any] = {"text": text, "createdAt": format_instant(now()), "langs": ["en"]}
        if (named := more.pop("names", None)) is not None:
            begin = len(text.encode()[: text.encode().index(b"@")])
            index = {"byteStart": begin, "byteEnd": begin + 1 + len(named.handle)}
            record["facets"] = [{"index": index, "features": [{"$type": "app.bsky.richtext.facet#mention", "did": named.did}]}]
        if to := more.pop("to", ""):
            parent, told = self.reference(to)
            record["reply"] = {"root": told.get("reply", {}).get("root", parent), "parent": parent}
        return self.write(ids.POST, {**record, **more})

    def reference(self, address: str) -> tuple[dict[str, str], dict[str, Any]]:
        """What names a post's present version, and its record."""
        did, collection, key = ids.parts(address) or ("", "", "")
        told = self.do(f"com.atproto.repo.getRecord?repo={did}&collection={collection}&rkey={key}", verb="GET")
        return {"uri": address, "cid": told["cid"]}, told["value"]

    def delete(self, address: str) -> None:
        _, collection, key = ids.parts(address) or ("", "", "")
        self.do("com.atproto.repo.deleteRecord", {"repo": self.did, "collection": collection, "rkey": key})

    def thread(self, address: str) -> dict[str, Any]:
        settle()
        return self.do(f"app.bsky.feed.getPostThread?uri={address}", verb="GET")["thread"]


class Desk:
    """Our account, and what it has heard."""

    def __init__(self, person: Person, *searches: str, **settings: Any) -> None:
        told = {"handle": person.handle, "server_url": BASE, "web_url": "https://web.example", "history_days": 1, **settings}
        account = AccountView(uuid4(), "bluesky", "Acme", told)
        sources = tuple(SourceView(UUID(int=number + 1), "search", {"query": one}) for number, one in enumerate(searches))
        self.session = Session(account, {"password": person.password}, HTTP, dial=None, now=now(), sources=sources)  # type: ignore[arg-type]
        self.cursor: Mapping[str, Any] | None = None
        self.ahead = timedelta(0)
        self.deliveries: list[bytes] = []

    def at(self) -> Session:
        return replace(self.session, now=now() + self.ahead)

    def look(self) -> list[Item]:
        """Everything there is by now; each look is two minutes after the former, so that everything is due."""
        settle()
        found: list[Item] = []
        self.ahead += timedelta(minutes=2)
        for _ in range(50):
            polled = asyncio.run(Poll().poll(self.at(), self.cursor))
            self.cursor = polled.cursor
            self.deliveries += [delivery.body for delivery in polled.deliveries]
            found += [item for delivery in polled.deliveries for item in map_delivery(delivery, self.session.account)]
            if not polled.more:
                return found
        raise AssertionError("polling does not end")

    def send(self, sender: Any, outgoing: Outgoing) -> str:
        return asyncio.run(sender.send(replace(self.session, now=now()), outgoing)).native_id


def mentions(items: list[Item]) -> list[Mention]:
    assert all(isinstance(one, Mention) for one in items), items
    return [one for one in items if isinstance(one, Mention)]


def answer_to(mention: Mention, text: str, **more: Any) -> Outgoing:
    told = {"in_reply_to": mention.native_id, "thread": mention.thread, "context": mention.context} | more
    return Outgoing(new_id(), "reply", text, False, **told)


@pytest.fixture
def acme() -> Person:
    return Person("acme")


@pytest.fixture
def ann() -> Person:
    return Person("ann")


def test_a_mention_is_answered_and_they_see_it(acme: Person, ann: Person):
    desk = Desk(acme)
    asked = ann.say(f"👋 @{acme.handle}, are you open?", names=acme)
    (mention,) = mentions(desk.look())
    assert (mention.native_id, mention.addressed, mention.kind, mention.author.native_id) == (asked, True, "post", ann.did)
    assert mention.author.name == "Ann" and mention.author.handle == f"@{ann.handle}"
    outgoing = answer_to(mention, f"Yes, @{ann.handle} — until ten: https://acme.example/hours #open")
    answered = desk.send(Reply(), outgoing)
    (seen,) = [one["post"] for one in ann.thread(asked)["replies"]]
    assert (seen["uri"], seen["record"]["text"], seen["author"]["did"]) == (answered, outgoing.text, acme.did)
    text = outgoing.text.encode()
    shown = {
        facet["features"][0]["$type"].partition("#")[2]: text[facet["index"]["byteStart"] : facet["index"]["byteEnd"]].decode()
        for facet in seen["record"]["facets"]
    }
    assert shown == {"mention": f"@{ann.handle}", "link": "https://acme.example/hours", "tag": "#open"}
    (own,) = mentions(desk.look())
    assert (own.native_id, own.media_type, own.reply_to, own.thread) == (answered, "owned", asked, asked)
    assert desk.look() == []


def test_the_same_intent_is_one_post_and_is_found_again(acme: Person, ann: Person):
    desk = Desk(acme)
    asked = ann.say(f"@{acme.handle} hello", names=acme)
    (mention,) = mentions(desk.look())
    outgoing = answer_to(mention, "Hello")
    assert asyncio.run(ReadBack().read_back(desk.at(), outgoing)) is None
    first = desk.send(Reply(), outgoing)
    again = desk.send(Reply(), outgoing)
    found = asyncio.run(ReadBack().read_back(desk.at(), outgoing))
    assert found is not None
    assert first == again == found.native_id
    assert len(ann.thread(asked)["replies"]) == 1


def test_two_workers_at_once_make_one_post(acme: Person, monkeypatch: pytest.MonkeyPatch):
    """Both look before either writes: the server's own compare-and-swap decides."""
    desk = Desk(acme)
    outgoing = Outgoing(new_id(), "post", "Once", False)

    looks, standing = itertools.count(), sending.standing

    async def nothing_yet(server: servers.Server, key: str) -> dict[str, Any] | None:
        return None if next(looks) < 8 else await standing(server, key)  # four workers look at two keys each

    monkeypatch.setattr(sending, "standing", nothing_yet)

    async def both() -> set[str]:
        told = await asyncio.gather(*(Publish().send(desk.session, outgoing) for _ in range(4)))
        return {one.native_id for one in told}

    (address,) = asyncio.run(both())
    settle()
    feed = acme.do(f"app.bsky.feed.getAuthorFeed?actor={acme.did}", verb="GET")["feed"]
    assert [one["post"]["uri"] for one in feed] == [address]


def test_replies_quotes_and_pictures_are_heard(acme: Person, ann: Person):
    desk = Desk(acme)
    ours = acme.say("We open at nine.")
    reply = ann.say("On Sundays too?", to=ours)
    quote = ann.say("Nine, they say.", embed={"$type": "app.bsky.embed.record", "record": ann.reference(ours)[0]})
    blob = asyncio.run(
        HTTP.request(
            "POST",
            f"{BASE}/xrpc/com.atproto.repo.uploadBlob",
            headers={"authorization": f"Bearer {ann.token}", "content-type": "image/png"},
            content=PNG,
        )
    ).json()["blob"]
    text = f"@{acme.handle} broken"
    picture = ann.say(text, names=acme, embed={"$type": "app.bsky.embed.images", "images": [{"image": blob, "alt": "A cup"}]})
    found = {one.native_id: one for one in mentions(desk.look())}
    assert set(found) == {ours, reply, quote, picture}
    assert found[ours].media_type == "owned"
    assert (found[reply].reply_to, found[reply].thread, found[reply].addressed) == (ours, ours, True)
    assert found[quote].addressed and found[quote].media[0].alt == "We open at nine."
    (medium,) = found[picture].media
    assert medium.kind == "image" and medium.alt == "A cup" and medium.url


def test_deletions_and_edits_are_noticed(acme: Person, ann: Person):
    desk = Desk(acme)
    kept = ann.say(f"@{acme.handle} one", names=acme)
    gone = ann.say(f"@{acme.handle} two", names=acme)
    assert len(mentions(desk.look())) == 2
    assert desk.look() == []
    ann.delete(gone)
    record = ann.do(f"com.atproto.repo.getRecord?repo={ann.did}&collection={ids.POST}&rkey={kept.rpartition('/')[2]}", verb="GET")["value"]
    ann.write(ids.POST, {**record, "text": f"@{acme.handle} one, mended"}, key=kept.rpartition("/")[2])
    told = desk.look()
    assert [one.native_id for one in told if isinstance(one, Deletion)] == [gone]
    edits = [one for one in told if isinstance(one, Mention)]
    assert [(one.native_id, one.text, one.edited_at is not None) for one in edits] == [(kept, f"@{acme.handle} one, mended", True)]
    assert desk.look() == []


def test_a_search_finds_what_does_not_name_us(acme: Person, ann: Person):
    word = f"word{uuid4().hex[:10]}"
    desk = Desk(acme, word)
    said = ann.say(f"I like {word} best")
    (found,) = mentions(desk.look())
    assert (found.native_id, found.addressed) == (said, False)
    assert desk.look() == []


def test_blocks_and_deleted_posts_cannot_be_answered(acme: Person, ann: Person):
    desk = Desk(acme)
    ann.say(f"@{acme.handle} first", names=acme)
    gone = ann.say(f"@{acme.handle} second", names=acme)
    first, second = mentions(desk.look())
    ann.delete(gone)
    settle()
    with pytest.raises(Gone):
        desk.send(Reply(), answer_to(second, "Hello"))
    ann.write("app.bsky.graph.block", {"subject": acme.did, "createdAt": format_instant(now())})
    settle()
    with pytest.raises(Rejected, match="blocked"):
        desk.send(Reply(), answer_to(first, "Hello"))


def test_pictures_go_out_and_own_posts_are_deleted(acme: Person):
    desk = Desk(acme)
    media = (Media("image", name="cup.png", alt="A cup", content_type="image/png", content=PNG),)
    address = desk.send(Publish(), Outgoing(new_id(), "post", "Our new cup", False, media=media))
    shown = acme.thread(address)["post"]["embed"]["images"]
    assert [one["alt"] for one in shown] == ["A cup"]
    deletion = Outgoing(new_id(), "delete", "", False, in_reply_to=address)
    assert asyncio.run(ReadBack().read_back(desk.session, deletion)) is None
    assert desk.send(Delete(), deletion) == desk.send(Delete(), deletion) == address
    assert asyncio.run(ReadBack().read_back(desk.session, deletion)) is not None


def test_the_server_counts_graphemes_as_we_do(acme: Person):
    desk = Desk(acme)
    family = "👨‍👩‍👧é🇩🇪ก็" * 25  # 100 signs of many bytes each
    assert desk.send(Publish(), Outgoing(new_id(), "post", family, False))
    assert desk.send(Publish(), Outgoing(new_id(), "post", "x" * 300, False))
    with pytest.raises(Rejected, match="301"):
        desk.send(Publish(), Outgoing(new_id(), "post", "é" * 301, False))
    key = ids.record_keys(new_id())[0]
    record = {"$type": ids.POST, "text": "é" * 301, "createdAt": format_instant(now())}
    body = {"repo": acme.did, "collection": ids.POST, "rkey": key, "record": record}
    headers = {"authorization": f"Bearer {acme.token}"}
    refused = asyncio.run(HTTP.request("POST", f"{BASE}/xrpc/com.atproto.repo.putRecord", headers=headers, json=body))
    assert refused.status_code == 400 and b"grapheme" in refused.content


def test_a_password_taken_back_is_told_and_a_lost_session_is_not(acme: Person, ann: Person):
    desk = Desk(acme)
    ann.say(f"@{acme.handle} hello", names=acme)
    assert len(desk.look()) == 1
    (key,) = [key for key in servers._SIGNED if key[0] == desk.session.account.id]
    servers._SIGNED[key] = replace(servers._SIGNED[key], access="lost", refresh="lost")
    assert desk.look() == []
    acme.do("com.atproto.server.revokeAppPassword", {"name": "cxm"})
    servers._SIGNED[key] = replace(servers._SIGNED[key], access="lost")
    with pytest.raises(AuthExpired):
        desk.look()


def test_the_button(acme: Person):
    desk = Desk(acme, "cups")
    assert [(one.name, one.ok) for one in asyncio.run(Test().test(desk.session))] == [
        ("Find the server", True),
        ("Sign in", True),
        ("See what happens to us", True),
        ("Search", True),
    ]
    wrong = replace(desk.session, credentials={"password": "wrong"})
    assert [one.ok for one in asyncio.run(Test().test(wrong))] == [True, False]


def test_an_app_password_that_may_not_read_direct_messages_is_told_from_one_that_has_ended(acme: Person, ann: Person):
    """The home server itself says so, before it asks the service. There is none here: another that it can find stands in its place."""
    try:
        told = asyncio.run(HTTP.request("GET", LABELER, timeout=5)).json()
    except ConnectorError as error:
        pytest.skip(f"no service to name at {LABELER}: {error.text}")
    desk = Desk(acme, direct_messages=True, chat=f"{told['did']}#atproto_labeler")
    ann.say(f"@{acme.handle} in public", names=acme)
    settle()
    polled = asyncio.run(Poll().poll(desk.at(), None))
    (delivery,) = polled.deliveries
    assert b"in public" in delivery.body and "may not read direct messages" in polled.unheard[0].reason
    steps = {one.name: one for one in asyncio.run(Test().test(desk.session))}
    assert steps["See what happens to us"].ok and "Allow access to your direct messages" in steps["Read direct messages"].text
    allowed = acme.do("com.atproto.server.createAppPassword", {"name": "dm", "privileged": True})["password"]
    steps = {one.name: one for one in asyncio.run(Test().test(replace(desk.session, credentials={"password": str(allowed)})))}
    assert not steps["Read direct messages"].ok and "Allow access" not in steps["Read direct messages"].text
