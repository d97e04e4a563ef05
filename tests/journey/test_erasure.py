"""Erasing somebody: a word that stands in every field a person can fill is nowhere afterwards, and stays nowhere."""

from __future__ import annotations

import base64
import re
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import connection
from django.test import Client

from cxm.channels.contracts import RawDelivery
from cxm.connect import api as connect
from cxm.connect.models import Delivery
from cxm.govern import api as govern
from cxm.kernel.clock import format_instant, now
from cxm.listen import api as listen
from cxm.listen import engine
from cxm.listen.models import Removal
from cxm.listen.store.purging import purge
from cxm.listen.store.tantivy_store import TantivyStore
from cxm.listen.subscribers import apply
from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from cxm.outbound import gateway
from cxm.outbound.models import Attempt, Intent
from cxm.people import api as people
from cxm.people import erasing
from cxm.people.models import Erasure
from cxm.platform import deliveries, events, graves
from cxm.platform.config import settings
from cxm.platform.models import WaitingEvent
from tests.houses import House, _own_store, house, line, other, settle  # noqa: F401 - fixtures
from tests.houses import post as form

pytestmark = pytest.mark.django_db
MAILBOX = {"address": "care@acme.example", "imap_host": "imap.acme.example"}


@pytest.fixture
def word() -> str:
    """What is hunted: a word that only this person ever says."""
    return f"zaffre{uuid4().hex[:10]}"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _own_store: None) -> Any:
    """A real store, whose files can be looked through."""
    made = TantivyStore(tmp_path / "mentions")
    monkeypatch.setattr(engine, "_store", made)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def own_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory's ledger, apart for each test."""
    monkeypatch.setattr(graves, "path", lambda: tmp_path / graves.NAME)
    return tmp_path / graves.NAME


def everywhere(word: str, *folders: Path) -> list[str]:
    """Where ``word`` stands: every column of every table, taken as text, and every file; as it is, in base64, in hex."""
    found: list[str] = []
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public' order by 1, 2"
        )
        for table, column, kind in cursor.fetchall():
            text = f"encode({column}, 'escape')" if kind == "bytea" else f"{column}::text"
            cursor.execute(
                f'select count(*) from "{table}" where {text.replace(column, chr(34) + column + chr(34))} ilike %s', [f"%{word}%"]
            )
            if cursor.fetchone()[0]:
                found.append(f"{table}.{column}")
    spelled = [word.encode(), base64.b64encode(word.encode())[:-4], word.encode().hex().encode()]
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and any(each in path.read_bytes().lower() or each in path.read_bytes() for each in spelled):
                found.append(str(path))
    return found


def mail(word: str, native: str, text: str) -> bytes:
    """A mail with the word in every header and part a person writes."""
    made = EmailMessage()
    made["From"] = f'"{word} Kim" <{word}@example.org>'
    made["To"] = "help@marlow.example"
    made["Subject"] = f"{word} parcel"
    made["Message-ID"] = f"<{native}.{word}@example.org>"
    made["Date"] = "Sat, 21 Nov 2026 10:00:00 +0000"
    made["Authentication-Results"] = "marlow.example; dkim=pass header.d=example.org"
    made.set_content(f"{text} {word}\n\nOn Friday you wrote:\n> we said {word} too\n")
    made.add_attachment(f"content {word}".encode(), maintype="application", subtype="octet-stream", filename=f"{word}.bin")
    return made.as_bytes()


def said(word: str, native: str, **more: Any) -> dict[str, Any]:
    """One thing said by the person, the word in each of its fields."""
    author = {"native_id": f"{word}-id", "handle": f"@{word}", "name": f"{word} Kim", "url": f"https://forum.example/{word}",
              "verified": {"email": f"{word}@example.org"}}  # fmt: skip
    media = [{"kind": "image", "url": f"https://forum.example/{word}.png", "alt": word, "name": f"{word}.png"}]
    return {"native_id": f"{native}-{word}", "text": f"Where is my {word}?", "title": word, "published_at": format_instant(now()), "author": author,
            "url": f"https://forum.example/{word}/{native}", "thread": f"t-{word}", "kind": "message", "private": True, "location": word, "tags": [word],
            "media": media, **more}  # fmt: skip


