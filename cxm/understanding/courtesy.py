"""Politeness is no feeling: a thanks that closes a question or a request says nothing of the mood.

And some words leave no doubt: who calls themselves furious is not pleased, whatever the other words weigh. Both lists are short on purpose, so that a
reader can check them; where a language is not named, nothing is done.
"""

from __future__ import annotations

import re

#: The ways to say it, by what each of them holds in lower case: most texts end with none of these, and that is seen sooner.
_THANKS = {
    "thank": r"(?:(?:many|kind)\s)?thanks(?:\s(?:so much|a lot|again|in advance))?|thank\syou(?:\s(?:so much|very much|in advance))?",
    "thx": "thx",
    "ty": "ty",
    "cheers": "cheers",
    "dank": r"(?:vielen|besten|herzlichen|lieben)\sdank(?:\sim\svoraus)?|danke(?:\s?schön)?(?:\sim\svoraus)?",
    "gracias": r"(?:muchas\s|mil\s)?gracias(?:\sde\santemano)?",
    "merci": r"merci(?:\s(?:beaucoup|d['’]avance|bien))?",
    "obrigad": r"(?:muito\s)?obrigad[oa]",
    "grazie": r"grazie(?:\s(?:mille|in\santicipo))?",
    "شكر": r"شكر[اًا]+(?:\sجزيلا)?",
    "धन्यवाद": "धन्यवाद",
    "शुक्रिया": "शुक्रिया",
    "谢": r"谢谢(?:你们|您)?|多谢",
    "ありがとう": r"(?:どうも)?ありがとうございます",
    "お願い": r"よろしくお願い(?:いた)?します",
    "ขอบคุณ": r"ขอบคุณ(?:ค่ะ|ครับ|มาก)*",
}
_CLOSING = re.compile(rf"(?:(?<=[.!?。！？؟,;，\n])|(?<=\s)|^)\s*(?:{'|'.join(_THANKS.values())})[\s.,!。！~🙏😊:)-]*$", re.IGNORECASE)
_ASKING = re.compile(
    r"[?？؟]|(?<!\w)(?:please|pls|plz|kindly|could you|can you|would you|let me know|i(?:'d| would) like|bitte|könn(?:t|en|ten) (?:ihr|sie)|por favor|podr[ií]an?|"
    r"necesito|s'il (?:vous|te) pla[iî]t|svp|stp|pourri?ez|pouvez|poderiam?|preciso|gostaria|per favore|potete|potreste|vorrei)(?!\w)|"
    r"请|麻烦|能不能|ください|お願い|いただけ|กรุณา|รบกวน|ช่วย|من فضلك|أرجو|الرجاء|ممكن|कृपया|चाहिए",
    re.IGNORECASE,
)
#: As above: by what each holds.
_ANGER = {
    "furi": r"furious|infuriat(?:ed|ing)|furios[oa]s?|furieux|furieuse|furibond[oa]",
    "livid": "livid",
    "outrag": "outraged",
    "fuming": "fuming",
    "rag": "enraged",
    "seeth": "seething",
    "angry": "so angry|very angry",
    "wütend": "wütend",
    "stinks": "stinksauer",
    "fuchs": "fuchsteufelswild",
    "empört": "empört",
    "indign": r"indignad[oa]s?|indignat[oa]",
    "cabread": r"cabread[oa]s?",
    "col": "en colère",
    "arrabb": r"arrabbiatissim[oa]",
    "revoltad": r"revoltad[oa]s?",
}
_FURIOUS = re.compile(rf"(?<!\w)(?:{'|'.join(_ANGER.values())})(?!\w)", re.IGNORECASE)
_DENIED = re.compile(r"(?:\bnot|\w+n't|\bnever|\bnicht|\bkein\w*|\bno|\bpas|\bnon|\bnão)\s+(?:\S+\s+){0,2}$", re.IGNORECASE)
#: Where a thanks that closes begins, at the earliest: characters from the end.
_TAIL = 80


def without_thanks(text: str) -> str:
    """``text`` without the thanks it ends with, where the rest asks for something; else as it is."""
    tail = text[-_TAIL:].lower()
    if not any(stem in tail for stem in _THANKS):
        return text
    found = _CLOSING.search(text, max(0, len(text) - _TAIL))
    if found is None or not found.start():
        return text
    rest = text[: found.start()]
    return rest if _ASKING.search(rest) else text


def furious(text: str) -> list[tuple[int, int]]:
    """Where words of anger stand (start, end) that nothing before them denies."""
    low = text.lower()
    if not any(stem in low for stem in _ANGER):
        return []
    return [found.span() for found in _FURIOUS.finditer(text) if not _DENIED.search(text, max(0, found.start() - 40), found.start())]
