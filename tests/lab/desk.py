"""A member's desk in an installation that has mail: the inbox, answers, what became of them. And letters as people write them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from cxm.kernel.clock import now
from tests.kit.serving import Rest, Serve, furnished, postmaster
from tests.kit.waiting import until


def letter(sender: str, to: str, subject: str, text: str, **headers: str) -> EmailMessage:
    """A mail as a mail program writes it; ``In_Reply_To="…"`` and other headers may be given."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail["Message-ID"] = f"<{uuid4()}@{sender.rpartition('@')[2].rstrip('>')}>"
    for name, value in {"Date": format_datetime(now()), **headers}.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail


def answering(mail: EmailMessage) -> dict[str, str]:
    """The headers of an answer to ``mail``, written the second after it: a Date knows no fractions."""
    references = f"{mail.get('References', '')} {mail['Message-ID']}".strip()
    return {"In_Reply_To": str(mail["Message-ID"]), "References": references, "Date": format_datetime(now() + timedelta(seconds=1))}


@dataclass
class Desk:
    """One organization's desk, as its owner works at it through the API."""

    serve: Serve
    rest: Rest

    def connect(self, address: str, settings: Mapping[str, Any], credentials: Mapping[str, str]) -> str:
        """Connect a mailbox; the account's id."""
        body = {"channel": "email", "name": address, "settings": dict(settings), "credentials": dict(credentials)}
        return str(self.rest.post("/accounts", body)["id"])

    def account(self, account: str) -> dict[str, Any]:
        """An account as it is now."""
        return self.rest.get(f"/accounts/{account}")

    def heard_well(self, account: str, seconds: float = 40) -> dict[str, Any]:
        """The account once it is heard and nothing is wrong with it."""

        def look() -> dict[str, Any] | None:
            found = self.account(account)
            return found if found["last_ok_at"] and not found["health"] else None

        return until(look, "the mailbox is heard well", seconds)

    def ails(self, account: str, seconds: float = 30) -> dict[str, Any]:
        """The account once something is wrong with it."""
        return until(lambda: found if (found := self.account(account))["health"] else None, "the account tells what is wrong", seconds)

    def conversations_with(self, author: str) -> list[dict[str, Any]]:
        """Conversations with one address, each with its mentions."""
        found = [item for item in self.rest.all("/conversations") if item["author"]["native_id"] == author]
        return [self.rest.get(f"/conversations/{item['id']}") for item in found]

    def conversation_with(self, author: str, *, mentions: int = 1, seconds: float = 30) -> dict[str, Any]:
        """The one conversation with ``author`` once it holds so many mentions; never two."""

        def look() -> dict[str, Any] | None:
            found = self.conversations_with(author)
            assert len(found) <= 1, found
            return found[0] if found and len(found[0]["mentions"]) >= mentions else None

        return until(look, f"a conversation with {author} of {mentions} mentions", seconds)

    def answer(self, conversation: Mapping[str, Any], text: str, **more: Any) -> str:
        """A member answers; the reply's id."""
        return str(self.rest.post(f"/conversations/{conversation['id']}/replies", {"text": text, **more}, 202)["id"])

    def reply_is(self, reply: str, state: str, *, delivery: str | None = None, seconds: float = 30) -> dict[str, Any]:
        """The reply once it is in ``state`` (and has had its receipt)."""

        def look() -> dict[str, Any] | None:
            found = self.rest.get(f"/replies/{reply}")
            return found if found["state"] == state and (delivery is None or found["delivery"] == delivery) else None

        return until(look, f"reply {reply} is {state} {delivery or ''}", seconds)

    def mentions_of(self, *subjects: str) -> list[dict[str, Any]]:
        """Mentions in the Explorer whose subject is one of ``subjects``."""
        found = self.rest.post("/mentions/search", {"query": "", "limit": 500}, 200)["items"]
        return [item for item in found if item["title"] in subjects]

    def nothing_waits(self) -> bool:
        """Whether all that came is taken in."""
        return self.rest.get("/coverage")["waiting_deliveries"] == 0


@contextlib.contextmanager
def desk(*ports: int) -> Iterator[Desk]:
    """An installation of its own that may reach these ports of loopback; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cxm-mail-"))
    serve = Serve(folder / "data", CXM_EGRESS_ALLOW=",".join(f"127.0.0.1:{port}" for port in ports))
    try:
        rest = furnished(serve.data, serve.url)
        serve.start()
        yield Desk(serve, rest)
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            serve.stop()
        if serve.process is not None and serve.process.poll() is None:
            serve.kill()
        if (left := postmaster(serve.data)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)