def hand_in(house: House, account: Any, body: bytes, key: str) -> None:
    """A delivery, taken in; its events are told by ``settle``."""
    connect.deliver(house.organization, account.id, [RawDelivery(key, body, {}, now())])
    connect.take_in_all(account.id)


def profile_of(house: House, word: str) -> UUID:
    """The person, found as a member would."""
    found = [one.id for one in people.profiles(house.organization, word).items]
    return people.merge(house.owner, found, f"Called {word} everywhere.") if len(found) > 1 else found[0]


def erase(house: House, profile: UUID) -> Erasure:
    """Asked for and carried out, all jobs that come of it included."""
    made = people.erase(house.owner, profile, "Asked for by letter 4711.")
    people.carry_out_erasure(house.organization, made.id)
    settle_all(house)
    return Erasure.objects.for_organization(house.organization).get(id=made.id)


def answered(house: House, conversation: UUID, text: str) -> UUID:
    """A reply that was sent."""
    reply = love.reply(house.owner, conversation, text)
    row = Intent.objects.for_organization(house.organization).get(id=reply.id)
    gateway.conclude(row, "sent", native_id=f"ours-{reply.id}", url=None)
    settle()
    return reply.id


def furnish(house: House, word: str) -> tuple[Any, Any, list[UUID]]:
    """The person speaks over every door, is answered, has a case, and stands in quarantine."""
    account = connect.connect(house.owner, channel="webhook", name="Support", settings={"reply_url": "https://platform.example/replies"})[0]
    beside = {
        "native_id": "beside",
        "text": "My neighbour's tea is cold.",
        "published_at": format_instant(now()),
        "kind": "message",
        "author": {"native_id": "tom"},
    }
    hand_in(house, account, orjson.dumps([said(word, "n1"), beside]), "d1")
    hand_in(house, account, orjson.dumps(said(word, "n1", text=f"Where is my new {word}?", edited_at=format_instant(now()))), "d2")
    hand_in(
        house,
        account,
        orjson.dumps([said(word, "n1"), said(word, "n2"), {"native_id": 7, "text": {"no": word}, "author": {"handle": f"@{word}"}}]),
        "d3",
    )
    post = connect.connect(
        house.owner, channel="email", name="help@marlow.example", settings=MAILBOX, credentials={"username": "care", "password": "pw"}
    )[0]
    hand_in(house, post, mail(word, "m1", "The parcel is late."), "1:1")
    house.read(line(f"i1-{word}", f"They are {word}.", author=said(word, "x")["author"], title=word), line("i2", "Somebody else."))
    settle()
    talks = [view.id for view in love.conversations(house.owner, InboxFilter()).items]
    [theirs] = [view.id for view in love.conversations(house.owner, InboxFilter()).items if view.author.get("native_id") == f"{word}-id"]
    answered(house, theirs, f"Your {word} is on its way.")
    love.note(house.owner, theirs, "A regular: be kind.")
    love.create_case(house.owner, f"{word} is late", [theirs])
    love.save_draft(house.owner, theirs, f"And the other {word}")
    listen.patch(house.owner, UUID(love.conversation(house.owner, theirs).mentions[0].mention["id"]), tags=[word, "late"])
    settle()
    return account, post, talks


