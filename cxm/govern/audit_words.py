"""Lines of the audit log as a page shows them: on whom or what by its name where there is one, else by its kind and its id."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _

from cxm.govern.contracts import Audited
from cxm.govern.services import members, organizations
from cxm.kernel.actor import Actor


def names(actor: Actor) -> dict[str, str]:
    """Names of members and units by their subject (``member:<id>``)."""
    where = actor.organization
    return {f"member:{one.id}": one.name for one in members.members(where)} | {
        f"unit:{one.id}": one.name for one in organizations.units(where)
    }


def line(one: Audited, named: dict[str, str]) -> dict[str, Any]:
    """Its fields, and beside them ``subject_kind``, ``subject_name``, ``subject_id`` and ``stage``: begun, or what became of it."""
    kind, _colon, key = one.subject.partition(":")
    stage = {"intent": _("begun"), "outcome": _outcome(str(one.detail.get("outcome", "")))}.get(one.kind, "")
    return asdict(one) | {"subject_kind": _kind(kind), "subject_name": named.get(one.subject, ""), "subject_id": key, "stage": stage}


def _kind(kind: str) -> str:
    words = {
        "account": _("account"), "case": _("case"), "conversation": _("conversation"), "member": _("member"), "mention": _("mention"),
        "organization": _("organization"), "profile": _("profile"), "reply": _("reply"), "stop": _("stop"), "token": _("token"),
        "topic": _("topic"), "unit": _("unit"), "webhook": _("webhook"), "queue": _("queue"), "source": _("source"),
    }  # fmt: skip
    return words.get(kind, kind)


def _outcome(name: str) -> str:
    words = {
        "sent": _("sent"),
        "refused": _("refused"),
        "held": _("held"),
        "unknown": _("outcome unknown"),
        "not_sent": _("not sent"),
        "failed": _("failed"),
    }
    return words.get(name, name)
