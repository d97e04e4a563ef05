"""Where we may be led: every spelling of an inner address, in every field that takes an address or host, by every way in."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpcore2
import pytest
from websockets.asyncio.server import ServerConnection, serve

from cxm.kernel.errors import Invalid
from cxm.kernel.network import Unavailable
from cxm.listen import remote
from cxm.platform import egress
from tests.attacks.conftest import House
from tests.kit.browser import signed_in
from tests.kit.serving import Serve

HOSTS = [
    "127.0.0.1", "127.1", "127.0.0.2", "0.0.0.0", "0", "localhost", "localhost.", "LOCALHOST", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.0.0.1.",
    "①②⑦.⓪.⓪.①", "１２７.0.0.1", "169.254.169.254", "169.254.169.254.", "2852039166", "0xA9FEA9FE", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1",
    "100.127.255.254", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]", "[2002:7f00:1::]", "[2001:0:a9fe:a9fe::]", "[2001:db8::1]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[fec0::1]", "[100::1]",
    "[0:0:0:0:0:ffff:127.0.0.1]", "[3fff::1]", "[5f00::1]",
]  # fmt: skip
ODD = [
    "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1:25/", "//example.com/", "javascript:alert(1)", "data:text/html,x", "unix:///run/x", "https://",
    "https:///x", "https://user:password@example.com/", "https://example.com@127.0.0.1/", "https://127.0.0.1#@example.com/", "https://127.0.0.1\\@example.com/", "https://example.com:22/",
    "https://example.com:25/", "https://example.com:6379/", "https://example.com:99999/", "https://example.com:-1/", "https://[::1/", "https://exa mple.com/", "https://example.com\r\nHost: x/",
    "https://example.com/\x00", "dict://127.0.0.1:11211/stat", "https://0/", "HTTP://EXAMPLE.COM/",
]  # fmt: skip


@pytest.fixture(scope="module")
def offline() -> Iterator[None]:
    """Numbers resolve as they do everywhere; names are not asked for."""
    real = socket.getaddrinfo

    def asked(host: Any, *arguments: Any, **named: Any) -> Any:
        if re.fullmatch(r"[a-z-]+(\.[a-z-]+)+", str(host)) and str(host) != "localhost":
            return real("93.184.215.14", *arguments, **named)
        return real(host, *arguments, **named)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket, "getaddrinfo", asked)
    yield
    patch.undo()


@pytest.mark.parametrize("url", [f"https://{host}/x" for host in HOSTS] + [f"https://{host}:8443/x" for host in HOSTS[:5]] + ODD)
def test_no_such_address_passes_the_guard(offline: None, url: str) -> None:
    with pytest.raises(Invalid) as caught:
        egress.check_url(url, path="settings.reply_url")
    assert caught.value.errors[0].path == "settings.reply_url" and len(str(caught.value)) > 20


@pytest.mark.parametrize("host", [host.strip("[]") for host in HOSTS])
def test_no_such_mail_host_is_dialled(offline: None, host: str) -> None:
    with pytest.raises(Unavailable):
        egress.dial(host, 993, tls=True, timeout=1)
    named = f"[{host}]" if ":" in host else host
    with pytest.raises(Unavailable):
        asyncio.run(_get(f"https://{named}/"))
    with pytest.raises(egress.Forbidden):
        asyncio.run(egress.web_socket(f"wss://{named}/subscribe", timeout=3))
    with pytest.raises(Invalid):
        egress.check_url(f"wss://{named}/", web_socket=True)


async def _get(url: str, **options: Any) -> Any:
    http = egress.GuardedHttp()
    try:
        return await http.request("GET", url, timeout=3, **options)
    finally:
        await http.close()


@pytest.mark.parametrize(
    "url", [one.replace("https://", "wss://") for one in ODD] + ["ws://example.com/", "https://example.com/", "WS://EXAMPLE.COM/"]
)
def test_no_web_socket_opens_to_an_odd_address(offline: None, url: str) -> None:
    with pytest.raises(egress.Forbidden):
        asyncio.run(egress.web_socket(url, timeout=3))
    with pytest.raises(Invalid):
        egress.check_url(url, web_socket=True)


def test_no_file_of_a_mention_is_fetched_from_inside(offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[str] = []

    async def connect(self: Any, host: str, *arguments: Any, **named: Any) -> Any:
        connected.append(host)
        raise httpcore2.ConnectError("not in a test")

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect)
    inner = [f"{scheme}://{host}/x.png" for scheme in ("https", "http") for host in HOSTS]
    for url in inner + [one for one in ODD if not one.lower().startswith("http://example.com")]:
        with pytest.raises(remote.NotLoaded) as caught:
            remote.download(url)
        assert caught.value.fault == "refused" or "exa mple" in url, url
    assert connected == []
    with pytest.raises(remote.NotLoaded):
        remote.download("http://example.com/x.png")  # asked for over TLS, of a public address
    assert connected == ["93.184.215.14"]


def test_ordinary_ones_pass(offline: None) -> None:
    for url in (
        "https://hooks.example.com/reply?x=1",
        "https://example.com:8443/",
        "https://93.184.215.14/",
        "https://[2606:4700::1111]/x",
    ):
        assert egress.check_url(url) == url
        stream = url.replace("https", "wss")
        assert egress.check_url(stream, web_socket=True) == stream
        with pytest.raises(Invalid):
            egress.check_url(stream)


def test_a_name_that_turns_inward_between_check_and_call_is_refused_at_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["93.184.215.14"])
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real(next(answers, "127.0.0.1"), *a, **k))
    egress.check_url("https://rebinding.example/x")
    with pytest.raises(Unavailable):
        asyncio.run(_get("https://rebinding.example/x"))
    with pytest.raises(egress.Forbidden):
        asyncio.run(egress.web_socket("wss://rebinding.example/x", timeout=3))


def test_a_name_with_one_inner_address_among_several_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real("93.184.215.14", *a, **k) + real("10.0.0.1", *a, **k))
    with pytest.raises(Invalid):
        egress.check_url("https://mixed.example/x")
    with pytest.raises(egress.Forbidden):
        asyncio.run(egress.web_socket("wss://mixed.example/x", timeout=3))


@pytest.fixture
def leading(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on loopback that is allowed, and leads inward or never ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/endless":
                self.send_response(200)
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b"x" * 100_000)
                except OSError:
                    return
            self.send_response(302)
            self.send_header(
                "location",
                {"/in": "http://169.254.169.254/latest", "/loop": "/loop", "/scheme": "file:///etc/passwd"}.get(
                    self.path, "http://127.0.0.1:1/"
                ),
            )
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setattr(egress, "_OWN", {("127.0.0.1", server.server_address[1])})
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/in", "/loop", "/scheme", "/port", "/endless"])
def test_redirects_inward_and_endless_bodies_end_in_a_refusal(leading: str, path: str) -> None:
    with pytest.raises(Unavailable):
        asyncio.run(_get(leading + path, follow_redirects=True))
    with pytest.raises(Unavailable) as refused:
        asyncio.run(egress.web_socket(leading.replace("http", "ws") + path, timeout=1))
    assert "127.0.0.1" in refused.value.text and refused.value.mend


def test_a_web_socket_leads_to_the_judged_address_by_its_name_and_holds_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts: list[str | None] = []

    async def said(line: ServerConnection) -> None:
        assert line.request is not None
        hosts.append(line.request.headers.get("host"))
        await line.send("Hello")
        await line.send(b"x" * 999)
        assert await line.recv() == "and you"
        await line.send("x" * 1001)  # packed it is small
        await line.wait_closed()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1" if host == "stream.example" else host, *a, **k))

    async def run() -> None:
        async with serve(said, "127.0.0.1", 0) as server, await asyncio.start_server(silent, "127.0.0.1", 0) as deaf:
            port, mute = (next(iter(one.sockets)).getsockname()[1] for one in (server, deaf))
            with pytest.raises(egress.Forbidden):
                await egress.web_socket(f"ws://stream.example:{port}/")
            monkeypatch.setattr(egress, "_OWN", {("stream.example", port), ("127.0.0.1", mute)})
            line = await egress.web_socket(f"ws://stream.example:{port}/x", message_limit=1000)
            assert hosts == [f"stream.example:{port}"]
            assert [await line.receive(60), await line.receive(60), await line.receive(0.01)] == [b"Hello", b"x" * 999, None]
            await line.send("and you")
            with pytest.raises(Unavailable, match=r"stream\.example"):
                await line.receive(60)
            with pytest.raises(Unavailable, match=r"stream\.example"):
                await line.send("too late")
            await line.close()
            for scheme in ("ws", "wss"):  # one that never answers, and never greets
                with pytest.raises(Unavailable, match="no answer in time"):
                    await egress.web_socket(f"{scheme}://127.0.0.1:{mute}/", timeout=0.2)
            with pytest.raises(Unavailable, match="opens no WebSocket"):  # TLS where none is spoken
                await egress.web_socket(f"wss://stream.example:{port}/")

    asyncio.run(run())


@pytest.fixture
def two_origins(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that leads to another port; what both were told, in order."""
    told: list[dict[str, str]] = []

    class Second(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Quiet."""

    second = HTTPServer(("127.0.0.1", 0), Second)

    class First(Second):
        def do_GET(self) -> None:
            told.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(302)
            away = self.path == "/away"
            self.send_header("location", f"http://127.0.0.1:{second.server_address[1]}/" if away else "/away")
            self.send_header("content-length", "0")
            self.end_headers()

    first = HTTPServer(("127.0.0.1", 0), First)
    for server in (first, second):
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setattr(egress, "_OWN", {("127.0.0.1", server.server_address[1]) for server in (first, second)})
    yield f"http://127.0.0.1:{first.server_address[1]}", told
    for server in (first, second):
        server.shutdown()
        server.server_close()


def test_credentials_stay_with_the_origin_they_were_given_for(two_origins: tuple[str, list[dict[str, str]]]) -> None:
    url, told = two_origins
    given = {"Authorization": "Bearer ours", "X-Api-Key": "ours", "Cookie": "a=b", "If-None-Match": '"1"', "Accept": "text/xml"}
    asyncio.run(_get(f"{url}/here", follow_redirects=True, headers=given))
    here, there, away = told
    for known in (here, there):
        assert known["authorization"] == "Bearer ours" and known["x-api-key"] == "ours"
    assert not {"authorization", "x-api-key", "cookie"} & away.keys()
    assert away["if-none-match"] == '"1"' and away["accept"] == "text/xml"


#: Each field that takes an address or a host: how to set it by the API.
FIELDS = {
    "accounts reply_url": ("POST", "/accounts", lambda value, own: {"channel": "webhook", "name": "x", "settings": {"reply_url": f"https://{value}/x"}}),
    "change reply_url": ("PATCH", "/accounts/{account}", lambda value, own: {"settings": {"reply_url": f"https://{value}/x"}}),
    "imap_host": ("POST", "/accounts", lambda value, own: _mail(imap_host=value.strip("[]"))),
    "smtp_host": ("POST", "/accounts", lambda value, own: _mail(smtp_host=value.strip("[]"))),
    "reply media": ("POST", "/conversations/{conversation}/replies", lambda value, own: {"text": "Hello", "media": [{"url": f"https://{value}/x.png"}]}),
    "webhooks": ("POST", "/webhooks", lambda value, own: {"url": f"https://{value}/x", "events": ["love.conversations_opened"]}),
    "matrix server_url": ("POST", "/accounts", lambda value, own: _homeserver("matrix", server_url=f"https://{value}")),
    "bluesky server_url": ("POST", "/accounts", lambda value, own: _homeserver("bluesky", server_url=f"https://{value}")),
    "bluesky stream_url": ("POST", "/accounts", lambda value, own: _homeserver("bluesky", stream_url=f"wss://{value}")),
    "bluesky plc_url": ("POST", "/accounts", lambda value, own: _homeserver("bluesky", plc_url=f"https://{value}")),
    "telegram server_url": ("POST", "/accounts", lambda value, own: _homeserver("telegram", server_url=f"https://{value}")),
    "feed address": ("POST", "/accounts", lambda value, own: {"channel": "rss", "name": f"feeds {value}", "settings": {"feeds": [f"https://{value}/feed"]}}),
    "change webhooks": ("PATCH", "/webhooks/{webhook}", lambda value, own: {"url": f"https://{value}/x"}),
}  # fmt: skip


def _homeserver(channel: str, **addresses: str) -> dict[str, Any]:
    given = {
        "matrix": ({"server_url": "https://matrix.org"}, {"access_token": "x"}),
        "bluesky": ({"handle": "acme.example"}, {"password": "y"}),
        "telegram": ({}, {"token": "1:a"}),
    }
    settings, credentials = given[channel]
    return {"channel": channel, "name": f"{channel} {addresses}", "settings": {**settings, **addresses}, "credentials": credentials}


def _mail(**hosts: str) -> dict[str, Any]:
    settings = {"address": "care@example.com", "imap_host": "192.0.78.24", **hosts}
    return {"channel": "email", "name": f"mail {hosts}", "settings": settings, "credentials": {"username": "x", "password": "y"}}


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_by_the_api(ours: House, field: str) -> None:
    method, path, body = FIELDS[field]
    path = re.sub(r"\{(\w+)\}", lambda found: ours.ids[found[1]], path)
    for host in HOSTS[:: 1 if field == "accounts reply_url" else 5]:
        answer = ours.rest.call(method, path, body(host, ours.ids))
        assert answer.status_code == 422, f"{field} {host}: {answer.status_code} {answer.text[:200]}"
        problem = answer.json()
        assert problem["errors"] and re.search(r"url|host|media|feeds", problem["errors"][0]["path"]), problem


def test_no_field_with_an_address_is_forgotten(document: dict[str, Any]) -> None:
    """A new member of a request that is named like an address or host has to be added above."""
    known = {"url", "reply_url", "imap_host", "smtp_host", "server_url", "stream_url", "plc_url"}
    never_called = {"web_url", "address"}  # links on pages alone; a mail address that is not written to
    named: set[str] = set()
    for name, schema in document["components"]["schemas"].items():
        if name.endswith(("In", "Change", "Body")):
            named |= {
                member for member in schema.get("properties", {}) if re.search(r"url|uri|host|address|link|endpoint|callback", member)
            }
    from cxm.channels import registry

    for channel in registry.channels():
        named |= {member for member in channel.manifest.settings.get("properties", {}) if re.search(r"url|uri$|host|endpoint", member)}
    assert named <= known | never_called, named - known


def test_every_field_by_page_and_command_line(serve: Serve, ours: House) -> None:
    page = signed_in(serve.url, ours.rest.email)
    form = page.get("/channels/new/webhook")
    names = re.findall(r'name="([^"]*reply_url[^"]*)"', form.text)
    assert names, "the form has the field"
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
    before = len(ours.rest.all("/accounts"))
    for host in HOSTS[::9]:
        data = {"csrfmiddlewaretoken": token[1] if token else page.cookies["csrftoken"], "name": "inward", names[0]: f"https://{host}/x"}
        answer = page.post("/channels/new/webhook", data=data, headers={"Referer": serve.url})
        assert answer.status_code == 422 or (answer.status_code == 200 and "refused" in answer.text), f"{host}: {answer.status_code}"
    url = "https://169.254.169.254/x"
    done = serve.cxm(
        "account", "add", "webhook", "--name", "inward", "--set", f"reply_url={url}", "--organization", ours.rest.name, check=False
    )
    assert done.returncode == 1 and "refused" in done.stderr and "Traceback" not in done.stderr
    given = json.dumps({"username": "x", "password": "y"})
    arguments = (
        "account",
        "add",
        "email",
        "--name",
        "inward",
        "--set",
        "address=a@example.com",
        "--set",
        "imap_host=10.0.0.1",
        "--credentials-stdin",
    )
    done = serve.cxm(*arguments, "--organization", ours.rest.name, stdin=given, check=False)
    assert done.returncode == 1 and "refused" in done.stderr
    assert len(ours.rest.all("/accounts")) == before
