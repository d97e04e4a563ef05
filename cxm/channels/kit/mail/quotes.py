"""What is new in a mail, apart from what it repeats and how it is signed.

Line by line and linear. (``mail-parser-reply`` knows the same languages, but its patterns take more than a minute for 12,000
hostile characters, so it cannot stand in the intake.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: “wrote” and its kin, in the languages whose mail programs we know.
_WROTE = (
    "wrote|writes|schrieb|a écrit|ha scritto|escribió|escribio|escreveu|schreef|skrev|kirjoitti|napsal|napsala|napísal|napisał|napisała|"
    "írta|a scris|написал|написала|пише|писав|писал|yazdı|έγραψε|כתב|כתבה|كتب|写道|寫道|のメール|さんは書きました|님이 작성|đã viết|เขียน|menulis|va escriure|"
    "skrifaði|je napisao|написа|rašė|rakstīja|kirjutas"
)
# Some languages put the name after the verb: “Am … schrieb Ann <ann@…>:”.
_WROTE_LINE = re.compile(rf"(?:{_WROTE})(?:\s[^:]{{1,120}}|\W{{0,6}})[:：]$", re.IGNORECASE)
_ADDRESS = re.compile(r"<[^<>\s]{1,200}@[^<>\s]{1,200}>")
_TIME = re.compile(r"\d{1,2}[:.h時]\d{2}")
_TIME_OR_ADDRESS = re.compile(r"@|\d{1,2}[:.h時]\d{2}")
_STARTS = re.compile(
    r"(?:on|am|le|il|el|em|op|den|dne|dnia|den|pe|în|la|a|tirsdag|on|w dniu|в|у|在|於|\d{1,4}[./年-]|<?[\w.+-]{1,64}@|.{0,80}<[^<>\s]{3,200}@)",
    re.IGNORECASE,
)
_HAS_DATE_OR_ADDRESS = re.compile(r"\d{1,4}|@")
_SEPARATOR = re.compile(
    r"^\s{0,8}(?:[-_=*]{2,40}\s{0,4})(?:original message|original-nachricht|ursprüngliche nachricht|urspr(?:ü|ue)ngliche e-mail|message d'origine|"
    r"message original|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|opprinnelig melding|oprindelig meddelelse|"
    r"ursprungligt meddelande|alkuperäinen viesti|původní zpráva|wiadomość oryginalna|исходное сообщение|пересылаемое сообщение|"
    r"weitergeleitete nachricht|forwarded message|message transféré|原始邮件|原始郵件|元のメッセージ|원본 메시지|الرسالة الأصلية|orijinal mesaj)\b",
    re.IGNORECASE,
)
_RULE = re.compile(r"^\s{0,8}_{20,}\s{0,8}$")
_FROM = re.compile(
    r"^[\s*>]{0,8}(?:from|von|de|da|van|fra|från|lähettäjä|od|от|від|发件人|寄件者|差出人|보낸 사람|من|מאת|gönderen|kimden|từ|expéditeur|mittente|afzender)\s?\*?\s?[:：]\s?\*?\s?\S",
    re.IGNORECASE,
)
_SENT = re.compile(
    r"^[\s*>]{0,8}(?:sent|date|gesendet|datum|envoyé|date d'envoi|enviado|fecha|data|inviato|verzonden|sendt|dato|skickat|lähetetty|odesláno|wysłano|"
    r"отправлено|дата|发送时间|寄件日期|送信日時|보낸 날짜|تاريخ|נשלח|tarih|to|an|à|para|subject|betreff|objet|asunto|oggetto|onderwerp)\s?\*?\s?[:：]",
    re.IGNORECASE,
)
#: Lines after dashes that lost their blank, at most: more is no signature.
_SIGNATURE_LINES = 8
_SENT_FROM = re.compile(
    r"^\s{0,4}(?:sent (?:from|via) (?:my |mail|outlook|yahoo|proton|the )|get outlook for |von meinem .{1,40} gesendet|gesendet (?:von|mit) |"
    r"envoyé (?:de|depuis) |enviado (?:desde|do|de) (?:mi|meu|o) |inviato da(?:l mio)? |verstuurd vanaf |verzonden (?:vanaf|met) |"
    r"sendt fra |skickat från |lähetetty |odesláno z |wysłane? z |отправлено (?:с|из) |发自我的|從我的|iphoneから送信|나의 .{1,20}에서 보냄)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """``text``: what is new; ``quoted``: what repeats earlier mail, with its heading; ``signature``: below the dashes."""

    text: str
    quoted: str | None = None
    signature: str | None = None


def split(text: str) -> Parts:
    """The parts of ``text``; joined they are all of it. A mail that is nothing but a quote keeps it as its text.

    Answers between quoted lines keep the quotes around them, since they make no sense without; only what stands after the last
    own line, or the block of a known reply heading, is split off.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    cut = _cut(lines)
    new, quoted = lines[:cut], "\n".join(lines[cut:]).strip("\n")
    new, signature = _unsigned(new)
    said = "\n".join(new).strip()
    if not said and quoted:
        return Parts("\n".join(lines).strip())
    return Parts(said, quoted or None, signature)


