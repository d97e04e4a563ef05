"""E-mail over IMAP and SMTP. The libraries block, so they run in threads; every socket comes from the runtime's dialler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from cxm.channels.authorization import no_token
from cxm.channels.contracts import (
    AuthExpired,
    ConnectorError,
    Outgoing,
    Polled,
    RawDelivery,
    Rejected,
    Sent,
    Session,
    SourceNews,
    TestStep,
    Unavailable,
    Unheard,
)
from cxm.channels.email import addresses
from cxm.channels.email import outgoing as letters
from cxm.channels.kit.mail.imap import Head, Mailbox, Server
from cxm.channels.kit.mail.smtp import Outbox
from cxm.channels.kit.mail.xoauth2 import Login, TokenRefused
from cxm.kernel import clock
from cxm.kernel.said import said

BATCH = 50
#: Mails larger than this are read in part (their text comes first); providers refuse them anyway.
SIZE_LIMIT = 30_000_000
_PART = 2_000_000
#: Bytes of one batch; a batch is held in memory.
BATCH_BYTES = 10_000_000
#: Seconds of one IDLE: the runtime takes longer silence for a dead stream, and a dead line is noticed as soon.
IDLE_SECONDS = 55.0
#: Threads of our own: a slow mail server must not take those the runtime needs for its database.
_THREADS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="mail")


class Poll:
    """Looks for new mail: by UID within one UIDVALIDITY, else by date; in the account's folder, then in those its sources name."""

    async def poll(self, session: Session, cursor: Mapping[str, Any] | None) -> Polled:
        """At most :data:`BATCH` mails after ``cursor`` (``uidvalidity``, ``uid``, ``day``; the same for each further folder under ``sources``),
        none marked as read."""
        return await _signed(session, partial(_poll, session, cursor))


class Stream:
    """Stays connected and hears of new mail within a second where the server can IDLE (else it looks each minute).

    IDLE tells of one folder: those of sources are looked at each minute.
    """

    async def listen(self, session: Session, cursor: Mapping[str, Any] | None) -> AsyncIterator[Polled]:
        """Batches as they come, an empty one each minute as a sign of life. Cancelling closes the connection."""
        box, login = await _signed(session, partial(_opened, session))
        try:
            while True:
                try:
                    # A stream outlives the moment its session was made at.
                    batch = await _in_thread(_round, box, replace(session, now=clock.now()), cursor)
                    cursor = batch.cursor
                    yield batch
                    if not batch.more:
                        await _news(box)
                except Unavailable:
                    if not login.over(clock.now()):
                        raise
                    box.cut()  # servers end a line with its token: nothing is wrong, and the next goes on where this one stood
                    box, login = await _signed(session, partial(_opened, session), refused=login.token)
        finally:
            # A thread may be waiting for the server: cutting the line wakes it.
            box.cut()


class Reply:
    """Sends one answer by SMTP."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent:
        """The mail's Message-ID, which comes from the intent and never changes. Raises the five errors."""
        return await _signed(session, partial(_send, session, outgoing))


class Test:
    """The test button: IMAP, then SMTP where it is set."""

    __test__ = False

    async def test(self, session: Session) -> list[TestStep]:
        """Connect, sign in and open the folder; connect and sign in for sending. Nothing is sent."""
        try:
            login = await _login(session) if session.token is not no_token else None
        except ConnectorError as error:
            return [TestStep(said("Renew the sign-in"), False, f"{error.text} {error.mend}".strip())]
        return await _in_thread(_test, session, login)


P = ParamSpec("P")
T = TypeVar("T")


async def _in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(call, *args, **kwargs))


async def _signed(session: Session, call: Callable[[Login], T], refused: str = "") -> T:
    """Run ``call`` in a thread with how to sign in; where a server does not take the token, once more with a fresh one."""
    login = await _login(session, refused)
    try:
        return await _in_thread(call, login)
    except TokenRefused:
        return await _in_thread(call, await _login(session, login.token))


async def _login(session: Session, refused: str = "") -> Login:
    if session.token is no_token:
        return _credentials(session)
    token = await session.token(refused)
    username = session.credentials.get("username") or str(session.account.settings.get("address") or "")
    return Login(username, token=token.value, expires_at=token.expires_at)


# --- reading -----------------------------------------------------------------------------------------------------------


def _imap(session: Session) -> Server:
    settings = session.account.settings
    security = str(settings.get("imap_security") or "tls")
    host = str(settings.get("imap_host") or "")
    if not host:
        raise Rejected("The account has no IMAP server.", "Set imap_host in the account's settings.")
    return Server(host, int(settings.get("imap_port") or (993 if security == "tls" else 143)), security)


def _credentials(session: Session) -> Login:
    username, password = session.credentials.get("username", ""), session.credentials.get("password", "")
    if not username or not password:
        raise AuthExpired("The account has no user name or password.", "Enter them in the account's settings.")
    return Login(username, password)


