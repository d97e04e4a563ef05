"""The command that measures what a page costs: its estimate follows the published curves, and it leaves no page out."""

from __future__ import annotations

import pytest

from tools import vitals
from tools.console import PLACES


@pytest.mark.parametrize("form", ["desk", "phone"])
def test_the_estimate_follows_the_curves(form: str) -> None:
    good = {name: point for name, (_, point, _) in vitals.CURVES[form].items()}
    middle = {name: point for name, (_, _, point) in vitals.CURVES[form].items()}
    assert vitals.score(good, form) == pytest.approx(90)
    assert vitals.score(middle, form) == pytest.approx(50)
    assert vitals.score(dict.fromkeys(good, 0.0), form) == pytest.approx(100)
    assert vitals.score({**good, "cls": 0.6}, form) < 75


def test_every_address_is_measured_once() -> None:
    measured = [place.route for place in vitals._chosen([])]
    assert len(measured) == len(set(measured))
    assert set(measured) == {place.route for place in PLACES if place.route} - {"design"}
