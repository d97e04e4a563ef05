"""Is a text a question? By its marks and, in the languages listed here, by the words that open or close one."""

from __future__ import annotations

import re

#: How a question opens a sentence where people leave out the mark. An interrogative alone is not enough ("when I came", "What a
#: day"): it needs its verb, or is one that hardly opens anything else.
_OPENERS: dict[str, str] = {
    "en": (
        r"(?:who|what|when|where|why|how|which)(?:'s| (?:is|are|do|does|did|can|could|will|would|should|was|were|has|have|much|many|long))"
        r"|(?:can|could|do|does|did|is|are|will|would|should|has|have) (?:i|you|we|they|it|this|that|there|the|your|my|any\w*|some\w*)"
        r"|any idea|how come"
    ),
    "es": r"cómo|cuándo|cuánt[oa]s?|dónde|cuál(?:es)?|quién(?:es)?|por qué|alguien sabe",
    "de": (
        r"(?:wo|wann|wie|warum|wieso|weshalb|woher|wohin|was|wer) (?:ist|sind|kann|können|finde|bekomme|komme?n?|geht|gibt|muss|soll|"
        r"lange|viele?|oft|teuer|kostet|macht|habt|seid|wird|weiß)|weiß jemand|gibt es|(?:kann|könnt|habt|könnten) (?:ich|ihr|man|sie)"
    ),
    "fr": r"est-ce que|qu'est-ce|pourquoi|comment|combien|quand est|où (?:est|sont|puis|peut)|quel(?:le)?s? (?:est|sont)|quelqu'un sait",
    "pt": r"onde (?:é|está|fica|posso|encontro)|por que|qual é|quais são|quanto (?:custa|é)|como (?:faço|posso)|alguém sabe|quando (?:é|vai|chega)",
    "it": r"dov'è|dove (?:posso|si|è|sono)|perché non|quando (?:arriva|apre|è)|quanto (?:costa|è)|qual è|come (?:posso|si|faccio)|qualcuno sa",
    "ar": r"هل|متى|أين|كيف|لماذا|ليش|وين|كم",
    "hi": r"क्या|कब|कहाँ|कहां|कैसे|क्यों|कितन[ेाी]|kya|kab|kahan|kaise|kyun",
}
#: What closes or carries a question where no mark need stand (folded); searched anywhere or at a sentence's end.
_CLOSERS: dict[str, str] = {
    "ja": r"(?:ですか|ますか|ましたか|でしょうか|ませんか|のか|かな|たいんですが)(?=[。.!、\s]|$)",
    "zh": (
        r"(?:吗|嗎|呢|么|么样|怎么办|怎么样|什么时候|多少钱|哪里|哪儿|请问|為什麼|为什么)(?=[。.!,，、\s]|$)"
        r"|^(?:请问|為什麼|为什么|怎么|什么时候|哪里)"
    ),
    "th": r"(?:ไหม|มั้ย|หรือเปล่า|หรือยัง|เมื่อไหร่|เท่าไหร่|ยังไง|ที่ไหน|อย่างไร|ทำไม|กี่โมง|กี่บาท|กี่วัน)(?:ครับ|คะ|ค่ะ|บ้าง)?(?=[\s.]|$)",
    "hi": r"(?:क्या|कब|कहाँ|कहां|कैसे|क्यों)\b",
}
_MARKS = re.compile(r"[?？؟;⁇՞፧¿]")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
#: A Greek question mark looks like a semicolon and folds to one; elsewhere a semicolon asks nothing.
_SEMICOLONS = frozenset(";;")


def _opener(choices: str) -> re.Pattern[str]:
    return re.compile(rf"\s*(?:@\S+\s+)*({choices})(?!\w)(?=.{{2,}})", re.IGNORECASE)


_OPENING = {language: _opener(choices) for language, choices in _OPENERS.items()}
_CLOSING = {language: re.compile(pattern, re.IGNORECASE) for language, pattern in _CLOSERS.items()}
#: Without a mark only a text of one short sentence counts as a question by its opening.
_SHORT = 120


def question_spans(text: str, language: str) -> list[tuple[int, int]]:
    """Where the text asks (start, end); empty where it does not."""
    plain = _ADDRESS.sub(lambda found: " " * len(found.group()), text)
    found = [match.span() for match in _MARKS.finditer(plain) if match.group() not in _SEMICOLONS or language == "el"]
    if found:
        return found
    closing = _CLOSING.get(language)
    if closing and (match := closing.search(plain)):
        return [match.span()]
    opening = _OPENING.get(language)
    if opening and len(plain) <= _SHORT and "!" not in plain and (match := opening.match(plain)):
        return [match.span(1)]
    return []
