"""Feeds on a real web server, in a process of its own: what an author writes is heard at the next look; killed in the middle of looking at
many, and started again, it costs nothing. The looks are ours, without the runtime around them, because a feed that failed rests for minutes."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cxm.channels import registry
from cxm.channels.contracts import ConnectorError
from cxm.channels.rss.manners import turns
from cxm.channels.testing.live import LoopbackHttp
from cxm.connect import api as connect
from cxm.connect import mailbox, runtime, selectors
from cxm.connect.models import Account
from cxm.kernel.clock import now, shifted_by
from cxm.listen import api as listen
from cxm.platform import egress
from cxm.platform.config import settings
from tests.houses import House, _own_store, house, settle  # noqa: F401 - fixtures
from tests.kit.serving import free_port
from tests.lab.borrowed import Server

pytestmark = [pytest.mark.lab, pytest.mark.django_db]
FEEDS, ITEMS = 12, 5


@pytest.fixture
def site() -> Iterator[Server]:
    folder, port = Path(tempfile.mkdtemp(prefix="cxm-feeds-")), free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with closing(Server(command, folder, port, "/")) as made:
        made.start()
        yield made


def write(site: Server, number: int, *titles: str) -> None:
    """A feed as its author's program leaves it: whole, in one step; in a second of its own, since HTTP tells no parts of one."""
    items = "".join(f"<item><guid>urn:{number}:{title}</guid><title>{title}</title></item>" for title in titles)
    fresh = site.folder / "fresh"
    fresh.write_text(f'<rss version="2.0"><channel><title>Feed {number}</title>{items}</channel></rss>')
    feed = site.folder / f"{number}.xml"
    at = max(now().timestamp(), feed.stat().st_mtime + 1 if feed.exists() else 0)
    os.utime(fresh, (at, at))
    fresh.rename(feed)


class Dying(LoopbackHttp):
    """The way to the site, on which it is killed as the ``deaths``th request is sent."""

    def __init__(self, site: Server, deaths: int) -> None:
        super().__init__()
        self.site, self.left = site, deaths

    async def request(self, *given: object, **more: object):  # type: ignore[no-untyped-def,override]
        self.left -= 1
        if self.left == 0:
            self.site.kill()
        return await super().request(*given, **more)  # type: ignore[arg-type]


def look(account: Account, http: LoopbackHttp) -> None:
    """Everything that is due by now, one request a second to the host."""
    try:
        for second in range(FEEDS + 5):
            with shifted_by(timedelta(seconds=second)):
                row = Account.everywhere.get(pk=account.pk)  # everywhere: a test
                found = asyncio.run(registry.channel("rss").poll().poll(runtime.session_of(row, http, ()), row.cursor))  # type: ignore[arg-type]
                runtime.keep(row.pk, found, "poll")
        runtime.note_well(account.pk, now())
    except ConnectorError as error:
        runtime.note_fault(account.pk, error)
    turns.forget()
    mailbox.take_in_all(account.pk)
    settle()


def test_what_authors_write_is_heard_once_though_their_server_dies_among_many_feeds(
    house: House, site: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    reachable = settings().model_copy(update={"egress_allow": f"127.0.0.1:{site.port}"})
    monkeypatch.setattr(egress, "settings", lambda: reachable)
    for number in range(FEEDS):
        write(site, number, f"{number} first")
    feeds = [f"{site.base}/{number}.xml" for number in range(FEEDS)]
    made, _ = connect.connect(house.owner, channel="rss", name="Feeds", settings={"feeds": feeds}, credentials={})
    account = Account.everywhere.get(pk=made.id)  # everywhere: a test

    def titles() -> Counter[str]:
        return Counter(one["title"] for one in listen.search(house.owner, "", limit=500).items)

    def gaps() -> list[dict[str, Any]]:
        return list(selectors.gaps(house.organization, since=now() - timedelta(days=1), account=account.pk))

    look(account, LoopbackHttp())
    assert titles() == Counter(f"{number} first" for number in range(FEEDS))
    write(site, 0, "0 news", "0 first")
    with shifted_by(timedelta(minutes=11)):  # its pause, of an author who writes often
        look(account, LoopbackHttp())
        assert titles()["0 news"] == 1, "heard at the next look"
    wanted = titles()
    with shifted_by(timedelta(hours=1)):
        for number in range(FEEDS):
            fresh = [f"{number} meanwhile {count}" for count in range(ITEMS)]
            wanted.update(fresh)
            write(site, number, *fresh, f"{number} first")
        look(account, Dying(site, FEEDS // 3))
        heard = sum(titles().values())
        assert 2 * FEEDS <= heard < sum(wanted.values()), "it died in the middle"
        with shifted_by(timedelta(minutes=30)):
            look(account, LoopbackHttp())
        assert gaps()[0]["ended_at"] is None, "all of them are silent, and that is shown"
        site.start()
        with shifted_by(timedelta(hours=2)):
            look(account, LoopbackHttp())
            assert titles() == wanted
            assert gaps() and all(gap["filled_at"] for gap in gaps()), gaps()
        with shifted_by(timedelta(days=1)):
            look(account, LoopbackHttp())
            assert titles() == wanted, "nothing came twice"
