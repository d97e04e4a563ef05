"""Cut off and back, for each channel that is looked at: a day without the platform, its server going away in the middle, a sign-in taken back.

Nothing is lost, nothing comes twice, the gap stands in the ledger and is filled; what a member answered meanwhile goes out once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from cxm.channels import registry
from cxm.channels.bluesky import server as bluesky_server
from cxm.channels.bluesky.tests.chat import Chat
from cxm.channels.bluesky.tests.provider import ANN as BLUESKY_ANN
from cxm.channels.bluesky.tests.provider import BASE as BLUESKY
from cxm.channels.bluesky.tests.provider import ME as BLUESKY_ME
from cxm.channels.bluesky.tests.relay import mention
from cxm.channels.contracts import ConnectorError, Session, Unavailable
from cxm.channels.matrix.tests.provider import ANN, BASE, ME, TOKEN, Server
from cxm.channels.rss.manners import turns
from cxm.channels.rss.tests.provider import FEED, Site, item
from cxm.channels.telegram.tests import provider as telegram
from cxm.connect import api as connect
from cxm.connect import keeping, mailbox, runtime, selectors
from cxm.connect.models import Account
from cxm.connect.tests.hooks_kit import rest
from cxm.kernel.clock import now, shifted_by
from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from cxm.outbound import api as outbound
from cxm.outbound import gateway
from tests.houses import House, _own_store, house, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@dataclass
class Platform:
    """A platform in memory: ``say`` something there, ``revoke`` our sign-in, ``anew`` the credentials that hold again, what it has of us."""

    channel: str
    settings: dict[str, Any]
    credentials: dict[str, str]
    web: Any
    say: Callable[[str], None]
    #: Takes the sign-in back; gives the credentials that hold from then on.
    revoke: Callable[[], dict[str, str]] | None = None
    #: What we said there.
    ours: Callable[[], list[str]] = list
    #: Pages of a look, so that it can be cut in the middle.
    small: Callable[[], None] = lambda: None


def bluesky() -> Platform:
    network, count = Chat(), iter(range(1000))
    network.now = now()

    def say(text: str) -> None:
        number = next(count)
        network.now = now()
        network.say(BLUESKY_ANN, text, f"k{number:03}", facets=mention(BLUESKY_ME))

    def revoke() -> dict[str, str]:
        network.tokens.clear()
        network.password = "new-password"
        return {"password": "new-password"}

    def ours() -> list[str]:
        return [record["text"] for address, record in network.records.items() if f"/{BLUESKY_ME}/" in address]

    settings = {"handle": "acme.example", "server_url": BLUESKY, "own_posts": False}
    return Platform("bluesky", settings, {"password": "abcd-efgh"}, network, say, revoke, ours, lambda: setattr(network, "page", 2))


def matrix() -> Platform:
    server = Server()
    room = server.room("!dm:acme.example", ANN)

    def revoke() -> dict[str, str]:
        server.tokens = {"another token"}
        return {"access_token": "another token"}

    def ours() -> list[str]:
        return [event["content"]["body"] for _, event in server.rooms[room] if event["sender"] == ME and event["type"] == "m.room.message"]

    return Platform(
        "matrix", {"server_url": BASE}, {"access_token": TOKEN}, server, lambda text: server.say(room, ANN, text) and None, revoke, ours
    )


def telegram_bot() -> Platform:
    bot = telegram.BotApi()

    def revoke() -> dict[str, str]:
        bot.token = "7000000001:AAE_new"
        return {"token": "7000000001:AAE_new"}

    return Platform(
        "telegram",
        {},
        {"token": telegram.TOKEN},
        bot.web,
        lambda text: bot.hears(text) and None,
        revoke,
        lambda: [one["text"] for one in bot.said.values()],
    )


def feed() -> Platform:
    site, count = Site([]), iter(range(1, 1000))
    return Platform("rss", {"feeds": [FEED]}, {}, site, lambda text: site.items.insert(0, item(next(count), text)))


class Line:
    """The way to a platform: ``after`` so many requests (None: never) nobody answers any more."""

    def __init__(self, web: Any) -> None:
        self.web, self.after = web, None

    async def request(self, *given: Any, **more: Any) -> Any:
        if self.after is not None:
            self.after -= 1
            if self.after < 0:
                raise Unavailable("Nobody answers there.", "It is tried again.")
        return await self.web.request(*given, **more)


class Desk:
    """An account there, looked at as the runtime does."""

    def __init__(self, house: House, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
        turns.forget()
        bluesky_server.forget()
        self.house, self.platform, self.line, self.call = house, platform, Line(platform.web), rest(house)
        made, _ = connect.connect(
            house.owner, channel=platform.channel, name="Ours", settings=platform.settings, credentials=platform.credentials
        )
        self.account = made.id
        whole = runtime.session_of

        def session_of(row: Account, http: Any, heard: Any = None) -> Session:
            return replace(whole(row, http, heard), http=self.line, now=now())

        for module in (connect, keeping):
            monkeypatch.setattr(module, "session_of", session_of)
        self.session_of = session_of

    def row(self) -> Account:
        return Account.everywhere.get(pk=self.account)  # everywhere: a test

    def look(self) -> bool:
        """One look to its end, or to where it breaks; whether it came through."""
        turns.forget()
        try:
            for _ in range(50):
                row = self.row()
                found = asyncio.run(registry.channel(row.channel).poll().poll(self.session_of(row, None), row.cursor))
                runtime.keep(self.account, found, "poll")
                if not found.more:
                    break
            runtime.note_well(self.account, now())
        except ConnectorError as error:
            runtime.note_fault(self.account, error)
            return False
        finally:
            mailbox.take_in_all(self.account)
            settle()
        return True

    def texts(self) -> list[str]:
        answer = self.call("POST", "/mentions/search", {"query": "media_type:earned", "sort": "oldest"})
        assert answer.status_code == 200, answer.content
        return [one["text"] for one in answer.json()["items"]]

    def gaps(self) -> list[dict[str, Any]]:
        return list(selectors.gaps(self.house.organization, since=now() - timedelta(days=30), account=self.account))


@contextmanager
def later(**more: float) -> Iterator[None]:
    with shifted_by(timedelta(**more)):
        yield


@pytest.fixture(params=[bluesky, matrix, telegram_bot, feed], ids=lambda made: made.__name__)
def desk(request: pytest.FixtureRequest, house: House, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(house, request.param(), monkeypatch)


@pytest.mark.parametrize("cut", [{"seconds": 1}, {"minutes": 10}, {"hours": 24}], ids=["a second", "ten minutes", "a day"])
def test_nothing_is_lost_or_twice_and_the_gap_is_shown_and_filled(desk: Desk, cut: dict[str, float]) -> None:
    platform, line = desk.platform, desk.line
    if platform.channel == "telegram" and "hours" in cut:
        cut = {"hours": 20}  # it keeps a day, of which the hours around the cut are a part; what is longer away is below
    platform.say("Before")
    assert desk.look() and desk.texts() == ["Before"] and desk.gaps() == []
    wanted, began = ["Before"], now()
    with later(hours=1):  # past any feed's pause
        line.after = 0
        assert not desk.look()
        (gap,) = desk.gaps()
        assert gap["ended_at"] is None and "Nobody answers there" in gap["reason"]
        assert "Nobody answers there" in connect.health_of(connect.account(desk.house.organization, desk.account), None).text
        for number in range(5):
            with later(**{unit: count * number / 5 for unit, count in cut.items()}):
                platform.say(f"Meanwhile {number}")
                wanted.append(f"Meanwhile {number}")
        with later(**cut), later(hours=1):
            platform.small()
            for broken in range(1, 6):  # the server goes away after one request, then after two: whatever a look was at
                line.after = broken
                desk.look()
            line.after = None
            with later(hours=1):
                assert desk.look()
                assert sorted(desk.texts()) == sorted(wanted)
                assert all(gap["ended_at"] and gap["filled_at"] for gap in desk.gaps()), desk.gaps()
                assert min(gap["began_at"] for gap in desk.gaps()) <= began
                counted = connect.mailbox_sum(desk.house.organization, desk.account)
                assert (counted.accepted, counted.changed, counted.quarantined, counted.waiting) == (6, 0, 0, 0)
                with later(days=1):
                    assert desk.look() and len(desk.texts()) == 6, "what was heard came again"


def test_a_sign_in_taken_back_holds_replies_says_so_and_goes_on_where_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for made in (bluesky, matrix, telegram_bot):
        desk = Desk(house, made(), monkeypatch)
        platform, organization = desk.platform, house.organization
        platform.say(f"{platform.channel}: are you open?")
        assert desk.look()
        (talk,) = [one for one in love.conversations(house.owner, InboxFilter()).items if one.account_id == desk.account]
        assert platform.revoke is not None
        fresh = platform.revoke()
        with later(minutes=5):
            assert not desk.look()
            told = connect.health_of(connect.account(organization, desk.account), None)
            assert not told.ok and told.mend, "it is said what to do"
            reply = love.reply(house.owner, talk.id, "Until ten.", undo_seconds=0).id
            gateway.carry_out(reply)
            held = outbound.reply(organization, reply)
            assert (held.state, len(held.attempts)) == ("queued", 1) and held.detail and platform.ours() == [], (platform.channel, held)
            platform.say(f"{platform.channel}: hello?")
            connect.sign_in_anew(house.owner, desk.account, fresh)
            with later(hours=1):
                assert desk.look()
                heard = sorted(text for text in desk.texts() if text.startswith(platform.channel))
                assert heard == [f"{platform.channel}: are you open?", f"{platform.channel}: hello?"]
                for _ in range(3):
                    gateway.carry_out(reply)
                assert outbound.reply(organization, reply).state == "sent" and platform.ours() == ["Until ten."]
                assert all(gap["filled_at"] for gap in desk.gaps()) and desk.gaps()


def test_what_a_platform_no_longer_has_stands_in_the_ledger_unfilled(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for made, days, reason in ((telegram_bot, 3, "keeps what is written to a bot for a day"), (feed, 3, "shows only its newest entries")):
        desk = Desk(house, made(), monkeypatch)
        desk.platform.say("Before")
        assert desk.look()
        with later(days=days):
            if made is feed:
                desk.platform.web.items.clear()
            desk.platform.say("After")
            assert desk.look()
            assert "After" in desk.texts()
            unfilled = [gap for gap in desk.gaps() if not gap["filled_at"]]
            assert [reason in gap["reason"] for gap in unfilled] == [True], desk.gaps()
            with later(days=1):
                assert desk.look()
                assert len([gap for gap in desk.gaps() if not gap["filled_at"]]) == 1, "told once"
