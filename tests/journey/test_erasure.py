"""Erasing somebody: a word that stands in every field a person can fill is nowhere afterwards, and stays nowhere."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import connection

from cxm.channels.contracts import RawDelivery
from cxm.connect import api as connect
from cxm.kernel.clock import format_instant, now
from cxm.listen import api as listen
from cxm.listen import engine
from cxm.listen.store.purging import purge
from cxm.listen.store.tantivy_store import TantivyStore
from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from cxm.outbound import gateway
from cxm.outbound.models import Intent
from cxm.people import api as people
from cxm.people.models import Erasure
from cxm.platform import graves
from cxm.platform.config import settings
from tests.houses import House, _own_store, house, line, other, settle  # noqa: F401 - fixtures

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
    settle()
    from cxm.listen.erasure import redact

    redact(house.organization)
    purge(engine.writer())
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
    furnish(house, word)
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
    after = listen.coverage(house.owner)
    assert (after.heard, after.deleted) == (
        before.heard + before.quarantined - after.quarantined - 1,
        before.deleted + done.counts["mentions"] + 1,
    )
