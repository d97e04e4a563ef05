"""The connector contract: what a channel takes in, gives out and promises.

A channel's ``mapping.py`` and ``verify.py`` are pure (no clock, no network); its ``connector.py`` holds one small class per
capability and is handed a :class:`Session` by the runtime. A connector raises the five errors below and never sleeps, retries
or logs: the runtime does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from cxm.channels.authorization import TokenSource, no_token
from cxm.kernel.network import AuthExpired as AuthExpired
from cxm.kernel.network import ConnectorError as ConnectorError
from cxm.kernel.network import Gone as Gone
from cxm.kernel.network import RateLimited as RateLimited
from cxm.kernel.network import Rejected as Rejected
from cxm.kernel.network import Unavailable as Unavailable

KINDS = ("post", "comment", "review", "message", "call", "answer", "article")
MEDIA_TYPES = ("earned", "owned", "paid")
STATES = ("waiting", "answered", "no_answer_needed", "handed_over", "expired", "unreachable")
SENTIMENTS = ("negative", "neutral", "positive")
INTENTS = ("complaint", "question", "request", "praise", "purchase", "churn", "legal_threat", "crisis")
#: What may become of a reply after it left, as its platform tells; a later one of these outweighs an earlier one.
DELIVERIES = ("delayed", "delivered", "read", "failed", "complained")
#: Why a reply was not delivered: ``later`` and ``mailbox_full`` may pass, the others last.
REASONS = ("unknown_address", "mailbox_closed", "mailbox_full", "too_large", "refused", "unreachable", "later", "returned", "complained")
#: What a reader should know of how a mention came, beside its words (``context["marks"]``).
MARKS = ("signed", "encrypted", "calendar", "cancelled", "answer", "list", "returned", "late", "complaint", "unproven")
#: Longest text kept (characters); longer ones are quarantined.
TEXT_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Proof:
    """Something an author proved to the platform or to us: a verified address, a number, a signed-in account.

    ``kind`` is ``email``, ``phone`` or ``account``; ``value`` is normalised (lower-case address, E.164 number). Identities that
    share a proof are one person; a name never is one.
    """

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Author:
    """The channel identity that said it."""

    native_id: str
    handle: str | None = None
    name: str | None = None
    url: str | None = None
    followers: int | None = None
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True)
class Media:
    """One picture, film, sound or file. ``url`` is remote; ``content`` holds bytes that came along (mail)."""

    kind: str  # image, video, audio, file
    url: str | None = None
    alt: str | None = None
    name: str | None = None
    content_type: str | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Engagement:
    """Counts as the platform gives them."""

    likes: int = 0
    shares: int = 0
    comments: int = 0
    views: int = 0


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What is already known of a mention (imports only); ``None`` means not judged."""

    language: str | None = None
    sentiment: str | None = None
    emotions: tuple[str, ...] | None = None
    assessed: tuple[str, ...] | None = None
    intents: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    offensive: bool | None = None
    spam: bool | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """One thing somebody said, as a channel's mapping understood it. ``text`` and ``title`` are NFC, ``published_at`` aware.

    ``private`` tells a direct message from a public post. ``addressed``: it names or answers one of our handles. ``automatic``:
    a machine wrote it (bounce, auto-reply, list mail) and must never be answered. ``quoted``: the part of ``text`` that only
    repeats an earlier message, split off. ``context``: what the channel needs to answer it (mail's References, ...); ``marks`` in it: those
    of :data:`MARKS` that are shown beside its words.
    """

    native_id: str
    kind: str
    author: Author
    text: str
    published_at: datetime
    title: str | None = None
    quoted: str | None = None
    url: str | None = None
    reply_to: str | None = None
    thread: str | None = None
    private: bool = False
    addressed: bool = False
    automatic: bool = False
    media_type: str = "earned"
    country: str | None = None
    location: str | None = None
    rating: float | None = None
    engagement: Engagement = field(default_factory=Engagement)
    media: tuple[Media, ...] = ()
    tags: tuple[str, ...] = ()
    edited_at: datetime | None = None
    verdicts: Verdicts = field(default_factory=Verdicts)
    state: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Deletion:
    """The author or the platform took it back; a tombstone is never undone."""

    native_id: str
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one of our replies: ``status`` is one of :data:`DELIVERIES`. ``detail``: why, in the platform's words; ``reason``: why, as one of
    :data:`REASONS`, empty where it does not say. ``intent``: which intent of ours it was, where the platform's id tells; then a reply of which nobody
    knew whether it left is known to have. ``recipients``: by which addresses the one recipient it is about is named, none where it does not say;
    of a reply that went to several, each is told of by itself."""

    native_id: str
    status: str
    at: datetime
    detail: str | None = None
    reason: str = ""
    intent: UUID | None = None
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unmappable:
    """One item that could not be understood; it is quarantined with its bytes and its neighbours go on."""

    reason: str
    raw: bytes
    native_id: str | None = None
    code: str = "unmappable"


Item = Mention | Deletion | Receipt | Unmappable


@dataclass(frozen=True, slots=True)
class AccountView:
    """What a mapping may know of our account: ``name`` (our handle or address), ``settings`` (never credentials)."""

    id: UUID
    channel: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class SourceView:
    """One thing an account listens to beside its own inbound: a folder, a room, a feed, a search.

    ``kind`` and ``settings`` are as the channel's manifest declares them; ``id`` is stable, to keep a cursor by.
    """

    id: UUID
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class RawDelivery:
    """Bytes as they came, with an id that makes a second arrival recognisable and the headers worth keeping."""

    delivery_id: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    received_at: datetime | None = None


class Mapping_(Protocol):  # noqa: N801 (Mapping is taken)
    """A channel's ``mapping.map_delivery``: pure, total (never raises for any bytes), order kept."""

    def __call__(self, delivery: RawDelivery, account: AccountView) -> Iterable[Item]: ...


