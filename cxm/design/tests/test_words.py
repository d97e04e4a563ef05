"""Times, names, marks and charts as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from cxm.design import charts, words
from cxm.kernel.clock import frozen_at

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (10, "now"),
        (240, "4 min"),
        (3600, "1 h"),
        (7200 + 60, "2 h"),
        (86400 * 2, "2 d"),
        (86400 * 20, "2 Nov"),
        (86400 * 400, "18 Oct 2025"),
        (-3600, "22 Nov"),
    ],
)
def test_age(seconds: int, said: str) -> None:
    assert words.age(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("language", "short", "long", "stamp"),
    [
        ("en", "2 Nov", "Monday, 2 November", "2 Nov 2026, 09:05"),
        ("es", "2 nov", "lun, 2 de noviembre", "2 nov 2026, 09:05"),
        ("zh-hans", "11月2日", "11月2日周一", "2026年11月2日 09:05"),
    ],
)
def test_days_as_languages_write_them(language: str, short: str, long: str, stamp: str) -> None:
    at = datetime(2026, 11, 2, 9, 5, tzinfo=UTC)
    with translation.override(language):
        assert (words.written(at, "j M"), words.written(at, "l, j F"), words.stamped(at, "j M Y")) == (short, long, stamp)


@pytest.mark.parametrize("language", ["en", "es", "ar", "zh-hans"])
def test_every_form_is_known_in_every_language(language: str) -> None:
    with translation.override(language):
        assert all(words.written(NOW, form) for form in words.FORMS)


@pytest.mark.parametrize(
    ("seconds", "text", "tone"),
    [
        (23 * 60 + 5, "answer within 23 min", "warn"),
        (5 * 3600 + 5, "answer within 5 h", "neutral"),
        (4805, "answer within 1 h 20 min", "neutral"),
        (-370, "late by 6 min", "bad"),
    ],
)
def test_due(seconds: int, text: str, tone: str) -> None:
    assert words.due(NOW + timedelta(seconds=seconds), NOW) == words.Due(text, tone)


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Lena Krüger", "LK"),
        ("@lenaliest", "LE"),
        ("نورة العتيبي", "نع"),
        ("林小明", "林"),
        ("ปวีณา ทองดี", "ปท"),
        ("", "?"),
        ("🎈", "?"),
        ('"><img', "IM"),
        ("Anna Maria von Ott", "AO"),
    ],
)
def test_initials(name: str, letters: str) -> None:
    assert words.initials(name) == letters


@given(st.text())
def test_any_name_has_a_face(name: str) -> None:
    assert words.colour(name) in {f"c{number}" for number in range(1, 9)}
    assert 1 <= len(words.initials(name)) <= 6


@given(st.text(), st.lists(st.tuples(st.integers(-5, 60), st.integers(-5, 60))))
def test_pieces_lose_and_invent_nothing(text: str, spans: list[tuple[int, int]]) -> None:
    assert "".join(piece.text for piece in words.pieces(text, spans)) == text


def test_highlight_marks_and_escapes() -> None:
    markup = Template("{% load cxm %}{% highlight text spans %}").render(Context({"text": "a <b> c", "spans": [(2, 5)]}))
    assert markup == "a <mark>&lt;b&gt;</mark> c"


def test_relative_time_has_the_instant_and_the_zone() -> None:
    with frozen_at(NOW):
        markup = Template("{% load cxm %}{% relative_time at %}").render(Context({"at": NOW - timedelta(minutes=4)}))
    assert 'datetime="2026-11-22T08:56:00+00:00"' in markup and "22 Nov 2026, 08:56 UTC" in markup and ">4 min<" in markup


def test_direction() -> None:
    assert [words.direction(tag) for tag in ("ar", "he-IL", "de", "und", None)] == ["rtl", "rtl", "ltr", "auto", "auto"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@marlow قرأت قصة المحفظة", "rtl"),
        ("https://example.com/a شكرا", "rtl"),
        ("#sale help@acme.example שלום", "rtl"),
        ("قهوة latte", "rtl"),
        ("@marlow 3 cafés, شكرا", "ltr"),
        ("🎉 12:30", "auto"),
        ("@marlow", "auto"),
        ("", "auto"),
    ],
)
def test_text_direction(text: str, found: str) -> None:
    assert words.text_direction(text) == found


def test_with_query_changes_removes_and_repeats() -> None:
    request = RequestFactory().get("/inbox?q=a%20b&state=open&cursor=9")
    markup = Template("{% load cxm %}{% with_query state='closed' cursor=None tag=tags %}").render(
        Context({"request": request, "tags": ["x", "y"]})
    )
    assert markup == "?q=a+b&amp;state=closed&amp;tag=x&amp;tag=y"


def test_bars_add_up_and_stay_inside() -> None:
    chart = charts.bars(["a", "b"], [charts.Series("x", [3, 0]), charts.Series("y", [5, 1500])], urls=["?a"])
    assert [row.total for row in chart.rows] == ["8", "1,500"] and [one.total for one in chart.legend] == ["3", "1,505"]
    for bucket in chart.buckets:
        for part in bucket.parts:
            assert 0 <= float(part.y) <= charts.HEIGHT and float(part.y) + float(part.height) <= charts.HEIGHT + 0.5
            assert float(part.x) >= 0 and float(part.x) + float(part.width) <= charts.WIDTH
    assert chart.buckets[0].url == "?a" and chart.buckets[1].url == ""
    assert float(chart.grid[-1].label.replace(",", "")) >= 1500


def test_figures_follow_the_language_and_geometry_does_not() -> None:
    with translation.override("es"):
        chart = charts.bars(["a"], [charts.Series("x", [123456.5])])
    assert chart.rows[0].total == "123\xa0456,5"
    assert all("," not in part.x + part.height for bucket in chart.buckets for part in bucket.parts)


def test_shares_follow_the_language() -> None:
    assert charts.percent(0.3604) == "36.0%" and charts.percent(0.5, 0) == "50%" and charts.percent(1.5, 0, signed=True) == "+150%"
    assert charts.percent(-0.254, 0, signed=True) == "-25%"
    with translation.override("es"):
        assert charts.percent(0.3604) == "36,0\xa0%" and charts.percent(0.3, 0, signed=True) == "+30\xa0%"


def test_a_chart_refuses_what_nobody_could_read() -> None:
    with pytest.raises(ValueError, match="at most 4"):
        charts.bars(["a"], [charts.Series(str(number), [1]) for number in range(5)])
    with pytest.raises(ValueError, match="one value for each label"):
        charts.bars(["a", "b"], [charts.Series("x", [1])])


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=80))
def test_any_series_can_be_drawn(values: list[int]) -> None:
    chart = charts.lines([str(index) for index in range(len(values))], [charts.Series("x", values)])
    assert len(chart.grid) <= 7 and len(chart.marks) <= 7 and len(chart.rows) == len(values)


def test_share_never_leaves_its_bar() -> None:
    assert [charts.share(value, most) for value, most in ((5, 10), (20, 10), (-1, 10), (1, 0))] == ["50.0%", "100.0%", "0.0%", "0%"]
