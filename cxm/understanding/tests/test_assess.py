"""What the door promises: any text is survived, the same text is always judged the same, unknown is said."""

from __future__ import annotations

import dataclasses
import random

import pytest

from cxm.understanding.api import Verdict, assess, explain

HOSTILE = {
    "empty": "",
    "spaces": " \t\n\u2003 ",
    "nul": "\x00",
    "nul inside": "Das ist\x00 leider nicht gut",
    "a megabyte on one line": "ab" * 500_000,
    "a megabyte of words": "schlecht " * 120_000,
    "ten thousand combining marks": "e" + "\u0301" * 10_000,
    "mixed combining marks": "a" + "\u0301\u0316\u0345\u0327" * 2_500,
    "lone surrogates": "\ud800\udfff\udc00 ok",
    "emoji only": "😍😍😍",
    "emoji family": "👨‍👩‍👧‍👦🏳️‍🌈",
    "one letter": "a",
    "digits": "0123456789" * 30,
    "punctuation": "?!?!?!" * 500,
    "expanding under NFKC": "\ufdfa" * 2_000,
    "private use": "\ue000\ue001" * 20,
    "bidi": "\u202eabc\u2066def",
    "addresses": "https://example.org/a?b=c " * 200 + "@a @b c@d.example",
    "noncharacters": "\uffff\U0010ffff\ufdd0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_judged_without_harm(name: str) -> None:
    verdict = assess([HOSTILE[name]])[0]
    assert verdict.sentiment in (None, "negative", "neutral", "positive")
    assert set(verdict.emotions) <= set(verdict.assessed)
    for part in explain(HOSTILE[name]).carried:
        for span in part.spans:
            assert 0 <= span.start < span.end <= len(HOSTILE[name])


def test_nothing_in_gives_nothing_out() -> None:
    assert assess([]) == []
    assert assess(["", "   ", "😍", "12345"]) == [Verdict()] * 4


def test_one_by_one_and_in_any_batch_the_verdicts_are_the_same() -> None:
    texts = [*HOSTILE.values(), "Danke, alles super!", "Where is my order?", "这个太差了", "Merci beaucoup, c'était parfait"] * 7
    alone = [assess([text])[0] for text in texts]
    assert assess(texts) == alone
    order = list(range(len(texts)))
    random.Random(3).shuffle(order)
    assert assess([texts[index] for index in order]) == [alone[index] for index in order]
    assert len({dataclasses.astuple(verdict) for verdict in alone}) > 5


def test_hints_tip_the_balance_but_do_not_overrule() -> None:
    german = "Das Paket ist leider immer noch nicht angekommen und niemand meldet sich"
    assert assess([german], ["fr"])[0].language == "de"
    assert assess(["สวัสดีครับ"], ["en"])[0].language == "th"
    assert assess(["hello my friend"], ["not a tag at all"])[0].language in ("en", "und")
    with pytest.raises(ValueError, match="as many"):
        assess(["a", "b"], ["en"])


def test_a_language_without_sentiment_training_gets_no_sentiment() -> None:
    verdicts = assess(["Η εξυπηρέτηση ήταν απαίσια και δεν θα ξαναέρθω ποτέ", "배송이 너무 늦어서 화가 납니다"])
    assert [verdict.language for verdict in verdicts] == ["el", "ko"]
    assert [verdict.sentiment for verdict in verdicts] == [None, None]
    assert [verdict.assessed for verdict in verdicts] == [(), ()]


def test_short_and_ambiguous_texts_are_in_no_language() -> None:
    assert [verdict.language for verdict in assess(["ok", "lol", "Hotel", "no", "taxi"])] == ["und"] * 5


def test_explanation_points_at_the_words() -> None:
    text = "The room was nice but the breakfast was horrible and disgusting."
    explanation = explain(text)
    assert explanation.verdict == assess([text])[0]
    assert explanation.verdict.sentiment == "negative"
    shown = {text[span.start : span.end] for part in explanation.carried if part.of == "sentiment" for span in part.spans}
    assert "disgusting" in shown or "horrible" in shown
    question = "  Where is my parcel?  "
    marks = [question[span.start : span.end] for part in explain(question).carried if part.value == "question" for span in part.spans]
    assert marks == ["?"]


def test_explanation_in_a_script_without_spaces_is_narrower_than_the_text() -> None:
    text = "今天好幸福啊，爱你，太棒了，开心"
    parts = [part for part in explain(text).carried if part.of == "emotions"]
    assert parts
    assert all(span.end - span.start < len(text) // 2 for part in parts for span in part.spans)