def test_a_word_of_somebody_who_is_erased_is_nowhere(house: House, store: Any, word: str, own_ledger: Path, tmp_path: Path) -> None:
    _, _, talks = furnish(house, word)
    data = settings().data
    before = listen.coverage(house.owner)
    found = everywhere(word, data, tmp_path)
    for place in ("people_identity.handle", "people_proofrow.value", "platform_eventlog.payload", "connect_delivery.body", "connect_quarantined.raw", "love_entry.mention",
                  "love_conversation.author", "outbound_intent.text", "love_caserecord.title", "love_draft.text", "listen_record.native_id"):  # fmt: skip
        assert place in found, f"the hunt would prove nothing: {place} not in {found}"
    assert any("/mentions/" in place for place in found) and any("/blobs/" in place for place in found)
    profile = profile_of(house, word)
    heard = len(people.timeline(house.owner, profile, limit=500).items)

    done = erase(house, profile)

    assert done.state == "done" and done.counts["mentions"] >= 4 <= heard, (done.counts, heard)
    assert everywhere(word, data, tmp_path) == []
    browser = house.browser()
    for path in (*(f"/inbox/{talk}" for talk in talks), "/inbox", "/people", "/coverage", "/inbox/cases", "/channels/quarantine"):
        page = browser.get(path)
        assert page.status_code == 200 and word not in page.content.decode(), path
    gone = {talk for talk in talks if love.conversation(house.owner, talk).conversation.erased}
    assert 0 < len(gone) < len(talks), "the neighbour's stays"
    for talk in talks:  # nobody can go on with what is gone, so nothing offers to
        page = browser.get(f"/inbox/{talk}").content.decode()
        assert bool(re.findall(rf'(?:action|hx-post)="/inbox/{talk}/\w+', page)) is (talk not in gone), talk
    after = listen.coverage(house.owner)
    assert (after.heard, after.deleted) == (
        before.heard + before.quarantined - after.quarantined - 1,
        before.deleted + done.counts["mentions"] + 1,
    )


def test_nothing_brings_them_back_and_who_writes_again_is_somebody_new(house: House, store: Any, word: str, tmp_path: Path) -> None:
    account, post, _ = furnish(house, word)
    kept = said(word, "n1")
    profile = profile_of(house, word)
    hand_in(house, account, orjson.dumps([said(word, "flight")]), "d4")
    connect.deliver(house.organization, account.id, [RawDelivery("d5", orjson.dumps(said(word, "waiting")), {}, now())])  # not taken in yet
    erase(house, profile)
    assert everywhere(word, settings().data, tmp_path) == []
    assert Delivery.objects.for_organization(house.organization).filter(done_at=None).count() == 0

    # The same things again, late, edited, over every door; and everything derived made anew.
    hand_in(house, account, orjson.dumps([kept, said(word, "n2", edited_at=format_instant(now())), said(word, "waiting")]), "d6")
    hand_in(house, post, mail(word, "m1", "The parcel is late."), "2:7")
    house.read(line(f"i1-{word}", f"They are {word}.", author=kept["author"], title=word))
    settle_all(house)
    assert everywhere(word, settings().data, tmp_path) == []
    searched = listen.search(house.owner, "")
    rebuilt = TantivyStore(tmp_path / "rebuilt")
    for event in events.replay("listen.mentions_heard", "listen.mentions_changed", "listen.mentions_deleted"):
        apply(rebuilt, event)  # type: ignore[arg-type]
    rebuilt.commit()
    engine._store = rebuilt
    again = listen.search(house.owner, "")
    assert (again.count, {item["id"] for item in again.items}) == (searched.count, {item["id"] for item in searched.items})
    rebuilt.close()
    engine._store = store
    assert searched.count >= 2 and govern.verify_audit(house.organization).whole

    # Whoever they are now: one profile, one conversation, with nothing from before.
    hand_in(house, account, orjson.dumps(said(word, "afterwards")), "d7")
    settle_all(house)
    talks = [view for view in love.conversations(house.owner, InboxFilter()).items if view.author.get("native_id") == f"{word}-id"]
    assert len(talks) == 1 and len(love.conversation(house.owner, talks[0].id).mentions) == 1
    [one] = people.profiles(house.organization, word).items
    assert not one.history and len(people.timeline(house.owner, one.id, limit=50).items) == 1
    erase(house, one.id)
    assert everywhere(word, settings().data, tmp_path) == []
    assert len(people.erasures(house.owner).items) == 2


