"""An intent to answer as an RFC 5322 message; pure, and safe against whatever a title or name holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, cast
from uuid import UUID

from cxm.channels.contracts import LeftOut, Media, Outgoing, Rejected
from cxm.channels.email import addresses
from cxm.channels.kit.mail.origin import INTENT_HEADER
from cxm.channels.kit.text import clean, one_line

_ID = re.compile(r"<[^<>\s\x00-\x20\x7f-\U0010ffff]{1,900}>")
_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\\\x00-\x20\x7f]{1,64}@[^@\s<>,;:\"()\\\x00-\x20\x7f]{1,253}")
_ANSWER = re.compile(r"^\s*(re|aw|sv|vs|antw|odp|ref|回复|回覆|返信)\s*(\[\d+\])?\s*[:：]", re.IGNORECASE)
_REFERENCES_LIMIT = 20
#: Copies of one answer at most.
_COPIES = 20
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")


def message_id(intent: UUID, address: str) -> str:
    """The Message-ID of an intent: the same every time, so that a mail sent twice is one mail to every mail program."""
    return f"<{intent}@{_ascii_domain(address.rpartition('@')[2])}>"


def recipient(outgoing: Outgoing) -> str:
    """The one address an answer goes to: where the mail it answers asked for answers. Raises :class:`Rejected` where there is none."""
    wanted = outgoing.context.get("to") or outgoing.to
    if not isinstance(wanted, str) or not _ADDRESS.fullmatch(wanted.strip()):
        raise Rejected("There is no mail address to answer to.", "Write to the person another way.")
    return wire_address(wanted.strip())


def copies(outgoing: Outgoing) -> tuple[list[str], list[LeftOut]]:
    """Whom a copy goes to, where a member chose so, each a good address and none twice; and who gets none because nobody can write to them."""
    given = outgoing.context.get("cc")
    asked = [one.strip() for one in cast("list[object]", given) if isinstance(one, str)] if isinstance(given, list) else []
    found: list[str] = []
    left_out = [LeftOut(one, "unwritable") for one in asked[_COPIES:]]
    for one in asked[:_COPIES]:
        try:
            address = wire_address(one) if _ADDRESS.fullmatch(one) else ""
        except Rejected:
            address = ""
        if not address:
            left_out.append(LeftOut(one, "unwritable"))
        elif address not in found and address != recipient(outgoing):
            found.append(address)
    return found, left_out


def wire_address(address: str) -> str:
    """``address`` with its domain in ASCII (IDNA). Raises :class:`Rejected` where it cannot be written to."""
    local, _, domain = address.rpartition("@")
    if not local.isascii():
        raise Rejected(f"The address {address} needs internationalised mail, which is not supported.", "Write to the person another way.")
    written = f"{local}@{_ascii_domain(domain)}"
    try:
        Address(addr_spec=written)
    except (ValueError, IndexError, MessageError) as error:  # what the standard library would not write into a header either
        raise Rejected(f"“{one_line(address, 100)}” is no mail address.", "Check the address.") from error
    return written


def compose(outgoing: Outgoing, settings: Mapping[str, Any], now: datetime) -> tuple[str, bytes]:
    """Message-ID and bytes (CRLF) of the mail. No header can be smuggled in: each value is one line without controls."""
    address, shown = addresses.sender(settings, outgoing.context)
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = Address(one_line(shown, 100), addr_spec=wire_address(address))
    mail["To"] = Address(addr_spec=recipient(outgoing))
    if copied := copies(outgoing)[0]:
        mail["Cc"] = [Address(addr_spec=one) for one in copied]
    mail["Subject"] = _subject(outgoing)
    mail["Date"] = format_datetime(now)
    own_id = message_id(outgoing.id, str(settings.get("address", "")))
    mail["Message-ID"] = own_id
    mail[INTENT_HEADER] = str(outgoing.id)
    answered = outgoing.in_reply_to if outgoing.in_reply_to and _ID.fullmatch(outgoing.in_reply_to) else None
    if answered:
        mail["In-Reply-To"] = answered
    if references := _references(outgoing, answered):
        mail["References"] = " ".join(references)
    mail.set_content(_text(outgoing), subtype="plain", charset="utf-8")
    for number, medium in enumerate(medium for medium in outgoing.media if medium.content is not None):
        _attach(mail, medium, number)
    return own_id, mail.as_bytes()


def _subject(outgoing: Outgoing) -> str:
    subject = one_line(outgoing.title or str(outgoing.context.get("subject") or ""), 800)
    if outgoing.kind != "reply" or _ANSWER.match(subject):
        return subject
    return f"Re: {subject}".strip()


def _references(outgoing: Outgoing, answered: str | None) -> list[str]:
    given = outgoing.context.get("references") or ()
    found = (
        [one for one in cast("list[object]", given) if isinstance(one, str) and _ID.fullmatch(one)]
        if isinstance(given, list | tuple)
        else []
    )
    if answered and answered not in found:
        found.append(answered)
    return found if len(found) <= _REFERENCES_LIMIT else [found[0], *found[-(_REFERENCES_LIMIT - 1) :]]


def _text(outgoing: Outgoing) -> str:
    links = [medium.url for medium in outgoing.media if medium.content is None and medium.url]
    text = clean(outgoing.text).replace("\r\n", "\n").replace("\r", "\n")
    return "\n".join([text.rstrip("\n"), *(["", *links] if links else []), ""])


def _attach(mail: EmailMessage, medium: Media, number: int) -> None:
    kind = (medium.content_type or "").lower()
    main, _, sub = kind.partition("/") if _TYPE.fullmatch(kind) and not kind.startswith(("message/", "multipart/")) else ("", "", "")
    name = one_line(medium.name or f"attachment-{number + 1}", 150).replace("/", "_").replace("\\", "_")
    mail.add_attachment(medium.content or b"", maintype=main or "application", subtype=sub or "octet-stream", filename=name)


def _ascii_domain(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise Rejected(f"“{one_line(domain, 100)}” is no mail domain.", "Check the address.") from error
