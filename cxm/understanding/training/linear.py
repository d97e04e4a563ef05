"""Training in numpy alone: linear heads and a small factored classifier over the hashed features, by Adagrad in small batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cxm.understanding.features import SLOTS, Batch, featurise, rows


def _norms(batch: Batch) -> NDArray[np.float32]:
    return (1.0 / np.sqrt(np.maximum(batch.counts, 1))).astype(np.float32)


def forward(batch: Batch, at: NDArray[np.int64], table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised sums of table rows: (texts, columns)."""
    return np.add.reduceat(table.take(at, axis=0), batch.starts[:-1] * SLOTS, axis=0) * _norms(batch)[:, None]


class Table:
    """A hashed weight table with one Adagrad accumulator for each row."""

    def __init__(self, bits: int, columns: int, rate: float, seed: int = 0, spread: float = 0.0) -> None:
        generator = np.random.default_rng(seed)
        self.bits = bits
        self.weights = (generator.standard_normal((1 << bits, columns)) * spread).astype(np.float32)
        self.weights[0] = 0
        self.squares = np.zeros(1 << bits, dtype=np.float32)
        self.rate = rate

    def step(self, batch: Batch, at: NDArray[np.int64], gradient: NDArray[np.float32], decay: float) -> None:
        """One step for the gradient with respect to the normalised sums (texts, columns)."""
        scaled = gradient * _norms(batch)[:, None]
        owner = np.repeat(np.arange(len(batch.counts)), np.diff(batch.starts) * SLOTS)
        taken = np.flatnonzero(at)
        order = taken[np.argsort(at[taken], kind="stable")]
        sorted_rows = at[order]
        heads = np.flatnonzero(np.diff(sorted_rows, prepend=-1))
        touched = sorted_rows[heads]
        summed = np.add.reduceat(scaled.take(owner[order], axis=0), heads, axis=0)
        self.squares[touched] += np.square(summed).mean(axis=1)
        pace = (self.rate / np.sqrt(self.squares[touched] + 1e-8))[:, None]
        self.weights[touched] = self.weights[touched] * (1 - np.minimum(pace * decay, 0.5)) - pace * summed


def train_heads(
    folded: Sequence[str], targets: NDArray[np.float32], weights: NDArray[np.float32], *, bits: int, soft: int, epochs: int, rate: float,
    decay: float, seed: int = 0, size: int = 64,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Weights (rows, columns), averaged over the later epochs, and bias: the first ``soft`` columns are one softmax, the others one sigmoid each.

    ``weights`` (texts, columns) is 0 where a label is unknown.
    """
    generator = np.random.default_rng(seed)
    table = Table(bits, targets.shape[1], rate)
    bias = np.zeros(targets.shape[1], dtype=np.float32)
    bias_squares = np.full(targets.shape[1], 1e-2, dtype=np.float32)
    averaged, kept = np.zeros_like(table.weights), 0
    for epoch in range(epochs):
        table.rate = rate * (1 - 0.8 * epoch / max(1, epochs - 1))
        order = generator.permutation(len(folded))
        for begin in range(0, len(order), size):
            chosen = order[begin : begin + size]
            batch = featurise([folded[int(index)] for index in chosen])
            at = rows(batch.hashes, bits)
            logits = forward(batch, at, table.weights) + bias
            gradient = (_probabilities(logits, soft) - targets[chosen]) * weights[chosen]
            table.step(batch, at, gradient, decay)
            total = gradient.sum(axis=0)
            bias_squares += total**2
            bias -= 0.3 * rate * total / np.sqrt(bias_squares)
        if epoch >= epochs // 2:
            averaged += table.weights
            kept += 1
    return averaged / np.float32(kept), bias


def _probabilities(logits: NDArray[np.float32], soft: int) -> NDArray[np.float32]:
    result = np.float32(1) / (np.float32(1) + np.exp(-np.clip(logits, np.float32(-20), np.float32(20))))
    result[:, :soft] = softmax(logits[:, :soft])
    return result


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def quantise(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 weights and one scale for each column; the largest thousandth is clipped, which costs nothing measurable."""
    scale = np.maximum(np.quantile(np.abs(weights[np.any(weights != 0, axis=1)]), 0.9995, axis=0), 1e-9) / 127
    return np.clip(np.rint(weights / scale), -127, 127).astype(np.int8), scale.astype(np.float32)
