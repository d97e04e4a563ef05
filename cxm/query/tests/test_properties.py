import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxm.kernel.errors import BadInput
from cxm.query import api, ast
from cxm.query.tests.strategies import MENTIONS, QUERIES


@settings(max_examples=400, deadline=None)
@given(QUERIES)
def test_the_canonical_form_parses_to_the_same_query(query: ast.Query) -> None:
    text = api.canonical(query)
    assert api.parse(text) == query
    assert api.canonical(api.parse(text)) == text
    assert api.explain(query)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from('ab():"-~*?/5.><#@ANDORNOTEtagslik 手é\\“”\n'), max_size=40))
def test_any_text_is_understood_or_refused_with_its_place(text: str) -> None:
    try:
        query = api.parse(text)
    except BadInput as refused:
        position, length = refused.extra["position"], refused.extra["length"]
        assert isinstance(position, int) and isinstance(length, int)
        assert 0 <= position <= len(text) and length >= 1 and position + length <= len(text) + 1
        assert refused.extra["suggestion"] and refused.hint and refused.code == "query_invalid"
        return
    assert api.parse(api.canonical(query)) == query
    api.matches(query, {"channel": "x", "text": text, "published_at": "2026-01-01T00:00:00Z"})


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        api.parse(text)
    except BadInput as refused:
        assert refused.code == "query_invalid"


@settings(max_examples=300, deadline=None)
@given(QUERIES, MENTIONS)
def test_what_is_marked_stands_in_the_text(query: ast.Query, mention: dict) -> None:
    for where, spans in api.highlights(query, mention).items():
        ends = [edge for span in spans for edge in span]
        assert ends == sorted(ends) and ends[0] >= 0 and ends[-1] <= len(mention[where])


# --- a slow oracle: words of one letter, every choice of places tried ------------------------------------------------------

_letters = st.lists(st.sampled_from("abcd"), max_size=9)


def _choices(words: list[str], wanted: list[str]) -> list[tuple[int, ...]]:
    places = [[at for at, word in enumerate(words) if word == each] for each in wanted]
    return [choice for choice in itertools.product(*places) if len(set(choice)) == len(choice)]


@settings(max_examples=400, deadline=None)
@given(_letters, st.lists(st.sampled_from("abcd"), min_size=1, max_size=4), st.integers(1, 5))
def test_words_together_mean_what_they_say(words: list[str], wanted: list[str], distance: int) -> None:
    mention = {"text": " ".join(words), "published_at": "2026-01-01T00:00:00Z"}

    def finds(text: str) -> bool:
        return api.matches(api.parse(text), mention)

    choices = _choices(words, wanted)
    assert finds(f'"{" ".join(wanted)}"') == any(all(b - a == 1 for a, b in itertools.pairwise(choice)) for choice in choices)
    if len(wanted) > 1:
        assert finds(f'"{" ".join(wanted)}"~{distance}') == any(max(choice) - min(choice) <= distance for choice in choices)
    assert finds(" ".join(wanted)) == all(word in words for word in wanted)
    if len(wanted) == 2:
        assert finds(f"{wanted[0]} NEAR/{distance} {wanted[1]}") == any(abs(a - b) <= distance for a, b in choices)
        assert finds(f"{wanted[0]} ONEAR/{distance} {wanted[1]}") == any(1 <= b - a <= distance for a, b in choices)


@pytest.mark.parametrize(
    ("text", "depth_or_size"),
    [
        ("(" * 1000 + "a", 50),
        ("NOT " * 1000 + "a", 50),
        ("-" * 1000 + "a", 50),
        ("channel:(" * 1000, 2),
        ('"' * 999, 1),
        ("a OR " * 1000 + "a", 200),
    ],
)
def test_monsters_are_refused(text: str, depth_or_size: int) -> None:
    with pytest.raises(BadInput) as refused:
        api.parse(text)
    assert refused.value.extra["position"] >= 0


def test_the_deepest_allowed_survives_its_canonical_form() -> None:
    query = api.parse("NOT " * 49 + "(a OR channel:(b OR c))")
    assert api.parse(api.canonical(query)) == query


def test_catastrophic_patterns_are_cheap() -> None:
    mention = {"text": "a" * 200 + " " + "ab" * 100, "published_at": "2026-01-01T00:00:00Z"}
    assert not api.matches(api.parse("aa*a*a*a*a*a*a*a*b?"), mention)


def test_topics_are_resolved_and_counted() -> None:
    topics = {"refunds": api.parse("refund OR money")}
    query = api.parse("topic:refunds -spam", topics=topics)
    assert api.matches(query, {"text": "my money", "published_at": "2026-01-01T00:00:00Z"})
    assert api.canonical(query) == "topic:refunds AND NOT spam"
    assert api.topics_of(query) == {"refunds"}
    with pytest.raises(BadInput) as refused:
        api.parse("topic:refund", topics=topics)
    assert refused.value.extra["suggestion"] == "refunds"


def test_names_are_resolved() -> None:
    names = {"unit": {"Berlin": ("u1", "u2")}.get}
    query = api.parse("unit:Berlin", names=names)
    assert api.matches(query, {"text": "", "unit": "u2", "published_at": "2026-01-01T00:00:00Z"})
    with pytest.raises(BadInput):
        api.parse("unit:Paris", names=names)
