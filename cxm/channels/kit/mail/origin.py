"""Who really sent a mail, whether a machine wrote it, and to which of our addresses it came: from headers alone."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from cxm.channels.kit.mail import letters
from cxm.channels.kit.mail.letters import Address, Letter

#: Our own mark on what we send: whatever carries it back is a loop, not a customer.
INTENT_HEADER = "X-OpenCXM-Intent"
_ROBOTS = re.compile(r"^(?:mailer-daemon|postmaster|bounces?|(?:do-?not|no)-?reply-bounces?)(?:[+@=-]|$)", re.IGNORECASE)
_SUBJECTS = re.compile(
    r"^\s{0,4}(?:auto(?:matic)?[ -]?(?:reply|response)|autoreply|out of (?:the )?office|automatische antwort|abwesenheitsnotiz|abwesend|abwesenheits(?:notiz|meldung|nachricht)|"
    r"réponse automatique|absence du bureau|respuesta automática|fuera de (?:la )?oficina|resposta automática|ausência temporária|fora do escritório|risposta automatica|fuori ufficio|"
    r"automatisch antwoord|afwezigheidsbericht|autosvar|automatiskt svar|frånvaromeddelande|automatisk svar|fraværsmeddelelse|"
    r"automaattinen vastaus|odpowiedź automatyczna|autoodpowiedź|automatická odpověď|automatikus válasz|răspuns automat|otomatik (?:yanıt|cevap)|ofis dışında|"
    r"автоответ|автоматический ответ|нет на месте|автоматична відповідь|自动回复|自動回覆|不在办公室|自動応答|自動返信|不在通知|자동 회신|자동 응답|부재중|رد تلقائي|الرد التلقائي|خارج المكتب|"
    r"תשובה אוטומטית|מענה אוטומטי|מחוץ למשרד|ตอบกลับอัตโนมัติ|การตอบกลับอัตโนมัติ|स्वचालित उत्तर|स्वतः उत्तर|trả lời tự động)"
    r"\s{0,4}(?:[:：]|$)",
    re.IGNORECASE,
)
_BULK = ("bulk", "junk", "list", "auto_reply", "auto-reply")
# X-Auto-Response-Suppress is none of them: it asks machines not to answer, and people's forms and offices send it too.
_MARKS = ("X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Loop", "X-Failed-Recipients")
#: Where servers note for which address a mail came, nearest to the sender's own word first.
_NOTED = ("X-Original-To", "X-Forwarded-To", "Envelope-To", "X-Envelope-To", "Delivered-To")
_RESULT = re.compile(r"^\s{0,10}(dmarc|dkim|spf|arc)\s{0,10}(?:/\s{0,10}1\s{0,10})?=\s{0,10}([a-z]{1,20})\b", re.IGNORECASE)
_HEADER_FROM = re.compile(r"\bheader\.from\s{0,10}=\s{0,10}\"?([^\s;\"]{1,253})", re.IGNORECASE)
_LIST_ID = re.compile(r"<([^<>\s]{1,253})>")
_MAILTO = re.compile(r"<mailto:([^<>\s?]{3,320})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MailingList:
    """The list a mail came by: ``id`` as it names itself, ``post`` where one writes to it (None: nobody may); ``ours``: it is one of our addresses."""

    id: str
    post: str | None
    ours: bool


def automatic_because(letter: Letter, own: Collection[str] = ()) -> str | None:
    """Why a machine must have written it (a word for the record), None where a person may have.

    What a list of others hands on counts as a machine's: nobody asked *us*. A list that is one of our ``own`` addresses does not.
    """
    submitted = (letters.header(letter, "Auto-Submitted") or "").partition(";")[0].strip().lower()
    if submitted and submitted != "no":
        return "auto_submitted"
    if letter.get(INTENT_HEADER) is not None:
        return "own_loop"
    if any(letter.get(mark) is not None for mark in _MARKS):
        return "list_or_responder"
    came_by = mailing_list(letter, own)
    if came_by is not None and not came_by.ours:
        return "list_or_responder"
    precedence = (letters.header(letter, "Precedence") or "").lower()
    if precedence in _BULK and not (came_by is not None and precedence == "list"):
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


def mailing_list(letter: Letter, own: Collection[str]) -> MailingList | None:
    """The list by which it came (RFC 2369, 2919), None where it came directly."""
    named = letters.header(letter, "List-Id")
    if named is None:
        return None
    match = _LIST_ID.search(named)
    name = (match.group(1) if match else named.split()[-1] if named.split() else "").lower()
    post = _MAILTO.search(letters.header(letter, "List-Post") or "")
    address = post.group(1).lower() if post else None
    # The id of a list is its address with a dot for the @, where its program makes it so.
    return MailingList(name, address, address in own or any(one.replace("@", ".") == name for one in own))


def original_sender(letter: Letter, own: Collection[str]) -> Address | None:
    """Who wrote to a list of ours that puts its own address into From, as lists do where senders' domains forbid others to send for them.

    As much a claim as any From.
    """
    came_by = mailing_list(letter, own)
    if came_by is None or not came_by.ours:
        return None
    named = [
        one
        for name in ("X-Original-From", "X-Original-Sender", "X-MailFrom", "Reply-To")
        for one in letters.addresses(letter, name)
        if one.address not in own
    ]
    return named[0] if named else None


def came_to(letter: Letter, own: Collection[str]) -> str | None:
    """Which of our ``own`` addresses it was written to; None where it does not say."""
    written = [one.address for name in ("To", "Cc") for one in letters.addresses(letter, name)]
    noted = [one.address for name in _NOTED for one in letters.addresses(letter, name)]
    return next((one for one in (*written, *noted) if one in own), None)


def results(letter: Letter, authserv_id: str) -> dict[str, str]:
    """What our own mail server found of a mail: ``dmarc``, ``dkim``, ``spf`` and ``arc``, each pass, fail, none, …; of which domain in ``from``.

    Only the topmost ``Authentication-Results`` of our server counts (RFC 8601): those below may have come with the mail. Empty where it does not say.
    """
    wanted = authserv_id.strip().lower()
    if not wanted:
        return {}
    for value in letters.headers(letter, "Authentication-Results"):
        said = _uncommented(value).split(";")
        if (said[0].split() or [""])[0].lower() != wanted:
            continue
        found: dict[str, str] = {}
        for one in said[1:]:
            match = _RESULT.match(one)
            if match is None:
                continue
            method, result = match.group(1).lower(), match.group(2).lower()
            if method == "dmarc" and method in found:
                continue  # a mail has one author: a second verdict is about somebody else
            if method == "dmarc" and (domain := _HEADER_FROM.search(one)) is not None:
                found["from"] = domain.group(1).lower().rpartition("@")[2]
            if found.get(method) != "pass":
                found[method] = result
        return found
    return {}


def proven_domain(letter: Letter, authserv_id: str) -> str | None:
    """The domain of ``From`` that our own mail server says passed DMARC, None where it does not say so.

    A mail with several authors or several ``From`` headers proves nothing.
    """
    senders = letters.addresses(letter, "From")
    if len(senders) != 1 or len(letters.raw_headers(letter, "From")) != 1:
        return None
    domain = senders[0].address.rpartition("@")[2]
    found = results(letter, authserv_id)
    return domain if found.get("dmarc") == "pass" and found.get("from") == domain else None


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
