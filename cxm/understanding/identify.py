"""Which language a text is in, or honestly none: the script first, then the model within that script, then a margin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cxm.understanding.features import Batch, score, word_mask
from cxm.understanding.languages import DECIDING, SCRIPTS, UNKNOWN, count_scripts
from cxm.understanding.model import Model

#: Fewer letters than this name no language where neither the script nor a hint decides.
LEAST_LETTERS = 8
#: A model's ``leaning`` to frequent languages fades to nothing at this many letters.
LEANING_LETTERS = 120
#: Added to the logit of a language that the channel hints at.
HINT_BONUS = 2.0
#: The best language must hold at least this share of the probability.
LEAST_SHARE = 0.6

_BLOCK = 16
_HAN, _KANA = SCRIPTS.index("Han"), SCRIPTS.index("Kana")
_DECIDED: tuple[str | None, ...] = tuple(DECIDING.get(script) for script in SCRIPTS)


def logits(model: Model, batch: Batch, scripts: NDArray[np.int64]) -> NDArray[np.float32]:
    """One logit per text and language; languages not written in the text's script are at -1e9."""
    hidden = score(batch, model.grams, model.width) * model.gram_scale
    raw = np.concatenate([block @ model.outputs for block in _blocks(hidden)])[: len(hidden)] + model.output_bias
    return np.where(model.allowed[scripts], raw, np.float32(-1e9))


def _blocks(hidden: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Blocks of always the same shape: the product rounds alike in every batch, and is too small for a library to start threads."""
    padded = np.zeros((-(-len(hidden) // _BLOCK) * _BLOCK, hidden.shape[1]), dtype=np.float32)
    padded[: len(hidden)] = hidden
    return [padded[begin : begin + _BLOCK] for begin in range(0, len(padded), _BLOCK)]


def identify(model: Model, batch: Batch, hints: Sequence[str | None]) -> list[str]:
    """The tag of each text, ``und`` where it is too short, ambiguous, or in no language the model knows."""
    if len(batch.counts) == 0:
        return []
    counts = count_scripts(batch.codes, word_mask(batch.codes), batch.starts)
    scripts = counts.argmax(axis=1)
    letters = counts.sum(axis=1)
    japanese = (counts[:, _KANA] > 0) & (counts[:, _KANA] * 8 >= counts[:, _HAN])
    scripts[japanese & np.isin(scripts, (_HAN, _KANA))] = _KANA
    values = logits(model, batch, scripts)
    fade = np.clip(1 - letters / LEANING_LETTERS, 0, 1).astype(np.float32)
    values += fade[:, None] * model.leaning[None, :]
    hinted = _lean(model, values, hints)
    best = values.argmax(axis=1)
    share = 1 / np.exp(values - values.max(axis=1, keepdims=True)).sum(axis=1)
    named: list[str] = []
    for row in range(len(best)):
        decided = _DECIDED[scripts[row]]
        if letters[row] == 0:
            named.append(UNKNOWN)
        elif decided is not None:
            named.append(decided)
        elif (letters[row] < LEAST_LETTERS and best[row] != hinted[row]) or share[row] < LEAST_SHARE or values[row, best[row]] < -1e8:
            named.append(UNKNOWN)
        else:
            named.append(model.languages[best[row]])
    return named


def _lean(model: Model, values: NDArray[np.float32], hints: Sequence[str | None]) -> list[int]:
    """Favour the hinted languages in place; returns each text's hinted column, -1 for none."""
    columns = [model.places.get(hint.split("-")[0].lower(), -1) if hint else -1 for hint in hints]
    for row, column in enumerate(columns):
        if column >= 0:
            values[row, column] += HINT_BONUS
    return columns
