"""Files that came with mentions: kept, given out by right, never run."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from cxm.channels.contracts import Author, Deletion, Media, Mention
from cxm.connect import api as connect
from cxm.connect.contracts import Account, Heard
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import NotFound, NotNow, Removed
from cxm.kernel.ids import mention_id
from cxm.listen import accept, media, sniffing, subscribers
from cxm.listen.events import MentionsDeleted
from cxm.platform import blobs

Hear = Callable[..., UUID]
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 640, 480)
JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08" + struct.pack(">HH", 480, 640) + b"rest"


@pytest.fixture
def owner(db: None) -> Actor:
    made = govern.set_up(f"Acme {uuid4()}", f"owner-{uuid4().hex[:8]}@acme.example", "a long password 17")
    return govern.actor_for(made.organization, made.member)


@pytest.fixture
def account(owner: Actor) -> Account:
    return connect.connect(owner, channel="webhook", name="Support", settings={"reply_url": "https://hooks.example.com/reply"})[0]


def hear(account: Account, item: Mention | Deletion) -> str:
    heard = Heard(item=item, received_at=now(), position=0, order=1, channel="webhook")
    return accept.accept(account.organization, account, [heard], imported=False)[0].outcome


def said(native_id: str, *files: Media) -> Mention:
    return Mention(native_id, "message", Author("lena"), "See the file.", now() - timedelta(minutes=1), media=files)


def identifier(account: Account, native_id: str) -> UUID:
    return mention_id(account.organization, "webhook", native_id, account.id)


def attached(content: bytes, name: str | None = "a.bin", kind: str = "file", content_type: str = "application/octet-stream") -> Media:
    return Media(kind, name=name, content_type=content_type, content=content)


def test_bytes_are_kept_and_given_out_as_an_attachment(owner: Actor, account: Account) -> None:
    assert hear(account, said("1", Media("image", url="https://cdn.example.com/1.png"), attached(b"content", "invoice.pdf"))) == "accepted"
    answer = media.response(owner, identifier(account, "1"), 1)
    assert answer.content == b"content"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="invoice.pdf"'
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for index in (2, -1, 10**30):
        with pytest.raises(NotFound):
            media.response(owner, identifier(account, "1"), index)


def test_another_organization_and_a_member_without_the_right_find_nothing(owner: Actor, account: Account) -> None:
    hear(account, said("1", attached(b"content")))
    stranger = govern.set_up(f"Other {uuid4()}", f"owner-{uuid4().hex[:8]}@other.example", "a long password 17")
    elsewhere = Actor(account.organization, "member", "Jonas", member=uuid4(), grants={"mentions:read": frozenset({uuid4()})})
    for actor in (govern.actor_for(stranger.organization, stranger.member), elsewhere):
        with pytest.raises(NotFound):
            media.response(actor, identifier(account, "1"), 0)


def test_files_go_with_their_mention(owner: Actor, account: Account) -> None:
    hear(account, said("1", attached(b"both need it"), attached(b"one needs it")))
    hear(account, said("2", attached(b"both need it")))
    both, one = (hashlib.sha256(content).hexdigest() for content in (b"both need it", b"one needs it"))
    delete(account, "1")
    with pytest.raises(Removed):
        media.response(owner, identifier(account, "1"), 0)
    with pytest.raises(NotFound):
        blobs.opened(account.organization, one)
    assert media.response(owner, identifier(account, "2"), 0).content == b"both need it"
    delete(account, "2")
    with pytest.raises(NotFound):
        blobs.opened(account.organization, both)


def delete(account: Account, native_id: str) -> None:
    assert hear(account, Deletion(native_id)) == "deleted"
    told = MentionsDeleted(organization=account.organization, ids=(str(identifier(account, native_id)),), at=format_instant(now()))
    subscribers.forget_files(told)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("c:\\x\\y.exe", "c_x_y.exe"),
        ('a"b.txt', "a_b.txt"),
        ("a\r\nSet-Cookie: x", "a_Set-Cookie_ x"),
        (".bashrc", "bashrc"),
        ("", "file-1"),
        (None, "file-1"),
        ("x" * 999, "x" * 150),
    ],
)
def test_a_name_is_only_a_name(owner: Actor, account: Account, name: str | None, shown: str) -> None:
    hear(account, said("1", attached(b"content", name)))
    assert media.response(owner, identifier(account, "1"), 0).headers["Content-Disposition"] == f'attachment; filename="{shown}"'


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (b"GIF89a" + struct.pack("<HH", 5, 5), "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8X" + bytes(8) + b"\x09\x00\x00\x09\x00\x00" + bytes(4), "image/webp"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 60_000, 60_000), None),  # a bomb
        (b"\x89PNG\r\n\x1a\n", None),
        (b"\xff\xd8\xff" + b"\xff" * 100_000, None),
        (b"\xff\xd8\xff\xe0\x00\x00" * 1000, None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_only_bytes_of_a_picture_are_shown_in_place(owner: Actor, account: Account, content: bytes, shown: str | None) -> None:
    assert sniffing.picture(io.BytesIO(content)) == shown
    hear(account, said("1", attached(content, "picture.png", "image", "image/png")))
    answer = media.response(owner, identifier(account, "1"), 0, inline=True)
    assert answer.headers["Content-Type"] == (shown or "application/octet-stream")
    assert answer.headers["Content-Disposition"].startswith("inline" if shown else "attachment")
    assert answer.content == content


def test_a_full_disk_lets_the_mention_wait(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(organization: UUID, content: bytes) -> str:
        raise NotNow("disk_refuses", "full")

    monkeypatch.setattr(blobs, "keep", full)
    with pytest.raises(NotNow):
        hear(account, said("1", attached(b"content")))


def test_a_file_over_the_limit_is_named_without_its_bytes(owner: Actor, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "LIMIT", 3)
    shown = media.document(account.organization, uuid4(), attached(b"1234", "big.bin"))
    assert shown == {"kind": "file", "url": None, "alt": None, "name": "big.bin", "content_type": "application/octet-stream", "size": 4}