# --- errors ---------------------------------------------------------------------------------------------------------


class NotAuthentic(Exception):
    """``verify`` refuses a delivery; ``reason`` is counted, never told to the sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# --- what goes out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One intent to speak. ``id`` never changes for one intent. ``context`` is that of the mention it answers. ``others``: native ids of what
    other intents said there in the same words; given where an outcome is read back, for it is none of these."""

    id: UUID
    kind: str  # reply, post, edit, delete, hide
    text: str
    private: bool
    in_reply_to: str | None = None
    thread: str | None = None
    title: str | None = None
    to: str | None = None
    media: tuple[Media, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One who was to get a copy and did not: ``reason`` is one of :data:`REASONS`, or ``unwritable`` where nobody can be written to by that
    address; ``detail``: why, in the platform's words."""

    recipient: str
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """It is out: ``native_id`` as the platform knows it. ``left_out``: those of its copies that are not, and will not be tried again."""

    native_id: str
    url: str | None = None
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class TestStep:
    """One step of the test button: ``name`` (“Sign in to IMAP”), whether it went well, and a sentence."""

    __test__ = False

    name: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Unheard:
    """Something was said from ``began_at`` to ``ended_at`` that we cannot hear, and never will: an encrypted room, a page that is gone.

    It stands in the gap ledger, unfilled. The same ``reason`` again makes the same gap longer. ``filled``: what was said then was
    asked for afterwards by other means, and nothing is missing: a stream was cut, and lists were read instead.
    """

    began_at: datetime
    ended_at: datetime
    reason: str
    filled: bool = False


@dataclass(frozen=True, slots=True)
class SourceNews:
    """How one source was at this look: ``heard``: something new came; ``trouble``: why it could not be heard, in plain words, with what
    to do in ``mend`` (empty: it was heard well); ``next_look``: when it is looked at again, where that differs from its account's."""

    source: UUID
    heard: bool = False
    trouble: str = ""
    mend: str = ""
    next_look: datetime | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll found. ``cursor`` is stored only after the deliveries are durable. ``more``: ask again at once.

    ``next_look``: when looking again is worth while (a feed that has been silent for months); None: after ``limits.poll_seconds``.
    Of a stream, the last batch's counts, should it end by itself; None: at once.
    ``unheard``: what we now know we could not hear. ``sources``: how those sources were that this poll looked at.
    """

    deliveries: tuple[RawDelivery, ...]
    cursor: Mapping[str, Any]
    more: bool = False
    next_look: datetime | None = None
    unheard: tuple[Unheard, ...] = ()
    sources: tuple[SourceNews, ...] = ()


class Response(Protocol):
    """An HTTP answer, read to its end within the runtime's limits."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...
    def json(self) -> Any: ...


class Http(Protocol):
    """The guarded HTTP client: judged addresses, capped bytes and time, redirects refused unless asked.

    Raises :class:`Unavailable` with ``effect_possible`` told truthfully (False where no byte was written).
    """

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
    ) -> Response: ...


