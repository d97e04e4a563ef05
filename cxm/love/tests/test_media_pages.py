"""Files in the thread: shown in place from our own route, or downloads; nothing foreign is loaded, nothing hostile runs."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.test import Client

from cxm.channels.contracts import Media
from cxm.connect.contracts import Account
from cxm.love import api
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, other  # noqa: F401 (fixtures)

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 1280, 960) + b"pixels"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(2000)
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(500)
FILES = (
    Media("image", name="kettle.png", content_type="image/png", content=PNG),
    Media("image", name="logo.svg", content_type="image/svg+xml", content=SVG),
    Media("video", name="leak.mp4", content_type="video/mp4", content=MP4),
    Media("audio", name="voice.mp3", content_type="audio/mpeg", content=MP3),
    Media("file", name=HOSTILE[:400], content_type="text/html", content=b"<script>alert(1)</script>"),
    Media("image", url="https://tracker.example/pixel.gif", alt="a cat"),
)


@pytest.fixture
def account(house: House) -> Account:
    return house.account()


@pytest.fixture
def mention(house: House, account: Account) -> Iterator[UUID]:
    yield house.hear(account, "with-files", "Look at my kettle", media=FILES)


def thread(house: House, browser: Client, mention: UUID) -> str:
    answer = browser.get(f"/inbox/{api.conversation_of(house.owner, mention)}")
    assert answer.status_code == 200
    return assert_safe(answer)


def test_what_can_be_shown_is_shown_in_place_and_the_rest_is_a_download(house: House, mention: UUID) -> None:
    shown = thread(house, house.browser(), mention)
    assert re.search(rf'<img src="/media/{mention}/0\?inline" alt="kettle.png"[^>]* width="320" height="240"', shown)
    assert f'<video controls preload="metadata" src="/media/{mention}/2?inline"' in shown
    assert f'<audio controls preload="none" src="/media/{mention}/3?inline"' in shown
    assert f'href="/media/{mention}/1" download' in shown and "logo.svg" in shown and f"/media/{mention}/1?inline" not in shown
    assert f'href="/media/{mention}/4" download' in shown and "25\xa0bytes" in shown
    assert re.search(
        r'<a [^>]*href="https://tracker.example/pixel.gif"[^>]*title="It lies at tracker.example; opening it leaves OpenCXM."', shown
    )
    assert not re.search(r'src="(?!/)', shown), "nothing is loaded from elsewhere"


@pytest.mark.parametrize("index", range(5))
def test_every_file_of_ours_is_harmless_when_opened(house: House, mention: UUID, index: int) -> None:
    browser = house.browser()
    for address in (f"/media/{mention}/{index}", f"/media/{mention}/{index}?inline"):
        answer = browser.get(address)
        assert answer.status_code == 200 and answer.content == FILES[index].content
        assert answer["X-Content-Type-Options"] == "nosniff" and "sandbox" in answer["Content-Security-Policy"]
        safe = answer["Content-Type"] in ("image/png", "video/mp4", "audio/mpeg")
        assert safe or answer["Content-Type"] == "application/octet-stream"
        assert answer["Content-Disposition"].startswith("inline" if safe else "attachment")
    assert browser.get(f"/media/{mention}/{index}")["Content-Disposition"].startswith("attachment")


def test_a_player_gets_the_part_it_asks_for(house: House, mention: UUID) -> None:
    browser, address = house.browser(), f"/media/{mention}/2?inline"
    for part, expected in (("bytes=0-9", MP4[:10]), ("bytes=2000-", MP4[2000:]), ("bytes=-4", MP4[-4:]), ("bytes=8-999999", MP4[8:])):
        answer = browser.get(address, headers={"Range": part})
        assert (answer.status_code, answer.content) == (206, expected)
        assert answer["Content-Range"].endswith(f"/{len(MP4)}")
    assert browser.get(address, headers={"Range": "bytes=999999-"}).status_code == 416
    for odd in ("bytes=-", "lines=1-2", "bytes=1-2,4-5", "bytes=" + "9" * 400 + "-"):
        assert browser.get(address, headers={"Range": odd}).content == MP4


def test_files_are_for_those_who_may_read_the_mention(house: House, other: House, mention: UUID) -> None:
    unit = house.unit("Elsewhere")
    for stranger in (other.browser(), house.join("jo@marlow.example", "agent", unit)):
        assert stranger.get(f"/media/{mention}/0?inline").status_code == 404
    assert Client().get(f"/media/{mention}/0").status_code in (302, 401)
