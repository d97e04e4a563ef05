"""Which words carried a verdict: each n-gram's weight is shared among its characters, then summed over words."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxm.understanding.contracts import Carried, Explanation, Span
from cxm.understanding.courtesy import furious, without_thanks
from cxm.understanding.cues import cue_spans
from cxm.understanding.features import READ_CHARACTERS, SLOTS, Batch, featurise, fold, rows, word_spans
from cxm.understanding.judge import SENTIMENTS, judge
from cxm.understanding.model import Model, shipped
from cxm.understanding.questions import question_spans

#: Words shown per verdict, and the share of the strongest word's weight that another needs to be shown.
_MOST_SPANS = 5
_LEAST_SHARE = 0.3
_TOKEN = re.compile(r"\S+")
_EDGES = re.compile(r"^\W*(.*?)\W*$", re.DOTALL)
#: Scripts written without spaces: here a unit is a character, and neighbours are joined.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U000323af]")


@dataclass(frozen=True, slots=True)
class _Laid:
    """A text's folding with the way back: ``owners`` gives the original (start, end) of each laid-out character."""

    batch: Batch
    units: list[tuple[int, int]]
    owners: NDArray[np.int64]


def carried_by(text: str, hint: str | None) -> Explanation:
    """The verdict on ``text`` and what carried it."""
    verdict = judge([text], [hint])[0]
    model = shipped()
    laid = _lay(without_thanks(text))
    sour = tuple(Span(start, end) for start, end in furious(text[:READ_CHARACTERS])[:_MOST_SPANS])
    carried: list[Carried] = []
    if verdict.sentiment is not None:
        others = [name for name in SENTIMENTS if name != verdict.sentiment]
        carried.append(Carried("sentiment", verdict.sentiment, sour or _spans(model, laid, verdict.sentiment, others)))
    for name in verdict.emotions:
        carried.append(Carried("emotions", name, sour if sour and name == "anger" else _spans(model, laid, name)))
    for name in verdict.intents:
        carried.append(Carried("intents", name, _intent_spans(text[:READ_CHARACTERS], verdict.language, name)))
    if verdict.spam:
        carried.append(Carried("spam", "true", _spans(model, laid, "spam")))
    return Explanation(verdict, tuple(part for part in carried if part.spans))


def _intent_spans(read: str, language: str, name: str) -> tuple[Span, ...]:
    found = question_spans(read, language) if name == "question" else cue_spans(read, language, name)
    return tuple(Span(start, end) for start, end in found[:_MOST_SPANS])


def _lay(text: str) -> _Laid:
    units: list[tuple[int, int]] = []
    owners: list[int] = []
    pieces: list[str] = []
    for match in _TOKEN.finditer(text[:READ_CHARACTERS]):
        folded = fold(match.group())
        if not folded:
            continue
        pieces.append(folded)
        owners += _own(match, folded, units)
        owners.append(-1)
    laid = " ".join(pieces)
    batch = featurise([laid])
    full = np.array([-1, *owners[:-1], -1, -1] if owners else [-1, -1, -1], dtype=np.int64)
    return _Laid(batch, units, full[batch.origins])


def _own(match: re.Match[str], folded: str, units: list[tuple[int, int]]) -> list[int]:
    """Append the units of one token and return the unit of each of its folded characters."""
    token, start = match.group(), match.start()
    if len(folded) == len(token) and _UNSPACED.search(token):
        first = len(units)
        units += [(start + offset, start + offset + 1) for offset in range(len(token))]
        return list(range(first, first + len(token)))
    inner = _EDGES.match(token)
    low, high = inner.span(1) if inner and inner.group(1) else (0, len(token))
    units.append((start + low, start + high))
    return [len(units) - 1] * len(folded)


def _spans(model: Model, laid: _Laid, column: str, against: list[str] | None = None) -> tuple[Span, ...]:
    weights = _by_character(model, laid.batch, column, against or [])
    totals = np.zeros(len(laid.units), dtype=np.float64)
    owned = laid.owners >= 0
    np.add.at(totals, laid.owners[owned], weights[owned])
    if not len(totals) or totals.max() <= 0:
        return ()
    chosen = [int(unit) for unit in np.argsort(-totals, kind="stable") if totals[unit] >= _LEAST_SHARE * totals.max()]
    return _joined(sorted(laid.units[unit] for unit in chosen[: _MOST_SPANS * 3]), [laid.units[unit] for unit in chosen])


def _joined(places: list[tuple[int, int]], by_strength: list[tuple[int, int]]) -> tuple[Span, ...]:
    merged: list[list[int]] = []
    for start, end in places:
        if merged and start == merged[-1][1]:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    rank = {place: order for order, place in enumerate(by_strength)}
    strongest = sorted(merged, key=lambda span: min(rank.get(place, 99) for place in places if span[0] <= place[0] < span[1]))
    return tuple(Span(start, end) for start, end in sorted(map(tuple, strongest[:_MOST_SPANS])))


def _by_character(model: Model, batch: Batch, column: str, against: list[str]) -> NDArray[np.float64]:
    at = rows(batch.hashes, model.head_bits)
    values = model.head(column, at)
    for name in against:
        values = values - model.head(name, at) / len(against)
    values = values.reshape(-1, SLOTS).astype(np.float64)
    size = len(batch.codes)
    weights = np.zeros(size + 8, dtype=np.float64)
    for order in range(2, 6):
        for offset in range(order):
            weights[offset : offset + size] += values[:, order - 2] / order
    previous = None
    for begin, end in zip(*(edge.tolist() for edge in word_spans(batch.codes)), strict=True):
        weights[begin:end] += values[begin, 4] / (end - begin)
        if previous:
            weights[begin:end] += values[begin, 5] / 2 / (end - begin)
            weights[previous[0] : previous[1]] += values[begin, 5] / 2 / (previous[1] - previous[0])
        previous = (begin, end)
    return weights[:size]
