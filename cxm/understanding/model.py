"""The fast tier's weights: one compact file beside this module, loaded once and kept as int8."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxm.understanding.features import pack
from cxm.understanding.languages import COMMON, FREQUENT

MODEL_FILE = Path(__file__).parent / "models" / "fast.npz"


@dataclass(frozen=True, slots=True)
class Model:
    """What training left behind.

    ``heads`` (rows, columns) with ``head_scale`` and ``head_bias`` per column, named by ``columns``; ``grams`` (rows, width) with
    ``gram_scale`` is the language model's input side, ``outputs`` (width, languages) and ``output_bias`` its output
    side; ``allowed`` (scripts, languages) says which languages are written in which script. ``facts`` is what training decided:
    thresholds and the languages each head may judge. ``leaning`` is what a language's logit gains or loses in the shortest text (the
    frequent gain, the rare lose). Both tables are packed (``features.pack``).
    """

    columns: tuple[str, ...]
    heads: NDArray[np.uint64]
    head_scale: NDArray[np.float32]
    head_bias: NDArray[np.float32]
    grams: NDArray[np.uint64]
    gram_scale: NDArray[np.float32]
    outputs: NDArray[np.float32]
    output_bias: NDArray[np.float32]
    allowed: NDArray[np.bool_]
    languages: tuple[str, ...]
    places: dict[str, int]
    leaning: NDArray[np.float32]
    facts: dict[str, Any]

    @property
    def head_bits(self) -> int:
        return int(self.heads.shape[0]).bit_length() - 1

    @property
    def width(self) -> int:
        return len(self.gram_scale)

    def head(self, name: str, at: NDArray[np.int64]) -> NDArray[np.float32]:
        """One head's weights at rows of the table."""
        index = self.columns.index(name)
        column = self.heads.view(np.uint8)[:, index][at].astype(np.float32) - 128
        return column * self.head_scale[index]


def save(path: Path, facts: dict[str, Any], **arrays: NDArray[Any]) -> None:
    """Write a model file; ``facts`` holds ``columns`` and ``languages`` and the decisions of training."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, facts=np.frombuffer(text, dtype=np.uint8), **arrays)  # pyright: ignore[reportArgumentType]


def read(path: Path) -> Model:
    with np.load(path, allow_pickle=False) as stored:
        facts = json.loads(stored["facts"].tobytes())
        languages = tuple(facts["languages"])
        return Model(
            columns=tuple(facts["columns"]),
            heads=pack(stored["heads"]),
            head_scale=stored["head_scale"],
            head_bias=stored["head_bias"],
            grams=pack(stored["grams"]),
            gram_scale=stored["gram_scale"],
            outputs=stored["outputs"].astype(np.float32),
            output_bias=stored["output_bias"],
            allowed=stored["allowed"].astype(np.bool_),
            languages=languages,
            places={tag: place for place, tag in enumerate(languages)},
            leaning=np.array([1.5 * (tag in FREQUENT) - 4.0 * (tag not in COMMON) for tag in languages], dtype=np.float32),
            facts=facts,
        )


@cache
def shipped() -> Model:
    """The model of this installation, read on first use."""
    return read(MODEL_FILE)
