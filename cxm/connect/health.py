"""How an account is, in one sentence with its mend: the same on screen, over the API, on the command line and in ``doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Min
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cxm.channels import registry
from cxm.connect.contracts import Account, SourceSum
from cxm.connect.models import Account as AccountRow
from cxm.connect.models import Delivery
from cxm.kernel.clock import now

#: A look that is late by so much: nobody looks (no ``serve`` and no ``cxm streams`` runs).
OVERDUE = timedelta(minutes=10)
#: For so long it is told that somebody complained of whom nobody says who they are.
REPORTED = timedelta(days=7)
#: An account is silent when nothing came for a day and for so many times its usual pause, judged by the last weeks.
_USUAL, _WINDOW, _FEWEST = 10, timedelta(days=30), 10


@dataclass(frozen=True, slots=True)
class Health:
    """``tone``: good, info, neutral, warn or bad; ``text``: one sentence; ``mend``: what to do, empty where nothing is."""

    tone: str
    icon: str
    text: str
    mend: str = ""

    @property
    def ok(self) -> bool:
        """Whether nobody has to do anything."""
        return self.tone in ("good", "info", "neutral")


def of(one: Account, sources: SourceSum | None = None) -> Health:
    """The one sentence; what stops everything comes before what stops a part."""
    sources = sources or SourceSum()
    if one.state == "paused":
        return Health("neutral", "pause", _("Paused by you: nothing comes in, nothing leaves."))
    if sources.total and sources.total == sources.paused and one.health:
        return Health("neutral", "pause", _("All its sources are paused."), _("Resume one of them, and it is looked at again."))
    if one.health:
        tone, icon = ("bad", "circle-alert") if one.state == "broken" else ("warn", "triangle-alert")
        return Health(tone, icon, one.health, one.mend)
    if sources.failing:
        return Health(
            "warn", "triangle-alert", _partly(sources), _("What is wrong stands beside each under Sources; the others are heard.")
        )
    if _overdue(one):
        text = _("Nobody has looked since it was due: nothing is listening.")
        return Health("bad", "circle-alert", text, _("Start “cxm serve” (or “cxm streams”), and it goes on where it stopped."))
    if one.reported_at is not None and now() - one.reported_at < REPORTED:
        return _reported(one)
    if one.last_heard_at is None and one.last_ok_at is None:
        return Health("info", "clock", _("Connected; nothing was heard yet."))
    if one.last_heard_at is None:
        return Health("good", "circle-check", _("Connected and looked at; nobody has said anything yet."))
    return Health("good", "circle-check", _("All is well."))


def _reported(one: Account) -> Health:
    mend = _("Look at the answers with copies of those days: it stands beside the one. This goes by itself within a week.")
    if one.reported == "complained":
        return Health("warn", "triangle-alert", _("A recipient of an answer with copies complained; the report does not say who."), mend)
    return Health("warn", "triangle-alert", _("An answer with copies did not reach a recipient; the report does not say whom."), mend)


def note_report(organization: UUID, account: UUID, reported: str, at: datetime) -> None:
    """Somebody complained of an answer with copies, or it did not reach them, and nobody says who: told with the account for some days."""
    rows = AccountRow.objects.for_organization(organization).filter(pk=account).exclude(reported_at__gt=at)
    rows.update(reported=reported, reported_at=at)


def silent(one: Account) -> Health | None:
    """The heartbeat: an account that is well and yet has not heard anything for far longer than usual; None where it has not."""
    if one.state != "active" or one.last_heard_at is None or now() - one.last_heard_at < timedelta(days=1):
        return None
    usual = usual_pause(one.organization, one.id, one.last_heard_at)
    if usual is None or now() - one.last_heard_at < usual * _USUAL:
        return None
    days = (now() - one.last_heard_at).days
    text = ngettext(
        "Nothing was heard for {n} day, which is far longer than usual.",
        "Nothing was heard for {n} days, which is far longer than usual.",
        days,
    ).format(n=days)
    if registry.channel(one.channel).can("receive"):
        return Health("warn", "triangle-alert", text, _("Look whether its platform still delivers to the account's address."))
    return Health("warn", "triangle-alert", text, _("Test the connection, and look on the platform whether something was said."))


def usual_pause(organization: UUID, account: UUID, until: datetime) -> timedelta | None:
    """How long it usually is between two deliveries, by the weeks before ``until``; None where there were too few to say."""
    rows = Delivery.objects.for_organization(organization).filter(account_id=account, received_at__gte=until - _WINDOW)
    found = rows.aggregate(count=Count("id"), first=Min("received_at"))
    if found["count"] < _FEWEST:
        return None
    return (until - found["first"]) / (found["count"] - 1)


def _partly(sources: SourceSum) -> str:
    others = sources.failing - 1
    if not others:
        return _("One of its sources cannot be heard: {name}.").format(name=sources.first[:200])
    return ngettext("{name} and {n} other source cannot be heard.", "{name} and {n} other sources cannot be heard.", others).format(
        name=sources.first[:200], n=others
    )


def _overdue(one: Account) -> bool:
    known = registry.channel(one.channel)
    looks = known.can("poll") or known.can("stream")
    return looks and one.next_look_at is not None and now() - one.next_look_at > OVERDUE