def _folder(session: Session) -> str:
    return str(session.account.settings.get("folder") or "INBOX")


def _opened(session: Session, login: Login) -> tuple[Mailbox, Login]:
    return _connected(session, login), login


def _connected(session: Session, login: Login) -> Mailbox:
    box = Mailbox(_imap(session), session.dial)
    try:
        box.sign_in(login)
    except ConnectorError:
        box.cut()
        raise
    return box


def _poll(session: Session, cursor: Mapping[str, Any] | None, login: Login) -> Polled:
    with _connected(session, login) as box:
        return _round(box, session, cursor)


def _further(session: Session) -> dict[str, object]:
    """Folders that sources name beside the account's own, with how many days back each begins."""
    own = _folder(session)
    back = session.account.settings.get("history_days")
    named = (
        (str(source.settings.get("folder")), source.settings.get("history_days", back))
        for source in session.sources
        if source.kind == "folder"
    )
    return {folder: days for folder, days in named if folder.casefold() != own.casefold()}


def _round(box: Mailbox, session: Session, cursor: Mapping[str, Any] | None) -> Polled:
    """The first folder that has news, the account's own before those of sources; that one is open afterwards where there are none.

    A source whose folder cannot be opened is told as unheard and holds up nobody.
    """
    known = dict(cursor or {})
    found = _batch(box, session, _folder(session), known)
    further = _further(session)
    if not further:
        return found
    places = _places(known, further)
    unheard: list[Unheard] = []
    told: dict[str, tuple[bool, str, str]] = {}
    news = found
    for folder, days in further.items():
        if news.deliveries or news.more:
            break
        try:
            news = _batch(box, session, folder, places[folder], label=f"{folder}:", history=days)
        except Rejected as error:
            places[folder].setdefault("since", session.now.isoformat())
            unheard.append(Unheard(datetime.fromisoformat(str(places[folder]["since"])), session.now, error.text))
            told[folder] = (False, error.text, error.mend)
        else:
            places[folder] = {**news.cursor, "since": session.now.isoformat()}
            told[folder] = (bool(news.deliveries), "", "")
    if not (news.deliveries or news.more):
        news = found = _batch(box, session, _folder(session), known)  # its own is open again, and what came meanwhile is heard
    return Polled(
        news.deliveries, {**found.cursor, "sources": places}, bool(news.deliveries) or news.more, unheard=tuple(unheard),
        sources=tuple(SourceNews(one.id, *told[folder]) for one in session.sources if (folder := str(one.settings.get("folder"))) in told),
    )  # fmt: skip


