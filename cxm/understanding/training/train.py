"""Trains the shipped fast tier and writes ``models/fast.npz`` and ``models/figures.json``.

    OMP_NUM_THREADS=1 python -m cxm.understanding.training.train --data DIR [--out FILE]

One thread, about five minutes, under 2 GB of memory; the same data and numpy give the same file. Thresholds are chosen on a tenth
of the training texts (a quarter of our own) that no step saw; figures are measured on the sets' dev parts, which decide nothing but which languages are
shown at all.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxm.understanding.features import featurise, fold, pack, score
from cxm.understanding.model import MODEL_FILE, save
from cxm.understanding.training import data, language, measure
from cxm.understanding.training.data import EMOTIONS, SENTIMENTS, Row
from cxm.understanding.training.linear import quantise, train_heads

COLUMNS = (*SENTIMENTS, *EMOTIONS, "spam")
HEAD_BITS = 18
#: A language's sentiment is shown when its dev macro-F1 over three classes reaches this (chance is 0.33), an emotion when its dev
#: F1 does.
LEAST_SENTIMENT = 0.5
LEAST_EMOTION = 0.4
#: Weight of a label that only follows from another.
WEAK = 0.1
_HARD = ("anger", "disgust", "fear", "sadness")


def derive_sentiment(rows: list[Row]) -> None:
    """Where a language has no sentiment labels, take polarity from its emotion labels: joy alone is positive, any of anger, disgust,
    fear and sadness without joy negative, none of them neutral; mixed ones say nothing."""
    labelled = {row.language for row in rows if row.part == "train" and "neutral" in row.labels} - {"hi"}
    for row in rows:
        if row.source.startswith("brighter") and row.language not in labelled:
            bad, good = any(row.labels.get(name) for name in _HARD), bool(row.labels.get("joy"))
            if not (bad and good):
                row.labels |= data.one_sentiment("negative" if bad else "positive" if good else "neutral")


def derive_absence(rows: list[Row]) -> None:
    """Few rows speak of spam, so the many others say faintly that they are none: ordinary posts hardly ever are."""
    for row in rows:
        if "neutral" in row.labels and row.source != "own":
            row.weak = {"spam": 0.0}


def weight_of(row: Row) -> float:
    if row.source == "own":
        return 4.0
    return 2.0 if row.source.startswith("umsab") else 1.0


def matrices(rows: list[Row]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Targets and weights, (texts, columns); a weight of 0 where a set does not speak of a label."""
    targets = np.zeros((len(rows), len(COLUMNS)), dtype=np.float32)
    weights = np.zeros_like(targets)
    for index, row in enumerate(rows):
        for name, value in row.labels.items():
            if name in COLUMNS:
                targets[index, COLUMNS.index(name)] = value
                weights[index, COLUMNS.index(name)] = weight_of(row)
        for name in row.weak:
            weights[index, COLUMNS.index(name)] = WEAK
    return targets, weights


def labelled_rows(folder: Path) -> list[Row]:
    rows = data.without_leaks(chain(data.umsab(folder), data.afrisenti(folder), data.brighter(folder), data.sms_spam(folder), data.own()))
    derive_sentiment(rows)
    derive_absence(rows)
    return rows


def heads(rows: list[Row]) -> tuple[dict[str, NDArray[Any]], dict[str, Any], dict[str, Any]]:
    """Arrays, decisions and figures of the linear heads."""
    tune = [row for row in rows if row.part == "train" and data.bucket("tune" + row.text, 4 if row.source == "own" else 10) == 0]
    kept_back = {id(row) for row in tune}
    seen = [row for row in rows if row.part == "train" and id(row) not in kept_back]
    dev = [row for row in rows if row.part == "dev"]
    targets, weights = matrices(seen)
    trained, bias = train_heads(
        [fold(row.text) for row in seen], targets, weights, bits=HEAD_BITS, soft=len(SENTIMENTS), epochs=7, rate=0.25, decay=1e-4
    )
    table, scale = quantise(trained)
    packed = pack(table)
    arrays = {"heads": table, "head_scale": scale, "head_bias": bias}

    def judged(some: list[Row]) -> NDArray[np.float32]:
        folded = [fold(row.text) for row in some]
        chunks = [score(featurise(folded[begin : begin + 64]), packed, len(COLUMNS)) for begin in range(0, len(folded), 64)]
        return np.concatenate(chunks) * scale + bias

    thresholds = measure.thresholds(tune, judged(tune), COLUMNS, EMOTIONS)
    figures = measure.figures(dev, judged(dev), COLUMNS, thresholds)
    facts = {"thresholds": thresholds, **measure.decisions(figures, LEAST_SENTIMENT, LEAST_EMOTION)}
    facts["spam_languages"] = ["en"]
    return arrays, facts, figures


def languages(folder: Path, rows: list[Row], steps: int) -> tuple[dict[str, NDArray[Any]], tuple[str, ...], dict[str, Any]]:
    """Arrays, names and figures of the language model."""
    texts = data.without_leaks(chain(data.declaration(folder), data.xed(folder))) + [row for row in rows if row.source != "sms-spam"]
    train_part = [row for row in texts if row.part == "train" and row.source != "own"]
    learnt = language.train(train_part, steps=steps)
    grams, scale = quantise(learnt.grams)
    arrays: dict[str, NDArray[Any]] = {
        "grams": grams, "gram_scale": scale, "outputs": learnt.outputs.astype(np.float16), "output_bias": learnt.bias,
        "allowed": learnt.allowed,
    }  # fmt: skip
    return arrays, learnt.languages, {"texts": len(train_part), "languages": len(learnt.languages)}


def stored(path: Path) -> tuple[dict[str, NDArray[Any]], tuple[str, ...], dict[str, Any]]:
    """The language model that a file already holds, as ``languages`` returns it."""
    with np.load(path, allow_pickle=False) as arrays:
        names = tuple(json.loads(arrays["facts"].tobytes())["languages"])
        return (
            {name: arrays[name] for name in ("grams", "gram_scale", "outputs", "output_bias", "allowed")},
            names,
            {"languages": len(names)},
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=MODEL_FILE)
    parser.add_argument("--keep-language", action="store_true", help="train the heads alone; the language model stays as it is")
    parser.add_argument("--steps", type=int, default=5000, help="steps of the language model")
    given = parser.parse_args(arguments)
    rows = labelled_rows(given.data)
    head_arrays, facts, figures = heads(rows)
    language_arrays, names, language_figures = stored(given.out) if given.keep_language else languages(given.data, rows, given.steps)
    save(given.out, {"columns": list(COLUMNS), "languages": list(names), **facts}, **head_arrays, **language_arrays)
    figures["language"] = {**language_figures, **measure.language_figures(given.data, given.out)}
    text = json.dumps(figures, indent=1, sort_keys=True, ensure_ascii=False)
    given.out.with_name("figures.json").write_text(text + "\n", "utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
