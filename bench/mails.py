"""What the worker keeps after mails with 20 MB attached: megabytes (PSS) before, at most while they come, and after."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, closing
from typing import Any

from bench.heard import CARE, connected, shelf
from bench.memory import sizes
from tests.lab import dovecot
from tests.lab.desk import desk, letter
from tests.lab.dovecot import Dovecot


def run(count: int = 4, size: int = 20_000_000) -> dict[str, object]:
    """So many mails of so many bytes, one after another."""
    if (missing := dovecot.why_not()) is not None:
        return {"not_measured": missing}
    with shelf(), ExitStack() as stack:
        server = stack.enter_context(closing(Dovecot()))
        server.start()
        made = stack.enter_context(desk(server.imap))
        connected(made, server)
        installation: Any = made.serve
        before, most = sizes(installation), 0
        for number in range(count):
            mail = letter("ann@customer.example", CARE, f"Film {number}", "See the film.")
            mail.add_attachment(random.Random(number).randbytes(size), maintype="video", subtype="mp4", filename="film.mp4")
            server.deliver(CARE, mail.as_bytes(), "ann@customer.example")
            while len(made.mentions_of(*(f"Film {one}" for one in range(count)))) <= number:
                most = max(most, sizes(installation).get("worker", 0))
                time.sleep(0.1)
        time.sleep(5)
        return {"before_mb": before.get("worker", 0), "most_mb": most, "after_mb": sizes(installation).get("worker", 0)}
