"""Facets: what we write is read back as it was meant, whatever signs stand around it; what strangers write harms nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxm.channels.bluesky.texts import Facet, facets_of, found_in, graphemes, records, spelled_out

WORDS = st.lists(
    st.sampled_from(["@ann.example", "https://acme.example/a?b=c", "#cups", "é", "👨‍👩‍👧", "漢字", "שלום", "plain", "\n", "🇩🇪", "e\u0301"]),
    max_size=12,
)
MARK = "app.bsky.richtext.facet#"


@given(WORDS)
def test_what_is_written_is_read_back(words: list[str]):
    text = " ".join(words)
    found = list(found_in(text))
    assert [text[one.begin : one.end] for one in sorted(found, key=lambda one: one.begin)] == [one for one in words if one[0] in "@h#"]
    told = records(text, found, {"ann.example": "did:plc:ann"})
    assert {(one.kind, one.begin, one.end) for one in facets_of(text, told)} == {(one.kind, one.begin, one.end) for one in found}
    for one in told:
        part = text.encode()[one["index"]["byteStart"] : one["index"]["byteEnd"]].decode()
        assert part in words


@given(st.text(max_size=30), st.integers(-5, 200), st.integers(-5, 200))
def test_any_offsets_are_survived(text: str, begin: int, end: int):
    told = [{"index": {"byteStart": begin, "byteEnd": end}, "features": [{"$type": f"{MARK}tag", "tag": "x"}]}]
    for one in facets_of(text, told):
        assert text[: one.begin].encode("utf-8", "replace") == text.encode("utf-8", "replace")[:begin]
        assert 0 <= one.begin < one.end <= len(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://acme.example/x, please", ["https://acme.example/x"]),
        ("(https://acme.example/x)", ["https://acme.example/x"]),
        ("https://acme.example/a_(b)", ["https://acme.example/a_(b)"]),
        ("mail me@acme.example or x@y", []),
        ("https://acme.example/@ann.example#top", ["https://acme.example/@ann.example#top"]),
        ("@ann.example.", ["@ann.example"]),
        ("#1 is best, #Café! (#two)", ["#Café", "#two"]),
        ("a#b ##c", []),
        ("@acme", []),
    ],
)
def test_what_counts_as_a_name_a_link_and_a_tag(text: str, found: list[str]):
    assert [text[one.begin : one.end] for one in sorted(found_in(text), key=lambda one: one.begin)] == found


@pytest.mark.parametrize(
    ("shown", "address", "said"),
    [
        ("acme.example/a-long...", "https://acme.example/a-long-page", "https://acme.example/a-long-page"),
        ("acme.example/a-long…", "https://acme.example/a-long-page", "https://acme.example/a-long-page"),
        ("bank.example/login...", "https://thief.example/login", "bank.example/login..."),
        ("acme.example", "https://acme.example", "acme.example"),
        ("...", "https://acme.example", "..."),
    ],
)
def test_only_an_honest_abbreviation_is_written_out(shown: str, address: str, said: str):
    assert spelled_out(f"👋 {shown} ok", [Facet("link", 2, 2 + len(shown), address)]) == f"👋 {said} ok"


def test_signs_are_counted_as_a_reader_counts_them():
    assert graphemes("abc") == 3
    assert graphemes("👨‍👩‍👧é🇩🇪ก็e\u0301") == 5
    assert graphemes("a\r\nb") == 3
