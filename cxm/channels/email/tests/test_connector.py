"""Reading and sending over a mail server in memory: cursors, faults, what may have left."""

from __future__ import annotations

import asyncio
import ssl
import threading
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cxm.channels.contracts import AuthExpired, Media, Outgoing, RateLimited, Rejected, Unavailable
from cxm.channels.email.connector import Poll, Reply, Stream, Test
from cxm.channels.email.tests.provider import MailServer, mail

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
INTENT = UUID("01936a00-0000-7000-8000-000000000000")


def _poll(server: MailServer, cursor: Any = None, **settings: Any) -> Any:
    return asyncio.run(Poll().poll(server.session(NOW, settings), cursor))


def _reply(text: str = "On its way.", **more: Any) -> Outgoing:
    context = {"to": "ann@customer.example", "references": ["<1@customer.example>"], "subject": "Where is my order?"}
    return Outgoing(INTENT, "reply", text, True, in_reply_to="<1@customer.example>", **{"context": context, **more})


def _send(server: MailServer, outgoing: Outgoing | None = None, **settings: Any) -> Any:
    return asyncio.run(Reply().send(server.session(NOW, settings), outgoing or _reply()))


def test_first_look_takes_what_is_there_and_the_next_only_what_is_new() -> None:
    server = MailServer(2)
    first = _poll(server)
    assert [one.body for one in first.deliveries] == [mail(1), mail(2)]
    assert first.deliveries[0].delivery_id == "7:1"
    assert first.deliveries[0].headers["x-internal-date"] == "2026-11-21T10:30:00+00:00"
    assert not first.more
    assert _poll(server, first.cursor).deliveries == ()
    server.mails[9] = mail(9)
    assert [one.delivery_id for one in _poll(server, first.cursor).deliveries] == ["7:9"]
    assert not any("STORE" in command or "BODY[]" in command for command in server.commands), "mail must stay unread"


def test_an_empty_folder_has_a_cursor() -> None:
    server = MailServer(0)
    first = _poll(server)
    assert first.deliveries == () and not first.more
    server.mails[1] = mail(1)
    assert len(_poll(server, first.cursor).deliveries) == 1


def test_a_new_uidvalidity_begins_again_by_date() -> None:
    server = MailServer(3)
    cursor = _poll(server).cursor
    server.validity = 8
    again = _poll(server, cursor)
    assert [one.delivery_id for one in again.deliveries] == ["8:1", "8:2", "8:3"]
    assert any(command.endswith("SINCE 20-Nov-2026") for command in server.commands)


def test_a_mail_that_vanished_is_passed_over() -> None:
    server = MailServer(3)
    cursor = {"uidvalidity": 7, "uid": 1}
    del server.mails[3]
    assert [one.delivery_id for one in _poll(server, cursor).deliveries] == ["7:2"]


@pytest.mark.parametrize("point", ["dial", "examine", "uid"])
def test_a_broken_line_is_unavailable(point: str) -> None:
    server = MailServer(1)
    server.fail = point
    with pytest.raises((Unavailable, ConnectionRefusedError)) as caught:
        _poll(server)
    assert isinstance(caught.value, Unavailable) and not caught.value.effect_possible


def test_a_wrong_password_asks_to_sign_in_again() -> None:
    with pytest.raises(AuthExpired, match="refuses"):
        asyncio.run(Poll().poll(MailServer(1).session(NOW, password="wrong"), None))


def test_a_missing_folder_is_rejected() -> None:
    with pytest.raises(Rejected, match="no folder"):
        _poll(MailServer(1), folder='Entwürfe" x')


def _all(server: MailServer, folders: list[str], cursor: Any = None) -> tuple[list[str], Any, list[Any]]:
    """Polls until nothing is left, as the runtime does: ids, the last cursor, what was unheard."""
    heard: list[str] = []
    for _ in range(20):
        found = asyncio.run(Poll().poll(server.session(NOW, folders=folders), cursor))
        heard += [one.delivery_id for one in found.deliveries]
        cursor = found.cursor
        if not found.more:
            return heard, cursor, list(found.unheard)
    raise AssertionError(f"it never ends: {heard}")


