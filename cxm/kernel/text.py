"""Text: what is kept of it, and how it becomes the tokens that every engine searches.

One tokeniser feeds the in-memory matcher and every search engine, so a query means the same everywhere:

- compatibility forms are unified (NFKC), case is folded, accents are folded for Latin, Greek and Cyrillic only;
- words are Unicode words with their combining marks (UAX #29: an apostrophe or dot between letters, a dot or comma between
  digits does not end one). A joined word stands at one position together with its parts, so ``acme`` finds ``Acme's``;
- in scripts without spaces every grapheme is one position, and holds that grapheme and the pair it begins;
- ``#tags`` and ``@handles`` are kept and stand beside their bare word; an emoji sequence is one token, and stands beside
  itself without its skin tone.

Everything is linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import NamedTuple

import regex

#: Longest token kept (characters); a longer word is cut there, in documents and in queries alike.
TOKEN_LIMIT = 200

# Character classes come from the `regex` package's Unicode tables; the scanning itself is done by `re`, which is several times as
# fast on classes this large as long as they stay in the basic plane. Beyond it whole blocks are classed alike.
_EVERY = "".join(map(chr, (*range(0x80, 0xD800), *range(0xE000, 0x10000))))
_FAR_LETTERS = "\U00010000-\U0001afef\U0001b170-\U0001cfff\U0001d400-\U0001d7ff\U0001df00-\U0001efff"
_FAR_SPACELESS = "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
_FAR_MARKS = "\U000e0100-\U000e01ef"
_FAR_PICTURES = "\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff"


def _characters(properties: str) -> str:
    """The inside of a character class: every non-ASCII character that has ``properties``."""
    runs = (match[0] for match in regex.finditer(f"{properties}+", _EVERY, flags=regex.V1))
    return "".join(f"{run[0]}-{run[-1]}" for run in runs)


# Scripts that write no spaces, with the marks Japanese writes between its letters.
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆〇"


@cache
def _spaceless() -> str:
    return _characters(f"[{_SPACELESS}]") + _FAR_SPACELESS


@cache
def _any_spaceless() -> re.Pattern[str]:
    return re.compile(f"[{_spaceless()}]")


@cache
def _words() -> re.Pattern[str]:
    """The pieces of a text. Made for the first text beyond ASCII: classes this large take a while, and most processes meet none."""
    spaceless = _spaceless()
    marks = _characters(rf"[\p{{M}}--[{_SPACELESS}]]") + "\u200c\u200d\u00ad" + _FAR_MARKS
    letters = "a-zA-Z" + _characters(rf"[\p{{L}}--[{_SPACELESS}]]") + _FAR_LETTERS
    digits = "0-9" + _characters(rf"[\p{{N}}--[{_SPACELESS}]]")
    run = f"[{letters}{digits}_][{letters}{digits}_{marks}]*+"
    pictures = _characters(r"[\p{ExtPict}]") + _FAR_PICTURES
    picture = f"[{pictures}][\U0001f3fb-\U0001f3ff\ufe0e\ufe0f\U000e0020-\U000e007f]*+"
    not_inside = f"(?<![{letters}{digits}{marks}{spaceless}_].)"
    return re.compile(
        rf"(?P<word>{run}(?:(?:['.](?<=[{letters}{marks}].)(?=[{letters}])|[.,'](?<=[{digits}].)(?=[{digits}])){run})*+(?!\uFE0F?\u20E3))"
        rf"|(?P<unspaced>[{spaceless}][{spaceless}{marks}]*+)"
        rf"|(?P<tag>\#{not_inside}[{spaceless}{letters}{digits}_][{spaceless}{letters}{digits}_{marks}]*+)"
        rf"|(?P<handle>@{not_inside}{run}(?:[.-]{run})*+)"
        rf"|(?P<emoji>[\U0001F1E6-\U0001F1FF]{{2}}|{picture}(?:\u200D{picture})*+|[0-9#*]\uFE0F?\u20E3)"
    )


_PLAIN = re.compile("[\u3041-\u3096\u30a1-\u30fc\u3400-\u4dbf\u4e00-\u9fff々〆〇]+")
_ASCII = re.compile(
    r"[a-z0-9_]+(?:(?:['.](?<=[a-z].)(?=[a-z])|[.,'](?<=[0-9].)(?=[0-9]))[a-z0-9_]+)*"
    r"|\#(?<![a-z0-9_].)[a-z0-9_]+|@(?<![a-z0-9_].)[a-z0-9_]+(?:[.-][a-z0-9_]+)*"
)
_SCRIPTS_WITH_FOLDED_ACCENTS = regex.compile(r"([\p{Latin}\p{Greek}\p{Cyrillic}])\p{Mn}+")
_GRAPHEMES = regex.compile(r"\X")
_JOINTS = re.compile(r"['.\-]")
_TONES = regex.compile(r"[\U0001F3FB-\U0001F3FF\uFE0E\uFE0F]")
_UNWANTED = regex.compile(r"[\u200c\u200d\u00ad\uFE0E\uFE0F]")
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe"})
_BROKEN = re.compile("[\x00\ud800-\udfff]")
# One character for one, so that offsets stand: spaces, the ellipsis, apostrophes, full-width ASCII.
_SIMPLE = {
    **dict.fromkeys((160, *range(8192, 8203), 8230, 8239, 8287, 12288), " "),
    **dict.fromkeys((8217, 8216, 700, 65287), "'"),
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
}
_HAS_SIMPLE = re.compile(f"[{''.join(map(chr, _SIMPLE))}]")


class Token(NamedTuple):
    """One searchable piece: ``text`` (folded), ``position`` (words, or graphemes in scripts without spaces, from 0), and where
    it stands in the text it was made from (``start`` and ``end``, characters)."""

    text: str
    position: int
    start: int
    end: int


# Half the price of Token(...): a mention has dozens.
_new: Callable[[tuple[str, int, int, int]], Token] = partial(tuple.__new__, Token)  # pyright: ignore


def normalise(text: str) -> str:
    """``text`` as it is kept: NFC, with NUL and lone surrogates turned into U+FFFD."""
    if text.isascii():
        return text.replace("\x00", "\ufffd") if "\x00" in text else text
    return unicodedata.normalize("NFC", _BROKEN.sub("\ufffd", text))


def fold(text: str) -> str:
    """``text`` for comparing: NFKC, case folded, accents folded for Latin, Greek and Cyrillic; spaces stay."""
    if text.isascii():
        return text.lower()
    folded = _nfkc(_nfkc(text.translate(_SIMPLE)).casefold())
    folded = _SCRIPTS_WITH_FOLDED_ACCENTS.sub(r"\1", unicodedata.normalize("NFD", folded)).translate(_LETTERS)
    return unicodedata.normalize("NFC", folded)


def tokens(text: str) -> list[Token]:
    """All tokens of ``text`` as a document, by position: several may share one."""
    return _ascii(text) if text.isascii() else _unicode(text, document=True)


def plain_words(text: str) -> str | None:
    """The tokens of ``text`` as a document with a space between, where each has a position of its own and none is left out;
    otherwise None. Most texts are so, and this is several times as fast as :func:`tokens`."""
    if text.isascii():
        found = _ASCII.findall(text.lower())
    else:
        text, _ = _compatible(text)
        if _any_spaceless().search(text):
            return None
        written = _pieces_only().findall(text)
        if len(text) > TOKEN_LIMIT and max(map(len, written), default=0) > TOKEN_LIMIT:
            return None
        found = list(map(_folded, written))
    whole = "".join(found)
    if len(whole) > TOKEN_LIMIT and max(map(len, found)) > TOKEN_LIMIT:
        return None
    return " ".join(found) if whole.isalnum() or not found else None


def placed(text: str) -> list[tuple[str, int]]:
    """Text and position of each of the :func:`tokens`, for those who need not know where it was written."""
    if not text.isascii():
        return _placed(text)
    found: list[tuple[str, int]] = []
    for position, word in enumerate(_ASCII.findall(text.lower())):
        if len(word) <= TOKEN_LIMIT and word.isalnum():
            found.append((word, position))
        else:
            found.extend((piece, position) for piece in _pieces(word))
    return found


def terms(text: str) -> list[Token]:
    """The tokens that a document must hold, at these relative positions, to contain ``text``: one for each word, and the pairs
    of a run in a script without spaces (the grapheme itself where the run is a single one)."""
    return _unicode(text, document=False)


def surface(text: str) -> str:
    """``text`` as written, for exact comparison: NFC and one kind of apostrophe, nothing folded."""
    return unicodedata.normalize("NFC", text).replace("\u2019", "'")


def _ascii(text: str) -> list[Token]:
    found: list[Token] = []
    add = found.append
    for position, match in enumerate(_ASCII.finditer(text.lower())):
        word = match[0]
        start, end = match.span()
        if end - start <= TOKEN_LIMIT and word.isalnum():
            add(_new((word, position, start, end)))
        else:
            for piece in _pieces(word):
                add(_new((piece, position, start, end)))
    return found


def _pieces(word: str) -> list[str]:
    """A folded word and what it is also found by: its bare form without ``#`` or ``@``, and its parts."""
    pieces = [word[:TOKEN_LIMIT]]
    bare = word[1:] if word[0] in "#@" else word
    if bare is not word:
        pieces.append(bare[:TOKEN_LIMIT])
    if any(joint in bare for joint in "'.-") and any(letter.isalpha() for letter in bare[:TOKEN_LIMIT]):
        pieces.extend(part[:TOKEN_LIMIT] for part in _JOINTS.split(bare) if len(part) > 1)
    return list(dict.fromkeys(pieces)) if len(pieces) > 1 else pieces


