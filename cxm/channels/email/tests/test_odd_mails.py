"""Mails as they should not be: cut, mixed and stuffed at random, very large, or made of the formats that hide other mails."""

from __future__ import annotations

import base64
import random
import tracemalloc
from datetime import UTC, datetime
from email.message import Message
from typing import cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxm.channels import registry
from cxm.channels.contracts import AccountView, Mention, RawDelivery, Unmappable
from cxm.channels.email.mapping import map_delivery
from cxm.channels.kit.mail import bodies, calendars, letters, quotes, reports, secured, tnef
from cxm.channels.testing.fixtures import account, fixtures

QUIET = settings(max_examples=80, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
CHANNEL = registry.channel("email")
CORPUS = [fixture.delivery.body for fixture in fixtures(CHANNEL) if len(fixture.delivery.body) < 8_000]
ACCOUNT: AccountView = account(CHANNEL)
#: What has broken readers of mail before, put anywhere.
PIECES = [
    b"\x00", b"\r", b"\r\n\r\n", b"\xff\xfe", b"Content-Type: multipart/mixed; boundary=\n", b"Content-Type: message/rfc822\n\n", b"Content-Transfer-Encoding: base64\n",
    b"Content-Type: application/ms-tnef\n", b"Content-Type: application/pkcs7-mime; smime-type=signed-data\n", b"Content-Type: text/calendar; method=REPLY\n", b"=?utf-8?q?=ff?=", b"charset=punycode",
    b"--b\n", b"--b--\n", b"-----BEGIN PGP SIGNED MESSAGE-----\n", b"-----BEGIN PGP MESSAGE-----\n", b"Message-ID: <\n", b"Date: 99999\n", b"From: \n", b"\x78\x9f\x3e\x22\x01\x00", b"BEGIN:VEVENT\r\n", b"Status: 5.1.1\n",
]  # fmt: skip


@QUIET
@given(st.data())
def test_no_mixture_of_mails_raises_and_its_bytes_are_kept(data: st.DataObject) -> None:
    """Two mails cut into one another, with pieces between: a mention, a receipt, or a quarantine with all of its bytes."""
    mail = data.draw(st.sampled_from(CORPUS))
    for _ in range(data.draw(st.integers(1, 4))):
        start, length = data.draw(st.integers(0, len(mail))), data.draw(st.integers(0, 200))
        other = data.draw(st.sampled_from(CORPUS))
        put = data.draw(
            st.one_of(
                st.sampled_from(PIECES),
                st.binary(max_size=12),
                st.integers(0, len(other)).map(lambda at, other=other: other[at : at + 300]),
            )
        )
        mail = mail[:start] + put + mail[start + length :]
    for item in map_delivery(RawDelivery("7:1", mail, {}, NOW), ACCOUNT):
        if isinstance(item, Unmappable):
            assert item.raw == mail
        else:
            assert item.native_id


@QUIET
@given(st.binary(max_size=400), st.binary(max_size=400))
def test_no_bytes_break_a_reader(first: bytes, second: bytes) -> None:
    attribute = b"\x01\x03\x90\x06\x00" + len(second).to_bytes(4, "little") + second + b"\x00\x00"
    for content in (tnef.MAGIC + first + second, tnef.MAGIC + b"\x00\x00" + attribute, tnef.MAGIC + b"\x00\x00\x02\x02\x90\x06\x00\x00\x00\x00\x00\x00\x00" + attribute.replace(b"\x03\x90", b"\x05\x90", 1)):  # fmt: skip
        opened = tnef.opened(content)
        assert opened is not None
        assert sum(len(file.content) for file in opened.files) <= len(content)
    rich = b"\x00" * 4 + (50_000).to_bytes(4, "little") + b"LZFu\x00\x00\x00\x00" + first + second
    assert len(tnef._plain(tnef._decompressed(rich))) <= 60_000
    _, inner = secured.opaque(bytes.fromhex("06092a864886f70d010702") + bytes.fromhex("06092a864886f70d010701a0") + first + second, "")
    assert inner is None or len(inner) <= len(first) + len(second)
    text = (first + b"\n" + second).decode("latin-1")
    calendars.read(f"BEGIN:VCALENDAR\nBEGIN:VEVENT\n{text}")
    assert len(secured.unarmoured(f"-----BEGIN PGP SIGNED MESSAGE-----\n{text}")[0]) <= len(text)
    parts = quotes.split(text)
    assert len(parts.text) <= len(text)
    reports.report(letters.read(b"From: MAILER-DAEMON@x.example\nSubject: failure notice\n\n" + first + b"\n" + second))


def test_a_bomb_of_rich_text_stays_small() -> None:
    """Each two bytes of compressed RTF may stand for seventeen: no more than one megabyte comes of it."""
    pairs = [((207 + 17 * number - 1) % 4096 << 4 | 0xF).to_bytes(2, "big") for number in range(100_000)]
    bomb = b"".join(b"\xff" + b"".join(pairs[at : at + 8]) for at in range(0, len(pairs), 8))
    said = tnef._decompressed(b"\x00" * 4 + b"\xff\xff\xff\x7f" + b"LZFu" + b"\x00" * 4 + bomb)
    assert 1_000_000 <= len(said) < 1_001_000


def test_twenty_megabytes_come_along_in_four_times_their_size() -> None:
    """Measured at a tenth: what it takes grows with it. The standard library's own way takes more than ten times."""
    content = random.Random(5).randbytes(2_000_000)
    lead = b"From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nSee the film.\n--b\n"
    part = b"Content-Type: video/mp4; name=film.mp4\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(content)
    delivery = RawDelivery("7:1", lead + part + b"--b--\n", {}, NOW)
    tracemalloc.start()
    try:
        (item,) = cast("list[Mention]", list(map_delivery(delivery, ACCOUNT)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (item.text, item.media[0].kind, item.media[0].content) == ("See the film.", "video", content)
    assert peak < 4.5 * len(content)


def test_signed_mails_within_signed_mails_end() -> None:
    inner = b"Content-Type: text/plain\r\n\r\nDeep.\r\n"
    for _ in range(6):
        size = len(inner).to_bytes(4, "big")
        held = bytes.fromhex("06092a864886f70d010702") + bytes.fromhex("06092a864886f70d010701a084") + size + b"\x04\x84" + size + inner
        inner = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(held)
    found = bodies.body(letters.read(inner))
    assert found.marks == ("signed",)
    assert (found.text, len(found.media)) == ("", 1), "what lies deeper stays a file"


def test_work_grows_no_faster_than_the_alternatives_of_a_mail() -> None:
    """Each looked up among all others: 30,000 of them in less than a megabyte cost half a minute, ten times as many an hour."""
    compared = 0

    class Part(Message):
        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return self is other

        __hash__ = Message.__hash__

    made = [Part() for _ in range(300)]
    for number, part in enumerate(made):
        part["Content-Type"] = ("text/html", "text/calendar")[number % 2]
    whole = Part()
    whole["Content-Type"] = "multipart/alternative"
    whole.set_payload(made)
    bodies.body(whole)
    assert compared <= 3 * len(made)


def test_the_headers_of_an_attached_mail_stay_as_they_came() -> None:
    """Breaking their lines anew is what the library does, and costs two minutes for ten megabytes of them."""
    attached = b"Subject: " + b"a long line of words " * 20 + b"\nX-Odd: one\n   two\n\nHello\n"
    letter = letters.read(b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n" + attached + b"\n--b--\n")
    assert [medium.content for medium in bodies.body(letter).media] == [attached]
