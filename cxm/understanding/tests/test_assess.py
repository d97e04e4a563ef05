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


@pytest.mark.parametrize(
    ("plain", "thanks"),
    [
        ("Is the app down?", " Thanks"), ("Could you send me the invoice please,", " thank you!"), ("Wann kommt mein Paket?", " Vielen Dank im Voraus."),
        ("¿Abren el domingo?", " Muchas gracias"), ("Pouvez-vous m'envoyer la facture ?", " Merci d'avance"), ("请问什么时候发货？", "谢谢"),
    ],
)  # fmt: skip
def test_a_thanks_that_closes_a_question_is_courtesy(plain: str, thanks: str) -> None:
    bare, polite = assess([plain, plain + thanks], ["und", "und"])
    assert (polite.sentiment, polite.emotions, polite.intents) == (
        bare.sentiment,
        bare.emotions,
        bare.intents,
    ) or bare.language != polite.language
    assert "praise" not in polite.intents and polite.sentiment != "positive" and "joy" not in polite.emotions


def test_a_thanks_that_is_the_message_is_praise() -> None:
    for text in ("The bun is back, thank you!", "Ihr seid toll, danke!", "Thank you! If you ever open in Lima, call me."):
        (verdict,) = assess([text], [None])
        assert (verdict.sentiment, "praise" in verdict.intents) == ("positive", True), text


def test_who_is_furious_is_not_pleased_and_the_word_is_shown() -> None:
    text = "The parcel is late and I am furious"
    angry, calm = assess([text, "I am not furious, I am happy and in love with this"], ["en", "en"])
    assert angry.sentiment == "negative" and "joy" not in angry.emotions and calm.sentiment == "positive"
    found = {part.of: [text[span.start : span.end] for span in part.spans] for part in explain(text).carried}
    assert found["sentiment"] == ["furious"]
