"""/inbox by HTTP: what stands there, for whom, at what cost; what is refused and how it is told."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cxm.connect import accounts as connecting
from cxm.govern import api as govern
from cxm.kernel.clock import now, shifted_by
from cxm.love import api
from cxm.love.contracts import NoteItem, ReplyItem
from cxm.love.models import Presence
from cxm.love.services import presence
from cxm.love.tests.conftest import World
from cxm.outbound.models import Intent

pytestmark = pytest.mark.django_db
PASSWORD = "a long password 17"
#: A list or a conversation, however many there are: every page costs at most this many statements.
MOST_QUERIES = 38


_TOKEN = re.compile(r'"X-CSRFToken": "\w+"')


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose


def signed_in(world: World, email: str | None = None) -> Client:
    """A browser in which the owner, or the member with that address, is signed in."""
    client = Client()
    login = email or govern.member(world.organization, world.actor.member).email
    answer = client.post("/sign-in", {"login": login, "password": PASSWORD})
    assert answer.status_code == 302, answer.content[:1000]
    return client


def join(world: World, role: str, unit: UUID | None = None) -> str:
    """A new member in ``role``, in one unit or everywhere; their address."""
    email = f"{role}-{uuid4().hex[:6]}@acme.example"
    invited = govern.invite(world.actor, email, role.title(), role, unit)
    govern.accept_invitation(invited.link.rpartition("/")[2], "", PASSWORD)
    return email


@pytest.fixture
def browser(world: World) -> Client:
    return signed_in(world)


@pytest.fixture
def conversation(world: World) -> UUID:
    world.hear(world.mention("m1", "Where is <b>my</b> order?", minutes=9), world.mention("m2", "It is three days late", minutes=5))
    return world.only().conversation.id


def page(client: Client, address: str, status: int = 200, **headers: str) -> str:
    answer = client.get(address, headers=headers)
    assert answer.status_code == status, answer.content[:2000]
    return answer.content.decode()


def part(client: Client, address: str, data: dict[str, Any] | None = None, *, target: str = "section#pane-main", at: str = "/inbox") -> Any:
    """What htmx asks: a fragment by GET, or an action by POST when there is ``data``."""
    headers = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": target, "HX-Current-URL": f"http://testserver{at}"}
    return client.get(address, headers=headers) if data is None else client.post(address, data, headers=headers)


def toast(answer: Any) -> dict[str, Any]:
    return json.loads(answer["HX-Trigger"])["cxm:toast"]


def test_the_inbox_shows_what_waits_and_escapes_it(world: World, browser: Client, conversation: UUID) -> None:
    shown = page(browser, "/inbox")
    assert "It is three days late" in shown and "Lena" in shown and f"/inbox/{conversation}" in shown
    assert "Waiting for us" in shown and "unread" in shown
    opened = page(browser, f"/inbox/{conversation}")
    assert "Where is &lt;b&gt;my&lt;/b&gt; order?" in opened and "<b>my</b>" not in opened
    assert "data-composer" in opened and 'value="private"' in opened
    assert 'class="list-row unread' not in page(browser, "/inbox"), "who has opened it has seen it"


def test_an_empty_inbox_teaches(browser: Client) -> None:
    shown = page(browser, "/inbox")
    assert "Nothing waits for you" in shown and "/channels" in shown
    assert "No conversation is like that" in page(browser, "/inbox?tag=nothing-has-it")


def test_nobody_looks_in_without_signing_in(conversation: UUID) -> None:
    for path in ("/inbox", f"/inbox/{conversation}", f"/inbox/{conversation}/thread", "/inbox/list"):
        answer = Client().get(path)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/sign-in")
    assert Client().post(f"/inbox/{conversation}/write", {"text": "x", "visibility": "private"}).status_code == 302


def test_another_organizations_conversation_is_as_if_it_were_not_there(world: World, other: World, browser: Client) -> None:
    other.hear(other.mention("o1"))
    theirs, missing = other.only().conversation.id, uuid4()
    made = api.reply(other.actor, theirs, "ours", undo_seconds=60)
    for suffix in ("", "/thread"):
        found = [_TOKEN.sub("", page(browser, f"/inbox/{key}{suffix}", 404).replace(str(key), "")) for key in (theirs, missing)]
        assert found[0] == found[1]
    for action, data in (
        ("write", {"text": "x", "visibility": "private"}),
        ("close", {}),
        ("assign", {"member": "me"}),
        ("reopen", {}),
        ("tag", {"add": "x"}),
    ):
        assert part(browser, f"/inbox/{theirs}/{action}", data).status_code == 404
    assert part(browser, f"/inbox/replies/{made.id}/take-back", {}).status_code == 404
    assert part(browser, f"/inbox/replies/{made.id}/settle", {"outcome": "sent"}).status_code == 404
    held = part(browser, f"/inbox/list?hold={theirs}").content.decode()
    assert "Where is my order" not in held
    assert api.conversation(other.actor, theirs).conversation.state == "open"


def test_units_limit_the_list(world: World, conversation: UUID) -> None:
    unit = govern.create_unit(world.actor, "Leipzig", None)
    account, _ = connecting.connect(
        world.actor, channel="webhook", name="Leipzig", unit=unit.id, settings={"reply_url": "https://hooks.example.com/l"}
    )
    world.hear(world.mention("l1", "Only for Leipzig", author="uwe", unit=str(unit.id), account_id=str(account.id), account="Leipzig"))
    client = signed_in(world, join(world, "agent", unit.id))
    shown = page(client, "/inbox")
    assert "Only for Leipzig" in shown and "It is three days late" not in shown
    page(client, f"/inbox/{conversation}", 404)


def test_who_may_only_read_sees_no_composer_and_no_actions(world: World, conversation: UUID) -> None:
    client = signed_in(world, join(world, "analyst"))
    opened = page(client, f"/inbox/{conversation}")
    assert "It is three days late" in opened
    assert "data-composer" not in opened and "/close" not in opened and "/assign" not in opened
    for action, data in (("write", {"text": "x", "visibility": "private"}), ("write", {"text": "x", "visibility": "note"}), ("close", {})):
        assert part(client, f"/inbox/{conversation}/{action}", data).status_code == 403
    assert not Intent.objects.for_organization(world.organization).exists()


def test_filters_stand_in_the_address(world: World, browser: Client, conversation: UUID) -> None:
    world.hear(world.mention("p1", "Worn out", author="ana", private=False, kind="comment", language="es"))
    assert "Worn out" not in page(browser, "/inbox?kind=private") and "Worn out" in page(browser, "/inbox?kind=public")
    assert "three days late" not in page(browser, "/inbox?language=es") and "Worn out" in page(browser, "/inbox?language=es")
    assert "Worn out" not in page(browser, "/inbox?state=closed")
    kept = page(browser, "/inbox?language=es&sort=due")
    assert "?language=es&amp;sort=due" in kept, "opening a row keeps the list"
    assert "Worn out" in page(browser, "/inbox?state=nonsense&assignee=nonsense&kind=x&sort=y&account=z"), (
        "what means nothing is passed over"
    )


def test_an_answer_waits_and_can_be_taken_back_with_its_words(world: World, browser: Client, conversation: UUID) -> None:
    answer = part(browser, f"/inbox/{conversation}/write", {"text": "On its way", "visibility": "private"}, target="div#composer-says")
    assert answer.status_code == 200 and "On its way" in answer.content.decode()
    undo = toast(answer)["undo"]
    (reply,) = [item for item in world.only().items if isinstance(item, ReplyItem)]
    assert (reply.state, undo) == ("waiting", f"/inbox/replies/{reply.id}/take-back")
    back = part(browser, undo, {})
    assert json.loads(back["HX-Trigger"])["inbox:given-back"] == {
        "conversation": str(conversation),
        "text": "On its way",
        "visibility": "private",
        "files": [],
    }
    assert Intent.objects.for_organization(world.organization).get().state == "cancelled"
    late = part(browser, undo, {})
    assert late.status_code == 409 and toast(late)["kind"] == "bad" and late["HX-Reswap"] == "none"


def test_what_is_refused_is_told_beside_the_composer(world: World, browser: Client, conversation: UUID) -> None:
    for data in ({"text": "  ", "visibility": "private"}, {"text": "x", "visibility": "everybody"}, {"text": "", "visibility": "note"}):
        answer = part(browser, f"/inbox/{conversation}/write", data, target="div#composer-says")
        assert answer.status_code == 422 and "inbox-notice-bad" in answer.content.decode()
        assert "HX-Reswap" not in answer and "data-composer" not in answer.content.decode(), "the composer is left alone"
    assert not Intent.objects.for_organization(world.organization).exists()


def test_only_what_the_channel_can_do_is_offered(world: World, browser: Client, conversation: UUID) -> None:
    assert 'name="visibility" value="public"' not in page(browser, f"/inbox/{conversation}"), "a private message has no public answer"
    world.hear(world.mention("p1", "Look", author="ana", private=False, kind="comment"))
    public = next(view.id for view in world.all() if view.kind == "public")
    opened = page(browser, f"/inbox/{public}")
    assert "Reply publicly" in opened and "Message privately" in opened and "everyone can read it" in opened
    mute, _ = connecting.connect(world.actor, channel="webhook", name="Mute", settings={})
    world.hear(world.mention("q1", "Hello", author="bo", account_id=str(mute.id), account="Mute"))
    silent = page(browser, f"/inbox/{next(view.id for view in world.all() if view.account == 'Mute')}")
    assert "only listens" in silent and 'name="visibility" value="private"' not in silent and 'name="visibility" value="note"' in silent


def test_notes_actions_and_quiet_lines(world: World, browser: Client, conversation: UUID) -> None:
    part(browser, f"/inbox/{conversation}/write", {"text": "Ask the roastery", "visibility": "note"})
    assert [item.text for item in world.only().items if isinstance(item, NoteItem)] == ["Ask the roastery"]
    part(browser, f"/inbox/{conversation}/assign", {"member": "me"})
    part(browser, f"/inbox/{conversation}/tag", {"add": "late, parcel"})
    shown = part(browser, f"/inbox/{conversation}/tag", {"had": ["late", "parcel"], "keep": ["late"]}).content.decode()
    view = world.only().conversation
    assert (view.assignee, view.tags) == (world.actor.member, ("late",))
    assert "took it" in shown and "note to us" in shown and "you have it" in shown
    assert part(browser, f"/inbox/{conversation}/assign", {"member": str(uuid4())}).status_code == 404
    assert part(browser, f"/inbox/{conversation}/tag", {}).status_code == 422
    assert part(browser, f"/inbox/{conversation}/snooze", {"until": "tomorrow"}).status_code == 422


def test_closing_goes_on_to_the_next_one(world: World, browser: Client) -> None:
    for name, minutes in (("ana", 30), ("bo", 20), ("cy", 10)):
        world.hear(world.mention(name, f"From {name}", author=name, minutes=minutes))
    cy, bo, ana = [view.id for view in world.all()]
    answer = part(browser, f"/inbox/{bo}/close", {"reason": "handed_over"})
    assert answer["HX-Push-Url"] == f"/inbox/{ana}" and "From ana" in answer.content.decode()
    assert api.conversation_row(world.actor, bo).close_reason == "handed_over"
    assert part(browser, f"/inbox/{ana}/close", {"own": "told them by phone"})["HX-Push-Url"] == f"/inbox/{cy}", "else the one above"
    last = part(browser, f"/inbox/{cy}/snooze", {"until": (now() + timedelta(hours=3)).isoformat()})
    assert last["HX-Push-Url"] == "/inbox" and "Choose a conversation" in last.content.decode()
    undo = part(browser, toast(last)["undo"], {})
    assert undo.status_code == 200 and api.conversation_row(world.actor, cy).state == "open"
    part(browser, f"/inbox/{bo}/reopen", {})
    assert api.conversation_row(world.actor, bo).state == "open"


def test_many_at_once(world: World, browser: Client) -> None:
    world.hear(*[world.mention(f"m{n}", author=f"a{n}") for n in range(3)])
    ids = [str(view.id) for view in world.all()]
    part(browser, "/inbox/bulk", {"ids": ids[:2], "do": "mine"})
    assert sorted(str(view.id) for view in world.all(assignee="me")) == sorted(ids[:2])
    answer = part(browser, "/inbox/bulk", {"ids": [*ids, str(uuid4())], "do": "close"})
    assert {view.state for view in world.all()} == {"closed"} and "1 was refused" in toast(answer)["text"]
    assert part(browser, "/inbox/bulk", {"ids": ids, "do": "delete"}).status_code == 422
    assert part(browser, "/inbox/bulk", {"do": "close"}).status_code == 422


def test_rows_that_are_read_stay_in_place(world: World, browser: Client, conversation: UUID) -> None:
    world.hear(world.mention("n1", "Brand new", author="ana"))
    held = part(browser, f"/inbox/list?hold={conversation}").content.decode()
    assert "Brand new" not in held and "1 new" in held and "three days late" in held
    assert "Brand new" in part(browser, "/inbox/list").content.decode()
    api.close(world.actor, conversation)
    assert "going" in part(browser, f"/inbox/list?hold={conversation}").content.decode(), "what left the list fades, it does not vanish"


def test_edits_deletions_and_hostile_words(world: World, browser: Client, conversation: UUID) -> None:
    world.change("m1", text="Where is it really?")
    world.delete("m2")
    world.hear(
        world.mention(
            "m3",
            "</textarea><script>alert(1)</script>{{ 7 }}",
            title="<i>T</i>",
            url="javascript:alert(1)",
            media=[{"kind": "image", "url": "data:x"}],
        )
    )
    opened = page(browser, f"/inbox/{conversation}")
    assert "Where is it really?" in opened and "what it said before" in opened
    assert "It is three days late" not in opened and "Deleted where it was said" in opened
    assert "<script>alert" not in opened and "javascript:alert" not in opened and 'href="data:x"' not in opened and "<i>T</i>" not in opened


@pytest.mark.django_db(transaction=True)
def test_a_stop_is_said_before_one_writes_and_holds_what_is_written(world: World, browser: Client, conversation: UUID) -> None:
    assert "A stop is on" not in page(browser, f"/inbox/{conversation}")
    govern.stop_on(world.actor, "organization", "fire in the roastery")
    opened = page(browser, f"/inbox/{conversation}")
    assert "A stop is on" in opened and "fire in the roastery" in opened
    answer = part(browser, f"/inbox/{conversation}/write", {"text": "Soon", "visibility": "private"}, target="div#composer-says")
    assert "Held by a stop" in toast(answer)["text"] and "held by a stop; not sent" in answer.content.decode()
    assert Intent.objects.for_organization(world.organization).get().state == "held"


def settled_cost(client: Client, address: str) -> int:
    page(client, address)  # what is cached for good is cached now
    seen: list[str] = []

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(count):
        page(client, address)
    assert seen
    return len(seen)


def test_a_page_costs_the_same_with_three_and_with_sixty(world: World, browser: Client) -> None:
    def grow(start: int, end: int) -> None:
        world.hear(*[world.mention(f"m{n}", author=f"a{n}", minutes=n) for n in range(start, end)])

    grow(0, 3)
    few_list = settled_cost(browser, "/inbox")
    first = world.all()[0].id
    few_open = settled_cost(browser, f"/inbox/{first}")
    grow(3, 60)
    world.hear(*[world.mention(f"x{n}", f"again {n}", author="a0") for n in range(60)])
    many_list, many_open = settled_cost(browser, "/inbox"), settled_cost(browser, f"/inbox/{first}")
    assert many_list <= few_list, (few_list, many_list)
    assert many_open <= few_open, (few_open, many_open)
    assert many_list < MOST_QUERIES and many_open < MOST_QUERIES, (many_list, many_open)


def test_looking_again_writes_nothing_until_there_is_something_new(world: World, browser: Client, conversation: UUID) -> None:
    def marks() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert browser.get(f"/inbox/{conversation}").status_code == 200
        return sum('INTO "love_seen"' in one["sql"] for one in asked)

    assert (marks(), marks()) == (1, 0)
    world.hear(world.mention("m3", "one more thing"))
    assert api.conversation(world.actor, conversation).conversation.unread
    assert (marks(), marks()) == (1, 0)
    assert not api.conversation(world.actor, conversation).conversation.unread


def test_a_draft_is_kept_apart_for_each_way_and_stands_there_again(world: World, browser: Client, conversation: UUID) -> None:
    address = f"/inbox/{conversation}/draft"
    assert browser.post(address, {"text": "Dear <Lena>", "visibility": "private"}).status_code == 204
    assert browser.post(address, {"text": "only for us", "visibility": "note"}).status_code == 204
    elsewhere = signed_in(world)  # another browser of the same member
    shown = page(elsewhere, f"/inbox/{conversation}")
    assert re.search(r'value="note"[^>]*data-text="only for us"[^>]* checked', shown), "the newest is the one in front"
    assert re.search(r'value="private"[^>]*data-text="Dear &lt;Lena&gt;"', shown)
    assert re.search(r"<textarea[^>]*>only for us</textarea>", shown)
    colleague = signed_in(world, join(world, "agent"))
    assert "only for us" not in page(colleague, f"/inbox/{conversation}"), "nobody else sees what one has not said"
    part(browser, f"/inbox/{conversation}/write", {"text": "only for us", "visibility": "note"})
    again = page(browser, f"/inbox/{conversation}")
    assert 'data-text="only for us"' not in again and 'data-text="Dear &lt;Lena&gt;"' in again
    assert browser.post(address, {"text": "", "visibility": "private"}).status_code == 204
    assert 'data-text="' not in page(browser, f"/inbox/{conversation}")
    assert browser.post(address, {"text": "x", "visibility": "loud"}).status_code == 422


def test_a_draft_needs_the_right_to_say_it(world: World, other: World, conversation: UUID) -> None:
    analyst = signed_in(world, join(world, "analyst"))
    assert analyst.post(f"/inbox/{conversation}/draft", {"text": "x", "visibility": "private"}).status_code == 403
    assert signed_in(other).post(f"/inbox/{conversation}/draft", {"text": "x", "visibility": "private"}).status_code == 404


def test_colleagues_see_who_looks_and_who_writes(world: World, other: World, browser: Client, conversation: UUID) -> None:
    address = f"/inbox/{conversation}/here"
    email = join(world, "agent")
    colleague = signed_in(world, email)
    assert page(browser, address).strip() == ""
    assert colleague.post(address).status_code == 204
    assert "Agent is looking at this too" in page(browser, address)
    assert "looking" not in page(colleague, address), "nobody is told of themselves"
    assert colleague.post(address, {"typing": "1"}).status_code == 204
    assert "Agent is writing here" in page(browser, f"/inbox/{conversation}"), "whoever opens it sees it at once"
    with shifted_by(timedelta(seconds=15)):
        assert "Agent is looking at this too" in page(browser, address), "who rests their hands does not write"
    with shifted_by(timedelta(seconds=50)):
        assert page(browser, address).strip() == "", "who gives no sign of life is gone"
        assert presence.sweep() is False
    assert not Presence.objects.for_organization(world.organization).exists(), "and is forgotten"
    colleague.post(address)
    colleague.post(address, {"left": "1"})
    assert page(browser, address).strip() == ""
    stranger = signed_in(other)
    assert stranger.get(address).status_code == stranger.post(address).status_code == 404


def test_presence_is_told_by_name_alone_and_only_when_it_changes(
    world: World, conversation: UUID, django_capture_on_commit_callbacks: Any
) -> None:
    def told(*, typing: bool) -> int:
        with django_capture_on_commit_callbacks() as after:
            api.here(world.actor, conversation, typing=typing)
        return len(after)

    first = told(typing=False)
    assert first >= 1
    assert told(typing=False) == 0, "a sign of life that says nothing new bothers nobody"
    assert told(typing=True) == 1 and told(typing=True) == 0 and told(typing=False) == 1


def test_who_answers_second_is_told_before_it_leaves(world: World, browser: Client, conversation: UUID) -> None:
    shown = page(browser, f"/inbox/{conversation}")
    seen = re.search(r'name="since"[^>]*value="([^"]+)"', shown)
    assert seen
    colleague = signed_in(world, join(world, "agent"))
    write, says = f"/inbox/{conversation}/write", "div#composer-says"
    part(colleague, write, {"text": "It left <today>.", "visibility": "private"}, target=says)
    fresh = page(browser, f"/inbox/{conversation}/thread?since={seen[1].replace('+', '%2B')}")
    assert "Agent answered while you have this open." in fresh
    mine = {"text": "It leaves tomorrow.", "visibility": "private", "since": seen[1]}
    refused = part(browser, write, mine, target=says)
    assert refused.status_code == 409
    said = refused.content.decode()
    assert "Agent answered while you were writing. Yours was not sent." in said and "It left &lt;today&gt;." in said
    assert Intent.objects.for_organization(world.organization).count() == 1
    assert part(browser, write, {**mine, "visibility": "note"}, target=says).status_code == 200, "a note collides with nothing"
    read = re.search(r'name="read" value="([^"]+)"', said)
    assert read
    sent = part(browser, write, {**mine, "read": read[1]}, target=says)
    assert sent.status_code == 200 and f'id="since-{conversation}"' in sent.content.decode()
    assert Intent.objects.for_organization(world.organization).count() == 2
    assert part(browser, write, {**mine, "text": "And a second thing", "since": ""}, target=says).status_code == 200
