"""Files with an answer: uploaded, carried by the intent, handed to the connector whole, kept with what was said, cleared away."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from email import message_from_bytes, policy
from uuid import UUID, uuid4

import pytest
from django.test import Client

from cxm.channels import registry
from cxm.channels.email.connector import Reply as Email
from cxm.channels.email.tests.provider import MailServer
from cxm.channels.webhook import connector as webhook
from cxm.connect import api as connect
from cxm.govern import api as govern
from cxm.kernel.clock import now, shifted_by
from cxm.kernel.errors import CxmError, Invalid, NotAllowed, NotFound, TooLarge
from cxm.kernel.network import Rejected
from cxm.listen import media as listen_media
from cxm.love import api as love
from cxm.outbound import api as outbound
from cxm.outbound import gateway, uploads
from cxm.outbound.contracts import NewIntent
from cxm.outbound.models import Intent, Upload
from tests.houses import House, _own_store, house, other, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big")


def account_of(house: House, channel: str = "webhook"):
    if channel == "email":
        settings = {"address": "care@acme.example", "imap_host": "imap.acme.example", "smtp_host": "smtp.acme.example"}
        return connect.connect(
            house.owner,
            channel="email",
            name=f"{uuid4().hex}@acme.example",
            settings=settings,
            credentials={"username": "u", "password": "p"},
        )[0]
    return connect.connect(house.owner, channel=channel, name=uuid4().hex, settings={"reply_url": "https://example.com/in"})[0]


def intent(house: House, *media, channel: str = "webhook", **more) -> NewIntent:
    account = account_of(house, channel)
    return NewIntent(account=account.id, unit=account.unit, text="See the file.", private=True, conversation=uuid4(), media=media, **more)


def row_of(house: House, reply: UUID) -> Intent:
    return Intent.objects.for_organization(house.organization).get(id=reply)


def test_a_mail_carries_the_files_as_attachments(house: House) -> None:
    files = [
        ("Rechnung März.pdf", b"%PDF-1.7 bill", "application/pdf"),
        ("kettle.png", PNG, "image/png"),
        ("odd", b"\x00\x01", "message/rfc822"),
    ]
    media = [{"id": str(outbound.upload(house.owner, *file).id)} for file in files]
    made = outbound.propose(
        house.owner, intent(house, *media, {"url": "https://example.com/terms"}, channel="email", to="lena@customer.example")
    )
    server = MailServer()
    asyncio.run(Email().send(server.session(now()), gateway.outgoing_of(row_of(house, made.id), whole=True)))
    letter = message_from_bytes(server.sent[0][2], policy=policy.SMTP)
    attached = {part.get_filename(): (part.get_content_type(), part.get_payload(decode=True)) for part in letter.iter_attachments()}
    assert attached == {
        "Rechnung März.pdf": ("application/pdf", files[0][1]),
        "kettle.png": ("image/png", PNG),
        "odd": ("application/octet-stream", files[2][1]),
    }
    body = letter.get_body()
    assert body is not None and "See the file." in body.get_content() and "https://example.com/terms" in body.get_content()


def test_a_webhook_gets_the_bytes_and_the_same_body_each_time(house: House) -> None:
    file = outbound.upload(house.owner, "kettle.png", PNG, "image/png")
    made = outbound.propose(house.owner, intent(house, {"id": str(file.id)}))
    bodies = [webhook._body(gateway.outgoing_of(row_of(house, made.id), whole=True)) for _ in range(2)]
    assert bodies[0] == bodies[1], "one intent has one body, whenever it is sent"
    (sent,) = bodies[0]["media"]
    assert (sent["kind"], sent["name"], sent["content_type"]) == ("image", "kettle.png", "image/png")
    assert json.dumps(bodies[0]) and len(sent["content"]) > len(PNG)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("../../etc/passwd", "passwd"), ("c:\\x\\y.png", "y.png"), ("a\r\nSet-Cookie: x", "a Set-Cookie_ x"), (".bashrc", "bashrc"), ("", "file"), ("x" * 999 + ".pdf", "x" * 146 + ".pdf")],
)  # fmt: skip
def test_a_name_is_only_a_name(house: House, name: str, shown: str) -> None:
    assert outbound.upload(house.owner, name, b"1").name == shown


@pytest.mark.parametrize("name", ["virus.exe", "Invoice.PDF.JS", "x.lnk", "run.bat. "])
def test_programs_are_refused_before_anything_is_kept(house: House, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        outbound.upload(house.owner, name, b"MZ")
    assert refused.value.code == "file_refused" and not Upload.objects.for_organization(house.organization).exists()


def test_too_large_empty_or_without_the_right(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LIMIT", 4)
    with pytest.raises(TooLarge):
        outbound.upload(house.owner, "a.txt", b"12345")
    with pytest.raises(Invalid):
        outbound.upload(house.owner, "a.txt", b"")
    house.join("ana@marlow.example", "analyst")
    member = next(one for one in govern.members(house.organization) if one.email == "ana@marlow.example")
    with pytest.raises(NotAllowed):
        outbound.upload(govern.actor_for(house.organization, member.id), "a.txt", b"1")


def test_a_file_is_its_uploaders_alone(house: House, other: House) -> None:
    theirs = outbound.upload(other.owner, "theirs.txt", b"1")
    house.join("jo@marlow.example", "agent")
    colleague = next(one for one in govern.members(house.organization) if one.email == "jo@marlow.example")
    colleagues = outbound.upload(govern.actor_for(house.organization, colleague.id), "his.txt", b"1")
    for key in (theirs.id, colleagues.id, uuid4(), "../../x", 7):
        with pytest.raises(Invalid) as refused:
            outbound.propose(house.owner, intent(house, {"id": str(key)}))
        assert refused.value.errors[0].path == "media.0"
    outbound.drop_upload(house.owner, theirs.id)
    assert outbound.uploads_of(other.owner, [theirs.id]) and not outbound.uploads_of(house.owner, [theirs.id])


def test_what_a_platform_does_not_take_is_refused_before_it_is_sent(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    file = outbound.upload(house.owner, "a.txt", b"12345678")
    rules = connect.rules(house.organization, account_of(house).id)
    assert rules.media and rules.media_bytes
    import dataclasses

    for change, said in (
        ({"media": False}, "takes no files"),
        ({"media_count": 0}, "at most 0 files"),
        ({"media_bytes": 3}, "larger than"),
    ):
        monkeypatch.setattr(connect, "rules", lambda *given, change=change: dataclasses.replace(rules, **change))
        with pytest.raises(Invalid) as refused:
            outbound.propose(house.owner, intent(house, {"id": str(file.id)}))
        assert said in refused.value.text and refused.value.errors[0].path == "media"


def test_a_file_that_is_gone_fails_the_answer_in_words(house: House) -> None:
    file = outbound.upload(house.owner, "a.txt", b"1")
    made = outbound.propose(house.owner, intent(house, {"id": str(file.id)}))
    uploads.blobs.drop(uploads._folder(house.organization), row_of(house, made.id).media[0]["digest"])
    with pytest.raises(Rejected) as refused:
        gateway.outgoing_of(row_of(house, made.id), whole=True)
    assert "a.txt is no longer kept" in refused.value.text
    gateway.carry_out(made.id)
    settled = outbound.reply(house.organization, made.id)
    assert settled.state == "failed" and "a.txt is no longer kept" in settled.detail


def test_what_was_said_keeps_its_file_and_the_thread_shows_it(house: House) -> None:
    account = house.account()
    mention = house.hear(account, "m1", "Which kettle?")
    conversation = love.conversation_of(house.owner, mention)
    connect.change(house.owner, account.id, settings={"reply_url": "https://example.com/in"})
    file = outbound.upload(house.owner, "kettle.png", PNG, "image/png")
    made = love.reply(house.owner, conversation, "This one", media=[{"id": str(file.id)}])
    gateway.conclude(row_of(house, made.id), "sent", native_id="n-1")
    settle()
    ours = love.conversation(house.owner, conversation).mentions[-1]
    assert ours.ours and ours.mention["media"][0]["name"] == "kettle.png"
    with shifted_by(uploads.KEPT + timedelta(days=1)):
        assert uploads.purge() == 1
    assert listen_media.response(house.owner, ours.id, 0, inline=True).content == PNG


def test_what_is_old_and_needed_by_nothing_is_cleared(house: House, django_capture_on_commit_callbacks) -> None:  # type: ignore[no-untyped-def]
    held = outbound.upload(house.owner, "held.txt", b"the same")
    never = outbound.upload(house.owner, "never.txt", b"the same")
    made = outbound.propose(house.owner, intent(house, {"id": str(held.id)}, undo_seconds=600))
    with shifted_by(timedelta(days=1)):
        assert uploads.purge() == 0
    with shifted_by(uploads.KEPT + timedelta(days=1)):
        with django_capture_on_commit_callbacks(execute=True):
            assert uploads.purge() == 1
        assert not outbound.uploads_of(house.owner, [never.id])
        assert uploads.content(house.organization, row_of(house, made.id).media[0]) == b"the same", "another file has the same bytes"
        outbound.take_back(house.owner, made.id)
        with django_capture_on_commit_callbacks(execute=True):
            assert uploads.purge() == 1
        with pytest.raises(NotFound):
            uploads.content(house.organization, row_of(house, made.id).media[0])


def test_by_rest(house: House) -> None:
    secret = govern.create_token(house.owner, "tests", ["conversations:reply", "conversations:read"])[1]
    account = house.account()
    connect.change(house.owner, account.id, settings={"reply_url": "https://example.com/in"})
    conversation = love.conversation_of(house.owner, house.hear(account, "m1", "Which kettle?"))
    client, mark = Client(), {"Authorization": f"Bearer {secret}"}
    made = client.post("/api/v1/uploads?name=kettle.png&type=image/png", PNG, content_type="application/octet-stream", headers=mark)
    assert made.status_code == 201, made.content
    file = made.json()
    assert (file["name"], file["kind"], file["content_type"], file["size"]) == ("kettle.png", "image", "image/png", len(PNG))
    body = {"text": "This one", "media": [file["id"]], "undo_seconds": 600}
    sent = client.post(f"/api/v1/conversations/{conversation}/replies", body, content_type="application/json", headers=mark)
    assert sent.status_code == 202, sent.content
    assert row_of(house, UUID(sent.json()["id"])).media[0]["upload"] == file["id"]
    for query, status in (("name=a.exe", 422), ("", 422)):
        assert client.post(f"/api/v1/uploads?{query}", b"1", content_type="text/plain", headers=mark).status_code == status
    big = client.post("/api/v1/uploads?name=a", b"x" * 25_000_001, content_type="text/plain", headers=mark)
    assert big.status_code == 413
    assert client.post("/api/v1/uploads?name=a", b"1", content_type="text/plain").status_code == 401


def test_every_channel_says_whether_it_takes_files() -> None:
    found = {one.name: one.manifest.reply.media for one in registry.channels() if one.manifest.replies}
    assert found["email"] and found["webhook"]
    assert issubclass(Invalid, CxmError)
