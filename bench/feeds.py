"""Many feeds looked at: the real connector, through the guard, against a server in a process of its own, a fresh connection for each feed.

Two looks at each: the first takes everything, the second is what an hour is made of (nine of ten answer 304, one has something new). CPU is
this process's alone. Not in it: the database, the mapping of what is new, and TLS, which is measured apart on the client's side.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cxm.channels.contracts import AccountView, Session
from cxm.channels.rss import connector, manners
from cxm.channels.rss.tests.provider import item, rss
from cxm.platform import egress

_NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_WORDS = "Where the beans come from, how they are washed and dried, and what that means for the cup. " * 12


def _serve(found: multiprocessing.Queue[int]) -> None:
    """Feeds of twenty entries; from the second request on 304, and for each tenth one entry more."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        number = int(head.split(b" ", 2)[1].rpartition(b"/")[2])
        again, news = b"if-none-match" in head.lower(), number % 10 == 0
        first = 21 if again and news else 20
        body = b"" if again and not news else rss([item(one, _WORDS) for one in range(first, 0, -1)]).encode()
        status = b"304 Not Modified" if again and not news else b"200 OK"
        kind = b'etag: "%d"\r\ncontent-type: application/rss+xml\r\ncontent-length: %d\r\nconnection: close\r\n' % (first, len(body))
        writer.write(b"HTTP/1.1 " + status + b"\r\n" + kind + b"\r\n" + body)
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=512)
        found.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def _sessions(port: int, count: int, http: Any, now: datetime) -> Iterator[Session]:
    for begin in range(0, count, connector.MOST):
        feeds = [f"http://127.0.0.1:{port}/{number}" for number in range(begin, min(begin + connector.MOST, count))]
        account = AccountView(UUID(int=begin + 1), "rss", "News", {"feeds": feeds})
        yield Session(account, {}, http, _no_dialling, now)


def _no_dialling(host: str, port: int, *, tls: bool, timeout: float = 10.0) -> Any:
    raise AssertionError((host, port))


async def _look(port: int, count: int, cursors: dict[UUID, Any], now: datetime) -> tuple[float, float, int]:
    """CPU seconds, seconds, and entries heard; the cursor goes through JSON after each question, as it goes to the database."""
    http, heard = egress.GuardedHttp(), 0
    cpu, wall = time.process_time(), time.perf_counter()
    for session in _sessions(port, count, http, now):
        while True:
            polled = await connector.Poll().poll(session, cursors.get(session.account.id))
            cursors[session.account.id] = json.loads(json.dumps(polled.cursor))
            heard += len(polled.deliveries)
            if not polled.more:
                break
    spent = time.process_time() - cpu, time.perf_counter() - wall, heard
    await http.close()
    return spent


def _handshake(count: int = 300) -> float:
    """CPU seconds of one TLS handshake on the client's side, without the network."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "feeds.example")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(_NOW - timedelta(days=1000)).not_valid_after(_NOW + timedelta(days=10_000))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("feeds.example")]), critical=False)
    certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cadata=certificate.decode())
    path = f"/tmp/bench-feeds-{os.getpid()}.pem"
    with open(path, "wb") as file:
        file.write(certificate + plain)
    server.load_cert_chain(path)
    os.unlink(path)
    spent = 0.0
    for _ in range(count):
        spent += _shaken(server, client)
    return spent / count


def _shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> float:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(up, down, server_side=True)
    spent, done = 0.0, [False, False]
    began = time.process_time()
    ours = client.wrap_bio(down, up, server_hostname="feeds.example")
    spent += time.process_time() - began
    while not all(done):
        for place, side in enumerate((ours, theirs)):
            began = time.process_time()
            try:
                side.do_handshake()
                done[place] = True
            except ssl.SSLWantReadError:
                pass
            spent += (time.process_time() - began) * (place == 0)
    return spent


def run(count: int = 700) -> dict[str, object]:
    """CPU of one look at one feed, and of an hour with 10,000."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cxm.run.settings")
    manners.BETWEEN = timedelta(0)  # all of them are one host here
    found: multiprocessing.Queue[int] = multiprocessing.Queue()
    server = multiprocessing.Process(target=_serve, args=(found,), daemon=True)
    server.start()
    port = found.get()
    egress.allow_for_this_process("127.0.0.1", port)
    cursors: dict[UUID, Any] = {}
    first, took, heard = asyncio.run(_look(port, count, cursors, _NOW))
    again, took_again, news = asyncio.run(_look(port, count, cursors, _NOW + timedelta(days=2)))
    server.terminate()
    server.join()
    tls = _handshake()
    each = again / count
    return {
        "feeds": count,
        "first_look_ms_cpu": round(first / count * 1000, 2),
        "first_look_entries": heard,
        "next_look_ms_cpu": round(each * 1000, 2),
        "next_look_entries": news,
        "tls_handshake_ms_cpu": round(tls * 1000, 2),
        "hour_of_10000_s_cpu": round(10_000 * (each + tls), 1),
        "feeds_an_hour_on_one_core": round(3600 / (each + tls)),
        "wall_s": [round(took, 1), round(took_again, 1)],
        "cursor_bytes_of_700": len(json.dumps(next(iter(cursors.values())))),
    }
