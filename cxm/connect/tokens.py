"""Access tokens for connectors: renewed before they run out, by one process for all (docs/adr/0015).

A refresh token is often good for one use only, so two who renew at once would sign the account out. Whoever renews first writes into the
account's row until when; the others wait for what comes of it. No lock of the database is held while a platform answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction

from cxm.channels import registry
from cxm.channels.authorization import AccessToken, Client, SignInEnded, Tokens, Way
from cxm.channels.contracts import AuthExpired, ConnectorError, Gone, Rejected, Session, Unavailable
from cxm.connect import accounts, platform_clients, token_store
from cxm.connect.models import Account, SignIn
from cxm.kernel.clock import now
from cxm.platform import egress

Db = Callable[[Callable[[], Any]], Awaitable[Any]]
#: How long before its end a token is renewed, and how long a renewal that failed is left alone while the old one is still good.
MARGIN, PATIENCE = timedelta(minutes=5), timedelta(minutes=1)
#: Seconds a renewal may take; whoever began one and says nothing for so long has died.
BUDGET, LEASE = 30.0, timedelta(seconds=60)
#: Seconds between two looks at what another process is renewing, and how long one waits at most.
_LOOK, _WAIT = 0.1, 70.0
_log = structlog.get_logger(__name__)
#: Renewals under way in this process: a token that was given out must be kept, even if whoever asked is gone.
UNDER_WAY: set[asyncio.Task[AccessToken]] = set()


@dataclass(frozen=True, slots=True)
class Turn:
    """It is ours to renew: everything that takes."""

    account: UUID
    session: Session
    client: Client
    way: Way
    tokens: Tokens


class Source:
    """What a connector asks for its account's access token (``channels.authorization.TokenSource``)."""

    def __init__(self, account: UUID, http: Any, db: Db) -> None:
        self._account, self._http, self._db = account, http, db

    async def __call__(self, refused: str = "") -> AccessToken:
        waited_for: datetime | None = None
        end = asyncio.get_running_loop().time() + _WAIT
        while asyncio.get_running_loop().time() < end:
            known: Any = await self._db(lambda waited_for=waited_for: _claim(self._account, refused, self._http, waited_for))
            if isinstance(known, AccessToken):
                return known
            if isinstance(known, token_store.Ended):
                raise SignInEnded(known.text, known.mend)
            if isinstance(known, Turn):
                task = asyncio.get_running_loop().create_task(_renew(known, self._db))
                UNDER_WAY.add(task)
                task.add_done_callback(_over)
                return await asyncio.shield(task)
            waited_for = known
            await asyncio.sleep(_LOOK)
        raise _not_now()


def _over(task: asyncio.Task[AccessToken]) -> None:
    UNDER_WAY.discard(task)
    if not task.cancelled():
        task.exception()  # whoever asked may be gone; what went wrong is in the row


async def settled(seconds: float) -> None:
    """Wait for the renewals of this loop: a token that was given out must be kept, the former may be good for nothing any more."""
    mine = [task for task in UNDER_WAY if task.get_loop() is asyncio.get_running_loop()]
    if mine:
        await asyncio.wait(mine, timeout=seconds)


def _not_now() -> Unavailable:
    return Unavailable("The sign-in could not be renewed just now.", "It is tried again; nothing is lost meanwhile.")


def _claim(account: UUID, refused: str, http: Any, waited_for: datetime | None) -> AccessToken | Turn | token_store.Ended | datetime:
    """A token that is good, or the turn to renew it, or until when somebody else has that turn, or why a person must sign in."""
    row = Account.everywhere.get(pk=account)  # everywhere: the runtime serves all
    if (known := _without_asking(row, refused)) is not None:
        return known
    with transaction.atomic():
        row = Account.everywhere.select_for_update().get(pk=account)  # everywhere: as above
        if (known := _without_asking(row, refused)) is not None:
            return known
        tokens, way = token_store.get(row), _way(row)
        assert tokens is not None and way is not None
        if not tokens.refresh:
            return _end(row, f"The sign-in with {way.title} has run out.")
        if row.renewing_until is not None and now() < row.renewing_until <= now() + LEASE:  # else its clock was another
            return _given(row, tokens) if _good(tokens, refused) else row.renewing_until
        if waited_for is not None and row.renewing_until is None:
            raise _not_now()  # who had the turn gave it back without a token: not each of those who waited tries in turn
        row.renewing_until = now() + LEASE
        row.save(update_fields=["renewing_until"])
        return Turn(account, session_for(row, http), platform_clients.client_of(row), way, tokens)


def _without_asking(row: Account, refused: str) -> AccessToken | token_store.Ended | None:
    """What can be said without the platform; None where the token must be renewed."""
    tokens, why = token_store.get(row), token_store.ended(row)
    if why is not None:
        return why
    if tokens is None or _way(row) is None:
        return token_store.Ended("Nobody has signed in for this account yet.", "Sign in on its page.")
    fresh = tokens.expires_at is None or tokens.expires_at - now() > MARGIN
    return _given(row, tokens) if _good(tokens, refused) and (fresh or not tokens.refresh) else None


def _way(row: Account) -> Way | None:
    return registry.channel(row.channel).manifest.auth.way(row.way)