def settle_all(house: House) -> None:
    """Every job that there is."""
    settle()
    listen.redact(house.organization)
    settle()
    purge(engine.writer())


class Killed(BaseException):
    """The process ends here."""


def test_killed_at_every_step_it_is_done_all_the_same(
    house: House, store: Any, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(house, word)
    profile = profile_of(house, word)
    [talk] = [view.id for view in love.conversations(house.owner, InboxFilter()).items if view.author.get("native_id") == f"{word}-id"]
    reply = love.reply(house.owner, talk, f"One more {word}")
    row = Intent.objects.for_organization(house.organization).get(id=reply.id)
    row.state = "claimed"
    row.save(update_fields=["state"])
    Attempt.objects.add(house.organization, intent=row, at=now())  # it is with its platform at this moment

    asked = people.erase(house.owner, profile, "Asked for by letter 4711.")
    assert people.erase(house.owner, profile, "Asked twice.").id == asked.id
    real, killed = erasing.step, 0

    def step(erasure: Erasure) -> bool:
        nonlocal killed
        killed += 1
        done = real(erasure)
        if killed % 2:
            raise Killed
        return done

    monkeypatch.setattr(erasing, "step", step)

    def job() -> bool:
        try:
            return people.carry_out_erasure(house.organization, asked.id)
        except Killed:
            return False

    for _ in range(10):
        assert not job(), "it did not wait for the reply that is on its way"
    gateway.conclude(Intent.objects.for_organization(house.organization).get(id=reply.id), "sent", native_id=f"ours-{word}", url=None)
    settle()
    tries = 0
    while not job():
        tries += 1
        assert tries < 100, Erasure.objects.for_organization(house.organization).get(id=asked.id).work
    assert killed > 8
    settle_all(house)
    assert people.erase(house.owner, profile, "Asked a third time.").id == asked.id
    assert everywhere(word, settings().data, tmp_path) == []
    assert [entry.action for entry in govern.entries(house.organization) if entry.action == "profile.erase"] == ["profile.erase"] * 2
    assert govern.unmatched_intents(house.organization) == [] and govern.verify_audit(house.organization).whole


def test_what_a_platform_deletes_leaves_log_mailbox_and_files(house: House, store: Any, word: str, tmp_path: Path) -> None:
    account = house.account()
    beside = {
        "native_id": "beside",
        "text": "My neighbour's tea is cold.",
        "published_at": format_instant(now()),
        "kind": "message",
        "author": {"native_id": "tom"},
    }
    theirs = {
        "native_id": f"gone-{uuid4().hex}",
        "text": f"Never mind {word}",
        "published_at": format_instant(now()),
        "kind": "message",
        "author": {"native_id": "lena"},
    }
    hand_in(house, account, orjson.dumps([theirs, beside]), "d1")
    hand_in(
        house,
        account,
        orjson.dumps(
            [{**theirs, "text": f"Never mind that {word}", "edited_at": format_instant(now())}, {**theirs, "native_id": "7", "text": 7}]
        ),
        "d2",
    )
    house.read(line(f"import-{word}", f"And {word} again", author={"native_id": "lena"}), line("i2", "Somebody else."))
    settle()
    assert {"platform_eventlog.payload", "connect_delivery.body", "love_entry.history"} <= set(everywhere(word, tmp_path))
    before = listen.coverage(house.owner)

    early = {**theirs, "native_id": f"early-{uuid4().hex}"}
    gone = [{"native_id": one["native_id"], "deleted": True} for one in (theirs, early)]
    hand_in(house, account, orjson.dumps(gone), "d3")  # one is deleted before it was ever heard
    hand_in(house, account, orjson.dumps([early, {**theirs, "edited_at": format_instant(now())}]), "d4")  # and comes late
    settle_all(house)
    imported = everywhere(word, tmp_path)
    assert set(imported) <= {"platform_eventlog.payload", "connect_delivery.body", "listen_record.native_id"} | {
        place for place in imported if "/mentions/" in place
    }
    listen.delete_again(house.organization, [UUID(item["id"]) for item in listen.search(house.owner, word).items], now())
    settle_all(house)

    assert everywhere(word, tmp_path) == []
    after = listen.coverage(house.owner)
    assert (after.heard, after.deleted) == (before.heard + 1, before.deleted + 3)
    assert Removal.objects.for_organization(house.organization).count() == 0
    bodies = [bytes(row.body) for row in Delivery.objects.for_organization(house.organization).order_by("serial")]
    assert b"tea is cold" in bodies[0] and b"Somebody else" in bodies[2], "a neighbour's bytes went, too"
    assert listen.search(house.owner, "tea").count == 1


def test_who_may_and_whose(house: House, other: House, word: str) -> None:
    account = house.account()
    hand_in(house, account, orjson.dumps(said(word, "n1")), "d1")
    settle()
    profile = profile_of(house, word)
    path = f"/api/v1/profiles/{profile}/erase"
    tokens = {name: govern.create_token(actor, name, scopes)[1] for name, actor, scopes in (
        ("ours", house.owner, None), ("narrow", house.owner, ["profiles:read", "profiles:write"]), ("theirs", other.owner, None))}  # fmt: skip

    def post(token: str, body: Any, where: str = path, key: str = "") -> Any:
        headers = {"Authorization": f"Bearer {tokens[token]}", **({"Idempotency-Key": key} if key else {})}
        return Client().post(where, orjson.dumps(body), content_type="application/json", headers=headers)

    assert post("narrow", {"reason": "x"}).status_code == 403
    foreign, missing = post("theirs", {"reason": "x"}), post("theirs", {"reason": "x"}, path.replace(str(profile), str(uuid4())))
    assert foreign.status_code == missing.status_code == 404 and foreign.json()["code"] == missing.json()["code"] == "not_found"
    assert [post("ours", body).status_code for body in ({}, {"reason": " "}, {"reason": "x" * 1001}, {"reason": f"{word} Kim asked"})] == [
        422
    ] * 4
    assert not Erasure.objects.for_organization(house.organization).exists()

    client, officer = house.join("agent@marlow.example", "agent"), house.join("privacy@marlow.example", "privacy_officer")
    assert "Erase" not in client.get(f"/people/{profile}").content.decode() and client.get(f"/people/{profile}/erase").status_code == 403
    asking = f"/people/{profile}/erase"
    assert asking in officer.get(f"/people/{profile}").content.decode()
    refused = form(officer, asking, {"reason": "Letter 4711", "typed": "yes"})
    assert refused.status_code == 422 and "Letter 4711" in refused.content.decode()
    assert form(officer, asking, {"reason": "Letter 4711", "typed": " Erase "})["Location"] == "/people/erasures"
    first, again = post("ours", {"reason": "x"}, key="once"), post("ours", {"reason": "x"}, key="once")
    assert first.status_code == again.status_code == 202 and first.json()["id"] == again.json()["id"]
    assert "is being erased" in officer.get(asking).content.decode() and "Letter 4711" in officer.get("/people/erasures").content.decode()
    people.carry_out_erasure(house.organization, UUID(first.json()["id"]))
    assert Client().get(path, headers={"Authorization": f"Bearer {tokens['ours']}"}).json()["state"] == "done"
    assert officer.get(f"/people/{profile}").status_code == 404


def test_a_deletion_never_overtakes_its_mention_on_the_way_to_the_inbox(house: House, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries.deliver, "run", lambda lane: None)  # nobody hands over yet
    account = house.account()
    hand_in(house, account, orjson.dumps({"native_id": word, "text": word, "published_at": format_instant(now()), "kind": "message"}), "d1")
    hand_in(house, account, orjson.dumps({"native_id": word, "deleted": True}), "d2")
    waiting = WaitingEvent.objects.filter(subscriber__startswith="cxm.love.subscribers.on_mentions")
    lanes = {row.subscriber: row.lane for row in waiting}
    assert len(lanes) == 2 and len(set(lanes.values())) == 1, lanes
