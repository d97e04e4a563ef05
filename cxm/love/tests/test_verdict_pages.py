"""Verdicts put right in the conversation."""

from __future__ import annotations

import json
import re
from uuid import UUID

import pytest

from cxm.love import api
from tests.houses import House, _own_store, assert_safe, house, other, post, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def mention(house: House) -> UUID:
    return house.hear(house.account(), "m1", "This makes me so angry, I hate it! Where is my money?")


def test_one_choice_puts_a_verdict_right_for_good(house: House, mention: UUID) -> None:
    browser = house.browser()
    conversation = api.conversation_of(house.owner, mention)
    shown = assert_safe(browser.get(f"/inbox/{conversation}"))
    assert 'popovertarget="menu-verdicts" data-key="v"' in shown and re.search(r'"field": "sentiment", "value": "positive"', shown)

    def choose(field: str, value: str) -> dict[str, object]:
        given = {"mention": str(mention), "field": field, "value": value}
        answer = post(browser, f"/inbox/{conversation}/correct", given, **{"HX-Request": "true"})
        assert answer.status_code == 200 and "Corrected" in json.loads(answer["HX-Trigger"])["cxm:toast"]["text"]
        settle()
        return dict(api.conversation(house.owner, conversation).mentions[0].mention)

    before = set(api.conversation(house.owner, conversation).mentions[0].mention["intents"])
    assert choose("sentiment", "positive")["sentiment"] == "positive"
    assert set(choose("intents", "churn")["intents"]) == before ^ {"churn"}  # type: ignore[call-overload]
    again = choose("intents", "churn")
    assert set(again["intents"]) == before and again["verdicts_by"] == "person"  # type: ignore[call-overload]
    assert 'chip-guess" title' not in assert_safe(browser.get(f"/inbox/{conversation}"))


def test_only_who_may_and_only_what_is_there(house: House, other: House, mention: UUID) -> None:
    conversation = api.conversation_of(house.owner, mention)
    good = {"mention": str(mention), "field": "sentiment", "value": "positive"}
    assert post(other.browser(), f"/inbox/{conversation}/correct", good).status_code == 404
    browser = house.browser()
    for change, status in (
        ({"mention": "x"}, 404),
        ({"field": "state"}, 422),
        ({"field": "emotions", "value": "envy"}, 422),
        ({"value": "great"}, 422),
    ):
        assert post(browser, f"/inbox/{conversation}/correct", good | change, **{"HX-Request": "true"}).status_code == status, change
