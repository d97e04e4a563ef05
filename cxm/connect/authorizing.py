"""Signing in by OAuth2: begun by a member, finished by the same one once the platform sends them back (docs/adr/0015)."""

from __future__ import annotations

import hashlib
import json
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from cxm.channels import registry
from cxm.channels.authorization import Way
from cxm.channels.contracts import AccountView, ConnectorError, Session
from cxm.channels.registry import Channel
from cxm.connect import accounts, platform_clients, token_store
from cxm.connect.contracts import Account as AccountContract
from cxm.connect.contracts import Begun
from cxm.connect.models import Account, SignIn
from cxm.connect.platform_clients import Typed
from cxm.connect.runtime import runtime
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, FieldError, Invalid
from cxm.platform import egress, secrets
from cxm.platform.config import settings as options

#: How long one may take to agree; how many sign-ins one member may have begun; how long an answer of the platform can be.
LIFETIME, AT_ONCE, _ANSWER = timedelta(minutes=15), 20, 8_000
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is to become of it: a new account where ``account`` is None."""

    account: UUID | None
    channel: str
    name: str
    unit: UUID
    settings: Mapping[str, Any]


def begin(
    actor: Actor,
    *,
    channel: str,
    name: str,
    unit: UUID | None = None,
    settings: Mapping[str, Any] | None = None,
    way: str = "",
    client: Typed | None = None,
    base: str = "",
    session: str = "",
) -> Begun:
    """Begin to connect an account by signing in. ``way``: the only one where it is left out. ``client``: what was registered at the
    platform, where it was not given before. ``base``: the address we were reached by. ``session``: of the browser it must end in.

    Raises Invalid naming each wrong field, Conflict where there is an account of that name.
    """
    known = accounts.channel_of(channel)
    found = _way(known, way)
    unit = accounts.unit_of(actor, unit)
    accounts.may_write(actor, unit)
    checked = accounts.checked_settings(known, {**(settings or {}), **found.settings})
    draft = _Draft(None, channel, accounts.checked_name(name), unit, checked)
    if Account.objects.for_organization(actor.organization).filter(channel=channel, name=draft.name, removed_at=None).exists():
        raise Conflict(
            "account_exists", f"There is an account “{draft.name}” on {channel} already.", "Use another name, or change that one."
        )
    return _begin(actor, known, found, draft, client or Typed(), base, session)


def begin_anew(actor: Actor, account: UUID, *, way: str = "", client: Typed | None = None, base: str = "", session: str = "") -> Begun:
    """Begin to sign in anew, or in another way than before: the account's place, its sources and all that was heard stay."""
    row = accounts.find(actor.organization, account)
    accounts.may_write(actor, row.unit_id)
    known = registry.channel(row.channel)
    found = _way(known, way or row.way)
    draft = _Draft(row.id, row.channel, row.name, row.unit_id, {**row.settings, **found.settings})
    return _begin(actor, known, found, draft, client or Typed(), base, session)


def finish(actor: Actor, answer: Mapping[str, str], *, session: str = "") -> AccountContract:
    """What the platform sent back with a member: the account it made, or signed in anew. ``answer`` can be used once.

    Raises Invalid with what to do next; NotAllowed where the member may no longer change accounts there.
    """
    told = _taken(actor, answer.get("state", ""), session)
    draft = _Draft(UUID(told["account"]) if told["account"] else None, told["channel"], told["name"], UUID(told["unit"]), told["settings"])
    known = accounts.channel_of(draft.channel)
    way = _way(known, told["way"])
    accounts.may_write(actor, draft.unit)
    _check_answer(way, answer)
    typed = Typed(told["client"]["id"], told["client"]["secret"])
    client = platform_clients.client(known, typed, told["base"])
    authorizer, kept = known.authorizer(way), told["kept"]
    tokens = _asked(way, lambda http: authorizer.exchange(_session(draft, http), client, way, kept, answer))
    with transaction.atomic():
        platform_clients.keep(actor.organization, known.name, way, typed)
        if draft.account is not None:
            return accounts.change(actor, draft.account, signed=(way.name, tokens))
        made, _secret = accounts.connect(
            actor, channel=known.name, name=draft.name, unit=draft.unit, settings=draft.settings, signed=(way.name, tokens)
        )
        return made


def metadata(channel: Channel, base: str) -> dict[str, Any] | None:
    """What a channel's own way tells platforms of us; None where it has nothing to tell, or nobody outside can reach us."""
    own = next((way for way in channel.manifest.auth.ways if way.own), None)
    client = platform_clients.client(channel, Typed(), base)
    describe = getattr(channel.authorizer(own), "metadata", None) if own and client.metadata_url else None
    return describe(client) if describe else None


