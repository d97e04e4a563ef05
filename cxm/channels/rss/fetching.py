"""One feed over HTTP: asked only for what is new, redirects followed by their meaning, every answer put into plain words."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urljoin, urlsplit

from cxm.channels.contracts import AuthExpired, ConnectorError, Gone, RateLimited, Rejected, Response, Session, Unavailable
from cxm.channels.kit import answers
from cxm.channels.rss import feeds, finding
from cxm.channels.rss.feeds import Feed, NotAFeed
from cxm.channels.rss.manners import turns

ACCEPT = "application/rss+xml, application/atom+xml, application/feed+json, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
AGENT = "OpenCXM feed reader"
_HOPS = 5
_TIMEOUT = 30.0
#: Bytes from which reading is worth a thread.
_LARGE = 100_000
#: Addresses a page names, or that are usual, that are tried before we give up.
_TRIES = 4


@dataclass(frozen=True, slots=True)
class Fetched:
    """``feed`` is None where nothing changed. ``address``: where to ask next time; ``found``: the page named the feed."""

    feed: Feed | None
    address: str
    headers: Mapping[str, str]


async def fetch(session: Session, address: str, etag: str = "", modified: str = "") -> Fetched:
    """The feed at ``address``, or the one that the page there names. Raises the five errors."""
    response, final, lasting = await _get(session, address, etag, modified)
    _check(response, final, session)
    if response.status_code == 304:
        return Fetched(None, address, response.headers)
    try:
        feed = await read(response, final)
    except NotAFeed as error:
        if error.code != "a_page":
            raise _no_feed(error, final) from error
        return await _named_by(session, response, final)
    return Fetched(feed, final if lasting else address, response.headers)


async def read(response: Response, address: str) -> Feed:
    """The feed in an answer. Raises :class:`~cxm.channels.rss.feeds.NotAFeed`."""
    kind = answers.header(response.headers, "content-type") or ""
    try:
        if len(response.content) < _LARGE:
            return feeds.read(response.content, address, kind)
        return await asyncio.to_thread(feeds.read, response.content, address, kind)
    except NotAFeed:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise NotAFeed("feed_unreadable", f"It cannot be read ({type(error).__name__}).") from error


async def named(session: Session, address: str) -> list[finding.Found]:
    """The feeds that the page at ``address`` names; itself where it is one."""
    response, final, _ = await _get(session, address, "", "")
    _check(response, final, session)
    try:
        feed = await read(response, final)
    except NotAFeed:
        return finding.on_page(response.content, final, answers.header(response.headers, "content-type") or "")
    return [finding.Found(final, feed.title)]


async def _named_by(session: Session, response: Response, page: str) -> Fetched:
    found = [one.url for one in finding.on_page(response.content, page, answers.header(response.headers, "content-type") or "")]
    for address in (found or finding.usual(page))[:_TRIES]:
        try:
            other, final, _ = await _get(session, address, "", "")
            if other.status_code == 200:
                return Fetched(await read(other, final), final, other.headers)
        except (NotAFeed, ConnectorError):
            continue
    host = urlsplit(page).hostname or page
    raise Rejected(f"The page on {host} names no feed that can be read.", "Look for its RSS or Atom address and enter that.")


async def _get(session: Session, address: str, etag: str, modified: str) -> tuple[Response, str, bool]:
    """The answer, the address it came from, and whether whoever moved it said that it is for good."""
    asked = {"accept": ACCEPT, "user-agent": AGENT}
    conditions = {"if-none-match": etag, "if-modified-since": modified}
    lasting, first = True, urlsplit(address).hostname
    for _ in range(_HOPS + 1):
        # A user name and password are for the host they were given for, whatever it leads to.
        own = _authorization(session) if urlsplit(address).hostname == first else {}
        sent = {**asked, **own, **{name: value for name, value in conditions.items() if value}}
        response = await session.http.request("GET", secure(address), headers=sent, timeout=_TIMEOUT)
        target = answers.header(response.headers, "location")
        if response.status_code not in (301, 302, 303, 307, 308) or not target:
            return response, address, lasting
        lasting = lasting and response.status_code in (301, 308)
        following = finding.web_address(_joined(address, target))
        if not following:
            raise Unavailable(f"{first} leads to an address that cannot be read.", "Enter the feed's present address.")
        address = following
    raise Unavailable(f"{first} redirects without end.", "Enter the feed's present address.")


def _joined(address: str, target: str) -> str:
    try:
        return urljoin(address, target)
    except ValueError:
        return ""


def secure(address: str) -> str:
    """Plain http is not used; nearly every host that still names it answers by https too. Ports of their own are as they are."""
    parts = urlsplit(address)
    return f"https:{address.partition(':')[2]}" if parts.scheme == "http" and parts.netloc == parts.hostname else address


def _authorization(session: Session) -> dict[str, str]:
    name, word = session.credentials.get("username", ""), session.credentials.get("password", "")
    if not name:
        return {}
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{word}".encode()).decode()}


def _check(response: Response, address: str, session: Session) -> None:
    status, host = response.status_code, urlsplit(address).hostname or address
    if status in (200, 203, 226, 304):
        return
    if status == 410:
        raise Gone(f"{host} says that this feed is gone for good (410).", "Remove it, or enter the address it moved to.")
    if status == 404:
        raise Gone(f"There is no feed at this address of {host} (404).", "Open it in a browser and enter the present address.")
    if status in (401, 407):
        raise AuthExpired(f"{host} asks for a user name and password.", "Enter them in the account's credentials.")
    if status == 403:
        raise Rejected(f"{host} refuses us (403).", "Ask its operator, or look for another address of the feed.")
    error = answers.error_of(response, session.now, effect=False) or Unavailable(f"{host} answered {status} without a feed.")
    if isinstance(error, RateLimited | Unavailable) and error.retry_after:
        turns.leave_alone(host, _later(session.now, error.retry_after))
    raise error


def _later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=min(seconds, 86_400))


def _no_feed(error: NotAFeed, address: str) -> ConnectorError:
    host = urlsplit(address).hostname or address
    if error.code == "a_list_of_feeds":
        return Rejected("This is a list of feeds, not a feed.", "Import it: cxm account feeds ACCOUNT --opml FILE.")
    if error.code == "empty":
        return Unavailable(f"{host} answered with nothing.", "It is tried again.")
    return Rejected(f"What {host} answered is no feed: {error}", "Open the address in a browser and enter that of its feed.")