def _places(known: Mapping[str, Any], further: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The cursors of those folders, empty for a new one; of folders no source names any more nothing is kept."""
    kept = cast("Mapping[str, Mapping[str, Any]]", known.get("sources", {}))
    return {folder: dict(kept.get(folder, {})) for folder in further}


def _batch(box: Mailbox, session: Session, name: str, known: Mapping[str, Any], *, label: str = "", history: object = None) -> Polled:
    """What is new in one folder. ``label`` keeps its deliveries apart: two folders may count alike."""
    folder = box.select(name)
    last = int(known.get("uid") or 0) if known.get("uidvalidity") == folder.validity else 0
    uids = box.after(last) if last else box.since(_first_day(session, known, history))
    heads = box.heads(uids[:BATCH]) if uids else []
    deliveries: list[RawDelivery] = []
    taken = 0
    for head in heads:
        if deliveries and taken + min(head.size, SIZE_LIMIT) > BATCH_BYTES:
            break
        last = max(last, head.uid)
        if (delivery := _delivery(box, head, f"{label}{folder.validity}", session.now)) is not None:
            deliveries.append(delivery)
            taken += len(delivery.body)
    else:
        # All of the batch is read; what vanished between listing and reading is passed over.
        last = max(last, uids[min(BATCH, len(uids)) - 1]) if uids else max(last, folder.next_uid - 1)
    more = bool(uids) and last < uids[-1]
    return Polled(tuple(deliveries), {"uidvalidity": folder.validity, "uid": last, "day": session.now.date().isoformat()}, more)


def _first_day(session: Session, known: Mapping[str, Any], history: object) -> date:
    """Where to begin without a usable UID: shortly before we last looked, or as far back as the settings say."""
    with suppress(ValueError, TypeError):
        return date.fromisoformat(str(known["day"])) - timedelta(days=2) if "day" in known else _history(session, history)
    return _history(session, history)


def _history(session: Session, history: object) -> date:
    days = session.account.settings.get("history_days") if history is None else history
    return (session.now - timedelta(days=int(days) if isinstance(days, int) else 30)).date()


def _delivery(box: Mailbox, head: Head, place: str, now: datetime) -> RawDelivery | None:
    whole = head.size <= SIZE_LIMIT
    body = box.fetch(head.uid, SIZE_LIMIT if whole else _PART)
    if body is None:
        return None
    headers = {} if whole else {"x-truncated": "true"}
    if head.internal_date is not None:
        headers["x-internal-date"] = head.internal_date.isoformat()
    return RawDelivery(f"{place}:{head.uid}", body, headers, now)


async def _news(box: Mailbox) -> None:
    """Wait for new mail, or a minute; no thread is held meanwhile, so that a thousand mailboxes cost a thousand sockets."""
    loop = asyncio.get_running_loop()
    end = loop.time() + IDLE_SECONDS
    news = await _in_thread(box.begin_wait)
    while not news and await _readable(box, end - loop.time()):
        news = await _in_thread(box.heard)
    await _in_thread(box.end_wait)


async def _readable(box: Mailbox, seconds: float) -> bool:
    """Whether the server says something within ``seconds``."""
    if seconds <= 0 or box.buffered:
        return seconds > 0
    loop = asyncio.get_running_loop()
    spoken = asyncio.Event()
    number = box.fileno()
    loop.add_reader(number, spoken.set)
    try:
        await asyncio.wait_for(spoken.wait(), seconds)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(number)
    return True


# --- sending -----------------------------------------------------------------------------------------------------------


def _smtp(session: Session) -> Server:
    settings = session.account.settings
    security = str(settings.get("smtp_security") or "starttls")
    host = str(settings.get("smtp_host") or "")
    if not host:
        raise Rejected("The account has no SMTP server.", "Set smtp_host in the account's settings.")
    return Server(host, int(settings.get("smtp_port") or (465 if security == "tls" else 587)), security)


def _smtp_login(session: Session, login: Login) -> Login:
    given = session.credentials
    if given.get("smtp_username"):
        return Login(given["smtp_username"], given.get("smtp_password") or given.get("password", ""))
    return login


def _sender(session: Session, context: Mapping[str, Any] | None = None) -> str:
    address, _ = addresses.sender(session.account.settings, context or {})
    if "@" not in address:
        raise Rejected("The account has no mail address.", "Set address in the account's settings.")
    return letters.wire_address(address)


def _send(session: Session, outgoing: Outgoing, login: Login) -> Sent:
    sender = _sender(session, outgoing.context)
    to = letters.recipient(outgoing)
    if to.lower() in (sender.lower(), *addresses.own(session.account.name, session.account.settings)):
        raise Rejected("That would be an answer to ourselves.", "Choose another mail to answer.")
    message_id, message = letters.compose(outgoing, session.account.settings, session.now)
    with Outbox(_smtp(session), session.dial, sender.rpartition("@")[2]) as outbox:
        outbox.sign_in(_smtp_login(session, login))
        copies, left_out = letters.copies(outgoing)
        refused = outbox.send(sender, to, message, copies=copies)
    _keep_copy(session, login, message)
    return Sent(message_id, left_out=(*left_out, *refused))


def _keep_copy(session: Session, login: Login, message: bytes) -> None:
    """A copy in the sent folder, where one is named. The mail has left: a missing copy must not look like a failure."""
    folder = session.account.settings.get("sent_folder")
    if not folder:
        return
    with suppress(ConnectorError), _connected(session, login) as box:
        box.append(str(folder), message, session.now)


# --- the test button ---------------------------------------------------------------------------------------------------


def _test(session: Session, login: Login | None) -> list[TestStep]:
    steps: list[TestStep] = []
    try:
        _test_imap(session, steps, login)
        if session.account.settings.get("smtp_host"):
            _test_smtp(session, steps, login)
    except _Stopped:
        pass
    return steps


class _Stopped(Exception):
    """A step failed and those after it make no sense."""


def _step(steps: list[TestStep], name: str, done: str, call: Any) -> Any:
    try:
        result = call()
    except ConnectorError as error:
        steps.append(TestStep(name, False, f"{error.text} {error.mend}".strip()))
        raise _Stopped from error
    steps.append(TestStep(name, True, done))
    return result


def _test_imap(session: Session, steps: list[TestStep], login: Login | None) -> None:
    with _step(steps, said("Connect to IMAP"), "The server answers.", lambda: Mailbox(_imap(session), session.dial)) as box:
        _step(steps, said("Sign in to IMAP"), _accepted(login), lambda: box.sign_in(login or _credentials(session)))
        for folder in (_folder(session), *_further(session)):
            _step(steps, said("Open {folder}", folder=folder), "The folder can be read.", lambda folder=folder: box.select(folder))


def _accepted(login: Login | None) -> str:
    return f"The sign-in of {login.username} is accepted." if login else "User name and password are accepted."


def _test_smtp(session: Session, steps: list[TestStep], login: Login | None) -> None:
    domain = _step(steps, said("Sender address"), "Answers can come from it.", lambda: _sender(session)).rpartition("@")[2]
    with _step(steps, said("Connect to SMTP"), "The server answers.", lambda: Outbox(_smtp(session), session.dial, domain)) as outbox:
        _step(
            steps, said("Sign in to SMTP"), _accepted(login), lambda: outbox.sign_in(_smtp_login(session, login or _credentials(session)))
        )
