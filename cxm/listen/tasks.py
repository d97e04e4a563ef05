"""Jobs of listen."""

from __future__ import annotations

from uuid import UUID

from cxm.platform import jobs


@jobs.task("listen.redact")
def redact(organization: str) -> None:
    """The words of what was deleted leave the log and the mailbox."""
    from cxm.listen import erasure

    erasure.redact(UUID(organization))


@jobs.task("listen.empty_account")
def empty_account(organization: str, account: str) -> None:
    """All that was heard on a removed account is deleted."""
    from cxm.listen import emptying

    emptying.empty(UUID(organization), UUID(account))


@jobs.task("listen.move_account")
def move_account(organization: str, account: str) -> None:
    """All that was heard on an account goes to the unit it belongs to now."""
    from cxm.listen import moving

    moving.move(UUID(organization), UUID(account))


@jobs.periodic("listen.empty_forgotten", "*/5 * * * *")
def empty_forgotten() -> None:
    """Whatever broke off goes on; what waited for its mailbox is tried again."""
    from cxm.connect import api as connect
    from cxm.listen import emptying

    for organization, account in connect.unfinished_removals():
        emptying.empty_later(organization, account)


@jobs.periodic("listen.redact_forgotten", "*/5 * * * *")
def redact_forgotten() -> None:
    """A job that gave up must not leave deleted words where they are."""
    from cxm.listen import erasure
    from cxm.listen.models import Removal

    waiting = Removal.everywhere.filter(erasure=None)  # everywhere: a watch over all
    for organization in waiting.values_list("organization_id", flat=True).distinct():
        erasure.redact_later(organization)


@jobs.periodic("listen.expire_fetched", "27 3 * * *")
def expire_fetched() -> None:
    """Files fetched from foreign addresses long ago are forgotten, and so is what a process that died left of them."""
    from cxm.listen import remote

    remote.expire()
    remote.sweep()


@jobs.task("listen.purge", queue="events")
def purge() -> None:
    """Deleted mentions leave the files of the mention store too."""
    from cxm.listen import engine
    from cxm.listen.events import MentionsDeleted
    from cxm.listen.store.purging import purge as purge_store
    from cxm.listen.subscribers import STORE
    from cxm.platform import events

    events.catch_up(STORE, MentionsDeleted)  # what the store was not told of yet would stay in its files
    purge_store(engine.writer())


@jobs.periodic("listen.purge_nightly", "41 2 * * *", queue="events")
def purge_nightly() -> None:
    """What platforms deleted during the day leaves the files of the store."""
    from datetime import timedelta

    from cxm.kernel.clock import now
    from cxm.listen.erasure import purge_later
    from cxm.listen.models import Record

    if Record.objects.filter(deleted_at__gte=now() - timedelta(hours=26)).exists():
        purge_later()
