"""What the query language refuses and what it finds, in the member's language."""

from __future__ import annotations

import re
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import translation
from tantivy import Query as Engine

from cxm.design import refusals
from cxm.kernel.clock import now
from cxm.kernel.errors import BadInput
from cxm.kernel.said import Said
from cxm.listen import explorer
from cxm.listen.store import compiling
from cxm.query import api as language
from cxm.query import limits
from tests.houses import House, _own_store, house, post  # noqa: F401 - fixtures
from tools import messages

pytestmark = pytest.mark.django_db

#: One for each refusal.
REFUSED = [
    "a)", "a AND", "OR a", "(" * 60 + "a" + ")" * 60, " ".join(["a"] * 201), "a NEAR/2 b NEAR/2 c", "title:a NEAR/2 text:b", "a NEAR/2 -b", "- a",
    "title:(a lang:de)", "()", "(a", "lang: de", 'lang:"de"~2', '"' + "a " * 51 + '"', '"a b"~99', 'lang:""', "lang:d*", "topic:nothing", "topic:refunt",
    "unit:nowhere", "!!!", "word~9", "wo~1", "a*", "ab" + "?" * 11, "ab/c*d", "sentiment:grim", "likes:..", "likes:9..2", "likes:many", "published:soon",
    "x" * 10_001, "a NEAR b", "a NEAR/99 b", "sentment:x", "zzqqzz:x", 'a "b',
]  # fmt: skip
#: One for each way of saying what a query finds.
FOUND = [
    "", "a OR b c", "title:late", "a NEAR/3 b", "a ONEAR/3 b", "is:reply is:question is:offensive is:spam", "has:media has:link has:location has:reply has:rating",
    "lang:de media_type:paid site:example.org", "topic:refunds", "-(a OR b)", "late*", "late~1", '"a b"~4', 'exact:"A b"', "likes:5", "likes:>5", "likes:5..9",
    "likes:<9", "published:>2026", "published:<2026",
]  # fmt: skip
_NAMES = {"unit": lambda name: None}


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as found:
        language.parse(text, topics={"refunds": language.parse("refund")}, names=_NAMES)
    return found.value


def too_broad() -> list[BadInput]:
    """What the engine refuses, told by one that finds too much."""
    searcher: Any = SimpleNamespace(
        terms_with_prefix=lambda *given, limit: ["word"] * limit, search=lambda *given, **more: SimpleNamespace(hits=[0] * (compiling.CANDIDATES + 1))
    )  # fmt: skip
    compiler = compiling.Compiler(None, searcher, Engine.all_query(), now())  # type: ignore[arg-type]
    found = []
    for ask in (lambda: compiler.compile(language.parse("late*").root), lambda: compiler._judged(Engine.all_query(), lambda subject: True)):
        with pytest.raises(BadInput) as error:
            ask()
        found.append(error.value)
    return found


def sentences(one: object) -> list[Said]:
    """A sentence and those in it."""
    return [one, *(inside for part in one.parts.values() for inside in sentences(part))] if isinstance(one, Said) else []


def spoken(answer: Any) -> str:
    """What the line beneath the query says; queries, which are in no language, are left out."""
    text = answer.content.decode()
    inside = text.split('id="says"', 1)[1].split("</form>", 1)[0] if 'id="says"' in text else text
    return unescape(re.sub(r"<code.*?</code>|<[^>]*>", " ", inside))


def english(text: str) -> list[str]:
    """Three words of Latin letters one after the other: what no name of a field, no operator and no example makes."""
    return re.findall(r"\b[A-Za-z’]{2,} [a-z]{2,} [a-z]{2,}", text)


def test_every_refusal_and_finding_is_told_in_the_readers_language(house: House, monkeypatch: pytest.MonkeyPatch):
    broad, errors = too_broad(), [refused(text) for text in REFUSED]
    told = [part for error in [*errors, *broad] for part in (error.text, error.hint, error.extra.get("suggestion"))]
    found = [language.explain(language.parse(text, topics={"refunds": language.parse("x")})) for text in FOUND]
    made = {one.template for whole in [*told, *found] for one in sentences(whole)}
    wanted = {
        str(one.id) for one in messages.gathered()
        if any(where.startswith("cxm/query/") or where.endswith("compiling.py") for where, _ in one.locations)
    }  # fmt: skip
    assert len(wanted) > 90 and made == wanted, f"no query above makes: {wanted - made}; not gathered: {made - wanted}"

    browser = house.browser()
    assert english(spoken(browser.get("/explorer/check", {"q": "a)"})))[0] == "This parenthesis closes", "the measure finds English"
    with translation.override("zh-hans"):
        assert not [one for one in told if isinstance(one, Said) and english(refusals.told(one))]
    browser.get("/home?lang=ar")
    for query, error in zip(REFUSED, errors, strict=True):
        said = spoken(browser.get("/explorer/check", {"q": query}))
        assert not english(said) and re.search(r"[\u0600-\u06ff]{2}", said), said
        assert all(
            part in said for part in error.text.parts.values() if isinstance(part, str) and not query.startswith(("topic:refunt", "a AND"))
        ), said
    for query in FOUND:
        assert not english(spoken(browser.get("/explorer/check", {"q": query})).replace("refunds", "")), query
    assert str(limits.TERMS) in spoken(browser.get("/explorer/check", {"q": REFUSED[4]}))

    page = spoken(browser.get("/explorer", {"q": "sentment:x"}))
    assert "لا يوجد حقل" in page and "sentment" in page and "sentiment:" in page and not english(page)
    for error in broad:
        monkeypatch.setattr(explorer, "find", lambda actor, asked, error=error: (_ for _ in ()).throw(error))
        page = spoken(browser.get("/explorer", {"q": "late*"}))
        assert not english(page) and ("late*" in page or "20" in page), page
    topic = post(browser, "/topics/new", {"name": "Late", "query": "a)"})
    assert topic.status_code == 400 and "This parenthesis" not in topic.content.decode() and "القوس" in topic.content.decode()


def test_programs_read_english(house: House):
    error = refused("sentment:x")
    assert str(error) == "There is no field “sentment”. Did you mean sentiment:?" and error.extra["suggestion"] == "sentiment:"
    assert str(too_broad()[0].text) == "“late*” stands for more than 10,000 words."
