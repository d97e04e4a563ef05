"""The one guard in front of every outgoing connection: resolve, judge every address, connect to the judged one.

Private, loopback, link-local, carrier, documentation, benchmark, translated (NAT64, 6to4, Teredo) and multicast addresses are
refused, whatever spelling led to them. Only ``CXM_EGRESS_ALLOW`` (host:port pairs) opens exceptions; only those may be plain http.
Sources: IANA special-purpose address registries for IPv4 and IPv6.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpcore2
import httpx2

from cxm.kernel.errors import FieldError, Invalid
from cxm.kernel.network import Unavailable
from cxm.platform.config import settings

# websockets is loaded where a WebSocket is opened: few processes open one, and every start would pay for it.
if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

RESPONSE_LIMIT = 10_000_000
TOTAL_TIME = 60.0
#: Ports an address given by a stranger may name; others need CXM_EGRESS_ALLOW.
WEB_PORTS = frozenset({443, 8443})
MAIL_PORTS = frozenset({25, 143, 465, 587, 993, 2525})

_DENIED_4 = [
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
        "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
]  # fmt: skip
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_DENIED_6 = [ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")]


#: Addresses this very process serves to itself; see :func:`allow_for_this_process`.
_OWN: set[tuple[str, int]] = set()


class Forbidden(Unavailable):
    """The guard refused; nothing left the machine."""


class TooLong(Unavailable):
    """The answer is longer than was asked for."""


def allow_for_this_process(host: str, port: int) -> None:
    """Let this process reach ``host:port`` as if ``CXM_EGRESS_ALLOW`` named it, until it ends.

    Only for the demo, whose simulated platforms listen on a loopback port of their own that nobody can know before.
    """
    _OWN.add((_plain_host(host), port))


def allowed_for_this_process() -> list[tuple[str, int]]:
    """What :func:`allow_for_this_process` was told: for a process that works for this one."""
    return sorted(_OWN)


def is_public(address: str) -> bool:
    """Whether a numeric address is an ordinary one of the internet."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _DENIED_4)
    return parsed in _GLOBAL_6 and not any(parsed in network for network in _DENIED_6)


def allowed_pairs() -> frozenset[tuple[str, int]]:
    """The exceptions the operator (or the demo) made, as (host, port)."""
    pairs: set[tuple[str, int]] = set(_OWN)
    for entry in settings().egress_allow.split(","):
        host, _, port = entry.strip().rpartition(":")
        if host and port.isdigit():
            pairs.add((_plain_host(host), int(port)))
    return frozenset(pairs)


def is_allowed(host: str, port: int) -> bool:
    """Whether the operator opened an exception for ``host:port``."""
    return (_plain_host(host), port) in allowed_pairs()


def _plain_host(host: str) -> str:
    return unicodedata.normalize("NFKC", host).strip("[]").rstrip(".").lower()


def _judge(host: str, port: int, found: list[tuple[Any, ...]]) -> list[str]:
    """The addresses that may be connected to. If one of several is private, all are refused: a rebinding name mixes them."""
    addresses = [str(entry[4][0]) for entry in found]
    allowed = allowed_pairs()
    if (_plain_host(host), port) in allowed or any((address, port) in allowed for address in addresses):
        return addresses
    if not addresses or not all(is_public(address) for address in addresses):
        raise Forbidden(
            f"“{host}” leads to a private or reserved address.",
            f"Use a public host. An operator may allow it with CXM_EGRESS_ALLOW={host}:{port}.",
        )
    return addresses


def _unknown(host: str) -> Unavailable:
    return Unavailable(f"The host “{host}” cannot be found.", "Check its spelling and the name server.")


def resolve(host: str, port: int) -> list[str]:
    """Judged numeric addresses of ``host``; raises :class:`Forbidden` or Unavailable. Blocks: for threads."""
    host = _plain_host(host)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _unknown(host) from error
    return _judge(host, port, found)


