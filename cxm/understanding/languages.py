"""Languages and scripts: which tags the models know, which scripts decide alone, which languages are common.

Tags are BCP 47 (ISO 639-1 where there is one, else ISO 639-3), without a script. Script ranges are blocks of the Unicode standard,
joined where one script owns several.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "und"

#: (first code point, last, script); letters outside all of these count as "Other".
_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x61, 0x7A, "Latin"), (0xDF, 0x24F, "Latin"), (0x250, 0x2AF, "Latin"), (0x370, 0x3FF, "Greek"), (0x400, 0x52F, "Cyrillic"),
    (0x530, 0x58F, "Armenian"), (0x5D0, 0x5F4, "Hebrew"), (0x620, 0x6D3, "Arabic"), (0x6D4, 0x6FF, "Arabic"),
    (0x700, 0x74F, "Syriac"), (0x750, 0x77F, "Arabic"), (0x780, 0x7BF, "Thaana"), (0x7C0, 0x7FF, "Nko"),
    (0x900, 0x97F, "Devanagari"), (0x980, 0x9FF, "Bengali"), (0xA00, 0xA7F, "Gurmukhi"), (0xA80, 0xAFF, "Gujarati"),
    (0xB00, 0xB7F, "Oriya"), (0xB80, 0xBFF, "Tamil"), (0xC00, 0xC7F, "Telugu"), (0xC80, 0xCFF, "Kannada"),
    (0xD00, 0xD7F, "Malayalam"), (0xD80, 0xDFF, "Sinhala"), (0xE00, 0xE7F, "Thai"), (0xE80, 0xEFF, "Lao"),
    (0xF00, 0xFFF, "Tibetan"), (0x1000, 0x109F, "Myanmar"), (0x10A0, 0x10FF, "Georgian"), (0x1100, 0x11FF, "Hangul"),
    (0x1200, 0x139F, "Ethiopic"), (0x13A0, 0x13FF, "Cherokee"), (0x1400, 0x167F, "Canadian"), (0x1780, 0x17FF, "Khmer"),
    (0x1800, 0x18AF, "Mongolian"), (0x1C90, 0x1CBF, "Georgian"), (0x1E00, 0x1EFF, "Latin"), (0x1F00, 0x1FFF, "Greek"),
    (0x2C60, 0x2C7F, "Latin"), (0x2D30, 0x2D7F, "Tifinagh"), (0x3041, 0x30FF, "Kana"), (0x3130, 0x318F, "Hangul"),
    (0x31F0, 0x31FF, "Kana"), (0x3400, 0x4DBF, "Han"), (0x4E00, 0x9FFF, "Han"), (0xA000, 0xA4CF, "Yi"), (0xA500, 0xA63F, "Vai"),
    (0xA640, 0xA69F, "Cyrillic"), (0xA720, 0xA7FF, "Latin"), (0xA980, 0xA9DF, "Javanese"), (0xAA60, 0xAA7F, "Myanmar"),
    (0xAB70, 0xABBF, "Cherokee"), (0xAC00, 0xD7AF, "Hangul"), (0xF900, 0xFAFF, "Han"), (0x1E900, 0x1E95F, "Adlam"),
    (0x20000, 0x323AF, "Han"),
)  # fmt: skip

SCRIPTS: tuple[str, ...] = ("None", "Other", *sorted({script for _, _, script in _RANGES}))

#: Scripts that one language of the net owns: the script decides, however short the text.
DECIDING: dict[str, str] = {
    "Greek": "el", "Armenian": "hy", "Georgian": "ka", "Hangul": "ko", "Thai": "th", "Lao": "lo", "Khmer": "km", "Thaana": "dv",
    "Gurmukhi": "pa", "Gujarati": "gu", "Oriya": "or", "Tamil": "ta", "Telugu": "te", "Kannada": "kn", "Malayalam": "ml",
    "Sinhala": "si", "Cherokee": "chr", "Yi": "ii", "Kana": "ja", "Han": "zh",
}  # fmt: skip

_COMMON = (
    "af am ar az be bg bn bs ca ceb cs cy da de el en eo es et eu fa fi fil fr ga gl gu ha he hi hr hu hy id ig is it ja jv ka kk km kn"
    " ko ku ky lb lo lt lv mg mi mk ml mn mr ms mt my nb ne nl nn ny om or pa pl ps pt ro ru rw sd si sk sl sn so sq sr st su sv sw"
    " ta te tg th ti tk tl tn tr ts tt tw ug uk ur uz vi xh yi yo zh zu"
)
#: Languages people write most on the net; any other needs a longer text and a clearer margin before its name is said.
COMMON: frozenset[str] = frozenset(_COMMON.split())

#: The languages of most posts: where a short text leaves several open, these are likelier before a word is read.
FREQUENT: frozenset[str] = frozenset(("ar", "de", "en", "es", "fr", "hi", "id", "it", "nl", "pt", "ru", "tr"))

_STARTS = np.array([first for first, _, _ in _RANGES], dtype=np.uint32)
_ENDS = np.array([last for _, last, _ in _RANGES], dtype=np.uint32)
_IDS = np.array([SCRIPTS.index(script) for _, _, script in _RANGES], dtype=np.int64)
_NONE, _OTHER = SCRIPTS.index("None"), SCRIPTS.index("Other")


def scripts_of(codes: NDArray[np.uint32], letters: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The script (index into ``SCRIPTS``) of every folded code point; "None" where it is no letter."""
    where = np.maximum(np.searchsorted(_STARTS, codes, side="right") - 1, 0)
    inside = (codes >= _STARTS[where]) & (codes <= _ENDS[where])
    found = np.where(inside, _IDS[where], _OTHER)
    return np.where(letters & (codes != 48), found, _NONE)


def count_scripts(codes: NDArray[np.uint32], letters: NDArray[np.bool_], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Letters of each script in each text: (texts, scripts); the column "None" is zero."""
    texts = len(starts) - 1
    owner = np.repeat(np.arange(texts), np.diff(starts))
    counts = np.bincount(owner * len(SCRIPTS) + scripts_of(codes, letters), minlength=texts * len(SCRIPTS))
    counts = counts.reshape(texts, len(SCRIPTS))
    counts[:, _NONE] = 0
    return counts
