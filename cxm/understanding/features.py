"""From texts to table rows: folding and hashed n-grams, vectorised over a whole batch.

A text is folded (``NFKC`` then ``casefold``; addresses of pages, people and mailboxes become one mark each, digits become 0, a
character repeated more than twice is kept twice) and laid into one code-point array with all the others. Every position of that
array then yields six features: the character n-grams of 2, 3, 4 and 5 that start there and do not cross a space (the space itself
may stand first or last, so a gram knows that it begins or ends a word), the word that starts there, and that word with the one
before it. What is a feature there points to a row of a table; row 0 is always zero and stands once before the features of each
text, so that none is without a row. A few texts at a time, gathers and ``add.reduceat`` score them while they fit the processor's own memory.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

#: Characters of a text that are read; what comes after adds cost and hardly ever changes a verdict.
READ_CHARACTERS = 2000
#: Folding can make text longer (U+FDFA becomes 18 characters); this many folded characters are kept.
FOLDED_CHARACTERS = 2400
#: Features per position: n-grams of 2..5, the word, the pair of words.
SLOTS = 6
#: The two marks that stand for an address of a page and of a mailbox (private use, so no text brings them along by chance).
LINK_MARK = "\ue000"
MAIL_MARK = "\ue001"

_ADDRESSES = re.compile(r"(?:https?://|www\.)\S+|[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,63}|@[\w<>]{1,50}")
_BROKEN = re.compile("[\x00\ud800-\udfff\ue000\ue001]")

_SPACE = 32
_END = 10
_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_BASE = 0xD6E8FEB86659FD93
_INVERSE = pow(_BASE, -1, 1 << 64)
_EVEN = np.uint64(0x00FF00FF00FF00FF)
#: Summands that fit a lane of 16 bits: 252 * 255 < 65,536.
_PIECE = 252
#: Rows summed at once: more would go through the machine's memory, which takes several times as long.
_AT_ONCE = 8192
_ASTRAL_SYMBOLS = (0x1F000, 0x20000)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch ready to be scored.

    ``codes`` are the folded code points of all texts; text ``i`` owns ``codes[starts[i]:starts[i + 1]]`` (``starts`` has one
    more entry than there are texts). ``hashes`` has one row of ``SLOTS`` 32-bit hashes per position, 0 meaning "no feature".
    ``features`` are those of them that are, text after text, each text's after a 0; ``counts`` are the features of each text;
    ``origins`` says which character of the laid-out texts each position was (repeated characters were dropped).
    """

    codes: NDArray[np.uint32]
    starts: NDArray[np.int64]
    origins: NDArray[np.int64]
    hashes: NDArray[np.uint32]
    features: NDArray[np.uint32]
    counts: NDArray[np.int64]


def _mark(match: re.Match[str]) -> str:
    found = match.group()
    if found[0] == "@":
        return "@"
    return MAIL_MARK if "@" in found and "/" not in found else LINK_MARK


def fold(text: str) -> str:
    """The folded text as the models see it: never fails, whatever the text holds; at most ``FOLDED_CHARACTERS`` long."""
    text = text[:READ_CHARACTERS]
    if not text.isascii() or "\x00" in text:
        text = _BROKEN.sub("\ufffd", text)
        text = unicodedata.normalize("NFKC", text)
    if "@" in text or "://" in text or "www." in text:
        text = _ADDRESSES.sub(_mark, text)
    return " ".join(text.casefold()[:FOLDED_CHARACTERS].split())


@cache
def _word_table() -> NDArray[np.bool_]:
    """Which code points of the basic plane belong to words: letters, marks, digits (categories L, M, N)."""
    table = np.zeros(0x10000, dtype=np.bool_)
    for code in range(0x10000):
        table[code] = unicodedata.category(chr(code))[0] in "LMN"
    return table