def dial(host: str, port: int, *, tls: bool, timeout: float = 10.0) -> socket.socket:
    """A connected socket to a judged address, for IMAP and SMTP in a thread; TLS verifies the certificate against ``host``."""
    if port not in MAIL_PORTS and (_plain_host(host), port) not in allowed_pairs():
        raise Forbidden(
            f"Port {port} is not one of mail's ({', '.join(map(str, sorted(MAIL_PORTS)))}).",
            f"An operator may allow it with CXM_EGRESS_ALLOW={host}:{port}.",
        )
    last: OSError | None = None
    for address in resolve(host, port):
        try:
            connection = socket.create_connection((address, port), timeout=timeout)
        except OSError as error:
            last = error
            continue
        if not tls:
            return connection
        try:
            return ssl.create_default_context().wrap_socket(connection, server_hostname=_plain_host(host))
        except (ssl.SSLError, OSError) as error:
            connection.close()
            raise Unavailable(
                f"“{host}:{port}” does not speak TLS as it should: {getattr(error, 'reason', None) or error}.",
                "Check the port and the security setting.",
            ) from error
    raise Unavailable(f"“{host}:{port}” does not answer.", "Check host, port and firewall.") from last


def check_url(url: str, *, path: str = "url", web_socket: bool = False) -> str:
    """A URL a stranger typed, judged for a form or a request body; raises Invalid that names the field ``path``.

    ``web_socket``: it is the address of a WebSocket (wss, or ws where plain http may be).
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
        scheme = _plain_scheme(parts.scheme) if web_socket else parts.scheme
        _check_form(scheme, host, port, userinfo="@" in parts.netloc)
        if any(ord(sign) <= 32 for sign in url.strip()):
            raise ValueError("It contains spaces or control characters.")
        try:
            resolve(host, port or (443 if scheme == "https" else 80))
        except Forbidden as error:
            raise ValueError(f"{error.text} {error.mend}") from error
        except Unavailable:
            pass  # a name that is not there yet may come; each connection is judged again
    except ValueError as error:
        raise Invalid("url_refused", f"The address was refused: {error}", errors=(FieldError(path, str(error)),)) from error
    return url.strip()


def _plain_scheme(scheme: str) -> str:
    """What the address of a WebSocket begins as, in terms of http. Raises ValueError for any other scheme."""
    if scheme not in ("wss", "ws"):
        raise ValueError("The address of a stream begins with wss://.")
    return "https" if scheme == "wss" else "http"


def check_host(host: str, port: object, *, path: str = "host") -> None:
    """A mail host a stranger typed, judged for a form; raises Invalid that names the field ``path``."""
    number = port if isinstance(port, int) else 993
    try:
        if number not in MAIL_PORTS and (_plain_host(host), number) not in allowed_pairs():
            raise Forbidden(f"Port {number} is not one of mail's.", f"An operator may allow it with CXM_EGRESS_ALLOW={host}:{number}.")
        resolve(host, number)
    except Forbidden as error:
        text = f"{error.text} {error.mend}"
        raise Invalid("url_refused", f"The host was refused: {text}", errors=(FieldError(path, text),)) from error
    except Unavailable:
        pass  # a name that is not there yet may come; each connection is judged again


def _check_form(scheme: str, host: str, port: int | None, *, userinfo: bool) -> None:
    if not host or len(host) > 253:
        raise ValueError("It names no host, or one longer than names can be. Write it like https://example.com/path.")
    pair = (_plain_host(host), port or (443 if scheme == "https" else 80))
    if scheme not in ("https", "http"):
        raise ValueError(f"“{scheme or 'no'}” scheme; only https is used.")
    if scheme == "http" and pair not in allowed_pairs():
        raise ValueError("Plain http is not used; write https (wss for a stream).")
    if "%" in host:
        raise ValueError("An address with a zone leads into the local network.")
    if userinfo:
        raise ValueError("A user name or password in the address is not used.")
    if scheme == "https" and pair[1] not in WEB_PORTS and pair not in allowed_pairs():
        raise ValueError(f"Port {pair[1]} is not used; 443 and 8443 are. An operator may allow it with CXM_EGRESS_ALLOW={host}:{pair[1]}.")


async def _judged(host: str, port: int) -> list[str]:
    """As :func:`resolve`, without blocking."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(_plain_host(host), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _unknown(host) from error
    return _judge(host, port, found)


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to judged addresses only; the name stays for TLS and Host."""

    def __init__(self) -> None:
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Any = None
    ) -> Any:
        try:
            judged = await _judged(host, port)
        except Forbidden:
            raise
        except Unavailable as error:
            raise httpcore2.ConnectError(str(error)) from error
        last: Exception | None = None
        for address in judged[:4]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
        raise last or httpcore2.ConnectError("no address")

    async def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        raise Forbidden("Unix sockets are not reached from here.")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


#: Headers that go along when a redirect leads to another origin.
_FOR_ANYBODY = frozenset({"accept", "accept-encoding", "accept-language", "if-modified-since", "if-none-match", "range", "user-agent"})


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Reading the authorities takes a third of a second; every client may use the same."""
    return ssl.create_default_context()