def test_further_folders_are_heard_each_from_where_it_stood() -> None:
    server = MailServer(2)
    server.folders["Returns"], server.folders["Empty"] = {1: mail(11), 2: mail(12)}, {}
    heard, cursor, _ = _all(server, ["Returns", "Empty", "inbox"])
    assert heard == ["7:1", "7:2", "Returns:7:1", "Returns:7:2"], "UIDs of two folders are alike and must stay apart"
    assert _all(server, ["Returns", "Empty"], cursor)[0] == []
    server.folders["Returns"][3], server.folders["INBOX"][3] = mail(13), mail(3)
    heard, cursor, _ = _all(server, ["Returns", "Empty"], cursor)
    assert heard == ["7:3", "Returns:7:3"]
    server.folders["Returns"][4] = mail(14)
    heard, cursor, _ = _all(server, [], cursor)
    assert heard == [] and "sources" not in cursor, "a source that was removed is not looked at"


def test_a_further_folder_that_is_not_there_is_told_and_holds_up_nobody() -> None:
    server = MailServer(1)
    server.folders["Returns"] = {1: mail(11)}
    heard, cursor, unheard = _all(server, ["Gone", "Returns"])
    assert heard == ["7:1", "Returns:7:1"]
    assert [(one.reason, one.ended_at) for one in unheard] == [("There is no folder “Gone” in this mailbox.", NOW)]
    server.folders["Gone"] = {1: mail(21)}
    assert _all(server, ["Gone", "Returns"], cursor)[0] == ["Gone:7:1"]
    steps = asyncio.run(Test().test(server.session(NOW, folders=["Returns", "Missing"])))
    assert [(step.name, step.ok) for step in steps][2:] == [("Open INBOX", True), ("Open Returns", True), ("Open Missing", False)]


def test_the_stream_waits_in_its_own_folder_after_looking_into_the_others() -> None:
    server = MailServer(1)
    server.folders["Returns"] = {1: mail(11)}

    async def listen() -> list[str]:
        heard: list[str] = []
        stream = Stream().listen(server.session(NOW, folders=["Returns"]), None)
        while len(heard) < 2:
            heard += [one.delivery_id for one in (await asyncio.wait_for(anext(stream), 30)).deliveries]
        assert not (await asyncio.wait_for(anext(stream), 30)).deliveries, "nothing is left, and it says so"
        following = asyncio.ensure_future(anext(stream))
        assert await asyncio.to_thread(server.idling.wait, 30)
        server.folders["INBOX"][2] = mail(2)
        server.news.set()
        heard += [one.delivery_id for one in (await asyncio.wait_for(following, 30)).deliveries]
        await stream.aclose()
        return heard

    assert asyncio.run(asyncio.wait_for(listen(), 90)) == ["7:1", "Returns:7:1", "7:2"]


def test_a_control_character_is_no_second_command() -> None:
    server = MailServer(1)
    server.capabilities = "IMAP4rev1"
    with pytest.raises(AuthExpired):
        asyncio.run(Poll().poll(server.session(NOW, password="x\r\nA2 DELETE INBOX"), None))
    assert not any("DELETE" in command for command in server.commands)


def test_the_stream_hears_of_new_mail_at_once_and_closes_when_cancelled() -> None:
    server = MailServer(1)

    async def listen() -> list[str]:
        heard: list[str] = []
        stream = Stream().listen(server.session(NOW), None)
        heard += [one.delivery_id for one in (await anext(stream)).deliveries]
        following = asyncio.ensure_future(anext(stream))
        await asyncio.to_thread(server.idling.wait, 5)
        server.mails[2] = mail(2)
        server.news.set()
        heard += [one.delivery_id for one in (await asyncio.wait_for(following, 5)).deliveries]
        server.idling.clear()
        server.news.clear()
        last = asyncio.ensure_future(anext(stream))
        await asyncio.to_thread(server.idling.wait, 5)
        last.cancel()
        with pytest.raises(asyncio.CancelledError):
            await last
        return heard

    assert asyncio.run(asyncio.wait_for(listen(), 20)) == ["7:1", "7:2"]


