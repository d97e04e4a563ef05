"""Figures: macro-F1 per language, thresholds chosen on held-back training texts, languages told apart at a given length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxm.understanding.features import featurise, fold
from cxm.understanding.identify import identify
from cxm.understanding.model import read
from cxm.understanding.training import data
from cxm.understanding.training.data import EMOTIONS, SENTIMENTS, Row

SINGLE = ("spam",)
_GRID = np.arange(-4.0, 3.0, 0.1)


def f1(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    return float(2 * (found & wanted).sum() / max(1, found.sum() + wanted.sum()))


def macro(found: NDArray[np.int64], wanted: NDArray[np.int64]) -> float:
    return float(np.mean([f1(found == index, wanted == index) for index in range(len(SENTIMENTS))]))


def _labels(rows: Sequence[Row], name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    known = np.array([index for index, row in enumerate(rows) if name in row.labels], dtype=np.int64)
    return known, np.array([rows[index].labels[name] > 0 for index in known], dtype=np.bool_)


def thresholds(rows: Sequence[Row], scores: NDArray[np.float32], columns: Sequence[str], emotions: Sequence[str]) -> dict[str, float]:
    """One threshold for each yes-or-no head, the same for all languages: the best mean F1 over sources."""
    chosen: dict[str, float] = {}
    for name in (*emotions, *SINGLE):
        known, wanted = _labels(rows, name)
        column = scores[known, columns.index(name)]
        sources = np.array([rows[index].source for index in known])
        masks = [sources == source for source in sorted(set(sources.tolist()))]
        masks = [mask for mask in masks if wanted[mask].sum() >= 5]
        results = [float(np.mean([f1(column[mask] > limit, wanted[mask]) for mask in masks])) if masks else 0.0 for limit in _GRID]
        chosen[name] = round(float(_GRID[int(np.argmax(results))]), 2) if masks else 0.0
    return chosen


def figures(rows: Sequence[Row], scores: NDArray[np.float32], columns: Sequence[str], limits: dict[str, float]) -> dict[str, Any]:
    """Per source: macro-F1 of sentiment, F1 of each emotion and of each single head, on dev."""
    found: dict[str, Any] = {"sentiment": {}, "emotions": defaultdict(dict), "single": defaultdict(dict)}
    by_source: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        by_source[f"{row.source}|{row.language}"].append(index)
    for source, members in sorted(by_source.items()):
        some, values = [rows[index] for index in members], scores[members]
        known = [index for index, row in enumerate(some) if "neutral" in row.labels]
        if known:
            wanted = np.array([[some[index].labels[name] for name in SENTIMENTS] for index in known]).argmax(axis=1)
            found["sentiment"][source] = round(macro(values[known, :3].argmax(axis=1), wanted), 3)
        for name in (*EMOTIONS, *SINGLE):
            places, positive = _labels(some, name)
            if len(places) and positive.any():
                result = round(f1(values[places, columns.index(name)] > limits[name], positive), 3)
                found["emotions" if name in EMOTIONS else "single"][source][name] = result
    own = [index for index, row in enumerate(rows) if row.source == "own"]
    for name in SINGLE:
        places, positive = _labels([rows[index] for index in own], name)
        if positive.any():
            hits = scores[own][places, columns.index(name)] > limits[name]
            found["single"]["own|all"][name] = {"f1": round(f1(hits, positive), 3), "rows": len(places), "positive": int(positive.sum())}
    for family in ("umsab", "afrisenti", "brighter"):
        values = [value for source, value in found["sentiment"].items() if source.startswith(family)]
        found.setdefault("means", {})[f"sentiment {family}"] = round(float(np.mean(values)), 3)
    found["means"]["emotions brighter"] = round(float(np.mean([np.mean(list(v.values())) for v in found["emotions"].values()])), 3)
    return found


def decisions(found: dict[str, Any], least_sentiment: float, least_emotion: float) -> dict[str, Any]:
    """Which languages may be judged: the mean over a language's sources decides."""
    sentiments: dict[str, list[float]] = defaultdict(list)
    for source, value in found["sentiment"].items():
        if source != "umsab/hindi|hi":  # half English in Latin letters; its figure says nothing about Hindi
            sentiments[source.split("|")[1]].append(value)
    emotions: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for source, values in found["emotions"].items():
        for name, value in values.items():
            emotions[source.split("|")[1]][name].append(value)
    return {
        "sentiment_languages": sorted(tag for tag, values in sentiments.items() if np.mean(values) >= least_sentiment),
        "assessed": {
            tag: [name for name in EMOTIONS if name in values and np.mean(values[name]) >= least_emotion]
            for tag, values in sorted(emotions.items())
        },
    }


def language_figures(folder: Path, path: Path) -> dict[str, Any]:
    """How often ``identify`` names the right language, rules and margins included, per file and length of window."""
    model = read(path)
    pools: dict[str, list[str]] = defaultdict(list)
    wanted: dict[str, str] = {}
    for row in data.declaration(folder):
        if row.part == "dev":
            pools[row.source].append(row.text)
            wanted[row.source] = row.language
    result: dict[str, Any] = {}
    for length in (20, 40, 120):
        right: dict[str, float] = {}
        silent: list[float] = []
        for source, texts in pools.items():
            joined = " ".join(texts)
            windows = [joined[begin : begin + length] for begin in range(0, max(1, len(joined) - length + 1), 60)][:20]
            named = identify(model, featurise([fold(text) for text in windows]), [None] * len(windows))
            right[source] = float(np.mean([tag == wanted[source] for tag in named]))
            silent.append(float(np.mean([tag == "und" for tag in named])))
        result[f"{length} characters"] = {
            "files": len(right),
            "languages": len(set(wanted.values())),
            "languages at 80 %": len({wanted[source] for source, value in right.items() if value >= 0.8}),
            "files at 80 %": sum(value >= 0.8 for value in right.values()),
            "mean": round(float(np.mean(list(right.values()))), 3),
            "said und": round(float(np.mean(silent)), 3),
        }
        result["below 80 % at 120"] = {source: round(value, 2) for source, value in sorted(right.items()) if value < 0.8}
    return result
