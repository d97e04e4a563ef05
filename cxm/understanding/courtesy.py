"""Politeness is no feeling: a thanks that closes a question or a request says nothing of the mood.

And some words leave no doubt: who calls themselves furious is not pleased, whatever the other words weigh. Both lists are short on purpose, so that a
reader can check them; where a language is not named, nothing is done.
"""

from __future__ import annotations

import re

_THANKS = (
    r"(?:(?:many|kind)\s)?thanks(?:\s(?:so much|a lot|again|in advance))?|thank\syou(?:\s(?:so much|very much|in advance))?|thx|ty|cheers|"
    r"(?:vielen|besten|herzlichen|lieben)\sdank(?:\sim\svoraus)?|danke(?:\s?schön)?(?:\sim\svoraus)?|(?:muchas\s|mil\s)?gracias(?:\sde\santemano)?|"
    r"merci(?:\s(?:beaucoup|d['’]avance|bien))?|(?:muito\s)?obrigad[oa]|grazie(?:\s(?:mille|in\santicipo))?|شكر[اًا]+(?:\sجزيلا)?|धन्यवाद|शुक्रिया|"
    r"谢谢(?:你们|您)?|多谢|(?:どうも)?ありがとうございます|よろしくお願い(?:いた)?します|ขอบคุณ(?:ค่ะ|ครับ|มาก)*"
)
_CLOSING = re.compile(rf"(?:(?<=[.!?。！？؟,;，\n])|(?<=\s)|^)\s*(?:{_THANKS})[\s.,!。！~🙏😊:)-]*$", re.IGNORECASE)
_ASKING = re.compile(
    r"[?？؟]|(?<!\w)(?:please|pls|plz|kindly|could you|can you|would you|let me know|i(?:'d| would) like|bitte|könn(?:t|en|ten) (?:ihr|sie)|por favor|podr[ií]an?|"
    r"necesito|s'il (?:vous|te) pla[iî]t|svp|stp|pourri?ez|pouvez|poderiam?|preciso|gostaria|per favore|potete|potreste|vorrei)(?!\w)|"
    r"请|麻烦|能不能|ください|お願い|いただけ|กรุณา|รบกวน|ช่วย|من فضلك|أرجو|الرجاء|ممكن|कृपया|चाहिए",
    re.IGNORECASE,
)
_FURIOUS = re.compile(
    r"(?<!\w)(?:furious|livid|outraged|fuming|infuriat(?:ed|ing)|enraged|seething|so angry|very angry|wütend|stinksauer|fuchsteufelswild|empört|furios[oa]s?|"
    r"indignad[oa]s?|cabread[oa]s?|furieux|furieuse|en colère|furibond[oa]|arrabbiatissim[oa]|revoltad[oa]s?|indignat[oa])(?!\w)",
    re.IGNORECASE,
)
_DENIED = re.compile(r"(?:\bnot|\w+n't|\bnever|\bnicht|\bkein\w*|\bno|\bpas|\bnon|\bnão)\s+(?:\S+\s+){0,2}$", re.IGNORECASE)


def without_thanks(text: str) -> str:
    """``text`` without the thanks it ends with, where the rest asks for something; else as it is."""
    found = _CLOSING.search(text, max(0, len(text) - 80))
    if found is None or not found.start():
        return text
    rest = text[: found.start()]
    return rest if _ASKING.search(rest) else text


def furious(text: str) -> list[tuple[int, int]]:
    """Where words of anger stand (start, end) that nothing before them denies."""
    return [found.span() for found in _FURIOUS.finditer(text) if not _DENIED.search(text, max(0, found.start() - 40), found.start())]