def test_waiting_mailboxes_hold_no_threads() -> None:
    servers = [MailServer(1) for _ in range(60)]

    async def listen() -> int:
        streams = [Stream().listen(server.session(NOW), None) for server in servers]
        for stream in streams:
            await anext(stream)
        waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
        for server in servers:
            await asyncio.to_thread(server.idling.wait, 10)
        held = sum(thread.name.startswith("mail") for thread in threading.enumerate())
        for server in servers:
            server.mails[2] = mail(2)
            server.news.set()
        heard = [await asyncio.wait_for(one, 10) for one in waiting]
        for stream in streams:
            await stream.aclose()
        assert all(len(batch.deliveries) == 1 for batch in heard)
        return held

    assert asyncio.run(asyncio.wait_for(listen(), 60)) <= 32


def test_a_server_without_idle_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxm.channels.email.connector.IDLE_SECONDS", 0.05)
    server = MailServer(1)
    server.capabilities = "IMAP4rev1 AUTH=PLAIN"

    async def listen() -> list[int]:
        stream = Stream().listen(server.session(NOW), None)
        first, second = await anext(stream), await anext(stream)
        server.mails[2] = mail(2)
        third = await anext(stream)
        await stream.aclose()
        return [len(batch.deliveries) for batch in (first, second, third)]

    assert asyncio.run(asyncio.wait_for(listen(), 20)) == [1, 0, 1]


def test_a_stream_cut_by_the_server_is_unavailable() -> None:
    server = MailServer(1)
    server.fail = "idle"

    async def listen() -> None:
        stream = Stream().listen(server.session(NOW), None)
        await anext(stream)
        await anext(stream)

    with pytest.raises(Unavailable):
        asyncio.run(asyncio.wait_for(listen(), 20))


def test_an_answer_leaves_as_a_whole_mail() -> None:
    server = MailServer()
    sent = _send(
        server,
        _reply("Grüße,\r\n.\nwir schauen nach.", media=(Media("file", name="a/b.pdf", content_type="application/pdf", content=b"%PDF"),)),
    )
    assert sent.native_id == f"<{INTENT}@acme.example>"
    ((sender, recipient, raw),) = server.sent
    assert "<care@acme.example>" in sender and recipient.upper().startswith("RCPT TO:<ANN@CUSTOMER.EXAMPLE>")
    letter = message_from_bytes(raw, policy=default)
    assert letter["Message-ID"] == sent.native_id
    assert letter["In-Reply-To"] == "<1@customer.example>" and letter["References"] == "<1@customer.example>"
    assert letter["Subject"] == "Re: Where is my order?"
    assert letter["X-OpenCXM-Intent"] == str(INTENT) and letter["Auto-Submitted"] is None
    body = letter.get_body()
    assert (
        body is not None
        and body.get_content().replace("\r", "") == "Grüße,\n.\nwir schauen nach.\n"
        and body.get_content_charset() == "utf-8"
    )
    assert [part.get_filename() for part in letter.iter_attachments()] == ["a_b.pdf"]


def test_no_header_can_be_smuggled_in() -> None:
    server = MailServer()
    outgoing = _reply(
        title="Hi\r\nBcc: all@customer.example", context={"to": "ann@customer.example", "references": ["<a@b>\r\nBcc: <x@y>", 7]}
    )
    _send(server, outgoing, display_name="Care\r\nBcc: all@customer.example")
    letter = message_from_bytes(server.sent[0][2], policy=default)
    assert letter["Bcc"] is None and letter["References"] == "<1@customer.example>"
    assert letter["Subject"] == "Re: Hi Bcc: all@customer.example"


@pytest.mark.parametrize("to", ["", "ann", "a@b, c@d", "a@b\r\nRCPT TO:<x@y>", "care@acme.example", "ü@customer.example"])
def test_only_one_good_address_that_is_not_ours_is_written_to(to: str) -> None:
    server = MailServer()
    with pytest.raises(Rejected):
        _send(server, _reply(context={"to": to}))
    assert server.sent == []


@pytest.mark.parametrize(
    ("fail", "error", "effect"),
    [
        ("smtp ehlo", Unavailable, False),
        ("smtp mail", Unavailable, False),
        ("smtp rcpt", Unavailable, False),
        ("refuse rcpt", Rejected, None),
        ("later rcpt", RateLimited, None),
        ("refuse content", Rejected, None),
        ("refuse data", Rejected, None),
        ("smtp data", Unavailable, True),
        ("before answer", Unavailable, True),
    ],
)
def test_it_is_known_whether_a_mail_may_have_left(fail: str, error: type[Exception], effect: bool | None) -> None:
    server = MailServer()
    server.fail = fail
    with pytest.raises(error) as caught:
        _send(server)
    assert getattr(caught.value, "effect_possible", None) == effect