def _cut(lines: list[str]) -> int:
    """The line at which the repeated part begins; the number of lines where there is none."""
    last_own = max((number for number, line in enumerate(lines) if line.strip() and not _is_quote(line)), default=-1)
    for number, _line in enumerate(lines):
        heading = _heading(lines, number)
        if heading is None:
            continue
        if heading == "block" or _only_quotes_after(lines, number, last_own) or _unmarked(lines, number):
            return number
    tail = last_own + 1
    while tail < len(lines) and not lines[tail].strip():
        tail += 1
    return tail if tail < len(lines) and _is_quote(lines[tail]) else len(lines)


def _is_quote(line: str) -> bool:
    return line.lstrip(" ")[:1] in (">", "|") and line.lstrip(" ")[:1] != ""


def _heading(lines: list[str], number: int) -> str | None:
    """``block`` where a separator or a header block begins that ends the new part for good, ``wrote`` for “On … wrote:”."""
    line = lines[number]
    if len(line) > 400 or not line.strip() or _is_quote(line):
        return None
    if _SEPARATOR.match(line):
        return "block"
    if _FROM.match(line) and any(_SENT.match(following[:200]) for following in lines[number + 1 : number + 4]):
        return "block"
    if _RULE.match(line):
        following = [text for text in lines[number + 1 : number + 4] if text.strip()]
        return "block" if following and _FROM.match(following[0][:400]) else None
    return "wrote" if _is_wrote(lines, number) else None


def _is_wrote(lines: list[str], number: int) -> bool:
    """“On Monday Ann <ann@x> wrote:”, on one line or broken over up to three."""
    known = _STARTS.match(lines[number].strip()) is not None
    joined = ""
    for line in lines[number : number + 3]:
        if not line.strip() or _is_quote(line):
            return False
        joined = f"{joined} {line.strip()}".strip()
        if len(joined) > 500:
            return False
        if joined[-1] not in ":：":
            continue
        if known and _WROTE_LINE.search(joined[-180:]) and _HAS_DATE_OR_ADDRESS.search(joined):
            return True
        # In any other language: an address and a time of day, and a colon at the end.
        return _ADDRESS.search(joined) is not None and _TIME.search(joined) is not None
    return False


def _only_quotes_after(lines: list[str], number: int, last_own: int) -> bool:
    end = number
    while end < min(number + 3, len(lines)) and not lines[end].rstrip().endswith((":", "：")):
        end += 1
    return last_own <= end


def _unmarked(lines: list[str], number: int) -> bool:
    """Whether what follows a precise heading carries no quote marks at all: then everything after it is the quote."""
    # “On 3 May you wrote:” may as well be a customer's own sentence.
    if not _TIME_OR_ADDRESS.search(" ".join(lines[number : number + 3])[:500]):
        return False
    following = [line for line in lines[number + 1 : number + 12] if line.strip()]
    return bool(following) and not any(_is_quote(line) for line in following)


def _ends_like_a_signature(lines: list[str], number: int) -> bool:
    return not lines[number - 1].strip() and len(lines) - number - 1 <= _SIGNATURE_LINES


def _unsigned(lines: list[str]) -> tuple[list[str], str | None]:
    for number, line in enumerate(lines):
        if number and (line == "-- " or (line == "--" and _ends_like_a_signature(lines, number))):
            return lines[:number], "\n".join(lines[number + 1 :]).strip() or None
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    if end > 1 and len(lines[end - 1]) < 120 and _SENT_FROM.match(lines[end - 1]):
        return lines[: end - 1], lines[end - 1].strip()
    return lines, None
