"""Which of our replies a mention of ours is: kept with it, whatever its platform tells of it before or afterwards."""

from __future__ import annotations

from uuid import UUID

from cxm.channels import registry
from cxm.connect.contracts import Account
from cxm.kernel.ids import mention_id
from cxm.listen.events import MentionsChanged
from cxm.listen.models import Record
from cxm.platform import events


def keep_reply(organization: UUID, account: Account, native_id: str, reply: UUID, *, told: bool) -> None:
    """What platforms tell of our own words never says which reply they are: it is kept apart, so that an edit there does not lose it. ``told``: everybody
    knows it already; else its platform was heard before we said it ourselves. Within the transaction in which it was heard."""
    within = account.id if registry.channel(account.channel).ids_unique_within_account else None
    rows = Record.objects.filter(pk=mention_id(organization, account.channel, native_id, within), organization_id=organization)
    row = rows.select_for_update().filter(deleted_at=None).first()
    if row is None or (row.overrides or {}).get("reply") == str(reply):
        return
    row.overrides = {**(row.overrides or {}), "reply": str(reply)}
    row.version += 0 if told else 1
    row.save(update_fields=["overrides", "version"])
    if not told:
        change = {"id": str(row.pk), "version": row.version, "set": {"reply": str(reply)}}
        events.publish(MentionsChanged(organization=organization, account=row.account_id, mentions=(change,), whole=False))