def test_a_copy_is_kept_where_asked_and_its_failure_fails_nothing() -> None:
    server = MailServer()
    _send(server, sent_folder="Sent")
    assert len(server.appended) == 1 and b"Message-ID: <01936a00" in server.appended[0]
    server.fail = "append"
    assert _send(server, sent_folder="Sent").native_id


@pytest.mark.parametrize(
    ("fail", "password", "last", "ok"),
    [
        ("", None, "Sign in to SMTP", True),
        ("dial", None, "Connect to IMAP", False),
        ("", "wrong", "Sign in to IMAP", False),
        ("examine", None, "Open INBOX", False),
        ("smtp ehlo", None, "Sign in to SMTP", False),
    ],
)
def test_the_test_button_stops_at_the_step_that_fails(fail: str, password: str | None, last: str, ok: bool) -> None:
    server = MailServer()
    server.fail = fail
    session = server.session(NOW) if password is None else server.session(NOW, password=password)
    steps = asyncio.run(Test().test(session))
    assert (steps[-1].name, steps[-1].ok) == (last, ok)
    assert all(step.text for step in steps) and all(step.ok for step in steps[:-1])


def test_history_days_bound_the_first_look() -> None:
    server = MailServer(1)
    _poll(server, history_days=3)
    assert any(command.endswith("SINCE 19-Nov-2026") for command in server.commands)
    assert NOW - timedelta(days=3) == datetime(2026, 11, 19, 12, 0, tzinfo=UTC)


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate for both hosts, trusted by this process alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    hosts = x509.SubjectAlternativeName([x509.DNSName("imap.acme.example"), x509.DNSName("smtp.acme.example")])
    today = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    built = (
        built.not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1)).add_extension(hosts, critical=False)
    )
    signed = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    file, key_file = tmp_path / "certificate.pem", tmp_path / "key.pem"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key_file.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return context


def test_starttls_both_ways_and_what_came_in_the_clear_is_forgotten(certificate: ssl.SSLContext) -> None:
    server = MailServer(1)
    server.tls = certificate
    server.capabilities = "IMAP4rev1 STARTTLS IDLE AUTH=PLAIN"
    assert len(_poll(server, imap_security="starttls").deliveries) == 1
    assert any(command.startswith("AUTHENTICATE PLAIN") for command in server.commands)
    assert _send(server, smtp_security="starttls").native_id and len(server.sent) == 1


@pytest.mark.parametrize("which", ["imap", "smtp"])
def test_an_untrusted_certificate_gets_no_password(certificate: ssl.SSLContext, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    server = MailServer(1)
    server.tls = certificate
    server.capabilities = "IMAP4rev1 STARTTLS AUTH=PLAIN"
    with pytest.raises(Unavailable) as caught:
        _poll(server, imap_security="starttls") if which == "imap" else _send(server, smtp_security="starttls")
    assert not caught.value.effect_possible
    assert not any(command.startswith("AUTH") for command in server.commands) and server.sent == []


@pytest.mark.parametrize("which", ["imap", "smtp"])
def test_a_server_that_offers_no_starttls_gets_no_password(which: str) -> None:
    server = MailServer(1)
    with pytest.raises((Unavailable, Rejected)):
        _poll(server, imap_security="starttls") if which == "imap" else _send(server, smtp_security="starttls")
    assert not any(command.startswith("AUTH") for command in server.commands) and server.sent == []


@pytest.mark.parametrize("odd", ["a..b@docomo.ne.jp", "a.@x.example", ".a@x.example", "a@x]y", "a@x[y.example"])
def test_an_odd_address_is_refused_and_an_odd_copy_costs_only_itself(odd: str) -> None:
    server = MailServer(0)
    _send(server, _reply(context={"to": "ann@customer.example", "cc": [odd, "boss@customer.example"]}))
    assert server.recipients[-2:] == ["<ann@customer.example>", "<boss@customer.example>"]
    with pytest.raises(Rejected):
        _send(server, _reply(context={"to": odd}))
