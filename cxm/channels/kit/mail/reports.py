"""What mail servers and programs report of a mail of ours: returned, late, delivered, read, complained about.

RFC 3464 (delivery), RFC 8098 (reading) and RFC 5965 (complaints), and the many returns that follow none of them. Which mail of ours it
is about is read from wherever the report repeats it: its returned headers, its own In-Reply-To and References, its text. (The library
`flufl.bounce` knows many forms too, but finds addresses only: neither which mail it was, nor why, nor how it stands now.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from cxm.channels.kit.mail import letters, returns
from cxm.channels.kit.mail.letters import Letter
from cxm.channels.kit.text import one_line

#: What this house gives as Message-ID: an intent's id (a UUID of version 7, lower case) at the sender's domain.
_OURS = re.compile(r"<([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})@[^<>\s@]{1,255}>")
_ANY_ID = re.compile(r"<[^<>\s@]{1,300}@[^<>\s@]{1,300}>")
_ID_LINE = re.compile(r"^[ \t>|]{0,20}message-id:\s{0,10}(<[^<>\s]{1,900}>)", re.IGNORECASE | re.MULTILINE)
_TEXT_SCANNED = 200_000
_PARTS_SCANNED = 60
_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]{1,60})\s{0,4}:[ \t]{0,10}(.*)$")
_RECIPIENT = re.compile(r"[^@\s<>,;]{1,64}@[^@\s<>,;]{1,253}")
_RECIPIENTS_TOLD = 20
_COMPLAINTS = ("abuse", "fraud", "virus", "other", "opt-out")
#: Of several recipients, the worst that happened is told.
_ACTIONS = {"failed": "failed", "delayed": "delayed", "delivered": "delivered"}
_BY_STATUS = {"5": "failed", "4": "delayed", "2": "delivered"}


@dataclass(frozen=True, slots=True)
class Report:
    """``status``: failed, delayed, delivered, read or complained. ``message_id``: the mail of ours it is about, None where it does not say.

    ``reason``: a word for why (:data:`cxm.channels.contracts.REASONS`); ``detail`` in the server's own words. ``recipients``: by which addresses
    the one it is about is named, none where it does not say; ``others``: what it says of further recipients of the same mail.
    """

    status: str
    message_id: str | None = None
    reason: str = ""
    detail: str | None = None
    recipients: tuple[str, ...] = ()
    others: tuple[Report, ...] = ()


def report(letter: Letter) -> Report | None:
    """What ``letter`` reports, None where it is no report. One that a person sends on, with words of their own, is none."""
    parts = list(_walk(letter))
    own = list(_walk(letter, within_mails=False)) if _by_machine(letter) else []
    kinds = {part.get_content_type(): part for part in reversed(own)}
    if (told := kinds.get("message/feedback-report")) is not None:
        return _complaint(told, letter, parts)
    if (told := kinds.get("message/disposition-notification")) is not None:
        return _reading(told)
    groups = [
        group
        for part in own
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        for group in _groups(part)
    ]
    if groups and (found := _delivery(groups)) is not None:
        return replace(found, message_id=about(letter, parts))
    return _unstandard(letter, parts)


def _by_machine(letter: Letter) -> bool:
    """Whether a mail is a report by its form, or by who sent it."""
    submitted = (letters.header(letter, "Auto-Submitted") or "no").partition(";")[0].strip().lower()
    return letter.get_content_type() == "multipart/report" or submitted != "no" or _nobodys(letter) or returns.is_robot(_who(letter))


def _nobodys(letter: Letter) -> bool:
    return [value.strip() for value in letters.raw_headers(letter, "Return-Path")] == ["<>"]


def _who(letter: Letter) -> str:
    senders = letters.addresses(letter, "From")
    return " ".join([one.address for one in senders] + [one.name or "" for one in senders]) or (letters.header(letter, "From") or "")


def about(letter: Letter, parts: list[Letter]) -> str | None:
    """The Message-ID of that mail of ours a report repeats, from the surest place to the least sure one."""
    for text in _repeated(letter, parts):
        if (match := _OURS.search(text)) is not None:
            return match.group()
    return None


def ours(message_id: str) -> bool:
    """Whether a Message-ID has the form that this house gives."""
    return _OURS.fullmatch(message_id) is not None


def intent_of(message_id: str) -> UUID | None:
    """The intent that a Message-ID of this house names."""
    match = _OURS.fullmatch(message_id)
    return UUID(match.group(1)) if match is not None else None


def _returned(letter: Letter, parts: list[Letter]) -> Iterator[str]:
    """Message-IDs of what came back: headers of attached mails, and headers written into a text."""
    for part in parts:
        if part is not letter and (found := letters.raw_headers(part, "Message-ID")):
            yield found[0]
        yield " ".join(_ID_LINE.findall(_plain(part)))


def _repeated(letter: Letter, parts: list[Letter]) -> Iterator[str]:
    yield from _returned(letter, parts)
    for name in ("In-Reply-To", "X-Original-Message-ID", "Original-Message-ID"):
        yield from letters.raw_headers(letter, name)[:2]
    yield " ".join(reversed(_ANY_ID.findall(" ".join(letters.raw_headers(letter, "References")[:2]))))
    yield from (_plain(part) for part in parts)


def _walk(letter: Letter, *, within_mails: bool = True) -> Iterator[Letter]:
    """The parts, those of returned mails too unless told otherwise, outermost first; no deeper than a report has any need of."""
    level = [letter]
    seen = 0
    while level and seen < _PARTS_SCANNED:
        for part in level[: _PARTS_SCANNED - seen]:
            seen += 1
            yield part
        level = [child for part in level if within_mails or part.get_content_maintype() != "message" for child in letters.children(part)]


def _plain(part: Letter) -> str:
    """The text of a leaf, as it stands; nothing of a part that holds others."""
    if letters.children(part):
        return ""
    data = letters.payload(part)[:_TEXT_SCANNED]
    return letters.decode(data, None)


def _groups(part: Letter) -> list[dict[str, str]]:
    """The fields of a report part, group by group; its own lines are read, since programs break them in every way."""
    inner = letters.children(part)
    found = [{name.lower(): letters.decoded(str(value)) for name, value in group.raw_items()} for group in inner[:100]]
    if any(found):
        return found
    groups: list[dict[str, str]] = [{}]
    last = ""
    for line in letters.encoded_lines(part)[:_TEXT_SCANNED].replace("\r\n", "\n").split("\n")[:2000]:
        if not line.strip():
            groups.append({})
        elif line[:1] in " \t" and last:
            groups[-1][last] = f"{groups[-1].get(last, '')} {line.strip()}"
        elif (match := _FIELD.match(line[:2000])) is not None:
            last = match.group(1).lower()
            groups[-1].setdefault(last, match.group(2).strip())
    return [group for group in groups if group]


def _delivery(groups: list[dict[str, str]]) -> Report | None:
    found: list[Report] = []
    for group in groups:
        action = _ACTIONS.get(group.get("action", "").strip().lower()) or (
            _BY_STATUS.get(group.get("status", "").strip()[:1]) if "action" not in group else None
        )
        if action:
            found.append(_of_one(action, group))
    worst = sorted(found, key=lambda one: ("failed", "delayed", "delivered").index(one.status))
    return replace(worst[0], others=tuple(worst[1:_RECIPIENTS_TOLD])) if worst else None


def _of_one(outcome: str, group: dict[str, str]) -> Report:
    status, diagnostic = group.get("status", "").partition("(")[0].strip(), group.get("diagnostic-code", "")
    detail = one_line(f"{status} {diagnostic}".strip(), 1000) or None
    named = _named(group, "original-recipient", "final-recipient")
    return Report(outcome, None, returns.reason(outcome, status, diagnostic), detail, named)


def _named(fields: dict[str, str], *names: str) -> tuple[str, ...]:
    """The addresses in these fields, without what says of which kind they are (``rfc822;``)."""
    found = [_RECIPIENT.search(fields.get(name, "")[:1000]) for name in names]
    return tuple(dict.fromkeys(match.group() for match in found if match is not None))


def _reading(part: Letter) -> Report | None:
    fields = {name: value for group in _groups(part) for name, value in group.items()}
    ids = _ANY_ID.findall(fields.get("original-message-id", ""))
    if not ids or "displayed" not in fields.get("disposition", "").lower():
        return None
    return Report("read", ids[0], recipients=_named(fields, "original-recipient", "final-recipient"))


def _complaint(part: Letter, letter: Letter, parts: list[Letter]) -> Report | None:
    fields = {name: value for group in _groups(part) for name, value in group.items()}
    kind = fields.get("feedback-type", "").strip().lower()
    if kind not in _COMPLAINTS:
        return None
    detail = one_line(f"{kind} {fields.get('source-ip', '')}".strip(), 300)
    return Report("complained", about(letter, parts), "complained", detail, _named(fields, "original-rcpt-to"))


def _unstandard(letter: Letter, parts: list[Letter]) -> Report | None:
    """A report in prose: looked for only where a machine sent it."""
    subject = letters.header(letter, "Subject") or ""
    who, nobody = _who(letter), _nobodys(letter)
    known = bool(letters.raw_headers(letter, "X-Failed-Recipients"))
    if not (known or nobody or returns.is_robot(who)):
        return None  # even where it holds a mail of ours and speaks of failing: customers send ours on when a parcel could not be delivered
    text = "\n".join(_words(part) for part in list(_walk(letter, within_mails=False))[:8])[:20_000]
    told = returns.outcome(who, subject, text, known=known, nobody=nobody)
    if told is None:
        return None
    failed = _RECIPIENT.findall(" ".join(letters.raw_headers(letter, "X-Failed-Recipients")[:5])[:5000])[:_RECIPIENTS_TOLD]
    each = [Report(told.status, about(letter, parts), told.reason, told.detail, (one,)) for one in failed]
    return replace(each[0], others=tuple(each[1:])) if each else Report(told.status, about(letter, parts), told.reason, told.detail)


def _words(part: Letter) -> str:
    return letters.text_of(part) if part.get_content_type() in ("text/plain", "text/html") else ""