@cache
def _pieces_only() -> re.Pattern[str]:
    """The words without groups: only what was found, at half the price. Made on first use: it takes longer than all other patterns."""
    return re.compile(re.sub(r"\?P<\w+>", "?:", _words().pattern))


@lru_cache(maxsize=65_536)
def _folded(word: str) -> str:
    return word.lower() if word.isascii() else _UNWANTED.sub("", fold(word))


def _nfkc(text: str) -> str:
    """NFKC, except that Thai and Lao AM stay one letter: taken apart they would be two graphemes."""
    return unicodedata.normalize("NFKC", text).replace("\u0e4d\u0e32", "\u0e33").replace("\u0ecd\u0eb2", "\u0eb3")


def _compatible(text: str) -> tuple[str, list[int] | None]:
    """NFKC of ``text`` and, where lengths changed, the original offset of each of its characters (and of its end)."""
    if _HAS_SIMPLE.search(text):
        text = text.translate(_SIMPLE)
    if unicodedata.is_normalized("NFKC", text) or _nfkc(text) == text:
        return text, None
    out: list[str] = []
    offsets: list[int] = []
    for match in _GRAPHEMES.finditer(text):
        changed = _nfkc(match[0])
        out.append(changed)
        offsets.extend([match.start()] * len(changed))
    offsets.append(len(text))
    return "".join(out), offsets


