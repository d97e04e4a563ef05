"""Files that lie elsewhere: fetched through the guard, judged by their bytes, kept for a while, gone with their mention."""

from __future__ import annotations

import os
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID, uuid4

import pytest
from django.db import connection

from cxm.channels.contracts import Media
from cxm.connect.contracts import Account
from cxm.kernel.clock import now
from cxm.listen import media, remote
from cxm.listen.models import FetchedFile
from cxm.platform import egress
from cxm.platform.config import settings
from tests.houses import House, _own_store, assert_safe, house, other  # noqa: F401 (fixtures)

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 1280, 960) + b"pixels"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(500)


class Web:
    """A stranger's server on loopback, which the guard was told to allow; it counts who came and with what."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.came[self.path] += 1
                web.headers.append({key.lower(): value for key, value in self.headers.items()})
                if self.path.startswith("/to/"):
                    self.send_response(302)
                    self.send_header("location", {"/to/picture": "/picture.png", "/to/inside": "http://169.254.169.254/latest"}[self.path])
                    self.send_header("set-cookie", "seen=1; path=/")
                    self.end_headers()
                    return
                found = {"/picture.png": PNG, "/logo.png": SVG, "/song": MP3, "/large": b"x" * 5_000}.get(self.path)
                self.send_response(404 if found is None else 200)
                self.send_header("content-type", "image/png")
                self.send_header("content-length", str(len(found or b"")))
                self.end_headers()
                self.wfile.write(found or b"")

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.port = self.server.server_address[1]

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    made = Web()
    monkeypatch.setattr(egress, "_OWN", {("127.0.0.1", made.port)})
    monkeypatch.setattr(remote, "LIMIT", 4_000)
    yield made
    made.close()


@pytest.fixture
def account(house: House) -> Account:
    return house.account()


def hear(house: House, account: Account, native: str, *urls: str, kind: str = "image") -> UUID:
    return house.hear(account, native, "Look", media=tuple(Media(kind, url=url, alt=f"picture {index}") for index, url in enumerate(urls)))


def files(house: House) -> list[str]:
    folder = settings().data / "fetched" / str(house.organization)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_picture_elsewhere_is_given_by_us_once_fetched_and_goes_with_its_mention(
    house: House, other: House, account: Account, web: Web
) -> None:
    mention = hear(house, account, "1", web.at("/to/picture"), web.at("/logo.png"), web.at("/gone"), web.at("/large"), web.at("/to/inside"))
    page = house.browser()
    before = assert_safe(page.get(f"/mentions/{mention}"))
    assert f'src="/media/{mention}/0?inline" alt="picture 0" loading="lazy"' in before and 'width="320" height="240"' in before
    assert not web.came, "nothing is fetched before somebody looks"
    for _ in range(3):
        answer = page.get(f"/media/{mention}/0?inline", headers={"Referer": "https://cx.example/inbox"})
        assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, PNG, "image/png")
        assert answer["X-Content-Type-Options"] == "nosniff" and "sandbox" in answer["Content-Security-Policy"]
    assert web.came == {"/to/picture": 1, "/picture.png": 1}
    assert all(not {"referer", "x-forwarded-for", "authorization"} & set(sent) and "sessionid" not in str(sent) for sent in web.headers)
    part = page.get(f"/media/{mention}/0?inline", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, PNG[:4])

    drawn = page.get(f"/media/{mention}/1?inline")  # what can hold scripts is a download, whatever its server calls it
    assert (drawn.status_code, drawn["Content-Type"]) == (200, "application/octet-stream")
    assert drawn["Content-Disposition"] == 'attachment; filename="logo.png"'
    for index, fault in ((2, "missing"), (3, "too_large"), (4, "refused")):
        for _ in range(2):
            refused = page.get(f"/media/{mention}/{index}?inline")
            assert refused.status_code == 424, refused.content
        assert FetchedFile.objects.for_organization(house.organization).filter(fault=fault).count() == 1
    assert web.came["/gone"] == web.came["/large"] == web.came["/to/inside"] == 1, "a failure is believed for a while"
    after = assert_safe(page.get(f"/mentions/{mention}"))
    assert 'width="320" height="240"' in after  # 1280 x 960 in its place
    assert after.count("#image-off") == 5 and "It is not there any more." in after and f'href="{web.at("/gone")}"' in after
    assert f"/media/{mention}/1?inline" not in after and f"/media/{mention}/2?inline" not in after

    assert other.browser().get(f"/media/{mention}/0?inline").status_code == 404
    assert house.join("jo@marlow.example", "agent", house.unit("Elsewhere")).get(f"/media/{mention}/0?inline").status_code == 404
    assert len(files(house)) == 2
    media.forget(house.organization, [mention])
    assert files(house) == [] and not FetchedFile.objects.for_organization(house.organization).exists()


def test_what_is_kept_is_bounded_expires_and_is_fetched_again(
    house: House, account: Account, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (hear(house, account, native, web.at("/picture.png"), web.at("/song"), kind="audio") for native in ("1", "2"))
    page = house.browser()
    assert page.get(f"/media/{first}/1?inline")["Content-Type"] == "audio/mpeg"
    FetchedFile.everywhere.update(at=now() - remote.KEPT - timedelta(hours=1))  # everywhere: time passes for all
    assert remote.expire() == 1 and files(house) == []
    assert page.get(f"/media/{first}/1").content == MP3 and web.came["/song"] == 2
    monkeypatch.setattr(settings(), "media_cache", len(MP3) + len(PNG) // 2)
    assert page.get(f"/media/{second}/0").content == PNG  # the oldest leaves
    kept = FetchedFile.objects.for_organization(house.organization).get()
    assert kept.mention_id == second and files(house) == [str(kept.pk)]
    folder = settings().data / "fetched" / str(house.organization)
    left = [folder / str(uuid4()), folder / f".{kept.pk}.{uuid4().hex}", folder / str(uuid4())]
    for path in left:
        path.write_bytes(PNG)
    for path in (left[0], left[1], folder / str(kept.pk)):
        os.utime(path, (0, 0))
    assert remote.sweep() == 2 and sorted(files(house)) == sorted([str(kept.pk), left[2].name]), (
        "what a process that died left, and nothing young"
    )
    left[2].unlink()
    (folder / str(kept.pk)).unlink()  # somebody tidied up
    assert page.get(f"/media/{second}/0").content == PNG and web.came["/picture.png"] == 2


def test_what_arrives_after_its_mention_was_deleted_is_not_kept(house: House, account: Account, web: Web) -> None:
    from cxm.listen.models import Record

    mention = hear(house, account, "1", web.at("/picture.png"))
    Record.objects.filter(pk=mention).update(deleted_at=now())
    assert remote.opened(house.organization, mention, web.at("/picture.png")).read() == PNG
    assert files(house) == [] and not FetchedFile.objects.for_organization(house.organization).exists()


def test_plain_http_is_asked_for_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def refuse(address: str) -> None:
        asked.append(address)
        raise egress.Forbidden("no")

    monkeypatch.setattr(remote, "_asked", refuse)
    for url in ("http://example.com/a.png", "http://example.com:80/a.png", "http://example.com:8080/a.png", "https://example.com/a.png"):
        with pytest.raises(remote.NotLoaded):
            remote.download(url)
    assert asked == ["https://example.com/a.png"] * 2 + ["http://example.com:8080/a.png", "https://example.com/a.png"]


@pytest.mark.django_db(transaction=True)
def test_whoever_waits_for_a_stranger_holds_no_line_to_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty slow pictures would else be all the lines there are, and every other page would fail."""
    held: list[bool] = []

    def slow(_: str) -> bytes:
        held.append(connection.connection is not None)
        return PNG

    monkeypatch.setattr(remote, "download", slow)
    assert remote.opened(uuid4(), uuid4(), "https://slow.example/picture.png").read() == PNG
    assert held == [False]


