import pytest

from cxm.kernel.errors import BadInput
from cxm.query import api

M = {
    "channel": "reddit", "text": "My new iPhone's screen broke, totally déçu! #fail @acme 👍🏽 手机坏了", "title": "Broken phone",
    "published_at": "2026-11-21T10:00:00Z", "language": "de-CH", "engagement": {"likes": 12}, "author": {"handle": "Bob", "native_id": "1"},
    "tags": ["VIP"], "intents": ["question"], "sentiment": "negative", "url": "https://old.reddit.com/r/acme/1",
}  # fmt: skip

YES = [
    "", "iphone", "IPHONE", "decu", "déçu", "broken broke", '"screen broke"', '"broke screen"~5', "screen NEAR/1 broke", "new ONEAR/2 screen", "scr*", "scr?en",
    "scren~1", "#fail", "fail", "@acme", "👍", "👍🏽", "手机", "机", "坏了", "channel:(reddit OR bluesky)", "likes:>10", "likes:10..12", "likes:..12",
    "published:2026-11-21", "published:2026-11-01..2026-11-21", "published:>2026-11-20", "published:<=2026-11", "lang:de", "handle:@bob", "is:question",
    "tag:vip", "site:reddit.com", "url:reddit.com/r/acme", "-xyz", "NOT (xyz OR abc)", "xyz OR iphone", "title:broken", "author:bob",
    'exact:"My"', "text:(screen broke)", "sentiment:Negative", "手*", "#fai*", "likes:>2 OR likes:-1..",
]  # fmt: skip
NO = [
    "xyz", "-iphone", '"broke screen"', "broke ONEAR/5 screen", "screen NEAR/3 decu decue", "likes:>12", "published:>2026-11-21", "published:<2026-11-21",
    "text:phone", "lang:fr", 'exact:"my"', "机手", "is:spam", "has:rating", "sentiment:positive", "scr?n", "channel:bluesky",
]  # fmt: skip


@pytest.mark.parametrize("text", YES)
def test_finds(text: str) -> None:
    query = api.parse(text)
    assert api.matches(query, M)
    assert api.parse(api.canonical(query)) == query
    assert api.explain(query)


@pytest.mark.parametrize("text", NO)
def test_does_not_find(text: str) -> None:
    query = api.parse(text)
    assert not api.matches(query, M)
    assert api.parse(api.canonical(query)) == query


@pytest.mark.parametrize(
    ("text", "position", "length"),
    [
        ("()", 0, 2), ("a NEAR/x b", 2, 6), ("a NEAR b", 2, 4), ("(a", 0, 1), ("a)", 1, 1), ('a "b', 2, 2), ("sentment:x", 0, 9), ("likes:many", 6, 4),
        ("a AND", 2, 3), ("OR a", 0, 2), ("!!!", 0, 3), ("channel:", 0, 8), ("a NEAR/99 b", 2, 7), ("*x", 0, 2), ("a NEAR/5 -b", 9, 1),
        ("sentiment:postive", 10, 7), ("published:soon", 10, 4), ("likes:10..2", 6, 5), ("(" * 1000 + "a" + ")" * 1000, 50, 1), ("NOT " * 1000 + "a", 200, 3),
        (" ".join(["a"] * 201), 400, 1), ("x" * 10_001, 10_000, 1), ("likes:..", 6, 2), ('"a b"~99', 5, 3), ("word~9", 0, 6), ("- a", 0, 1),
    ],
)  # fmt: skip
def test_refuses_with_the_position(text: str, position: int, length: int) -> None:
    with pytest.raises(BadInput) as refused:
        api.parse(text)
    assert refused.value.code == "query_invalid"
    assert (refused.value.extra["position"], refused.value.extra["length"]) == (position, length)
    assert refused.value.extra["suggestion"] and refused.value.hint
