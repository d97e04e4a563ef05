"""One mail into one mention, or a receipt where it reports on one of ours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cxm.channels.contracts import TEXT_LIMIT, AccountView, Author, Item, Mention, Proof, RawDelivery, Receipt, Unmappable
from cxm.channels.kit.answers import header as delivery_header
from cxm.channels.kit.mail import letters, origin, quotes
from cxm.channels.kit.mail.letters import Body, Letter
from cxm.channels.kit.mentions import ANONYMOUS
from cxm.channels.kit.text import clean

_ID_LIMIT = 900
_MEDIA_LIMIT = 100
_REFERENCES_KEPT = 30
#: A Date further ahead of the moment we received it is a wrong clock.
_AHEAD = timedelta(hours=25)
_EMPTY_LINES = re.compile(r"\n{4,}")


@dataclass(frozen=True, slots=True)
class _Sender:
    """Whom the mail is from, what of that is proven, and where an answer goes (None: nowhere)."""

    author: Author
    answer_to: str | None
    ours: bool
    forged: bool


def map_delivery(delivery: RawDelivery, account: AccountView) -> Iterable[Item]:
    """The mention or receipt in one mail; never raises, an unreadable one is :class:`Unmappable` with its bytes."""
    if not delivery.body.strip():
        return [Unmappable("The mail is empty.", delivery.body, None, "mail_empty")]
    native_id: str | None = None
    try:
        letter = letters.read(delivery.body)
        native_id = _native_id(letter, delivery.body)
        return [_item(letter, native_id, delivery, account)]
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, OverflowError) as error:
        # The standard library's mail parser fails in many ways on hostile input; each costs this one mail.
        return [Unmappable(f"The mail cannot be read ({type(error).__name__}).", delivery.body, native_id, "mail_unreadable")]


def _item(letter: Letter, native_id: str, delivery: RawDelivery, account: AccountView) -> Item:
    received = _received(letter, delivery)
    sent = letters.date(letter)
    if sent is None or (received is not None and sent > received + _AHEAD):
        sent = received
    if sent is None:
        return Unmappable("The mail has no usable date and nobody noted when it came.", delivery.body, native_id, "published_at_invalid")
    if (reported := origin.report(letter)) is not None:
        return Receipt(reported.message_id, reported.status, received or sent, reported.detail)
    content = letters.body(letter)
    if len(content.text) > TEXT_LIMIT:
        return Unmappable(f"The text is longer than {TEXT_LIMIT:,} characters.", delivery.body, native_id, "text_too_long")
    return _mention(letter, native_id, sent, content, delivery, account)


def _mention(letter: Letter, native_id: str, sent: datetime, content: Body, delivery: RawDelivery, account: AccountView) -> Mention:
    sender = _sender(letter, native_id, account)
    references = letters.message_ids(letter, "References")
    answered = letters.message_ids(letter, "In-Reply-To")
    reply_to = answered[0] if answered else references[-1] if references else None
    automatic = origin.automatic_because(letter) or ("own_address_unproven" if sender.forged else None)
    if automatic is None and sender.answer_to is None and not sender.ours:
        automatic = "no_address"
    parts = quotes.split(content.text)
    return Mention(
        native_id=native_id,
        kind="message",
        author=sender.author,
        text=_EMPTY_LINES.sub("\n\n\n", clean(parts.text)),
        published_at=sent,
        title=letters.header(letter, "Subject") or None,
        quoted=parts.quoted,
        reply_to=reply_to,
        thread=references[0] if references else reply_to or native_id,
        private=True,
        addressed=True,
        automatic=automatic is not None,
        media_type="owned" if sender.ours else "earned",
        media=content.media[:_MEDIA_LIMIT],
        context=_context(letter, native_id, sender, references, automatic, parts.signature, content, delivery),
    )


def _context(
    letter: Letter,
    native_id: str,
    sender: _Sender,
    references: list[str],
    automatic: str | None,
    signature: str | None,
    content: Body,
    delivery: RawDelivery,
) -> dict[str, Any]:
    """What an answer needs (JSON values only), and what a member may want to know of how it was read."""
    ids = [*references, native_id] if letter.get("Message-ID") is not None else references
    if len(ids) > _REFERENCES_KEPT:
        ids = [ids[0], *ids[-(_REFERENCES_KEPT - 1) :]]
    context: dict[str, Any] = {"to": sender.answer_to, "references": ids, "subject": letters.header(letter, "Subject") or ""}
    recipients = [one.address for name in ("To", "Cc") for one in letters.addresses(letter, name)]
    optional = {
        "recipients": recipients[:50],
        "automatic_because": automatic,
        "signature": signature[:2000] if signature else None,
        "parts_left_out": content.left_out + max(0, len(content.media) - _MEDIA_LIMIT),
        "truncated": delivery_header(delivery.headers, "x-truncated") == "true",
    }
    return context | {name: value for name, value in optional.items() if value}


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


def _sender(letter: Letter, native_id: str, account: AccountView) -> _Sender:
    senders = letters.addresses(letter, "From") or letters.addresses(letter, "Sender")
    if not senders:
        return _Sender(Author(ANONYMOUS + native_id), None, ours=False, forged=False)
    sender = senders[0]
    authserv_id = str(account.settings.get("authserv_id") or "")
    proven = origin.proven_domain(letter, authserv_id) is not None
    own = {str(account.settings.get("address") or account.name).strip().lower(), account.name.strip().lower()}
    is_own = sender.address in own
    # Anybody can write our address on an envelope: unproven, it would end a customer's waiting in our name.
    forged = is_own and not proven
    proofs = (Proof("email", sender.address),) if proven and not is_own else ()
    author = Author(sender.address, handle=sender.address, name=sender.name, proofs=proofs)
    answer_to = None if is_own else _answer_to(letter, sender.address, own, trusted=proven or not authserv_id)
    return _Sender(author, answer_to, ours=is_own and not forged, forged=forged)


def _answer_to(letter: Letter, sender: str, own: set[str], *, trusted: bool) -> str:
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
