"""Is a text a question? By its marks and, in the languages listed here, by the words that open or close one."""

from __future__ import annotations

import re

#: Interrogatives that open a sentence, by language (folded).
_OPENERS: dict[str, str] = {
    "en": "who what when where why how which whose can could would will is are do does did has have should may|how come|any idea",
    "es": "qué quién quiénes cuándo cuánto cuánta cuántos cuántas dónde cómo cuál cuáles|por qué|alguien sabe",
    "de": "wer wie wo was wann warum wieso weshalb welche welcher welches wohin woher wofür kann|weiß jemand",
    "fr": "qui quand où pourquoi comment combien quel quelle quels quelles|est-ce que|qu'est-ce que|quelqu'un sait",
    "pt": "quem quando onde como qual quais quanto quantos quantas|por que|alguém sabe|o que é",
    "it": "chi quando dove come perché quale quali quanto quanti quante|qualcuno sa|che cosa",
    "ar": "هل متى أين كيف لماذا ليش وين كم من ماذا شو",
    "hi": "क्या कब कहाँ कहां कैसे क्यों कौन कितना कितने कितनी kya kab kahan kaise kyun kaun",
}
#: What closes or carries a question where no mark need stand (folded); searched anywhere or at a sentence's end.
_CLOSERS: dict[str, str] = {
    "ja": r"(?:ですか|ますか|ましたか|でしょうか|ませんか|のか|かな|たいんですが)(?=[。.!、\s]|$)",
    "zh": (
        r"(?:吗|嗎|呢|么|么样|怎么办|怎么样|什么时候|多少钱|哪里|哪儿|请问|為什麼|为什么)(?=[。.!,，、\s]|$)"
        r"|^(?:请问|為什麼|为什么|怎么|什么时候|哪里)"
    ),
    "th": r"(?:ไหม|มั้ย|หรือเปล่า|หรือยัง|เมื่อไหร่|เท่าไหร่|ยังไง|ที่ไหน|อย่างไร|ทำไม)(?:ครับ|คะ|ค่ะ|บ้าง)?(?=[\s.]|$)",
    "hi": r"(?:क्या|कब|कहाँ|कहां|कैसे|क्यों)\b",
}
_MARKS = re.compile(r"[?？؟;⁇՞፧¿]")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
#: A Greek question mark looks like a semicolon and folds to one; elsewhere a semicolon asks nothing.
_SEMICOLONS = frozenset(";;")


def _opener(words: str) -> re.Pattern[str]:
    single, *phrases = words.split("|")
    choices = "|".join(sorted(map(re.escape, [*single.split(), *phrases]), key=len, reverse=True))
    return re.compile(rf"(?:^|[.!。…\n]\s*|^@\S+\s+)(?:¿\s*)?({choices})\b(?=[^.!\n]{{3,}})", re.IGNORECASE)


_OPENING = {language: _opener(words) for language, words in _OPENERS.items()}
_CLOSING = {language: re.compile(pattern, re.IGNORECASE) for language, pattern in _CLOSERS.items()}
#: In these languages an opening interrogative without a mark is as often a statement ("when I came", "quando arrivai"),
#: so it counts only in a text of one short sentence.
_SHORT = 90


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
    if opening and len(plain) <= _SHORT and "!" not in plain and (match := opening.match(plain.strip())):
        shift = len(plain) - len(plain.lstrip())
        return [(match.start(1) + shift, match.end(1) + shift)]
    return []
