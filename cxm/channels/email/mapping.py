"""One mail into one mention, or a receipt where it reports on one of ours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cxm.channels.contracts import TEXT_LIMIT, AccountView, Author, Item, Mention, Proof, RawDelivery, Receipt, Unmappable
from cxm.channels.email import addresses
from cxm.channels.kit.answers import header as delivery_header
from cxm.channels.kit.mail import bodies, letters, origin, quotes, reports
from cxm.channels.kit.mail.bodies import Body
from cxm.channels.kit.mail.letters import Letter
from cxm.channels.kit.mail.reports import Report
from cxm.channels.kit.mention_fields import ANONYMOUS
from cxm.channels.kit.text import clean

_ID_LIMIT = 900
_MEDIA_LIMIT = 100
_REFERENCES_KEPT = 30
#: A Date further ahead of the moment we received it is a wrong clock.
_AHEAD = timedelta(hours=25)
#: What a report that names no mail of ours is shown as.
#: Others a mail was written to whom an answer may go to as well.
_COPIES = 20
_REPORTED = {"failed": "returned", "delayed": "late", "complained": "complaint"}
_EMPTY_LINES = re.compile(r"\n{4,}")


@dataclass(frozen=True, slots=True)
class _Sender:
    """Whom the mail is from, what of that is proven, and where an answer goes (None: nowhere)."""

    author: Author
    answer_to: str | None
    ours: bool
    forged: bool


@dataclass(frozen=True, slots=True)
class _Mail:
    """One mail as it came to one account; ``own``: the account's addresses, its main one first."""

    letter: Letter
    native_id: str
    delivery: RawDelivery
    account: AccountView
    own: tuple[str, ...]


def map_delivery(delivery: RawDelivery, account: AccountView) -> Iterable[Item]:
    """The mention or receipt in one mail; never raises, an unreadable one is :class:`Unmappable` with its bytes."""
    if not delivery.body.strip():
        return [Unmappable("The mail is empty.", delivery.body, None, "mail_empty")]
    native_id: str | None = None
    try:
        letter = letters.read(delivery.body)
        native_id = _native_id(letter, delivery.body)
        return _items(letter, native_id, delivery, account)
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, OverflowError) as error:
        # The standard library's mail parser fails in many ways on hostile input; each costs this one mail.
        return [Unmappable(f"The mail cannot be read ({type(error).__name__}).", delivery.body, native_id, "mail_unreadable")]


def _items(letter: Letter, native_id: str, delivery: RawDelivery, account: AccountView) -> list[Item]:
    received = _received(letter, delivery)
    sent = letters.date(letter)
    if sent is None or (received is not None and sent > received + _AHEAD):
        sent = received
    if sent is None:
        return [Unmappable("The mail has no usable date and nobody noted when it came.", delivery.body, native_id, "published_at_invalid")]
    reported = reports.report(letter)
    if reported is not None and reported.message_id is not None and reports.ours(reported.message_id):
        told, at = reports.intent_of(reported.message_id), received or sent
        each = (reported, *reported.others)
        return [Receipt(reported.message_id, one.status, at, one.detail, one.reason, told, one.recipients) for one in each]
    content = bodies.body(letter)
    if len(content.text) > TEXT_LIMIT:
        return [Unmappable(f"The text is longer than {TEXT_LIMIT:,} characters.", delivery.body, native_id, "text_too_long")]
    return [_mention(_Mail(letter, native_id, delivery, account, addresses.own(account.name, account.settings)), sent, content, reported)]


def _mention(mail: _Mail, sent: datetime, content: Body, reported: Report | None) -> Mention:
    sender = _sender(mail)
    references = letters.message_ids(mail.letter, "References")
    answered = letters.message_ids(mail.letter, "In-Reply-To")
    reply_to = answered[0] if answered else references[-1] if references else None
    automatic = _automatic(mail, sender, content, reported)
    parts = quotes.split(content.text)
    return Mention(
        native_id=mail.native_id,
        kind="message",
        author=sender.author,
        text=_EMPTY_LINES.sub("\n\n\n", clean(parts.text)),
        published_at=sent,
        title=letters.header(mail.letter, "Subject") or None,
        quoted=parts.quoted,
        reply_to=reply_to,
        thread=references[0] if references else reply_to or mail.native_id,
        private=True,
        addressed=True,
        automatic=automatic is not None,
        media_type="owned" if sender.ours else "earned",
        media=content.media[:_MEDIA_LIMIT],
        context=_context(mail, sender, references, content, parts.signature, automatic, reported),
    )


def _automatic(mail: _Mail, sender: _Sender, content: Body, reported: Report | None) -> str | None:
    """Why a machine must have written it, None where a person may have."""
    if reported is not None and reported.status in _REPORTED:
        return "report" if reported.status == "complained" else "returned"
    if (known := origin.automatic_because(mail.letter, mail.own)) is not None:
        return known
    if reports.ours(mail.native_id):
        return "own_loop"  # an answer of ours, handed back by something that took its marks away
    if sender.forged:
        return "own_address_unproven"
    if "answer" in content.marks and not content.written:
        return "calendar_answer"  # a press on “accept”, and nobody's words
    return "no_address" if sender.answer_to is None and not sender.ours else None