def test_lists_show_the_first_files_small_and_through_us(house: House, account: Account, web: Web) -> None:
    """In the Explorer and in what waits longest: four at most, the others counted, one that was lost told, one of a stranger's words escaped."""
    kept = Media("image", name="bun.png", content_type="image/png", content=PNG)
    away = tuple(
        Media("image", url=web.at(path), alt=alt) for path, alt in (("/gone", '"><b>'), ("/picture.png", ""), ("/logo.png", "logo"))
    )
    mention = house.hear(
        account, "1", "Look at this", media=(kept, *away, Media("file", url=web.at("/a.pdf")), Media("file", url=web.at("/b.pdf")))
    )
    page = house.browser()
    assert page.get(f"/media/{mention}/1?inline").status_code == 424
    for address in ("/explorer", "/coverage"):
        shown = assert_safe(page.get(address))
        thumbs = shown[shown.index('class="thumbs"') : shown.index("</article>", shown.index('class="thumbs"'))]
        assert [f"/media/{mention}/{index}?inline" in thumbs for index in range(6)] == [True, False, True, True, False, False], address
        assert "+2" in thumbs and "2 more files" in thumbs and "It is not there any more." in thumbs and web.at("/") not in thumbs
        assert thumbs.count('width="56" height="56"') == 3 and "<b>" not in thumbs
    assert web.came == {"/gone": 1}, "nothing is fetched for a page, only for what a browser comes to show"
