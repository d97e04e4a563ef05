"""Trains the language model: random windows of declarations and of social texts, a factored classifier masked by script."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxm.understanding.features import featurise, fold, lay_out, rows, word_mask
from cxm.understanding.languages import COMMON, SCRIPTS, count_scripts
from cxm.understanding.training.data import Row
from cxm.understanding.training.linear import Table, forward, softmax

BITS = 16
WIDTH = 32
#: Social texts of these sets are too mixed to teach a language (Hindi tweets in Latin letters are half English).
SKIPPED_SOURCES = frozenset({"umsab/hindi"})


@dataclass(slots=True)
class LanguageWeights:
    grams: NDArray[np.float32]
    outputs: NDArray[np.float32]
    bias: NDArray[np.float32]
    allowed: NDArray[np.bool_]
    languages: tuple[str, ...]


class Sampler:
    """Draws windows: a language by weight, then one of its kinds of text, then a piece of 10 to 250 characters."""

    def __init__(self, texts: Sequence[Row], seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.pools: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for row in texts:
            if row.source not in SKIPPED_SOURCES:
                self.pools[row.language][row.source.split("/")[0]].append(fold(row.text))
        self.languages = tuple(sorted(self.pools))
        weights = np.array([3.0 if tag in COMMON else 1.0 for tag in self.languages])
        self.chances = weights / weights.sum()

    def draw(self, count: int) -> tuple[list[str], NDArray[np.int64]]:
        picked = self.random.choice(len(self.languages), count, p=self.chances)
        return [self._window(self.languages[index]) for index in picked], picked

    def _window(self, language: str) -> str:
        pools = self.pools[language]
        kinds = sorted(pools)
        texts = pools[kinds[int(self.random.integers(len(kinds)))]]
        text = texts[int(self.random.integers(len(texts)))]
        size = int(np.exp(self.random.uniform(np.log(12), np.log(250))))
        if len(text) <= size:
            return text
        begin = int(self.random.integers(len(text) - size))
        if begin:
            begin = text.find(" ", begin) + 1 or begin
        window = text[begin : begin + size]
        return window.rsplit(" ", 1)[0] if " " in window else window


def dominant_scripts(folded: Sequence[str]) -> NDArray[np.int64]:
    codes, starts, _ = lay_out(folded)
    return count_scripts(codes, word_mask(codes), starts).argmax(axis=1)


def scripts_allowed(sampler: Sampler) -> NDArray[np.bool_]:
    """(scripts, languages): a language may be named in a script when at least 4 % of its texts are in it."""
    allowed = np.zeros((len(SCRIPTS), len(sampler.languages)), dtype=np.bool_)
    for index, tag in enumerate(sampler.languages):
        for texts in sampler.pools[tag].values():
            counts = np.bincount(dominant_scripts(texts[:400]), minlength=len(SCRIPTS))
            allowed[:, index] |= counts >= max(2, 0.04 * counts.sum())
    allowed[0] = False
    return allowed


def train(
    texts: Sequence[Row], *, steps: int, rate: float = 0.1, output_rate: float = 0.1, size: int = 128, seed: int = 0
) -> LanguageWeights:
    sampler = Sampler(texts, seed)
    allowed = scripts_allowed(sampler)
    table = Table(BITS, WIDTH, rate, seed, spread=0.1)
    outputs = np.zeros((WIDTH, len(sampler.languages)), dtype=np.float32)
    squares = np.full_like(outputs, 1e-4)
    bias = np.zeros(len(sampler.languages), dtype=np.float32)
    for step in range(steps):
        windows, wanted = sampler.draw(size)
        batch = featurise(windows)
        at = rows(batch.hashes, BITS)
        hidden = forward(batch, at, table.weights)
        mask = allowed[dominant_scripts(windows)]
        mask[np.arange(size), wanted] = True
        gradient = softmax(np.where(mask, hidden @ outputs + bias, np.float32(-1e9)))
        gradient[np.arange(size), wanted] -= 1
        fading = 1 - 0.9 * step / steps
        table.rate = rate * fading
        back = gradient @ outputs.T
        slope = hidden.T @ gradient
        squares += slope**2
        outputs -= output_rate * fading * slope / np.sqrt(squares)
        table.step(batch, at, back, 0.0)
    return LanguageWeights(table.weights, outputs, bias, allowed, sampler.languages)