def _context(
    mail: _Mail,
    sender: _Sender,
    references: list[str],
    content: Body,
    signature: str | None,
    automatic: str | None,
    reported: Report | None,
) -> dict[str, Any]:
    """What an answer needs (JSON values only), and what a member may want to know of how it was read."""
    letter = mail.letter
    ids = [*references, mail.native_id] if letter.get("Message-ID") is not None else references
    if len(ids) > _REFERENCES_KEPT:
        ids = [ids[0], *ids[-(_REFERENCES_KEPT - 1) :]]
    context: dict[str, Any] = {"to": sender.answer_to, "references": ids, "subject": letters.header(letter, "Subject") or ""}
    recipients = [one.address for name in ("To", "Cc") for one in letters.addresses(letter, name)]
    copies = [one for one in dict.fromkeys(recipients) if one not in (*mail.own, sender.author.native_id, sender.answer_to)]
    came_to = origin.came_to(letter, mail.own)
    came_by = origin.mailing_list(letter, mail.own)
    checked = origin.results(letter, str(mail.account.settings.get("authserv_id") or ""))
    optional = {
        "recipients": recipients[:50],
        "copies": copies[:_COPIES],
        "alias": came_to if came_to != mail.own[0] else None,
        "list": {"id": came_by.id[:300], "post": came_by.post} if came_by is not None else None,
        "authentication": checked,
        "marks": _marks(content, came_by is not None and not came_by.ours, checked, reported),
        "automatic_because": automatic,
        "signature": signature[:2000] if signature else None,
        "parts_left_out": content.left_out + max(0, len(content.media) - _MEDIA_LIMIT),
        "truncated": delivery_header(mail.delivery.headers, "x-truncated") == "true",
    }
    return context | {name: value for name, value in optional.items() if value}


def _marks(content: Body, listed: bool, checked: dict[str, str], reported: Report | None) -> list[str]:
    """What is shown beside the words; see :data:`cxm.channels.contracts.MARKS`."""
    told = [_REPORTED[reported.status]] if reported is not None and reported.status in _REPORTED else []
    return [*content.marks, *(["list"] if listed else []), *(["unproven"] if checked.get("dmarc") == "fail" else []), *told]


def _native_id(letter: Letter, raw: bytes) -> str:
    """The Message-ID, brackets kept; where there is none (or an absurd one), a hash of the mail as its sender wrote it."""
    ids = letters.message_ids(letter, "Message-ID")
    if ids and len(ids[0]) <= _ID_LIMIT:
        return ids[0]
    named = letters.header(letter, "Message-ID")
    if named and len(named) <= _ID_LIMIT:
        return named
    # What servers add on the way (Received, Return-Path, ...) differs between two copies of one mail; this does not.
    digest = hashlib.sha256()
    for name in ("Date", "From", "To", "Subject", "Message-ID"):
        digest.update("".join(letters.raw_headers(letter, name)[:1]).encode("utf-8", "surrogateescape") + b"\x1f")
    _, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    digest.update(body)
    return f"sha256:{digest.hexdigest()}"


def _sender(mail: _Mail) -> _Sender:
    letter, settings = mail.letter, mail.account.settings
    senders = letters.addresses(letter, "From") or letters.addresses(letter, "Sender")
    if not senders:
        return _Sender(Author(ANONYMOUS + mail.native_id), None, ours=False, forged=False)
    sender = senders[0]
    if sender.address in mail.own and (original := origin.original_sender(letter, mail.own)) is not None:
        # Whoever our own list speaks for, as much a claim as any sender's.
        author = Author(original.address, handle=original.address, name=original.name or sender.name)
        return _Sender(author, original.address, ours=False, forged=False)
    authserv_id = str(settings.get("authserv_id") or "")
    proven = origin.proven_domain(letter, authserv_id) is not None
    is_own = sender.address in mail.own
    # Anybody can write our address on an envelope: unproven, it would end a customer's waiting in our name.
    forged = is_own and not proven
    proofs = (Proof("email", sender.address),) if proven and not is_own else ()
    author = Author(sender.address, handle=sender.address, name=sender.name, proofs=proofs)
    answer_to = None if is_own else _answer_to(letter, sender.address, mail.own, trusted=proven or not authserv_id)
    return _Sender(author, answer_to, ours=is_own and not forged, forged=forged)


def _answer_to(letter: Letter, sender: str, own: tuple[str, ...], *, trusted: bool) -> str:
    """Reply-To where the sender may be believed: else a forged From with an own Reply-To would collect what we tell a customer."""
    asked = [one.address for one in letters.addresses(letter, "Reply-To") if one.address not in own]
    return asked[0] if trusted and asked else sender


def _received(letter: Letter, delivery: RawDelivery) -> datetime | None:
    internal = delivery_header(delivery.headers, "x-internal-date")
    if internal:
        try:
            moment = datetime.fromisoformat(internal)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    return delivery.received_at.astimezone(UTC) if delivery.received_at is not None else None
