"""Returned mail by its words: for servers that report in prose, and for why a server did not take a mail.

Tables rather than cleverness: what qmail, exim, Postfix, sendmail, Exchange, Domino, Gmail, Yahoo, AOL, Amazon SES and their likes write,
in the languages they write it in. A mail counts as returned only where a machine wrote it *and* it says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cxm.channels.kit.text import one_line

#: Who returns mail: addresses and names.
_ROBOT = re.compile(
    r"(?:^|[\s<\"'(])(?:mailer[-_. ]?daemon|mail[-_.]?daemon|postmaster|post_office|mmdf|uucp|bounces?(?:[+@=-]|\s|$)|mail delivery (?:sub)?(?:system|service)|"
    r"(?:e-?)?mail (?:system|router)|delivery subsystem|mailerdaemon|microsoftexchange[0-9a-f]|no-?reply@(?:mail)?bounce|smtp|"
    r"mail-?deliver|mdaemon|ndr@|imss@|jetmail|symantec)",
    re.IGNORECASE,
)
_FAILED_SUBJECT = re.compile(
    r"undeliver|returned mail|return(?:ed)? to sender|message returned|mail delivery fail|delivery (?:status )?(?:notification|report|error|has failed|failed|failure|unsuccessful)"
    r"|delivery of (?:your )?(?:mail|message)|failure (?:notice|notification|delivering)|failed (?:mail|delivery)|delivery[- ]fail|not (?:be )?delivered|non[- ]?deliver|nondeliver"
    r"|error during delivery|mail (?:system|transaction|delivery) (?:error|problem|failed)|(?:mail|e-mail) (?:returned|bounced|error)|bounced? (?:mail|message)|unknown (?:user|address|recipient)|user unknown|unable to deliver"
    r"|invalid (?:mail )?(?:address|recipient)|rejected(?: mail| message)?:|message (?:refused|rejected)|mailbox (?:full|unavailable)|^bounce\b|delivery problem|^processing error$|automatically rejected|delivery warning|non recensé"
    # de, fr, es, pt, it, nl
    r"|unzustellbar|nicht zugestellt|nicht zustellbar|zustell(?:fehler|ung fehlgeschlagen)|fehler bei der zustellung|rückläufer"
    r"|non remis|non délivr|non distribu|échec de (?:la )?(?:remise|livraison|distribution)|impossible de remettre"
    r"|no se (?:puede|pudo|ha podido) entregar|no entregad|error (?:de|en la) entrega|fallo (?:de|en la) entrega|correo devuelto|mensaje devuelto|no se puede enviar"
    r"|não (?:foi )?(?:possível entregar|entregue)|não é possível entregar|falha na entrega|falha no envio|mensagem devolvida|não entregue"
    r"|non recapita|mancat[oa] (?:recapito|consegna)|impossibile (?:recapitare|consegnare)|notifica di mancato|mancata consegna|non consegnat"
    r"|onbestelbaar|niet (?:worden )?(?:bezorgd|afgeleverd)|kan niet worden bezorgd|bezorging mislukt|aflevering mislukt"
    # sv, da, no, fi, pl, cs, hu, ro, tr, ru, uk
    r"|kan(?:de)? inte levereras|gick inte att leverera|ej levererat|olevererbar|inte leverera|kan ikke leveres|kunne ikke leveres|uleverlig|ikke leveret|ikke levert|kunne ikke sendes"
    r"|toimittaminen epäonnistui|ei voi(?:tu|da) toimittaa|toimittamatta|niedostarcz|nie (?:można|udało się) dostarczyć|niedoręcz|zwrot wiadomości|nelze doručit|nedoruč"
    r"|kézbesíthetetlen|nem kézbesíthető|nelivrat|nu a putut fi livrat|teslim edilem|iletilem|gönderilem|недоставлен|не доставлен|не удалось доставить|невозможно доставить|ошибка доставки|не доставлено|неможливо доставити"
    # ar, he, th, ja, ko, zh
    r"|لم يتم (?:تسليم|التسليم)|تعذ[ّ]?ر (?:تسليم|التسليم)|لا يمكن تسليم|فشل (?:تسليم|التسليم)|غير قابل للتسليم|לא ניתן למסור|לא נמסר|מסירה נכשלה|לא ניתנת למסירה|ไม่สามารถส่ง|ส่งไม่สำเร็จ|ส่งไม่ได้"
    r"|配信不能|配信できま|送信できま|未送達|配送エラー|送信エラー|届きません|배달되지|배달 실패|전달되지|전달 실패|배달할 수 없|반송|无法送达|未送达|无法投递|投递失败|发送失败|退信|无法传递|未传递|無法傳遞|無法送達|未送達|無法投遞|傳送失敗|傳遞失敗|退件",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"\bdelay(?:ed)?\b|still being (?:re)?tried|not yet (?:been )?delivered|warning: (?:could not send|message)|transient non-delivery|verzögert|retardée?|en retard|retrasad|con retraso|atrasad|adiad|ritardat|in ritardo"
    r"|vertraagd|försenad|fördröj|forsinket|viivästy|opóźnion|opóźnieni|zpožděn|отложен|задерж|gecikti|gecikme|تأخر|تأخير|מתעכב|עיכוב|ล่าช้า|遅延|遅れて|지연|延迟|延遲",
    re.IGNORECASE,
)
#: In a text only what cannot be said of a mail that came back for good: it may repeat what its sender wrote.
_DELAYED_TEXT = re.compile(
    r"(?:this is a )?warning message only|still being retried|will (?:continue|keep) (?:to )?(?:try|be retried|retry)|will be retried|could not send message for past|do not need to resend|delivery attempts will continue"
    r"|has not yet been delivered|(?:message|delivery)[^\n]{0,80}has been delayed|keep trying|wird weiterhin versucht|weitere zustellversuche|sera retentée|se seguirá intentando|continuará(?:n)? los intentos|продолжит попытки|будет повторена",
    re.IGNORECASE,
)
#: Where the mail that came back begins, in a text that repeats it.
_COPY = re.compile(r"^[ \t>]{0,8}(?:received|return-path|message-id|dkim-signature|mime-version|x-mailer):", re.IGNORECASE | re.MULTILINE)
_FAILED_TEXT = re.compile(
    r"this is the qmail-send program|wasn'?t able to deliver|(?:could|can) ?not be delivered|couldn'?t be delivered|cannot be delivered|was(?: |n')not delivered|wasn'?t delivered|(?:has|have) not been delivered|did not reach"
    r"|undeliverable|delivery (?:to the following|has failed|failed)|permanent(?:ly)? (?:fatal )?(?:error|fail)|(?:following|these) (?:address(?:\(es\)|es)?|recipients?)[^\n]{0,60}(?:fail|error|not|reject)|user(?:name)? (?:is )?unknown|unknown (?:user|recipient|local part)"
    r"|no such (?:user|mailbox|recipient|address|person|account)|unable to (?:be )?deliver|could not (?:deliver|be found|send)|mailbox (?:is )?(?:full|unavailable|not found)|(?:over|exceeded?d?) (?:its |the |his |your )?(?:disk )?quota|address(?:es)? (?:rejected|not found|had permanent)|host (?:unknown|not found)|recipient(?:s)? (?:rejected|unknown)"
    r"|reason for (?:the )?(?:failure|return|non-delivery)|message (?:was )?(?:rejected|returned)|returned to (?:you|sender)|not listed in (?:domino|public)|(?:account|mailbox|address|user|recipient)[^\n]{0,60}(?:does not exist|doesn'?t exist|disabled|inactive|invalid|not (?:known|valid))|invalid (?:recipient|address|user)|no (?:longer|valid) [^\n]{0,30}recipient|bounced|failed (?:recipient|address)"
    r"|nicht zugestellt|nicht zustell|n'a pas pu être|impossible de|no (?:se )?(?:ha )?(?:pudo|podido|puede) (?:ser )?entrega|não pôde ser entregue|non (?:è stato possibile|può essere)|kan niet worden|konnte nicht|не (?:удалось|может быть) достав|届け|配信でき|无法|無法",
    re.IGNORECASE,
)  # fmt: skip
_ANSWER = re.compile(r"^\s{0,4}(?:re|aw|sv|antw|rif|odp|res)\s{0,2}:", re.IGNORECASE)
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_LASTING = re.compile(r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])")
_REPLY = re.compile(r"(?<![\d.:/-])[45]\d\d[ :-](?!\d{2})")
_WHY = (
    (
        "mailbox_full",
        re.compile(r"quota|mail(?:box|folder) (?:is )?full|(?:mailbox|inbox|storage) (?:size )?(?:limit )?(?:is )?(?:exceeded|full|over)|insufficient (?:system )?storage|no space", re.I),
    ),
    ("too_large", re.compile(r"too (?:large|big)|size (?:limit|exceeds)|exceeds? (?:the )?(?:maximum |fixed )?(?:message )?size|message length exceeds", re.I)),
    (
        "unknown_address",
        re.compile(
            r"(?:user|recipient|address|mailbox|account|alias)[^\n]{0,50}(?:unknown|not found|n[o']t exist|not listed|invalid|no longer valid)|unknown (?:user|recipient|address|local|mailbox)|no such|does(?: not|n'?t) (?:exist|have)|"
            r"address rejected|mailbox unavailable|not a (?:valid|known)|invalid (?:user|recipient|mailbox|address)|not our customer|unrouteable|bad destination|no mailbox here",
            re.I,
        ),
    ),
    ("mailbox_closed", re.compile(r"disabled|inactive|suspended|deactivated|not accepting|is (?:locked|closed)|discontinued", re.I)),
    ("unreachable", re.compile(r"host (?:or domain )?(?:name )?(?:unknown|not found|is unreachable|lookup)|name service error|domain (?:name )?(?:not found|does not)|nxdomain|timed? ?out|connection refused|no route|unreachable|expired|retry time|no mx|name server|hop count|loop", re.I)),
    ("refused", re.compile(r"spam|block(?:ed|list)|blacklist|policy|denied|dmarc|dkim|\bspf\b|reputation|not (?:allowed|authori[sz]ed|permitted)|prohibited|content (?:rejected|filter)|virus|refused", re.I)),
)  # fmt: skip
#: RFC 3463: what the second and third number mean.
_CODES = {
    "1.0": "unknown_address", "1.1": "unknown_address", "1.2": "unreachable", "1.3": "unknown_address", "1.6": "unknown_address", "1.10": "unknown_address", "2.1": "mailbox_closed", "2.2": "mailbox_full",
    "2.3": "too_large", "3.4": "too_large",
}  # fmt: skip
_SUBJECTS_OF_CODES = {"4": "unreachable", "7": "refused"}


@dataclass(frozen=True, slots=True)
class Told:
    """``status``: failed or delayed; ``reason`` a word, ``detail`` the line that says it."""

    status: str
    reason: str
    detail: str | None


def is_robot(who: str) -> bool:
    """Whether a sender (its address and name) is one that returns mail."""
    return _ROBOT.search(who) is not None


def outcome(who: str, subject: str, text: str, *, known: bool, nobody: bool) -> Told | None:
    """What a mail that follows no standard says of another; None where it is no return.

    ``who``: its sender; ``known``: a header names recipients that failed; ``nobody``: its envelope had no sender.
    """
    robot = is_robot(who)
    if not (robot or known or nobody) or _ANSWER.match(subject):
        return None
    copy = _COPY.search(text)
    said = text[: copy.start() if copy else len(text)]
    failed, late = _FAILED_SUBJECT.search(subject) is not None, _DELAYED.search(subject) is not None
    if not (known or failed or (robot and (late or _FAILED_TEXT.search(said)))):
        return None
    status = "delayed" if late or (not known and _DELAYED_TEXT.search(said)) else "failed"
    detail = _line(said)
    found = _ENHANCED.search(detail or "")
    why = reason(status, found.group() if found else "", detail or "")
    return Told(status, reason(status, "", said) if why == "returned" else why, detail)


def reason(status: str, code: str, words: str) -> str:
    """A word for why (:data:`cxm.channels.contracts.REASONS`): by the server's words where they are plain, else by its code."""
    if status not in ("failed", "delayed"):
        return ""
    if status == "delayed":
        return "later"
    found = next((name for name, pattern in _WHY if pattern.search(words[:2000])), "")
    if found:
        return found
    match = _ENHANCED.search(code) or _ENHANCED.search(words[:2000])
    if match is None:
        return "returned"
    kind, subject, detail = match.groups()
    by_code = _CODES.get(f"{subject}.{detail}") or _SUBJECTS_OF_CODES.get(subject, "")
    return by_code or ("later" if kind == "4" else "returned")


def _line(text: str) -> str | None:
    """The line in which a server's answer stands, else the one that says it failed."""
    for pattern in (_REPLY, _LASTING, *(pattern for _, pattern in _WHY[:5]), _FAILED_TEXT):
        for line in text.split("\n")[:400]:
            if len(line) < 2000 and pattern.search(line):
                return one_line(line.strip(" >*-"), 500)
    return None
