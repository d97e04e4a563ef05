"""The composition root: what a lower slice needs from above is put into its place here, once."""

from __future__ import annotations

from uuid import UUID

from cxm.connect import api as connect
from cxm.govern import api as govern
from cxm.kernel.errors import NotFound
from cxm.listen import api as listen
from cxm.love import api as love
from cxm.outbound import api as outbound
from cxm.people import api as people

_wired = False


def wire() -> None:
    """Put everything into its place; a second time changes nothing."""
    global _wired
    if _wired:
        return
    connect.register_acceptor(listen.accept, listen.judged)
    govern.register_held_items(outbound.HeldReplies())
    govern.register_accounts(_unit_of_account)
    outbound.register_last_word(love.last_word)
    people.register_timeline(love.PersonTimeline())
    people.register_timeline(listen.MentionTimeline())
    people.register_holder(love.PersonEraser())  # first: it finds what we said to them
    people.register_holder(listen.PersonEraser())
    _wired = True


def _unit_of_account(organization: UUID, account: UUID) -> UUID | None:
    try:
        return connect.account(organization, account).unit
    except NotFound:
        return None
