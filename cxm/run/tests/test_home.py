"""Home, and the way from a mention to its conversation."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.test import Client

from cxm.listen import topics
from cxm.run import home
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, line, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def test_signed_out_leads_to_the_way_in():
    assert Client().get("/home")["Location"] == "/sign-in?next=%2Fhome"


def test_a_new_organization_is_told_what_to_do_first(house: House):
    text = assert_safe(house.browser().get("/home"))
    assert "Nothing waits for you" in text
    assert "Connect a channel" in text
    assert "Nothing was heard this week." in text
    assert "Connect a channel" not in house.join("agent@marlow.example", "agent").get("/home").content.decode()


def test_who_waits_stands_first_and_what_they_wrote_stays_text(house: House):
    mention = house.hear(house.account(), "m1", HOSTILE[:150] + " where is it?", author="lena")
    client = house.browser()
    text = assert_safe(client.get("/home"))
    assert "Lena" in text
    assert "1 person spoke in the last 24 hours." in text
    conversation = client.get(f"/mentions/{mention}/conversation")["Location"]
    assert conversation in text
    assert conversation.startswith("/inbox/")


def test_numbers_are_of_the_last_day_and_lead_to_their_messages(house: House):
    house.read(
        *(line(str(at), f"t{at}", sentiment="negative") for at in range(3)),
        {**line("old", "long ago"), "published_at": "2026-01-01T00:00:00Z"},
    )
    topics.save(house.owner, name="Tees", query="t1 OR t2")
    text = house.browser().get("/home").content.decode()
    assert text.count("<bdi>3</bdi>") == 2  # mentions, negative
    assert 'href="/explorer?from=now-24h&amp;q=sentiment%3Anegative"' in text
    assert "2 mentions in 7 days" in text


def test_each_part_is_for_whoever_may_see_what_it_counts(house: House, other: House):
    north, south = house.unit("North"), house.unit("South")
    house.hear(house.account("N", north), "1", "from the north", author="nora")
    house.hear(house.account("S", south), "2", "from the south", author="susi")
    text = house.join("agent@marlow.example", "agent", north).get("/home").content.decode()
    assert ("from the north" in text, "from the south" in text) == (True, False)
    assert "1 person spoke" in text
    assert "from the north" not in other.browser().get("/home").content.decode()


def test_a_mention_without_a_conversation_leads_back_to_itself(house: House, other: House):
    mention = house.hear(house.account(), "1", "hello")
    stranger = other.browser().get(f"/mentions/{mention}/conversation")
    assert stranger["Location"] == f"/mentions/{mention}?conversation=none"
    nowhere = uuid4()
    assert house.browser().get(f"/mentions/{nowhere}/conversation")["Location"] == f"/mentions/{nowhere}?conversation=none"


def test_greeting_follows_the_clock():
    said = [home.greeting(datetime(2026, 1, 1, hour, tzinfo=UTC)) for hour in (4, 5, 12, 18)]
    assert said == ["Good evening", "Good morning", "Good afternoon", "Good evening"]