class GuardedHttp:
    """The HTTP client handed to connectors (``channels.contracts.Http``). One for each process and event loop."""

    def __init__(self, lines: int = 200) -> None:
        """``lines``: connections open at once."""
        transport = httpx2.AsyncHTTPTransport(
            verify=_tls(), retries=0, limits=httpx2.Limits(max_connections=lines, max_keepalive_connections=20)
        )
        transport._pool = httpcore2.AsyncConnectionPool(  # type: ignore[assignment]
            ssl_context=_tls(),
            max_connections=lines,
            max_keepalive_connections=20,
            keepalive_expiry=15,
            network_backend=_GuardedBackend(),
        )
        self._client = httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        follow_redirects: bool = False,
        limit: int = RESPONSE_LIMIT,
    ) -> httpx2.Response:
        """One request, its answer read whole (at most ``limit`` bytes, 60 s; :class:`TooLong` beyond). Each redirect is judged like the first address;
        credentials stay with the origin they were given for."""
        for _ in range(6):
            _check_request(url)
            try:
                request = self._client.build_request(
                    method, url, headers=dict(headers or {}), content=content, json=json, params=params, timeout=timeout
                )
            except (httpx2.InvalidURL, UnicodeError) as error:
                raise Forbidden("The address cannot be read as one.", "Check its spelling.") from error
            response = await self._send(request, limit)
            if not (follow_redirects and response.is_redirect and method in ("GET", "HEAD")):
                return response
            onward = str(response.next_request.url if response.next_request else response.headers["location"])
            if _origin(onward) != _origin(url):  # a credential is for the origin it was given for
                headers = {name: value for name, value in (headers or {}).items() if name.lower() in _FOR_ANYBODY}
            url, params = onward, None
        raise Unavailable("The address redirects without end.", "Enter the address it leads to.")

    async def _send(self, request: httpx2.Request, limit: int) -> httpx2.Response:
        try:
            async with asyncio.timeout(TOTAL_TIME):
                response = await self._client.send(request, stream=True)
                return await _read(response, limit)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise Unavailable(
                f"“{request.url.host}” does not answer.", "Nothing was sent; it is tried again.", effect_possible=False
            ) from error
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise Unavailable(
                f"“{request.url.host}” took too long to answer.", "What became of it is being found out.", effect_possible=True
            ) from error
        except httpx2.HTTPError as error:
            raise Unavailable(
                f"The line to “{request.url.host}” was cut.", "What became of it is being found out.", effect_possible=True
            ) from error

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.aclose()


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


async def _read(response: httpx2.Response, limit: int) -> httpx2.Response:
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > limit:
                raise TooLong(f"“{response.url.host}” answers without end.", "Ask its operator.", effect_possible=True)
    finally:
        await response.aclose()
    response._content = bytes(body)
    return response


