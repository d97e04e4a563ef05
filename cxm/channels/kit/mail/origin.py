"""Who really sent a mail, whether a machine wrote it, and what a bounce says: from headers alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cxm.channels.kit.mail import letters
from cxm.channels.kit.mail.letters import Letter
from cxm.channels.kit.text import one_line

#: Our own mark on what we send: whatever carries it back is a loop, not a customer.
INTENT_HEADER = "X-OpenCXM-Intent"
_ROBOTS = re.compile(r"^(?:mailer-daemon|postmaster|bounces?|(?:do-?not|no)-?reply-bounces?)(?:[+@=-]|$)", re.IGNORECASE)
_SUBJECTS = re.compile(
    r"^\s{0,4}(?:auto(?:matic)?[ -]?(?:reply|response)|autoreply|out of (?:the )?office|automatische antwort|abwesenheitsnotiz|abwesend|"
    r"réponse automatique|respuesta automática|resposta automática|risposta automatica|automatisch antwoord|autosvar|automatiskt svar|"
    r"automaattinen vastaus|odpowiedź automatyczna|automatická odpověď|автоответ|автоматический ответ|自动回复|自動回覆|自動応答|自動返信|자동 회신|رد تلقائي)"
    r"\s{0,4}(?:[:：]|$)",
    re.IGNORECASE,
)
_BULK = ("bulk", "junk", "list", "auto_reply", "auto-reply")
_MARKS = ("List-Id", "X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Response-Suppress", "X-Loop", "X-Failed-Recipients")
_METHOD = re.compile(r"^\s{0,10}dmarc\s{0,10}(?:/\s{0,10}1\s{0,10})?=\s{0,10}pass\b", re.IGNORECASE)
_HEADER_FROM = re.compile(r"\bheader\.from\s{0,10}=\s{0,10}\"?([^\s;\"]{1,253})", re.IGNORECASE)


def automatic_because(letter: Letter) -> str | None:
    """Why a machine must have written it (a word for the record), None where a person may have."""
    submitted = (letters.header(letter, "Auto-Submitted") or "").partition(";")[0].strip().lower()
    if submitted and submitted != "no":
        return "auto_submitted"
    if letter.get(INTENT_HEADER) is not None:
        return "own_loop"
    if any(letter.get(mark) is not None for mark in _MARKS):
        return "list_or_responder"
    if (letters.header(letter, "Precedence") or "").lower() in _BULK:
        return "precedence"
    return_path = letter.get("Return-Path")
    if return_path is not None and str(return_path).strip() == "<>":
        return "empty_return_path"
    if letter.get_content_type() == "multipart/report":
        return "report"
    senders = letters.addresses(letter, "From")
    if any(_ROBOTS.match(sender.address) for sender in senders):
        return "mailer_daemon"
    return "subject" if _SUBJECTS.match(letters.header(letter, "Subject") or "") else None


def proven_domain(letter: Letter, authserv_id: str) -> str | None:
    """The domain of ``From`` that our own mail server says passed DMARC, None where it does not say so.

    Only the topmost ``Authentication-Results`` of our server counts (RFC 8601): those below may have come with the mail. A mail
    with several authors or several ``From`` headers proves nothing.
    """
    wanted = authserv_id.strip().lower()
    senders = letters.addresses(letter, "From")
    if not wanted or len(senders) != 1 or len(letters.raw_headers(letter, "From")) != 1:
        return None
    domain = senders[0].address.rpartition("@")[2]
    for value in letters.headers(letter, "Authentication-Results"):
        results = _uncommented(value).split(";")
        if (results[0].split() or [""])[0].lower() != wanted:
            continue
        for result in results[1:]:
            match = _HEADER_FROM.search(result)
            if _METHOD.match(result) and match and match.group(1).lower().rpartition("@")[2] == domain:
                return domain
        return None
    return None


def _uncommented(value: str) -> str:
    kept: list[str] = []
    depth = 0
    for character in value:
        if character == "(":
            depth += 1
        elif character == ")":
            depth = max(0, depth - 1)
        elif not depth:
            kept.append(character)
    return "".join(kept)


# --- reports -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says of one of our mails: ``status`` delivered, read or failed; ``detail`` in the server's words."""

    message_id: str
    status: str
    detail: str | None


def report(letter: Letter) -> Report | None:
    """The delivery or reading report in ``letter``, where it names the mail it is about and tells an outcome."""
    if letter.get_content_type() != "multipart/report":
        return None
    parts = letters.children(letter)
    for part in parts:
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            return _delivery(part, parts)
        if kind == "message/disposition-notification":
            return _disposition(part)
    return None


def _delivery(status: Letter, parts: list[Letter]) -> Report | None:
    groups = letters.children(status)
    actions = {str(group.get("Action", "")).strip().lower(): group for group in groups}
    outcome = "failed" if "failed" in actions else "delivered" if "delivered" in actions else None
    message_id = next((found for part in parts if (found := _original_id(part))), None)
    if outcome is None or message_id is None:
        return None
    group = actions[outcome]
    detail = " ".join(letters.header(group, name) or "" for name in ("Status", "Diagnostic-Code"))
    return Report(message_id, outcome, one_line(detail, 1000) or None)


def _original_id(part: Letter) -> str | None:
    kind = part.get_content_type()
    if kind == "message/rfc822":
        inner = letters.children(part)
        ids = letters.message_ids(inner[0], "Message-ID") if inner else []
    elif kind in ("text/rfc822-headers", "message/rfc822-headers"):
        content = part.get_payload(decode=True)
        ids = letters.message_ids(letters.read(content), "Message-ID") if isinstance(content, bytes) else []
    else:
        return None
    return ids[0] if ids else None


def _disposition(part: Letter) -> Report | None:
    children = letters.children(part)
    content = part.get_payload(decode=True)
    fields = children[0] if children else letters.read(content) if isinstance(content, bytes) else part
    ids = letters.message_ids(fields, "Original-Message-ID")
    disposition = (letters.header(fields, "Disposition") or "").lower()
    return Report(ids[0], "read", None) if ids and "displayed" in disposition else None