def base_of(called: str = "") -> str:
    """The address platforms send people back to: CXM_PUBLIC_URL, else as we were ``called``. Raises Invalid where neither is known."""
    base = options().public_url.rstrip("/") or called
    if not base:
        raise Invalid(
            "public_url_missing", "Nobody knows the address to come back to.", "Set CXM_PUBLIC_URL, and register it at the platform."
        )
    return base


def _way(known: Channel, name: str) -> Way:
    ways = known.manifest.auth.ways
    found = known.manifest.auth.way(name) or (ways[0] if len(ways) == 1 and not name else None)
    if found is None:
        names = ", ".join(way.name for way in ways)
        text = f"One of: {names}." if names else f"{known.manifest.title} has no sign-in of this kind."
        raise Invalid("way_unknown", "There is no such way to sign in.", text, errors=(FieldError("way", text),))
    return found


def _begin(actor: Actor, known: Channel, way: Way, draft: _Draft, typed: Typed, base: str, session: str) -> Begun:
    chosen = platform_clients.chosen(actor.organization, known, way, typed)
    base = base_of(base)
    client = platform_clients.client(known, chosen, base)
    state = random.token_urlsafe(32)
    authorizer = known.authorizer(way)
    started = _asked(way, lambda http: authorizer.start(_session(draft, http), client, way, state))
    egress.check_url(started.url, path="settings")
    told = {
        "account": str(draft.account) if draft.account else None, "channel": known.name, "name": draft.name, "unit": str(draft.unit),
        "settings": dict(draft.settings), "way": way.name, "client": {"id": chosen.id, "secret": chosen.secret}, "base": base, "kept": dict(started.kept),
    }  # fmt: skip
    ends = now() + LIFETIME
    with transaction.atomic():
        _sweep(actor)
        SignIn.objects.add(
            actor.organization, digest=_digest(state), member_id=actor.member, session_digest=_digest(session) if session else "",
            account_id=draft.account, sealed=secrets.seal(json.dumps(told)), expires_at=ends,
        )  # fmt: skip
    return Begun(started.url, urlsplit(started.url).hostname or "", way.title, way.scopes, client.redirect_uri, ends)


def _sweep(actor: Actor) -> None:
    """Forget what is too old, and the oldest of who begins without end."""
    SignIn.everywhere.filter(expires_at__lt=now()).delete()  # everywhere: what is over is over for all
    mine = SignIn.objects.for_organization(actor.organization).filter(member_id=actor.member)
    SignIn.objects.for_organization(actor.organization).filter(pk__in=list(mine.order_by("-created_at").values_list("pk", flat=True)[AT_ONCE - 1 :])).delete()  # fmt: skip


def _taken(actor: Actor, state: str, session: str) -> dict[str, Any]:
    """What was begun under ``state``, by this member and in this browser; it cannot be used again, whatever comes of it."""
    unknown = Invalid("sign_in_unknown", _("This sign-in is not known here: it was used before, took too long, or was begun by somebody else."), _("Begin it again on the account's page."))  # fmt: skip
    with transaction.atomic():
        row = SignIn.objects.for_organization(actor.organization).select_for_update().filter(digest=_digest(state)).first()
        if row is None or row.member_id not in (None, actor.member):
            raise unknown
        if row.session_digest and not random.compare_digest(row.session_digest, _digest(session)):
            raise unknown
        row.delete()
    if row.expires_at <= now():
        raise unknown
    return json.loads(secrets.unseal(row.sealed))


def _check_answer(way: Way, answer: Mapping[str, str]) -> None:
    if error := answer.get("error"):
        declined = error == "access_denied"
        text = _("{name} was not allowed to let us in: somebody declined there.") if declined else _("{name} broke the sign-in off.")
        raise Invalid("sign_in_declined", text.format(name=way.title), _("Begin it again, and agree to what is asked there."))
    if not answer.get("code") or any(len(value) > _ANSWER for value in answer.values()):
        raise Invalid("sign_in_broken", _("{name} sent nothing back that lets us in.").format(name=way.title), _("Begin it again."))


def _session(draft: _Draft, http: Any) -> Session:
    view = AccountView(draft.account or UUID(int=0), draft.channel, draft.name, draft.settings)
    return Session(account=view, credentials={}, http=http, dial=egress.dial, now=now())


def _asked(way: Way, work: Any) -> Any:
    """What the platform's sign-in server answers; every way it can fail said in plain words."""
    try:
        return runtime.call(work, _SECONDS)
    except ConnectorError as error:
        raise Invalid("sign_in_failed", error.text, error.mend or _("Try it again in a minute.")) from error
    except TimeoutError as error:
        text = _("{name} took too long to answer.").format(name=way.title)
        raise Invalid("sign_in_failed", text, _("Try it again in a minute.")) from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def held(row: Account) -> str:
    """Why nothing can leave over an account until somebody signs in anew; empty where nobody must."""
    why = token_store.ended(row) if row.way else None
    return f"{why.text} {why.mend}" if why else ""
