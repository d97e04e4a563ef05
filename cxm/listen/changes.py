"""Decisions about stored mentions: state, tags, corrected verdicts. Decided in PostgreSQL, told to the store as rewrites."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from cxm.channels.contracts import INTENTS, SENTIMENTS, STATES
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import FieldError, Invalid, NotFound
from cxm.listen import selectors
from cxm.listen.events import MentionsChanged
from cxm.listen.models import Record
from cxm.platform import events, realtime

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
_CORRECTABLE = ("sentiment", "emotions", "intents", "language", "spam", "offensive")


def set_state(actor: Actor, mentions: Sequence[UUID], state: str) -> dict[UUID, int]:
    """Move mentions to a state; those already there, deleted or unknown are left alone. The new versions of those that moved."""
    _check_state(state)
    return _apply(actor, mentions, {"state": state}, skip_same=True)


def patch(
    actor: Actor,
    mention: UUID,
    *,
    state: str | None = None,
    tags: Sequence[str] | None = None,
    corrections: Mapping[str, Any] | None = None,
) -> None:
    """Change one mention; what is not given stays. A correction is a person's word: models never overwrite it.

    Raises NotFound for another organization's, Invalid naming each wrong field.
    """
    values: dict[str, Any] = {}
    if state is not None:
        _check_state(state)
        values["state"] = state
    if tags is not None:
        values["tags"] = _tags(tags)
    if corrections:
        values |= _corrections(corrections)
        values["verdicts_by"] = "person"
    row = Record.objects.filter(pk=mention, organization_id=actor.organization).first()
    if row is None or row.deleted_at is not None or not actor.may_for("mentions:write", row.unit_id):
        raise NotFound("mention")
    if values.get("state") == "waiting" and row.state != "waiting":
        _reopen(actor, row, values)
    elif values:
        _apply(actor, [mention], values)
    if values:
        govern.record(actor, "mention.change", f"mention:{mention}", {"fields": sorted(values)})


def _apply(actor: Actor, mentions: Sequence[UUID], values: dict[str, Any], *, skip_same: bool = False) -> dict[UUID, int]:
    with transaction.atomic():
        rows = (
            Record.objects.filter(pk__in=mentions, organization_id=actor.organization, deleted_at=None).order_by("pk").select_for_update()
        )
        changed: defaultdict[UUID | None, list[dict[str, Any]]] = defaultdict(list)
        touched: list[Record] = []
        for row in rows:
            if skip_same and all(getattr(row, key) == value for key, value in values.items()):
                continue
            row.version += 1
            row.overrides = {**(row.overrides or {}), **{key: value for key, value in values.items() if key != "state"}} or None
            row.state = values.get("state", row.state)
            row.language = values.get("language", row.language)
            touched.append(row)
            changed[row.account_id].append({"id": str(row.pk), "version": row.version, "set": values})
        if not changed:
            return {}
        Record.objects.bulk_update(touched, ["version", "overrides", "state", "language"])
        for account, told in changed.items():
            events.publish(MentionsChanged(organization=actor.organization, account=account, mentions=tuple(told), whole=False))
        realtime.tell(actor.organization, "mentions")
        return {row.pk: row.version for row in touched}


def _reopen(actor: Actor, row: Record, values: dict[str, Any]) -> None:
    """Somebody says that a mention does want an answer: told whole, so that it comes to stand in the inbox."""
    whole = selectors.whole(row)
    with transaction.atomic():
        fresh = Record.objects.select_for_update().get(pk=row.pk)
        fresh.version += 1
        fresh.state = "waiting"
        fresh.overrides = {**(fresh.overrides or {}), **{key: value for key, value in values.items() if key != "state"}} or None
        fresh.save(update_fields=["version", "state", "overrides"])
        document = {**whole, **(fresh.overrides or {}), "state": "waiting", "version": fresh.version}
        events.publish(MentionsChanged(organization=actor.organization, account=row.account_id, mentions=(document,), whole=True))
        realtime.tell(actor.organization, "mentions")


def _check_state(state: str) -> None:
    if state not in STATES:
        raise Invalid(
            "state_invalid",
            f"“{str(state)[:30]}” is no state of a mention.",
            f"One of: {', '.join(STATES)}.",
            errors=(FieldError("state", f"One of: {', '.join(STATES)}."),),
        )


def _tags(tags: Sequence[str]) -> list[str]:
    clean = list(dict.fromkeys(tag.strip() for tag in tags))
    if len(clean) > 50 or any(not 0 < len(tag) <= 60 or any(ord(sign) < 32 for sign in tag) for tag in clean):
        raise Invalid(
            "tags_invalid",
            "A tag is empty, too long, or there are too many.",
            "At most 50 tags of 1 to 60 characters.",
            errors=(FieldError("tags", "At most 50 tags of 1 to 60 characters."),),
        )
    return clean


def _corrections(given: Mapping[str, Any]) -> dict[str, Any]:
    faults: list[FieldError] = []
    for key, value in given.items():
        text = _fault(key, value)
        if text:
            faults.append(FieldError(f"corrections.{key}", text))
    if faults:
        raise Invalid("corrections_invalid", " ".join(fault.text for fault in faults), errors=tuple(faults))
    return dict(given)


def _fault(key: str, value: Any) -> str | None:
    if key not in _CORRECTABLE:
        return f"Not a verdict; one of: {', '.join(_CORRECTABLE)}."
    if key == "sentiment":
        return None if value is None or value in SENTIMENTS else f"One of: {', '.join(SENTIMENTS)}, or null."
    if key in ("spam", "offensive"):
        return None if value is None or isinstance(value, bool) else "true, false or null."
    if key == "language":
        return (
            None
            if isinstance(value, str) and 2 <= len(value) <= 35 and value.replace("-", "").isalnum() and value.isascii()
            else "A language tag such as de or zh-Hant."
        )
    allowed = INTENTS if key == "intents" else EMOTIONS
    if not isinstance(value, list) or any(entry not in allowed for entry in value):
        return f"A list of: {', '.join(allowed)}."
    return None
