"""What a reader should know of a message beside its words: how it came, whom it claims to be from, what became of an answer. For pages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cxm.connect import api as connect
from cxm.govern import api as govern
from cxm.love.contracts import ConversationDetail
from cxm.outbound.contracts import Reply

#: Others it was written to that are named; more are counted.
_NAMED = 3
#: Characters shown of a message that somebody reacted to.
_REACTED = 80
_SENT_IN_VAIN = ("failed", "complained")
#: What became of a copy that nobody has got.
_NO_COPY = ("withheld", "refused", "failed")


def add_notes(entries: Sequence[dict[str, Any]], members: Collection[govern.Member]) -> None:
    """Give each message in a thread its ``notes``, each with an icon, words and a tone."""
    known = {member.email.lower(): member.name for member in members}
    shown = [entry for entry in entries if entry["shape"] == "mention"]
    said = {entry["judged"].get("native_id"): "" if entry["deleted"] else entry["text"] for entry in shown}
    for entry in shown:
        if not entry["deleted"]:
            sign = _reaction(entry, said) if entry["told"].get("reaction") else []
            entry["notes"] = [*sign, *notes(entry["judged"], entry["told"], known), *entry.get("notes", ())]


def _reaction(entry: Mapping[str, Any], said: Mapping[Any, str]) -> list[dict[str, str]]:
    """That it is a sign under somebody's message, and which."""
    text = " ".join(said.get(entry["judged"].get("reply_to"), "").split())
    if not text:
        return [_note("smile", _("a reaction"))]
    return [_note("smile", _("a reaction to “{text}”").format(text=text if len(text) <= _REACTED else f"{text[:_REACTED]}…"))]


def notes(mention: Mapping[str, Any], known: Mapping[str, Any], members: Mapping[str, str]) -> list[dict[str, str]]:
    """The notes of one mention. ``known``: how it came; ``members``: names of members by their address."""
    told = [_MARKS[mark]() for mark in known.get("marks") or () if mark in _MARKS]
    if claimed := _claims(mention, known, members):
        text = _("It says it is from {member}, who works here. Nothing proves it.").format(member=claimed)
        told.insert(0, {"icon": "triangle-alert", "tone": "text-warn", "text": text})
    if copied := in_copy(known):
        told.append({"icon": "users", "tone": "faint", "text": _("also written to {names}").format(names=_named(copied))})
    if alias := known.get("alias"):
        told.append({"icon": "mail", "tone": "faint", "text": _("written to {address}").format(address=alias)})
    return told


def in_copy(known: Mapping[str, Any]) -> list[str]:
    """Others a message was written to, none of them ours."""
    found = known.get("copies")
    return [str(one) for one in found] if isinstance(found, list) else []


def _named(names: Sequence[str]) -> str:
    listed = ", ".join(names[:_NAMED])
    more = len(names) - _NAMED
    return listed if more <= 0 else ngettext("{names} and {n} more", "{names} and {n} more", more).format(names=listed, n=more)


def copies(detail: ConversationDetail) -> dict[str, str]:
    """Whom an answer could go to as well: ``names`` of all the others their newest message, ``mention``, was written to; empty where there are none."""
    newest = _newest(detail)
    found = in_copy(newest.told) if newest is not None else []
    return {"mention": str(newest.id), "names": ", ".join(found)} if found else {}


def _newest(detail: ConversationDetail) -> Any:
    return next(
        (one for one in reversed(detail.mentions) if not one.ours and not one.deleted_at and not one.mention.get("automatic")), None
    )


def _claims(mention: Mapping[str, Any], known: Mapping[str, Any], members: Mapping[str, str]) -> str:
    """The member an author claims to be by their address, where our own mail server does not say that it is so."""
    address = str((mention.get("author") or {}).get("native_id") or "").lower()
    if mention.get("media_type") == "owned" or address not in members:
        return ""
    found = known.get("authentication") or {}
    proven = found.get("dmarc") == "pass" and found.get("from") == address.rpartition("@")[2]
    return "" if proven else members[address]


def _note(icon: str, text: str, tone: str = "faint") -> dict[str, str]:
    return {"icon": icon, "tone": tone, "text": text}


_MARKS = {
    "signed": lambda: _note("fingerprint", _("Signed; nobody here has checked the signature.")),
    "encrypted": lambda: _note("lock", _("Encrypted; it can be read in a mail program that has the key.")),
    "calendar": lambda: _note("calendar", _("An entry for a calendar is with it.")),
    "cancelled": lambda: _note("calendar", _("It calls off an entry in a calendar.")),
    "answer": lambda: _note("calendar", _("It answers an invitation.")),
    "list": lambda: _note("megaphone", _("It came by a mailing list.")),
    "returned": lambda: _note("circle-alert", _("A mail came back undelivered; it does not say which of ours.")),
    "late": lambda: _note("hourglass", _("A mail is delayed; it does not say which of ours.")),
    "complaint": lambda: _note("circle-alert", _("Somebody marked a mail as spam; it does not say which of ours."), "text-warn"),
    "unproven": lambda: _note("triangle-alert", _("Our mail server could not confirm that it is from whom it says."), "text-warn"),
}


