import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cxm.kernel.text import fold, normalise, placed, plain_words, terms, tokens


def _words(text: str) -> list[str]:
    return [token.text for token in tokens(text)]


def _contains(text: str, part: str) -> bool:
    wanted = terms(part)
    places: dict[str, set[int]] = {}
    for token in tokens(text):
        places.setdefault(token.text, set()).add(token.position)
    first = wanted[0]
    return any(
        all(at + each.position - first.position in places.get(each.text, ()) for each in wanted) for at in places.get(first.text, ())
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Das ÄRGERT mich", "argert"), ("ΣΊΣΥΦΟΣ", "σισυφος"), ("Ёлка", "елка"), ("Straße", "STRASSE"), ("İstanbul", "istanbul"), ("naı̈ve", "naive"),
        ("ﬁne", "fine"), ("Ｆｕｌｌ", "full"), ("我的手机坏了", "手机"), ("我的手机坏了", "机"), ("ｶﾞｷﾞ", "ガギ"), ("น้ำแข็ง", "น้ำ"), ("ราคา", "ค"),
        ("#Sale now", "#sale"), ("#Sale now", "sale"), ("#新品上市", "#新品上市"), ("#新品上市", "上市"), ("hi @Acme_1", "@acme_1"), ("hi @Acme_1", "acme_1"),
        ("ok 👍🏽", "👍🏽"), ("ok 👍🏽", "👍"), ("❤️", "❤"), ("👨‍👩‍👧", "👨‍👩‍👧"), ("🇩🇪🇫🇷", "🇫🇷"), ("1️⃣", "1️⃣"), ("Acme’s", "acme's"), ("Acme's", "Acme"),
        ("see acme.com.", "acme.com"), ("1,000.50 €", "1,000.50"), ("e-mail", "e-mail"), ("iPhone手机", "手机"), ("שָׁלוֹם", "שָׁלוֹם"), ("한국어 말", "한국어"),
        ("می‌خواهم", "میخواهم"), ("हिन्दी", "हिन्दी"), ("wait…what", "what"), ("½ price", "price"),
    ],
)  # fmt: skip
def test_finds(text: str, part: str) -> None:
    assert _contains(text, part)


@pytest.mark.parametrize(
    ("text", "part"),
    [("手 机", "手机"), ("bob@example.com", "@example"), ("שלום", "שָׁלוֹם"), ("ｶ", "ガ"), ("人", "入"), ("sale", "#sale"), ("👍", "👍🏽")],
)
def test_does_not_find(text: str, part: str) -> None:
    assert not _contains(text, part)


def test_a_position_is_a_word_or_a_grapheme() -> None:
    assert [(t.text, t.position) for t in tokens("Hi 手机 ok")] == [("hi", 0), ("手", 1), ("手机", 1), ("机", 2), ("ok", 3)]
    assert max(t.position for t in tokens("น้ำ")) == 0


def test_normalise() -> None:
    assert normalise("a\x00b\ud800c") == "a\ufffdb\ufffdc"
    assert normalise("e\u0301") == "é"


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=60))
@example("#0\U00020000:0")
@example("\u2e80\xad")
def test_tokens_stand_in_their_text(text: str) -> None:
    found = tokens(text)
    assert [t.position for t in found] == sorted(t.position for t in found)
    for token in found:
        assert 0 <= token.start < token.end <= len(text) and token.text and not any(letter.isspace() for letter in token.text)
    assert {(t.text, t.position) for t in terms(text)} <= {(t.text, t.position) for t in found}


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text(alphabet="ab Ü9é", max_size=30), st.text(alphabet="手机ー か'a#@.", max_size=30)))
@example("b" * 250 + " ü")
@example("a" + "\u0301" * 900 + "b")
@example("ß" * 150)
def test_the_ways_to_tokens_agree(text: str) -> None:
    found = [(token.text, token.position) for token in tokens(text)]
    assert placed(text) == found
    plain = plain_words(text)
    assert plain is None or list(enumerate(plain.split())) == [(position, word) for word, position in found]


def test_plain_words_are_known() -> None:
    assert plain_words("Die Bestellung für MICH") == "die bestellung fur mich"
    assert plain_words("") == ""
    assert plain_words("it's") is None
    assert plain_words("手机") is None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
def test_the_fast_path_finds_the_same(text: str) -> None:
    assert tokens(text) == [t for t in tokens(text + " é") if t.text != "e" or t.start < len(text)]


@pytest.mark.parametrize(
    "text",
    ["a" + "\u0301" * 10_000, "ü" * 1_000_000, "手" * 200_000, "a." * 300_000, "👍\u200d" * 100_000, "ﬁ" * 200_000, "#" * 500_000, "\u0301" * 500_000, "a\u0301'" * 100_000,
     "@a-" * 100_000, "1," * 300_000, "กำ" * 100_000],
)  # fmt: skip
def test_hostile_lengths_take_linear_time(text: str) -> None:
    def cost(sample: str) -> float:
        start = time.process_time()
        tokens(sample)
        return time.process_time() - start

    small, large = cost(text[: len(text) // 8]), cost(text)
    assert large < 40 * small + 0.2
