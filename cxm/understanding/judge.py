"""From scores to verdicts: what each head may say, in which languages, from which threshold on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from cxm.understanding.contracts import Verdict
from cxm.understanding.courtesy import furious, without_thanks
from cxm.understanding.cues import cued_intents
from cxm.understanding.features import READ_CHARACTERS, Batch, featurise, fold, score
from cxm.understanding.identify import identify
from cxm.understanding.languages import UNKNOWN
from cxm.understanding.model import Model, shipped
from cxm.understanding.questions import question_spans

SENTIMENTS = ("negative", "neutral", "positive")

#: From which logit on an emotion is said to be present. Training's thresholds balance F1, which names too much: a person who reads
#: “fear” on a late parcel stops believing the rest. These are where precision reaches 0.70 on BRIGHTER's dev parts (8 languages,
#: measured 2026-11-22: recall anger 0.44, disgust 0.56, fear 0.68, joy 0.45, sadness 0.27, surprise 0.36).
EMOTION_FROM = {"anger": -0.31, "disgust": -0.57, "fear": -0.91, "joy": -0.51, "sadness": 0.08, "surprise": -0.35}


def head_scores(model: Model, batch: Batch) -> NDArray[np.float32]:
    """The heads' logits: (texts, columns)."""
    return score(batch, model.heads, len(model.columns)) * model.head_scale + model.head_bias


@dataclass(frozen=True, slots=True)
class _Judged:
    """What is judged in one language: ``places`` are the emotions with their columns."""

    sentiment: bool
    spam: bool
    assessed: tuple[str, ...]
    places: tuple[tuple[str, int], ...]


@lru_cache(maxsize=1024)
def _judged_in(language: str) -> _Judged:
    model = shipped()
    assessed = tuple(model.facts["assessed"].get(language, ()))
    places = tuple((name, model.columns.index(name)) for name in assessed)
    return _Judged(language in model.facts["sentiment_languages"], language in model.facts["spam_languages"], assessed, places)


@cache
def _least() -> NDArray[np.float64]:
    """From which logit on each column's verdict is said; sentiments are never said so: the highest of them is."""
    model = shipped()
    thresholds = model.facts["thresholds"]
    return np.array([max(thresholds.get(name, np.inf), EMOTION_FROM.get(name, -np.inf)) for name in model.columns])


def judge(texts: Sequence[str], hints: Sequence[str | None]) -> list[Verdict]:
    """One verdict per text of one chunk."""
    if not texts:
        return []
    model = shipped()
    batch = featurise([fold(text) for text in texts])
    languages = identify(model, batch, hints)
    scores = head_scores(model, batch)
    spoken = [without_thanks(text) for text in texts]
    if polite := [index for index, text in enumerate(texts) if spoken[index] is not text]:
        scores[polite] = head_scores(model, featurise([fold(spoken[index]) for index in polite]))
    moods = scores[:, [model.columns.index(name) for name in SENTIMENTS]].argmax(axis=1).tolist()
    found = (scores > _least()).tolist()
    spam = model.columns.index("spam")
    return [
        _verdict(text[:READ_CHARACTERS], language, SENTIMENTS[mood], row, row[spam])
        for text, language, mood, row in zip(spoken, languages, moods, found, strict=True)
    ]


def _verdict(text: str, language: str, mood: str, found: Sequence[bool], spam: bool) -> Verdict:
    asks = bool(question_spans(text, language))
    if language == UNKNOWN:
        return Verdict(intents=("question",), verdicts_by="fast") if asks else Verdict()
    judged = _judged_in(language)
    sentiment = mood if judged.sentiment else None
    emotions = tuple([name for name, at in judged.places if found[at]])
    if sentiment is not None and furious(text):
        sentiment = "negative"
        emotions = tuple(name for name in judged.assessed if name == "anger" or (name in emotions and name != "joy"))
    intents = cued_intents(text, language, sentiment)
    if asks:
        intents.append("question")
    return Verdict(language, sentiment, emotions, judged.assessed, tuple(sorted(intents)), spam if judged.spam else None, None, "fast")