class Dialler(Protocol):
    """Opens a judged TCP connection in the calling thread (for IMAP, SMTP): a connected socket, plain or TLS."""

    def __call__(self, host: str, port: int, *, tls: bool, timeout: float = 10.0) -> Any: ...


@dataclass(frozen=True, slots=True)
class Inbound:
    """Where an account can be told things: its address at our door, to which a connector may add a query, and a secret of its own that
    nobody types."""

    url: str
    secret: str


class WebSocket(Protocol):
    """An open WebSocket. It answers and sends pings by itself; a line on which no answer comes is cut."""

    async def receive(self, timeout: float) -> bytes | None:
        """The bytes of the next message, text or binary; None where none comes within ``timeout`` seconds. Raises :class:`Unavailable`."""
        ...

    async def send(self, message: str | bytes) -> None: ...

    async def close(self) -> None: ...


class WebSockets(Protocol):
    """Opens a WebSocket to a judged address (``wss://``, plain only where an operator allows it); it is not redirected.

    A message of more than ``message_limit`` bytes cuts the line. Raises :class:`Unavailable`.
    """

    async def __call__(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 15.0, message_limit: int = 1_000_000
    ) -> WebSocket: ...


async def no_web_socket(
    url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 15.0, message_limit: int = 1_000_000
) -> WebSocket:
    """Where nobody opens WebSockets: always :class:`Unavailable`."""
    raise Unavailable("Nothing here opens a WebSocket.", "Hand the session one.")


@dataclass(frozen=True, slots=True)
class Session:
    """What the runtime hands a connector for one account: its settings and credentials, and the only ways out.

    ``sources``: what it listens to beside its own inbound, oldest first; a stream is opened anew when they change.
    ``inbound``: None where nobody outside can reach us, or the channel has no use for it.
    ``token``: asked for the access token of an account that signed in by OAuth2, each time one is needed.
    """

    account: AccountView
    credentials: Mapping[str, str]
    http: Http
    dial: Dialler
    now: datetime
    sources: tuple[SourceView, ...] = ()
    web_socket: WebSockets = no_web_socket
    inbound: Inbound | None = None
    token: TokenSource = no_token


class Receive(Protocol):
    """Webhooks: authenticity, pure."""

    def verify(self, headers: Mapping[str, str], body: bytes, secret: str | None, now: datetime) -> str:
        """The delivery's own id; raises :class:`NotAuthentic`, also where ``secret`` is missing."""
        ...


class Subscribe(Protocol):
    """Told by others at an address that the connector itself gave them (:class:`Inbound`, with a query); pure.

    The query stands in the headers as ``:query``, and is kept with the delivery. ``secret`` is that of :class:`Inbound`.
    """

    def challenge(self, query: str, secret: str, now: datetime, *, leaving: bool = False) -> str:
        """The answer to whoever asks by GET whether we meant it; raises :class:`NotAuthentic`, and then nothing is told. ``leaving``: the
        account was removed, and only that nothing is wanted any more is confirmed."""
        ...

    async def leave(self, session: Session, cursor: Mapping[str, Any]) -> Mapping[str, Any]:
        """The account was removed: tell those who tell us, within a minute. Gives what a further try needs, nothing where all is told;
        ``more`` in it where others have yet to be told, and are at once. Does not raise."""
        ...

    def verify(self, headers: Mapping[str, str], body: bytes, secret: str | None, now: datetime) -> str:
        """As :meth:`Receive.verify`."""
        ...


class Poll(Protocol):
    """Looked at from time to time."""

    async def poll(self, session: Session, cursor: Mapping[str, Any] | None) -> Polled: ...


class Stream(Protocol):
    """Kept open; yields polled batches, each with the cursor that stands after it, and an empty one at least every minute as a sign of
    life. Only batches without ``more`` say that all there was by then is heard: an open gap is filled with the first of them."""

    def listen(self, session: Session, cursor: Mapping[str, Any] | None) -> AsyncIterator[Polled]: ...


class Reply(Protocol):
    """Answers somebody."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent: ...


class ReadBack(Protocol):
    """Tells what became of an intent whose outcome is unknown: Sent, or None where it surely did not happen."""

    async def read_back(self, session: Session, outgoing: Outgoing) -> Sent | None: ...


class Test(Protocol):
    """The test button: each step in order, stopping at the first that fails."""

    __test__ = False

    async def test(self, session: Session) -> list[TestStep]: ...
