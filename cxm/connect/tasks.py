"""Jobs of connect."""

from __future__ import annotations

from uuid import UUID

import structlog

from cxm.platform import jobs, memory

_log = structlog.get_logger(__name__)


@jobs.task("connect.take_in", queue="intake", pace=0.2)
def take_in(account: str) -> None:
    """Take in what waits in one mailbox."""
    from cxm.connect import mailbox

    mailbox.take_in_all(UUID(account))
    memory.let_go()


@jobs.task("connect.say_farewell")
def say_farewell(account: str, tries: int = 0) -> None:
    """Those who tell us what is new are told that an account was removed."""
    from cxm.connect import farewells

    farewells.say(UUID(account), tries)


@jobs.periodic("connect.take_in_forgotten", "*/5 * * * *", queue="intake")
def take_in_forgotten() -> None:
    """A job that gave up must not leave a mailbox waiting for the next delivery."""
    from cxm.connect import mailbox
    from cxm.connect.models import Delivery

    waiting = Delivery.everywhere.filter(done_at=None, account_id__isnull=False)  # everywhere: a watch over all mailboxes
    for account in waiting.values_list("account_id", flat=True).distinct():
        mailbox.defer_take_in(account)


@jobs.periodic("connect.after_a_clock_set_back", "* * * * *", queue="intake")
def after_a_clock_set_back() -> None:
    """No account goes unheard because a clock was ahead when its next look was set."""
    from cxm.connect import runtime

    if found := runtime.after_a_clock_set_back():
        _log.warning("runtime.clock_set_back", accounts=found)


@jobs.periodic("connect.renew_tokens", "*/5 * * * *", queue="intake")
def renew_tokens() -> None:
    """Tokens that end soon are renewed although nobody asks for them, and a sign-in that was withdrawn is noticed."""
    from cxm.connect import runtime, tokens

    tokens.forget_begun()
    if due := tokens.due():
        runtime.runtime.call(lambda http: tokens.renew_all(due, http, runtime._db), 280)