def _good(tokens: Tokens, refused: str) -> bool:
    return tokens.access != refused and (tokens.expires_at is None or tokens.expires_at > now())


def _given(row: Account, tokens: Tokens) -> AccessToken:
    return AccessToken(tokens.access, tokens.expires_at, row.way, tokens.extra)


def session_for(row: Account, http: Any) -> Session:
    """What whoever speaks to a sign-in server is handed: settings and the ways out, no credentials."""
    return Session(account=accounts.view(row), credentials={}, http=http, dial=egress.dial, now=now())


async def _renew(turn: Turn, db: Db) -> AccessToken:
    authorizer = registry.channel(turn.session.account.channel).authorizer(turn.way)
    try:
        async with asyncio.timeout(BUDGET):
            fresh = await authorizer.refresh(turn.session, turn.client, turn.way, turn.tokens)
    except SignInEnded as error:
        why = token_store.Ended(error.text, error.mend)
        await db(lambda: _note_ended(turn, why))
        raise
    except Exception as error:
        told = _told(error)
        kept: AccessToken | None = await db(lambda: _note_failed(turn))
        if kept is not None:
            _log.info("tokens.not_renewed", account=str(turn.account), reason=told.text)
            return kept
        raise told from error
    for patience in (0.2, 1, 3, 5, None):  # the former refresh token is used up by now: this one must not be lost
        try:
            await db(lambda: _store(turn, fresh))
            break
        except DatabaseError:
            if patience is None:
                raise
            await asyncio.sleep(patience)
    return AccessToken(fresh.access, fresh.expires_at, turn.way.name, fresh.extra)


def _told(error: Exception) -> ConnectorError:
    """What went wrong, said so that nobody takes it for a refusal of what was to be sent, or for an effect it might have had."""
    if isinstance(error, Unavailable):
        return Unavailable(error.text, "It is tried again; nothing is lost meanwhile.", retry_after=error.retry_after)
    if isinstance(error, Rejected | Gone):
        return AuthExpired(error.text, error.mend or "Sign in anew.")
    if isinstance(error, ConnectorError):
        return error
    if not isinstance(error, TimeoutError):
        _log.error("tokens.broke", error=type(error).__name__)
    return _not_now()


def _locked(turn: Turn) -> Account | None:
    """The account's row, locked; None where somebody signed in anew meanwhile, and what we know is of the past."""
    row = Account.everywhere.select_for_update().get(pk=turn.account)  # everywhere: the runtime serves all
    known = token_store.get(row)
    return row if known is not None and (known.access, known.refresh) == (turn.tokens.access, turn.tokens.refresh) else None


def _store(turn: Turn, fresh: Tokens) -> None:
    with transaction.atomic():
        if (row := _locked(turn)) is not None:
            token_store.put(row, turn.way.name, fresh)
            row.save(update_fields=["way", "sealed_tokens", "token_expires_at", "renewing_until"])


def _note_failed(turn: Turn) -> AccessToken | None:
    """Give the turn back. While the old token is still good it is used, and nobody tries again for a while."""
    with transaction.atomic():
        row = _locked(turn)
        if row is None:
            return None
        good = row.token_expires_at is not None and row.token_expires_at > now()
        row.renewing_until = min(now() + PATIENCE, row.token_expires_at) if good else None
        row.save(update_fields=["renewing_until"])
        return AccessToken(turn.tokens.access, row.token_expires_at, turn.way.name, turn.tokens.extra) if good else None


def _note_ended(turn: Turn, why: token_store.Ended) -> None:
    with transaction.atomic():
        if (row := _locked(turn)) is not None:
            _end(row, why.text, why.mend)


def _end(row: Account, text: str, mend: str = "Sign in anew; nothing is lost meanwhile, and replies wait.") -> token_store.Ended:
    why = token_store.Ended(text[:500], mend[:500])
    token_store.end(row, why)
    row.health, row.mend = why.text, why.mend
    row.save(update_fields=["sealed_tokens", "token_expires_at", "renewing_until", "health", "mend"])
    accounts.told_changed(row, "broke")
    return why


def forget_begun() -> None:
    """Sign-ins that nobody finished in time."""
    SignIn.everywhere.filter(expires_at__lt=now()).delete()  # everywhere: what is over is over for all


def due(limit: int = 500) -> list[UUID]:
    """Accounts whose tokens end soon: renewed although nobody asks for them, since what is not used lapses."""
    rows = Account.everywhere.filter(
        state="active", removed_at=None, token_expires_at__lt=now() + 2 * MARGIN
    )  # everywhere: one job serves all
    return list(rows.order_by("token_expires_at").values_list("pk", flat=True)[:limit])


async def renew_all(due: Sequence[UUID], http: Any, db: Db) -> None:
    """Renew the tokens of those accounts, a few at once; what goes wrong with one stands in its row and delays no other."""
    places = asyncio.Semaphore(8)

    async def one(account: UUID) -> None:
        async with places:
            with contextlib.suppress(ConnectorError):
                await Source(account, http, db)()

    for done in await asyncio.gather(*map(one, due), return_exceptions=True):
        if isinstance(done, BaseException):
            _log.error("tokens.broke", error=type(done).__name__)
