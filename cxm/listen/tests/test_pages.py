"""Explorer, mention, topics and coverage as a browser sees them."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.test import Client

from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, frozen_at, now
from cxm.listen import asking, exports, selectors, topics
from cxm.listen.models import Record
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, line, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def the_only(organization) -> str:
    return str(Record.objects.get(organization_id=organization).pk)


def test_signed_out_leads_to_the_way_in():
    for path in ("/explorer?q=a", "/topics", "/coverage", f"/mentions/{uuid4()}"):
        answer = Client().get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/sign-in?next=")


def test_a_question_is_answered_with_figures_voices_and_facets(house: House):
    house.read(line("1", "The parcel is late again"), line("2", "Lovely coffee"), line("3", "A parcel, at last", state="answered"))
    text = assert_safe(house.browser().get("/explorer?q=parcel"))
    assert "<bdi>2</bdi>" in text
    assert text.count('class="voice"') == 2
    assert "The <mark>parcel</mark> is late again" in text
    assert "Lovely coffee" not in text
    assert "Finds: “parcel”." in text


def test_a_bar_narrows_and_the_breadcrumb_undoes(house: House):
    house.read(line("1", "tea late"), {**line("2", "tea cold"), "channel": "letters"}, line("3", "milk"))
    client = house.browser()
    found = asking.narrowed("tea OR milk", asking.written("channel", "letters"))
    assert found == ("(tea OR milk) AND channel:letters", False)
    page = client.get("/explorer", {"q": found[0]})
    assert page.content.decode().count('class="voice"') == 1
    text = unescape(page.content.decode())
    assert "tea cold" in text.replace("<mark>", "").replace("</mark>", "")
    assert "/explorer?q=%28tea+OR+milk%29" in text  # the step before
    assert asking.narrowed(found[0], "channel:letters") == ("(tea OR milk)", True)
    assert 'href="/explorer?q=%28tea+OR+milk%29" aria-current="true"' in text  # the bar itself takes it back


@pytest.mark.parametrize(
    ("query", "position", "mended"),
    [("late (parcel", 6, ""), ("sentment:negative", 1, "sentiment:negative"), ("a AND", None, ""), ("emotion:x*", None, "")],
)
def test_a_query_that_cannot_be_understood_is_shown_with_its_place(house: House, query, position, mended):
    house.read(line("1", "late parcel"))
    client = house.browser()
    for path in ("/explorer", "/explorer/check"):
        answer = client.get(path, {"q": query})
        text = unescape(answer.content.decode())
        assert answer.status_code == (400 if path == "/explorer" else 200)
        assert 'role="alert"' in text
        assert position is None or f"(at character {position})" in text
        assert not mended or f'<code dir="auto">{mended}</code>' in text
    assert f'value="{query}"' in unescape(client.get("/explorer", {"q": query}).content.decode())


def test_a_period_that_is_none_says_so_and_keeps_the_query(house: House):
    answer = house.browser().get("/explorer?q=tea&from=yesterdayish")
    assert answer.status_code == 422
    assert "is no time" in answer.content.decode()
    assert 'value="tea"' in answer.content.decode()


def test_of_a_period_the_first_day_is_in_and_the_last_is_not(house: House):
    for native, at in (("1", "2026-01-01T00:00:00Z"), ("2", "2026-01-31T23:59:59Z"), ("3", "2026-02-01T00:00:00Z")):
        house.read({**line(native, f"word{native}"), "published_at": at})
    text = house.browser().get("/explorer?from=2026-01-01&to=2026-02-01").content.decode()
    assert ("word1" in text, "word2" in text, "word3" in text) == (True, True, False)


def test_what_people_write_stays_text_everywhere(house: House):
    author = {"native_id": "x", "handle": HOSTILE[:200], "name": HOSTILE[:200], "url": "javascript:alert(1)"}
    house.read(line("1", HOSTILE, author=author, url="javascript:alert(1)", tags=["<i>tag</i>"], title=HOSTILE[:300]))
    house.read(line("2", "x" * 900_000))
    client = house.browser()
    topics.save(house.owner, name="<b>bold</b>", query='"<script>"')
    for path in ("/explorer", "/explorer?q=alert", '/explorer?q="<script>', "/coverage?from=all", "/coverage?by=channel", "/topics"):
        text = assert_safe(client.get(path))
        assert "<script>alert" not in text
        assert "49{% debug" not in text
        assert len(text) < 200_000
    for row in Record.objects.filter(organization_id=house.organization):
        text = assert_safe(client.get(f"/mentions/{row.pk}"))
        assert "javascript:" not in text
        assert 'dir="auto"' in text


def test_a_long_text_is_cut_and_can_be_seen_whole(house: House):
    house.read(line("1", "y" * 60_000))
    client, path = house.browser(), f"/mentions/{the_only(house.organization)}"
    assert "y" * 20_001 not in client.get(path).content.decode()
    assert "y" * 60_000 in client.get(path + "?whole=1").content.decode()


def test_another_organization_sees_nothing(house: House, other: House):
    house.read(line("1", "ours alone"))
    topic = topics.save(house.owner, name="Ours", query="alone")
    client = other.browser()
    assert client.get(f"/mentions/{the_only(house.organization)}").status_code == 404
    assert client.get(f"/topics/{topic.id}").status_code == 404
    for path in ("/explorer?q=alone", "/topics", "/coverage?from=all", "/explorer/export?format=csv"):
        answer = client.get(path)
        assert "ours alone" not in (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()
    assert post(client, f"/mentions/{the_only(house.organization)}", {"action": "state", "state": "answered"}).status_code == 404
    assert post(client, f"/topics/{topic.id}", {"action": "delete"}).status_code == 404
    assert topics.topic(house.organization, topic.id).name == "Ours"


def test_units_bound_what_is_seen_changed_and_exported(house: House):
    north, south = house.unit("North"), house.unit("South")
    mine = house.hear(house.account("N", north), "1", "from the north")
    theirs = house.hear(house.account("S", south), "2", "from the south")
    client = house.join("agent@marlow.example", "manager", north)
    text = client.get("/explorer").content.decode()
    assert ("from the north" in text, "from the south" in text) == (True, False)
    assert client.get(f"/mentions/{theirs}").status_code == 404
    assert post(client, f"/mentions/{theirs}", {"action": "state", "state": "answered"}).status_code == 404
    assert post(client, f"/mentions/{mine}", {"action": "state", "state": "handed_over"}).status_code == 302
    assert Record.objects.get(pk=mine).state == "handed_over"
    assert Record.objects.get(pk=theirs).state == "waiting"
    exported = b"".join(client.get("/explorer/export?format=jsonl").streaming_content).decode()
    assert ("from the north" in exported, "from the south" in exported) == (True, False)
    assert "1 mention heard" in client.get("/coverage?from=all").content.decode()


def test_who_may_not_is_neither_offered_nor_let(house: House):
    house.read(line("1", "something"))
    client, path = house.join("analyst@marlow.example", "analyst"), f"/mentions/{the_only(house.organization)}"
    text = client.get(path).content.decode()
    assert "Correct the verdicts" not in text
    assert "Set the state" not in text
    assert post(client, path, {"action": "state", "state": "answered"}).status_code == 403
    agent = house.join("agent@marlow.example", "agent")
    text = agent.get("/explorer?q=something").content.decode()
    assert "/explorer/export" not in text
    assert "Save as topic" not in text
    assert agent.get("/explorer/export?format=csv").status_code == 403
    assert agent.get("/topics/new").status_code == 403
    assert post(agent, "/topics/new", {"name": "x", "query": "y"}).status_code == 403


def test_posts_need_the_token(house: House):
    house.read(line("1", "something"))
    client = house.browser()
    for path in (f"/mentions/{the_only(house.organization)}", "/topics/new"):
        assert client.post(path, {"action": "state", "state": "answered", "name": "n", "query": "q"}).status_code == 403
    assert Record.objects.get(organization_id=house.organization).state != "answered"


def test_a_correction_is_a_persons_word_and_only_what_differs(house: House):
    house.read(line("1", "The parcel is late and I am furious", language="en", sentiment="negative"))
    client, path = house.browser(), f"/mentions/{the_only(house.organization)}"
    before = selectors.mention(house.owner, Record.objects.get(organization_id=house.organization).pk)
    assert before["sentiment"] == "negative"
    form = {"action": "correct", "sentiment": "positive", "intents": before["intents"], "language": before["language"], "spam": ""}
    form["spam"] = {True: "true", False: "false", None: ""}[before["spam"]]
    assert post(client, path, form).status_code == 302
    row = Record.objects.get(organization_id=house.organization)
    assert row.overrides == {"sentiment": "positive", "verdicts_by": "person"}
    assert "Corrected by a person" in client.get(path).content.decode()
    kinds = {
        label: kind
        for kind, label in re.findall(r'class="chip chip-(\w+)[^>]*><span dir="auto">([^<]+)<', client.get(path).content.decode())
    }
    assert (kinds["positive"], kinds["English"]) == ("neutral", "guess")  # her word, and what is still a guess
    wrong = post(client, path, {**form, "language": "no language at all"})
    assert wrong.status_code == 422
    assert 'value="no language at all"' in wrong.content.decode()


def test_the_language_field_shows_the_mentions_own_tag_in_any_interface_language(house: House):
    house.read(line("1", "Wo bleibt das Paket?", language="de"))
    for language in ("en", "ar"):
        text = house.browser().get(f"/mentions/{the_only(house.organization)}?lang={language}").content.decode()
        assert 'name="language" type="text" value="de"' in text


def test_topics_are_saved_renamed_and_deleted_and_keep_what_was_typed(house: House):
    client = house.browser()
    assert "No topic yet" in client.get("/topics").content.decode()
    assert "late OR &quot;sign in&quot;" in client.get("/topics/new", {"q": 'late OR "sign in"'}).content.decode()
    wrong = post(client, "/topics/new", {"name": "Broken", "query": "late ("})
    assert wrong.status_code == 400
    assert 'value="Broken"' in wrong.content.decode()
    assert ">late (</textarea>" in wrong.content.decode()
    assert post(client, "/topics/new", {"name": "Late", "query": "late"}).status_code == 302
    again = post(client, "/topics/new", {"name": "Late", "query": "other"})
    assert again.status_code == 409
    assert "There is a topic “Late” already." in again.content.decode()
    (row,) = topics.topics(house.organization).items
    assert post(client, f"/topics/{row.id}", {"name": "Lateness", "query": "late OR delayed"}).status_code == 302
    house.read(line("1", "delayed"), line("2", "punctual"))
    assert client.get("/explorer?q=topic:Lateness").content.decode().count('class="voice"') == 1
    assert "1 mention in 7 days" in client.get("/topics").content.decode()
    assert post(client, f"/topics/{row.id}", {"action": "delete"}).status_code == 302
    assert topics.topics(house.organization).items == []


def test_the_pill_counts_what_came_since_the_page_was_made(house: House):
    house.read(line("1", "tea"))
    client = house.browser()
    text = unescape(client.get("/explorer?q=tea").content.decode())
    address = text.split('hx-get="/explorer/new?')[1].split('"')[0]
    assert parse_qs(address) == {"q": ["tea"], "known": ["1"]}
    assert client.get("/explorer/new?" + address).content.decode().strip() == ""
    house.read(line("2", "more tea"), line("3", "milk"))
    fragment = client.get("/explorer/new?" + address).content.decode()
    assert "1 new" in fragment
    assert client.get("/explorer/new?known=many").status_code == 422


def test_pages_follow_one_another_and_hold_everything_once(house: House):
    house.read(*(line(str(number), f"number{number}x") for number in range(70)))
    client, seen, path = house.browser(), [], "/explorer?q=number*"
    for _ in range(5):
        text = unescape(client.get(path).content.decode())
        seen += [part.split('"')[0] for part in text.split('id="m-')[1:]]
        if 'rel="next"' not in text:
            break
        path = next(part for part in text.split('href="') if "cursor=" in part.split('"')[0]).split('"')[0]
    assert len(seen) == 70
    assert len(set(seen)) == 70
    assert urlsplit(path).query.startswith("q=number")


def test_the_sum_of_the_ends_is_the_number_heard(house: House):
    states = ("waiting", "answered", "answered", "no_answer_needed", "expired", "unreachable", "handed_over")
    house.read(*(line(str(at), f"t{at}", state=state) for at, state in enumerate(states)))
    gone = Record.objects.filter(organization_id=house.organization, state="waiting").get()
    Record.objects.filter(pk=gone.pk).update(deleted_at=now())
    total = selectors.coverage(house.owner)
    assert (total.heard, total.deleted, sum(total.states.values())) == (7, 1, 6)
    client = house.browser()
    for by in ("day", "account", "channel", "language", "unit"):
        assert (
            sum(
                row["heard"]
                for row in selectors.coverage_by(
                    house.owner, {"day": "published_at__date", "account": "account_id", "unit": "unit_id"}.get(by, by)
                )
            )
            == 7
        )
        text = client.get(f"/coverage?by={by}&from=all").content.decode()
        assert "7 mentions heard" in text
        assert "the sum is whole" in text
    assert client.get("/coverage?by=mood").status_code == 422
    assert "The mailbox accepted 7, the ledger holds 7: whole." in text


def test_a_deleted_mention_says_so_without_its_words(house: House):
    house.read(line("1", "regretted"))
    Record.objects.filter(organization_id=house.organization).update(deleted_at=now() - timedelta(hours=1))
    answer = house.browser().get(f"/mentions/{the_only(house.organization)}")
    assert answer.status_code == 410
    assert "Deleted where it was said" in answer.content.decode()
    assert "regretted" not in answer.content.decode()


def test_a_csv_runs_no_formula(house: House):
    house.read(line("1", "=HYPERLINK(1)"), line("2", "milk"))
    answer = house.browser().get("/explorer/export?format=csv&q=HYPERLINK")
    text = b"".join(answer.streaming_content).decode()
    assert "'=HYPERLINK(1)" in text
    assert "milk" not in text
    assert answer["Content-Disposition"] == 'attachment; filename="mentions.csv"'
    assert house.browser().get("/explorer/export?format=xls").status_code == 422
    assert house.browser().get("/explorer/export?q=(").status_code == 400


def test_instants_are_read_as_written():
    assert asking.instant("2026-01-31", "from").isoformat() == "2026-01-31T00:00:00+00:00"
    assert format_instant(asking.instant("2026-01-31T10:00:00+01:00", "to")) == "2026-01-31T09:00:00Z"
    with frozen_at(now().replace(second=20)):  # from the full minute on
        assert now() - asking.instant("now-24h", "from") == timedelta(hours=24, seconds=20, microseconds=now().microsecond)


@pytest.mark.parametrize(("hours", "bars"), [(1, 2), (24 * 20, 21), (24 * 400, 58), (24 * 1500, 49)])
def test_time_is_cut_into_hours_days_weeks_or_months(house: House, hours: int, bars: int):
    for native, ago in (("1", 0), ("2", hours)):
        house.read({**line(native, f"t{native}"), "published_at": format_instant(now() - timedelta(hours=ago))})
    text = unescape(house.browser().get("/explorer").content.decode())
    links = [part.split('"')[0] for part in text.split('href="/explorer?from=')[1:] if "&to=" in part.split('"')[0]]
    assert bars <= len(links) <= bars + 2
    client = house.browser()
    last = client.get("/explorer?from=" + links[-1]).content.decode()
    first = client.get("/explorer?from=" + links[0]).content.decode()
    assert (last.count('class="voice"'), first.count('class="voice"')) == (1, 1)


def test_an_export_holds_only_units_in_which_reading_and_exporting_are_both_held():
    north, south, west = uuid4(), uuid4(), uuid4()

    def units(read, export):
        return exports.exporting(Actor(uuid4(), "member", "m", grants={"mentions:read": read, "mentions:export": export})).units(
            "mentions:read"
        )

    assert units(frozenset({north, south}), frozenset({south, west})) == {south}
    assert units(None, frozenset({west})) == {west}
    assert units(frozenset({north}), None) == {north}
    assert units(None, None) is None
