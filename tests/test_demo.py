"""The demo company: made once, found again, never beside another organization; its simulated platforms keep their word."""

from __future__ import annotations

import asyncio
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from cxm.channels.contracts import Mention
from cxm.channels.kit import webhooks
from cxm.channels.kit.mentions import mention_from_json
from cxm.connect import api as connect
from cxm.demo import api as demo
from cxm.demo import company, hosting, past, spread, state, telling
from cxm.demo.platforms import Platforms, Taking
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, Invalid
from cxm.listen import api as listen
from cxm.listen.sniffing import recognised
from cxm.love import api as love
from cxm.love.contracts import ConversationView, InboxFilter
from cxm.people import api as people
from cxm.platform import egress, jobs
from cxm.platform.config import settings
from cxm.run.wiring import wire

LANGUAGES = {"de", "en", "es", "fr", "pt", "ar", "hi", "th", "ja", "zh", "ko"}


@pytest.fixture
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data directory of its own for what the demo remembers; the engines stay those of the session."""
    wire()
    monkeypatch.setattr(state, "settings", lambda: settings().model_copy(update={"data": tmp_path}))
    yield tmp_path
    hosting.release()


@pytest.mark.django_db(transaction=True)
def test_the_company_is_made_once_and_found_again(own_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [said for number, said in enumerate(telling.past()) if said.window is None or number % 12 == 0 or said.name == "Hildegard Pauli"]
    monkeypatch.setattr(telling, "past", lambda: tuple(told))  # a part of them is enough here; the next test reads all
    email, password = demo.prepare()
    jobs.work_off(["events", "intake"])
    before = _counted()
    assert demo.prepare() == (email, password)
    jobs.work_off(["events", "intake"])
    assert _counted() == before

    assert email == "ines@marlow.example"
    assert (own_directory / "demo.json").stat().st_mode & 0o777 == 0o600
    assert password not in (own_directory / "demo.json").read_text()
    organization, ines = _ines()
    assert listen.search(ines, "", limit=1).count >= len(told) >= 200
    assert _languages(ines) >= LANGUAGES
    past.handle_before(organization, now())
    after = _counted()
    past.handle_before(organization, now())
    assert _counted() == after, "what was done is not done twice"
    inbox = love.conversations(ines, InboxFilter(), None, 500).items
    assert {view.state for view in inbox} == {"open", "waiting", "snoozed", "closed"}
    counts = love.counts(ines)
    assert 3 <= counts.late <= counts.open - 10
    assert {topic.name for topic in listen.topics(organization).items} == set(telling.company()["topics"])
    assert all(now() - account.created_at > timedelta(days=180) for account in connect.accounts(organization)), (
        "connected before the first word"
    )
    promises = {one.text: one for one in love.pledges(ines).items}
    assert {one.state for one in promises.values()} == {"open", "kept"} and len(promises) >= 4
    assert {one.due_at < now() for one in promises.values() if one.state == "open"} == {True, False}, "one is overdue, others are to come"
    works = {member.name: member.shifts.zone for member in govern.members(organization) if member.shifts is not None}
    assert works["Jonas Weber"] == "Europe/Berlin" and works["Yuki Tanabe"] == "Asia/Tokyo" and "Ines Meyer" not in works
    _one_person_on_two_accounts(organization, inbox)


@pytest.mark.django_db(transaction=True)
def test_another_organization_is_left_alone(own_directory: Path) -> None:
    govern.set_up("Somebody Else", "owner@else.example", "a long password 17")
    with pytest.raises(Conflict) as refused:
        demo.prepare()
    assert "Somebody Else" in refused.value.text
    assert not (own_directory / "demo.json").exists()
    assert [one.name for one in govern.organizations()] == ["Somebody Else"]


@pytest.mark.django_db(transaction=True)
def test_an_organization_of_its_name_that_it_did_not_make_is_left_alone(own_directory: Path) -> None:
    govern.set_up("Marlow Coffee", "owner@else.example", "a long password 17")
    with pytest.raises(Conflict):
        demo.prepare()
    assert connect.accounts(govern.organization_named("Marlow Coffee").id) == []


def test_the_egress_guard_lets_through_the_platforms_port_alone() -> None:
    port = hosting.bind(0)
    try:
        assert egress.check_url(f"http://127.0.0.1:{port}/chat")
        for closed in (f"http://127.0.0.1:{port + 1}/chat", f"http://localhost.example:{port}/chat", "http://169.254.169.254/"):
            with pytest.raises(Invalid):
                egress.check_url(closed)
    finally:
        hosting.release()


def test_every_story_can_be_told() -> None:
    told = [*telling.past(), *telling.coming()]
    assert len({said.native_id for said in told}) == len(told) >= 1400
    assert {said.lang for said in told} >= LANGUAGES
    plan = telling.company()
    known = {"ines", *(entry[0] for entry in plan["members"])}
    assert {act.split(" ")[0] for said in told for act in said.do} <= known
    assert {act.split(" ")[2] for said in told for act in said.do if act.split(" ")[1] == "gives"} <= known
    assert {said.where for said in told if said.turns and any(turn.ours for turn in said.turns)} <= set(plan["accounts"])


def test_every_story_is_a_mention_and_none_lies_in_the_future() -> None:
    start = now()
    earliest = start
    for said in telling.past():
        moment = spread.moment(said, start)
        earliest = min(earliest, moment)
        assert moment < start and past._last(said, start) <= start + timedelta(days=4), said.native_id
        heard = mention_from_json({**past.as_json(said, None, moment), "channel": said.where}, trusted=True)
        assert isinstance(heard, Mention), (said.native_id, heard)
    assert 150 <= (start - earliest).days <= 190


def test_each_is_written_by_hand_and_none_twice() -> None:
    told = [*telling.past(), *telling.coming()]
    texts = [said.text for said in told] + [turn.text for said in told for turn in said.turns]
    plain = ["".join(filter(str.isalnum, text.casefold())) for text in texts]
    assert max(Counter(plain).values()) == 1
    shingles = [_shingles(text) for text in texts]
    seen = Counter(shingle for found in shingles for shingle in found)
    alike = [text for text, found in zip(texts, shingles, strict=True) if found and sum(seen[one] > 1 for one in found) > len(found) / 2]
    assert len(alike) <= len(texts) * 0.005, alike[:5]


def _shingles(text: str) -> set[tuple[str, ...]]:
    """Runs of five words; of eight letters where words are not set apart."""
    words = text.casefold().split()
    if len(words) < 5 and len(text) >= 20 and not text.isascii():
        return {tuple(text[at : at + 8]) for at in range(len(text) - 7)}
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


def test_a_platform_takes_a_signed_answer_once_and_can_be_asked(tmp_path: Path) -> None:
    secret, intent = webhooks.new_secret(), str(uuid4())
    body = _body(intent, "en-01")
    taken: list[Taking] = []

    async def talk(platforms: Platforms) -> list[httpx2.Response]:
        platforms.on_taken = taken.append
        async with _client(platforms) as client:
            return [
                await client.get("/chat", params={"id": intent}, headers=webhooks.sign(intent, b"", secret, now())),
                await client.post("/chat", content=body, headers=webhooks.sign(intent, body, secret, now())),
                await client.post("/chat", content=body, headers=webhooks.sign(intent, body, secret, now())),
                await client.get("/chat", params={"id": intent}, headers=webhooks.sign(intent, b"", secret, now())),
                await client.post("/chat", content=body + b" ", headers=webhooks.sign(intent, body + b" ", secret, now())),
            ]

    unknown, done, again, asked, other = asyncio.run(talk(_platforms(tmp_path, secret)))
    assert unknown.status_code == 404
    assert done.status_code == 200 and done.json()["native_id"]
    assert again.status_code == 409 and again.json() == done.json()
    assert asked.status_code == 200 and asked.json() == done.json()
    assert other.status_code == 422
    assert [taking.intent for taking in taken] == [intent]

    after_restart = _platforms(tmp_path, secret)
    assert after_restart.taken[intent].native_id == done.json()["native_id"]


def test_the_pictures_of_the_stories_are_shown_to_anybody_and_nothing_else_is(tmp_path: Path) -> None:
    shown = {picture.name: picture.alt for said in [*telling.past(), *telling.coming()] for picture in said.pictures}
    assert len(shown) >= 3 and all(len(alt) > 10 for alt in shown.values())
    assert set(shown) == {path.name for path in telling.PICTURES.iterdir()}, "none lies there unseen"

    async def talk() -> list[Any]:
        async with _client(_platforms(tmp_path, webhooks.new_secret())) as client:
            paths = [*shown, "none.png", "..%2Fpast.py", "past.py"]
            return [await client.get(f"/pictures/{name}") for name in paths]

    *pictures, none, above, program = asyncio.run(talk())
    for answer in pictures:
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("image/")
        assert recognised(io.BytesIO(answer.content)), "shown beside words: judged by its own bytes"
    assert {none.status_code, above.status_code, program.status_code} == {401}


@pytest.mark.parametrize("how", ["unsigned", "other secret", "other words"])
def test_a_platform_refuses_what_is_not_ours(tmp_path: Path, how: str) -> None:
    secret, intent = webhooks.new_secret(), str(uuid4())
    body = _body(intent, "en-01")
    signed = webhooks.sign(intent, body, webhooks.new_secret() if how == "other secret" else secret, now())
    platforms = _platforms(tmp_path, secret)

    async def talk() -> int:
        async with _client(platforms) as client:
            sent = body.replace(b"Hello", b"Hallo") if how == "other words" else body
            return (await client.post("/chat", content=sent, headers={} if how == "unsigned" else signed)).status_code

    assert asyncio.run(talk()) == 401
    assert platforms.taken == {}


def test_a_busy_platform_asks_for_a_moment_and_then_takes_it(tmp_path: Path) -> None:
    secret = webhooks.new_secret()
    platforms = Platforms(lambda key: secret, tmp_path / "taken.jsonl")

    async def first_and_second(intent: str) -> tuple[httpx2.Response, httpx2.Response]:
        body = _body(intent, "en-01")
        async with _client(platforms) as client:
            first = await client.post("/chat", content=body, headers=webhooks.sign(intent, body, secret, now()))
            return first, await client.post("/chat", content=body, headers=webhooks.sign(intent, body, secret, now()))

    first, second = asyncio.run(first_and_second(_intent_of_mood(0.0, 0.06)))
    assert (first.status_code, first.headers["retry-after"]) == (503, "6")
    assert second.status_code == 200


def test_a_platform_says_why_it_takes_no_answer(tmp_path: Path) -> None:
    secret, intent = webhooks.new_secret(), str(uuid4())
    refused = next(said for said in telling.past() if said.refuse)
    body = _body(intent, refused.native_id)

    async def talk() -> httpx2.Response:
        async with _client(_platforms(tmp_path, secret)) as client:
            return await client.post("/stores", content=body, headers=webhooks.sign(intent, body, secret, now()))

    answer = asyncio.run(talk())
    assert answer.status_code == 422
    assert answer.json()["detail"] == refused.refuse


def _platforms(folder: Path, secret: str) -> Platforms:
    return Platforms(lambda key: secret, folder / "taken.jsonl", moody=False)


def _client(platforms: Platforms) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=platforms), base_url="http://platform.example")


def _body(intent: str, about: str) -> bytes:
    return json.dumps({"type": "reply", "id": intent, "in_reply_to": about, "thread": None, "text": "Hello", "media": []}).encode()


def _intent_of_mood(low: float, high: float) -> str:
    import random

    return next(str(UUID(int=number)) for number in range(10_000) if low <= random.Random(str(UUID(int=number))).random() < high)


def _ines() -> tuple[UUID, Actor]:
    organization = company.organization()
    return organization, company.actors(organization)["ines"]


def _languages(ines: Actor) -> set[str]:
    found = set[str]()
    page = listen.search(ines, "", limit=500)
    found |= {str(item["language"]).partition("-")[0] for item in page.items}
    return found


def _one_person_on_two_accounts(organization: UUID, inbox: Sequence[ConversationView]) -> None:
    lena = [view for view in inbox if view.author["name"] in ("Lena Krüger", "Lena K.")]
    assert len({view.account for view in lena}) == 2
    assert len({people.current(organization, [view.profile])[view.profile] for view in lena if view.profile}) == 1


def _counted() -> tuple[int, int, int, int]:
    organization, ines = _ines()
    inbox = love.conversations(ines, InboxFilter(), None, 500).items
    return (
        len(inbox),
        len(govern.members(organization)),
        len(connect.accounts(organization)),
        listen.search(ines, "", limit=1).count,
    )
