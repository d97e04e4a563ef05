"""From scores to verdicts: what each head may say, in which languages, from which threshold on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    return [
        _verdict(model, text, language, dict(zip(model.columns, row, strict=True)))
        for text, language, row in zip(spoken, languages, scores.tolist(), strict=True)
    ]


def sentiment_of(scores: Mapping[str, float]) -> str:
    return max(SENTIMENTS, key=scores.__getitem__)


def _verdict(model: Model, text: str, language: str, scores: Mapping[str, float]) -> Verdict:
    facts = model.facts
    asks = bool(question_spans(text[:READ_CHARACTERS], language))
    if language == UNKNOWN:
        return Verdict(intents=("question",), verdicts_by="fast") if asks else Verdict()
    sentiment = sentiment_of(scores) if language in facts["sentiment_languages"] else None
    assessed = tuple(facts["assessed"].get(language, ()))
    thresholds = facts["thresholds"]
    emotions = tuple(name for name in assessed if scores[name] > max(thresholds[name], EMOTION_FROM[name]))
    if sentiment is not None and furious(text[:READ_CHARACTERS]):
        sentiment = "negative"
        emotions = tuple(name for name in assessed if name == "anger" or (name in emotions and name != "joy"))
    intents = cued_intents(text[:READ_CHARACTERS], language, sentiment)
    if asks:
        intents.append("question")
    spam = scores["spam"] > thresholds["spam"] if language in facts["spam_languages"] else None
    return Verdict(language, sentiment, emotions, assessed, tuple(sorted(intents)), spam, None, "fast")
