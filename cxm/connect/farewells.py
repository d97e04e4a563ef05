"""Those who tell a removed account what is new are told that nothing is wanted any more: as well as can be, and nothing waits for it.

What they send until then is refused at the door. One that is away is told again after minutes, then hours; after a day its own lease ends it.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog

from cxm.channels import registry
from cxm.connect.models import Account
from cxm.kernel.clock import now
from cxm.platform.config import settings

#: Before the next try; after the last of them, nobody is told any more.
_PAUSES = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), timedelta(hours=18))
_SECONDS = 60
_log = structlog.get_logger(__name__)


def later(row: Account) -> None:
    """Of an account that is being removed, in its transaction."""
    from cxm.connect.tasks import say_farewell

    if row.cursor and settings().public_url and registry.channel(row.channel).can("subscribe"):
        say_farewell.defer(account=str(row.id))


def say(account: UUID, tries: int) -> None:
    """One try, of no more than a minute; another is enqueued where somebody did not answer or has yet to be told."""
    from cxm.connect import runtime
    from cxm.connect.tasks import say_farewell

    row = Account.everywhere.filter(pk=account, removed_at__isnull=False).first()  # everywhere: a job knows only the account
    if row is None or not row.cursor:
        return
    leave = registry.channel(row.channel).subscriber().leave
    try:
        left = dict(runtime.runtime.call(lambda http: leave(runtime.session_of(row, http, ()), row.cursor or {}), _SECONDS))
    except Exception as error:
        _log.warning("farewell.broke", channel=row.channel, error=type(error).__name__)
        left = {key: value for key, value in row.cursor.items() if key != "more"}
    Account.everywhere.filter(pk=account).update(cursor=left)  # everywhere: as above
    if left.get("more"):  # a job of its own, so that others have their turn between
        say_farewell.defer(account=str(account), tries=tries)
    elif left and tries < len(_PAUSES):
        say_farewell.defer(account=str(account), tries=tries + 1, schedule_at=now() + _PAUSES[tries])