def _unicode(text: str, *, document: bool) -> list[Token]:
    text, offsets = _compatible(text)
    found: list[Token] = []
    position = 0
    for match in _words().finditer(text):
        position = _take(found, match, position, document)
    if offsets is None:
        return found
    last = len(offsets) - 1
    return [Token(t.text, t.position, offsets[t.start], _end(offsets, t.end, last)) for t in found]


def _take(found: list[Token], match: re.Match[str], position: int, document: bool) -> int:
    """Add the tokens of one piece of text; the position after it."""
    word, kind = match[0], match.lastgroup
    start, end = match.span()
    if kind == "word" and end - start <= TOKEN_LIMIT and (folded := _folded(word)).isalnum():
        found.append(_new((folded[:TOKEN_LIMIT], position, start, end)))
        return position + 1
    if kind == "unspaced":
        return _unspaced(found, word, position, start, document)
    if kind == "emoji":
        found.extend(_new((piece, position, start, end)) for piece in _pictures(word, document))
        return position + 1
    if kind == "tag" and not word.isascii():
        return _tag(found, word, position, start, document)
    return _word(found, word, position, start, document)


def _placed(text: str) -> list[tuple[str, int]]:
    """As :func:`_unicode`, with a short way for what most texts consist of."""
    text, _ = _compatible(text)
    found: list[tuple[str, int]] = []
    add = found.append
    position = 0
    for match in _words().finditer(text):
        word, kind = match[0], match.lastgroup
        if kind == "unspaced" and _PLAIN.fullmatch(word):
            before = word[0]
            for letter in word[1:]:
                add((before, position))
                add((before + letter, position))
                before = letter
                position += 1
            add((before, position))
            position += 1
        elif kind == "word" and len(word) <= TOKEN_LIMIT and (folded := _folded(word)).isalnum():
            add((folded[:TOKEN_LIMIT], position))
            position += 1
        else:
            others: list[Token] = []
            position = _take(others, match, position, document=True)
            found.extend((token.text, token.position) for token in others)
    return found


