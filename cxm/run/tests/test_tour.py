"""The guided tour: offered at the demo company's home, left at any step, taken up again, kept with the member, in their language."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cxm.run import tour
from tests.houses import House, _own_store, house, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def shown(client: Any, path: str = "/home") -> str:
    """The bar of the tour as a page shows it, without markup; empty where there is none."""
    text = client.get(path).content.decode()
    found = re.search(r'<aside class="tour".*?</aside>', text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split()) if found else ""


def test_the_tour_is_offered_left_anywhere_and_taken_up_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = house.browser()
    assert shown(owner) == "", "only the demo company offers it"
    monkeypatch.setattr(tour, "_is_demo", lambda: True)
    assert "Take the tour" in shown(owner) and shown(owner, "/inbox") == ""
    began = post(owner, "/tour", {"do": "start", "from": "/home"})
    assert (began.status_code, began["Location"]) == (302, "/home#tour")
    assert shown(owner).startswith("Step 1 of 7: Home")
    for number in range(2, 5):
        assert post(owner, "/tour", {"do": "next", "from": "/home"})["Location"].endswith("#tour")
        assert f"Step {number} of 7" in shown(owner, "/people")
    assert "Go to this step" in shown(owner, "/people") and "Go to this step" not in shown(owner, "/inbox")
    assert post(owner, "/tour", {"do": "leave", "from": "/people"})["Location"] == "/people"
    assert shown(owner) == shown(owner, "/inbox") == "", "left, it is out of the way"
    again = house.browser()
    assert "Go on at step 4" in again.get("/tour").content.decode(), "kept with the member, not with the browser"
    assert post(again, "/tour", {"do": "resume"})["Location"] == "/inbox?state=waiting&assignee=all#tour"
    assert "Step 3 of 7" in (post(again, "/tour", {"do": "back"}) and shown(again, "/inbox"))
    for language, words in (("es", "Paso 3 de 7"), ("ar", "الخطوة 3 من 7"), ("zh-hans", "第 3 步")):
        again.cookies["cxm_language"] = language
        assert words in shown(again, "/inbox"), language
    again.cookies["cxm_language"] = "en"
    for _ in range(5):
        done = post(again, "/tour", {"do": "next"})
    assert done["Location"] == "/tour" and "That was the tour." in again.get("/tour").content.decode() and shown(again) == ""
    assert post(again, "/tour", {"do": "dance"}).status_code == 422
    assert post(again, "/tour", {"do": "later", "from": "//elsewhere.example"})["Location"] == "/home"


def test_only_steps_one_may_open_are_in_it(house: House) -> None:
    analyst = house.join("ana@marlow.example", "analyst")
    post(analyst, "/tour", {"do": "start"})
    assert re.search(r"Step 1 of [3-6]:", shown(analyst))
    for _ in range(6):
        answer = post(analyst, "/tour", {"do": "next"})
        assert analyst.get(answer["Location"].partition("#")[0]).status_code == 200