def answers_from(organization: UUID, modes: Sequence[dict[str, Any]], detail: ConversationDetail) -> None:
    """Show the address of ours that an answer leaves from, where their newest message was written to another than the account's main one."""
    newest = _newest(detail)
    alias = str(newest.told.get("alias") or "") if newest is not None else ""
    if not alias:
        return
    known = connect.account(organization, detail.conversation.account_id).settings.get("aliases") or ()
    if any(alias in str(one).lower() for one in known):
        for mode in modes:
            mode |= {"account": alias} if mode.get("account") else {}


# --- what became of an answer ---------------------------------------------------------------------------------------------


def delivery(reply: Reply) -> dict[str, Any]:
    """What became of an answer after it left, as a word beside it; ``why`` in plain words where it was in vain, or is late."""
    said = {
        "delayed": _("delayed"), "delivered": _("delivered"), "read": _("read"), "failed": _("not delivered"), "complained": _("marked as spam"),
    }  # fmt: skip
    late = reply.delivery == "delayed"
    in_vain = reply.delivery in _SENT_IN_VAIN
    return {
        "about": said.get(reply.delivery or "", _("sent")),
        "state": "failed" if in_vain else "",
        "why": _why(reply.reason, reply.detail) if in_vain or late else "",
        "notes": copied(reply),
    }


def _why(name: str, detail: str) -> str:
    return " ".join(part for part in (reason(name), detail) if part)


def copied(reply: Reply) -> list[dict[str, str]]:
    """Whom an answer went to as well, who of them has not got it and why, and what is told of recipients whom nobody names."""
    with_it = [one.address for one in reply.copies if one.state in ("sent", "delivered", "read", "delayed", "complained")]
    to_be = [one.address for one in reply.copies if one.state in ("waiting", "unknown")]
    told = [_note("users", _("copied to {names}").format(names=_named(with_it)))] if with_it else []
    told += [_note("users", _("a copy goes to {names}").format(names=_named(to_be)))] if to_be else []
    for one in reply.copies:
        why, warn = _why(one.reason, one.detail), "text-warn"
        if one.state in _NO_COPY:
            text = _("not delivered to {address}: {why}") if why else _("not delivered to {address}")
            told.append(_note("circle-alert", text.format(address=one.address, why=why), warn))
        elif one.state == "delayed":
            told.append(_note("hourglass", _("delayed for {address}: {why}").format(address=one.address, why=why)))
        elif one.state == "complained":
            told.append(_note("circle-alert", _("{address} marked it as spam.").format(address=one.address), warn))
    unnamed = {
        "complained": ("circle-alert", _("A recipient complained; the report does not say who."), "text-warn"),
        "failed": ("circle-alert", _("It did not reach a recipient; the report does not say whom."), "text-warn"),
        "delayed": ("hourglass", _("It is delayed for a recipient; the report does not say for whom."), "faint"),
    }
    return told + [_note(*unnamed[one.status]) for one in reply.reports if one.status in unnamed]


def reason(name: str) -> str:
    """Why an answer was not delivered, as a sentence; empty where nobody said."""
    return {
        "unknown_address": _("Their address does not exist."),
        "mailbox_closed": _("Their mailbox is closed."),
        "mailbox_full": _("Their mailbox is full. It may take mail again later."),
        "too_large": _("It is too large for their mailbox."),
        "refused": _("Their mail server refuses it."),
        "unreachable": _("Their mail server could not be reached."),
        "later": _("Their mail server does not take it for now; it may later."),
        "returned": _("It came back undelivered."),
        "complained": _("They told their mail provider that it is spam."),
        "suppressed": _("The address is on the list of those we do not write to."),
        "ours": _("It is an account of ours; the two could answer each other for ever."),
        "unwritable": _("Nobody can be written to at this address."),
    }.get(name, "")


def notices(replies: Sequence[Reply]) -> list[dict[str, str]]:
    """What to know before one writes again: they called an answer spam, or the last one never reached them."""
    if any(reply.delivery == "complained" for reply in replies):
        text = _("They marked an answer of ours as spam. Write again only if you are sure they want it.")
        return [{"kind": "bad", "icon": "octagon-x", "text": text}]
    sent = [reply for reply in replies if reply.state == "sent"]
    if not sent or sent[-1].delivery != "failed":
        return []
    text = _("The last answer did not reach them. {why}").format(why=reason(sent[-1].reason)).strip()
    return [{"kind": "warn", "icon": "triangle-alert", "text": text}]