def _end(offsets: list[int], end: int, last: int) -> int:
    """The original end of a token: where the next original character begins, also where one became several."""
    at = offsets[end - 1]
    while end < last and offsets[end] == at:
        end += 1
    return offsets[end]


def _word(found: list[Token], word: str, position: int, start: int, document: bool) -> int:
    folded = _folded(word) if len(word) <= TOKEN_LIMIT else _folded(word[: TOKEN_LIMIT * 4])
    if not folded:
        return position
    pieces = _pieces(folded) if document else [folded[:TOKEN_LIMIT]]
    found.extend(Token(piece, position, start, start + len(word)) for piece in pieces)
    return position + 1


def _tag(found: list[Token], word: str, position: int, start: int, document: bool) -> int:
    """A hashtag in another script: whole, and in documents its inside as ordinary text; it takes as many positions in both."""
    found.append(Token(_folded(word)[:TOKEN_LIMIT], position, start, start + len(word)))
    inside = _unicode(word[1:], document=True)
    if document:
        found.extend(Token(t.text, position + t.position, start + 1 + t.start, start + 1 + t.end) for t in inside)
    return position + 1 + (inside[-1].position if inside else 0)


def _pictures(sequence: str, document: bool) -> list[str]:
    whole = sequence.replace("\ufe0f", "").replace("\ufe0e", "")[:TOKEN_LIMIT]
    plain = _TONES.sub("", whole)
    return [whole, plain] if document and plain and plain != whole else [whole]


def _unspaced(found: list[Token], run: str, position: int, start: int, document: bool) -> int:
    if document and _PLAIN.fullmatch(run):
        return _letters(found, run, position, start)
    graphemes, folded = _graphemes(run)
    last = len(folded) - 1
    for at, single in enumerate(folded):
        end = start + len(graphemes[at])
        if document or last == 0:
            found.append(_new((single, position, start, end)))
        if at < last:
            found.append(_new(((single + folded[at + 1])[:TOKEN_LIMIT], position, start, end + len(graphemes[at + 1]))))
        start = end
        position += 1
    return position


def _letters(found: list[Token], run: str, position: int, start: int) -> int:
    """A run where each letter is one grapheme: letter, pair, letter, pair, ..., letter."""
    add = found.append
    for letter, pair in zip(run, map(str.__add__, run, run[1:]), strict=False):
        add(_new((letter, position, start, start + 1)))
        add(_new((pair, position, start, start + 2)))
        position += 1
        start += 1
    add(_new((run[-1], position, start, start + 1)))
    return position + 1


def _graphemes(run: str) -> tuple[list[str], list[str]]:
    """The graphemes of a run, as written and folded."""
    if _PLAIN.fullmatch(run):
        plain = list(run)
        return plain, plain
    graphemes: list[str] = []
    folded: list[str] = []
    for grapheme in _GRAPHEMES.findall(run):
        if single := _folded(grapheme)[:TOKEN_LIMIT]:
            graphemes.append(grapheme)
            folded.append(single)
        elif graphemes:  # a soft hyphen is a grapheme by itself, and nothing to search for
            graphemes[-1] += grapheme
    return graphemes, folded
