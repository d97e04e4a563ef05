"""Fragments kept by their values: never another's, never an old one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.utils import translation
from django.utils.safestring import mark_safe

from cxm.design import kept
from cxm.kernel import clock
from cxm.kernel.clock import frozen_at, now

FACET = '{% load cxm %}{% kept "listen/facet.html" facet=facet %}'


@pytest.fixture(autouse=True)
def nothing_kept() -> Any:
    kept.forget()
    yield
    kept.forget()


def drawn(label: object = "Mail", **other: Any) -> str:
    row = {"label": label, "count": 3, "url": "/explorer?q=a", "active": False, "tone": "", "hint": ""} | other
    return Template(FACET).render(Context({"facet": {"title": "Channel", "rows": [row]}, "secret": "not for fragments"}))


def test_equal_values_are_drawn_once_and_any_other_value_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[Any] = []
    keep = kept.keep
    monkeypatch.setattr(kept, "keep", lambda key, text: (times.append(key), keep(key, text)))
    with frozen_at(now().replace(second=10)):
        first = drawn()
        assert "Mail" in first and drawn() == first and len(times) == 1
        assert "Chat" in drawn("Chat") and 'aria-current="true"' in drawn(active=True) and len(times) == 3
        assert drawn() == first and len(times) == 3
        with translation.override("ar"):
            drawn()
        assert len(times) == 4
    with frozen_at(now().replace(second=10) + timedelta(minutes=1)):
        drawn()
    assert len(times) == 5


def test_what_is_safe_and_what_is_not_are_two_fragments() -> None:
    hostile = "<b>&amp;</b>"
    with frozen_at(clock.now()):
        assert "<b>" in drawn(mark_safe(hostile))
        assert "&lt;b&gt;&amp;amp;&lt;/b&gt;" in drawn(hostile) and "<b>" not in drawn(hostile)
        assert kept.comparable(True) != kept.comparable(1) and kept.comparable([1]) != kept.comparable((1,))


def test_only_what_is_named_is_seen_and_only_plain_values_can_be_named() -> None:
    template = Template('{% load cxm %}{% kept "design/stop_words.html" stop=stop %}')
    assert "Stop outbound" in template.render(Context({"stop": {"on": False}}))
    with pytest.raises(TypeError, match="plain values"):
        template.render(Context({"stop": object()}))
    with pytest.raises(TemplateSyntaxError):
        Template("{% load cxm %}{% kept stop %}")


def test_what_is_not_asked_for_any_more_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "GENERATION", 3)
    for number in range(3):
        kept.keep((number,), mark_safe("x"))
    kept.keep((3,), mark_safe("x"))
    assert kept.find((0,)) == "x"  # asked for again: lives on
    for number in range(4, 7):
        kept.keep((number,), mark_safe("x"))
    assert kept.find((1,)) is None and kept.find((6,)) == "x"
