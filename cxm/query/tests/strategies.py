"""Queries and mentions drawn at random, from few words so that they meet."""

from __future__ import annotations

from hypothesis import strategies as st

from cxm.query import ast

WORDS = ("red", "Bus", "bust", "cafe", "café", "手机", "机", "#sale", "sale", "@acme", "acme", "👍", "don't", "ไทย", "iPhone")
FILLERS = (".", "x", "and", "...", "坏")
WHERES = (None, None, None, "text", "title")

_distance = st.integers(1, 6)
_where = st.sampled_from(WHERES)
_word = st.sampled_from(WORDS)
_phrase = st.lists(_word, min_size=1, max_size=3).map(" ".join)


def leaves(where: st.SearchStrategy[str | None] = _where) -> st.SearchStrategy[ast.Node]:
    """What NEAR can join."""
    return st.one_of(
        st.builds(ast.Words, _word, where),
        st.builds(ast.Words, _word, where),
        st.builds(ast.Words, _phrase, where, quoted=st.just(True)),
        st.builds(ast.Words, _phrase, where, quoted=st.just(True)).map(
            lambda node: ast.Words(node.text, None, quoted=True, exact=True) if node.where is None else node
        ),
        st.builds(
            ast.Wildcard, st.sampled_from(("bu*", "b?s", "#sa*", "re?", "caf*", "ac*e", "ip*n*")).filter(lambda p: p != "b?s"), where
        ),
        st.builds(ast.Fuzzy, st.sampled_from(("bus", "acme", "rde", "sales")), st.integers(1, 2), where),
    )


@st.composite
def _nears(draw: st.DrawFn) -> ast.Node:
    where = st.just(draw(st.sampled_from((None, "text", "title"))))
    side = st.one_of(leaves(where), st.lists(leaves(where), min_size=2, max_size=3).map(lambda parts: ast.Or(tuple(parts))))
    return ast.Near(draw(side), draw(side), draw(_distance), draw(st.booleans()))


_slops = st.builds(ast.Words, st.lists(_word, min_size=2, max_size=4).map(" ".join), _where, quoted=st.just(True), slop=_distance)
_fields = st.one_of(
    st.builds(ast.Is, st.just("channel"), st.sampled_from(("reddit", "Email"))),
    st.builds(ast.Is, st.just("tag"), st.sampled_from(("VIP", "a b", 'q"x', "é"))),
    st.builds(ast.Is, st.just("lang"), st.sampled_from(("de", "de-ch", "en"))),
    st.builds(ast.Is, st.just("is"), st.sampled_from(("reply", "spam", "question"))),
    st.builds(ast.Is, st.just("has"), st.sampled_from(("media", "rating", "link"))),
    st.builds(ast.Range, st.just("likes"), low=st.sampled_from(("2", "-1", "2.5")), high=st.none(), low_in=st.booleans()),
    st.builds(ast.Range, st.just("likes"), low=st.none(), high=st.sampled_from(("2", "3", "2.5")), high_in=st.booleans()),
    st.builds(ast.Range, st.just("rating"), low=st.just("1.5"), high=st.sampled_from(("4.5", "5"))),
    st.builds(
        ast.Range, st.just("published"), low=st.sampled_from(("2026-01-02", "2026-01", "2026-01-02T10:00:00Z")), low_in=st.booleans()
    ),
    st.builds(ast.Range, st.just("published"), low=st.just("2026-01-01"), high=st.sampled_from(("2026-01-02", "2026-01"))),
    st.builds(ast.Topic, st.sampled_from(("refunds", "New phones"))),
)


def _flat(kind: type[ast.And] | type[ast.Or]) -> object:
    def build(parts: list[ast.Node]) -> ast.Node:
        flat: list[ast.Node] = []
        for part in parts:
            flat.extend(part.parts if isinstance(part, kind) else (part,))
        return kind(tuple(flat))

    return build


NODES: st.SearchStrategy[ast.Node] = st.recursive(
    st.one_of(leaves(), leaves(), _slops, _fields, _nears()),
    lambda inner: st.one_of(
        inner.map(ast.Not),
        st.lists(inner, min_size=2, max_size=3).map(_flat(ast.And)),
        st.lists(inner, min_size=2, max_size=3).map(_flat(ast.Or)),
    ),
    max_leaves=6,
)
QUERIES = NODES.map(ast.Query)

_text = st.lists(st.sampled_from((*WORDS, *WORDS, *FILLERS)), max_size=10).map(" ".join)
MENTIONS = st.fixed_dictionaries(
    {
        "channel": st.sampled_from(("reddit", "email", "rss")),
        "text": _text,
        "title": st.one_of(st.none(), _text),
        "published_at": st.sampled_from(
            ("2026-01-01T00:00:00Z", "2026-01-02T10:00:00Z", "2026-01-02T23:59:59.999999Z", "2026-01-03T00:00:00Z")
        ),
        "language": st.sampled_from(("de-CH", "de", "en", None)),
        "engagement": st.one_of(st.none(), st.integers(0, 4).map(lambda likes: {"likes": likes, "shares": 0})),
        "rating": st.sampled_from((None, 1.5, 4.5, 5)),
        "tags": st.lists(st.sampled_from(("VIP", "a b", 'q"x', "é", "E")), max_size=2),
        "topics": st.lists(st.sampled_from(("refunds", "New phones")), max_size=1),
        "reply_to": st.sampled_from((None, "1")),
        "spam": st.booleans(),
        "intents": st.sampled_from(([], ["question"])),
        "author": st.integers(0, 3).map(lambda n: {"native_id": str(n), "handle": f"h{n}", "name": "Red Bus"}),
    }
)