def word_mask(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """True where a code point belongs to a word; beyond the basic plane all but the emoji planes do."""
    inside = _word_table()[np.minimum(codes, 0xFFFF)]
    astral = codes > 0xFFFF
    if astral.any():
        low, high = _ASTRAL_SYMBOLS
        inside[astral] = (codes[astral] < low) | (codes[astral] >= high)
    return inside


def lay_out(folded: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
    """All folded texts in one code-point array, each as `` text \\n`` (so that every text has at least three positions).

    Returns the codes, where each text starts, and the origin of each code (see ``Batch``).
    """
    joined = "".join([f" {text} \n" for text in folded])
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).copy()
    codes[(codes >= 48) & (codes <= 57)] = 48
    keep = np.ones(len(codes), dtype=np.bool_)
    keep[2:] = (codes[2:] != codes[1:-1]) | (codes[2:] != codes[:-2])
    lengths = np.fromiter((len(text) + 3 for text in folded), dtype=np.int64, count=len(folded))
    starts = np.zeros(len(folded) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    origins = np.flatnonzero(keep)
    if len(origins) < len(codes):
        kept_before = np.zeros(len(codes) + 1, dtype=np.int64)
        np.cumsum(keep, out=kept_before[1:])
        starts = kept_before[starts]
        codes = codes[keep]
    return codes, starts, origins


def _mixed(values: NDArray[np.uint64], salt: int) -> NDArray[np.uint32]:
    mixed = values ^ np.uint64(salt * 0x51ED270B)
    mixed ^= mixed >> np.uint64(32)
    mixed *= _MIX
    mixed >>= np.uint64(32)
    return mixed.astype(np.uint32) | np.uint32(1)  # never 0: that is "no feature"


def _grams(codes: NDArray[np.uint32], hashes: NDArray[np.uint32]) -> None:
    size = len(codes)
    wide = codes.astype(np.uint64)
    blank = (codes == _SPACE) | (codes == _END)
    end = codes == _END
    rolling = (wide + np.uint64(0x9DC5)) * _PRIME
    valid = ~end
    for order in range(2, 6):
        ahead = order - 1
        if size <= ahead:
            return
        rolling[:-ahead] = (rolling[:-ahead] ^ wide[ahead:]) * _PRIME
        valid[-ahead:] = False
        valid[:-ahead] &= ~end[ahead:]
        if order > 2:
            valid[:-ahead] &= ~blank[ahead - 1 : size - 1]
        hashes[:, order - 2] = np.where(valid, _mixed(rolling, order), 0)


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    powers = np.full(count, base, dtype=np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def word_spans(codes: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of the runs of word characters."""
    inside = word_mask(codes)
    edges = np.diff(inside.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def _words(codes: NDArray[np.uint32], starts: NDArray[np.int64], hashes: NDArray[np.uint32]) -> None:
    begins, ends = word_spans(codes)
    if not len(begins):
        return
    size = len(codes)
    sums = np.zeros(size + 1, dtype=np.uint64)
    np.cumsum((codes.astype(np.uint64) + np.uint64(1)) * _powers(_BASE, size), out=sums[1:])
    words = (sums[ends] - sums[begins]) * _powers(_INVERSE, size)[begins]
    hashes[begins, 4] = _mixed(words, 6)
    owner = np.searchsorted(starts, begins, side="right")
    together = owner[1:] == owner[:-1]
    pairs = _mixed(words[:-1] * _PRIME + words[1:], 7)
    hashes[begins[1:], 5] = np.where(together, pairs, 0)


def featurise(folded: Sequence[str]) -> Batch:
    """The features of folded texts. Two equal texts have equal features, whatever stands beside them in the batch."""
    codes, starts, origins = lay_out(folded)
    hashes = np.zeros((len(codes), SLOTS), dtype=np.uint32)
    _grams(codes, hashes)
    _words(codes, starts, hashes)
    flat = hashes.reshape(-1)
    taken = flat != 0
    # A text begins with a space, where no word begins: its last slot is free for the 0 that stands before the text's features.
    begins = starts[:-1] * SLOTS
    taken[begins + SLOTS - 1] = True
    counts = np.add.reduceat(taken, begins, dtype=np.int64) - 1 if len(folded) else np.zeros(0, dtype=np.int64)
    return Batch(codes, starts, origins, hashes, flat[taken], counts)


def rows(hashes: NDArray[np.uint32], bits: int) -> NDArray[np.int64]:
    """Table rows of hashes, flat, for a table of ``2 ** bits`` rows; row 0 stays "no feature"."""
    flat = hashes.reshape(-1)
    shortened = (flat >> np.uint32(32 - bits)).astype(np.int64)
    shortened[(shortened == 0) & (flat != 0)] = 1
    return shortened


def pack(table: NDArray[np.int8]) -> NDArray[np.uint64]:
    """A table (rows, columns) of int8 as ``score`` reads it: each weight plus 128 in one byte, eight columns in one word.

    The columns are filled up to a multiple of eight with zeros; no memory but the table's own is kept.
    """
    height, columns = table.shape
    padded = np.zeros((height, -(-columns // 8) * 8), dtype=np.int8)
    padded[:, :columns] = table
    lifted = padded.view(np.uint8)
    lifted ^= np.uint8(0x80)  # in place: the process is to stay small
    return lifted.view("<u8")


def score(batch: Batch, packed: NDArray[np.uint64], columns: int) -> NDArray[np.float32]:
    """Sum of a packed table's rows over each text's features, divided by the root of their number: (texts, columns).

    Bytes are summed eight at a time: the even and the odd ones of each word are spread to lanes of 16 bits, which hold 252 summands,
    and the sums of these pieces are summed again. Exact integers, five times as fast as summing int8 columns one by one.
    """
    if len(batch.counts) == 0:
        return np.zeros((0, columns), dtype=np.float32)
    at = rows(batch.features, int(packed.shape[0]).bit_length() - 1)
    sizes = batch.counts + 1
    pieces = -(-sizes // _PIECE)
    first = np.cumsum(pieces) - pieces
    within = np.arange(pieces.sum()) - np.repeat(first, pieces)
    cuts = np.append(np.repeat(np.cumsum(sizes) - sizes, pieces) + within * _PIECE, len(at))
    lanes = np.empty((len(cuts) - 1, packed.shape[1] * 8), dtype=np.int32)
    for begin, end in _parts(cuts):
        gathered = packed.take(at[cuts[begin] : cuts[end]], axis=0)
        places = cuts[begin:end] - cuts[begin]
        lanes[begin:end, 0::2] = np.add.reduceat(gathered & _EVEN, places, axis=0).view("<u2")
        gathered >>= np.uint64(8)
        gathered &= _EVEN
        lanes[begin:end, 1::2] = np.add.reduceat(gathered, places, axis=0).view("<u2")
    sums = np.add.reduceat(lanes[:, :columns], first, axis=0) - 128 * sizes[:, None]
    return sums.astype(np.float32) / np.sqrt(np.maximum(batch.counts, 1)).astype(np.float32)[:, None]


def _parts(cuts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Runs of pieces (first, behind the last) of so many rows as are summed at once."""
    begin = 0
    while begin < len(cuts) - 1:
        end = max(int(np.searchsorted(cuts, cuts[begin] + _AT_ONCE, side="right")) - 1, begin + 1)
        yield begin, end
        begin = end