def _check_request(url: str) -> None:
    try:
        parts = urlsplit(url)
        _check_form(parts.scheme, parts.hostname or "", parts.port, userinfo="@" in parts.netloc)
    except ValueError as error:
        raise Forbidden(f"The address was refused: {error}") from error


class GuardedWebSocket:
    """An open WebSocket as connectors get it (``channels.contracts.WebSocket``). It pings by itself and is cut where no answer comes."""

    def __init__(self, inner: ClientConnection, host: str) -> None:
        self._inner = inner
        self._host = host

    async def receive(self, timeout: float) -> bytes | None:
        """The bytes of the next message, None where none comes in time. Raises Unavailable once the line is cut."""
        from websockets.exceptions import ConnectionClosed

        try:
            async with asyncio.timeout(timeout):
                return await self._inner.recv(decode=False)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise self._cut(error) from error

    async def send(self, message: str | bytes) -> None:
        """Send one message, text or binary. Raises Unavailable once the line is cut."""
        from websockets.exceptions import ConnectionClosed

        try:
            async with asyncio.timeout(TOTAL_TIME):
                await self._inner.send(message)
        except (ConnectionClosed, TimeoutError) as error:
            raise self._cut(error) from error

    async def close(self) -> None:
        """Say goodbye, without waiting long for an answer."""
        await self._inner.close()

    def _cut(self, error: Exception) -> Unavailable:
        text = f"The line to “{self._host}” was cut"
        given = getattr(error, "rcvd", None)  # the frame by which the other side closed, where it did
        return Unavailable(f"{text}: {given}." if given else f"{text}.", "It is opened again.", effect_possible=True)


async def web_socket(
    url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 15.0, message_limit: int = 1_000_000
) -> GuardedWebSocket:
    """A WebSocket to a judged address, TLS verified against the name; not redirected. A message of more than ``message_limit`` bytes,
    unpacked, cuts the line.

    Raises :class:`Forbidden`, or Unavailable where nothing answers as a WebSocket within ``timeout`` seconds.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus, WebSocketException

    try:
        parts = urlsplit(url)
        host, scheme = parts.hostname or "", _plain_scheme(parts.scheme)
        _check_form(scheme, host, parts.port, userinfo="@" in parts.netloc)
        if any(ord(sign) <= 32 for sign in url):
            raise ValueError("It contains spaces or control characters.")
    except ValueError as error:
        raise Forbidden(f"The address was refused: {error}") from error
    port = parts.port or (443 if scheme == "https" else 80)
    try:
        async with asyncio.timeout(timeout):
            line = await _line(await _judged(host, port), port, host)
            try:
                inner = await connect(
                    url, sock=line, ssl=ssl.create_default_context() if scheme == "https" else None,
                    server_hostname=_plain_host(host) if scheme == "https" else None, proxy=None, additional_headers=dict(headers or {}),
                    user_agent_header=None, open_timeout=None, close_timeout=2, max_size=message_limit,
                )  # fmt: skip
            except BaseException:
                line.close()
                raise
    except InvalidStatus as error:
        text = f"“{host}” answers {error.response.status_code} where a WebSocket should open."
        raise Unavailable(text, "Check the address; redirects are not followed.") from error
    except (OSError, EOFError, TimeoutError, ValueError, WebSocketException) as error:
        text = f"“{host}” opens no WebSocket: {getattr(error, 'reason', None) or str(error) or 'no answer in time'}."
        raise Unavailable(text, "Check the address, or wait until its server is back.") from error
    return GuardedWebSocket(inner, host)


async def _line(addresses: list[str], port: int, host: str) -> socket.socket:
    """A connection to the first of the judged addresses that takes one."""
    last: OSError | None = None
    for address in addresses[:4]:
        line = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        line.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(line, (address, port))
        except OSError as error:
            line.close()
            last = error
        except BaseException:
            line.close()
            raise
        else:
            return line
    raise last or OSError(f"“{host}” has no address")
