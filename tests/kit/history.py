"""The checker: takes what a test did, our ledger (API and event log) and the provider's, and proves the invariants from both.

Deliveries are told apart by native id, intents by their own id. Nothing here reads the program's memory or tables.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.kit.provider import Provider
from tests.kit.serving import Rest, WebhookAccount

#: A call that began before a stop was acknowledged may reach the provider a little after it. Seconds, on a busy machine.
ON_THE_WAY = 1.5


@dataclass
class History:
    """What one test did, as it saw it from outside."""

    rest: Rest
    provider: Provider
    #: native id -> author, of every message whose delivery was answered 2xx, in the order each author said them.
    accepted: dict[str, str] = field(default_factory=dict)
    #: reply id -> conversation, in the order they were taken in.
    replies: dict[str, str] = field(default_factory=dict)
    #: (acknowledged at, lifted at or None) of stops over the whole organization.
    stops: list[tuple[float, float | None]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def took(self, native_id: str, author: str) -> None:
        """A delivery of ``native_id`` was answered 2xx."""
        with self.lock:
            self.accepted[native_id] = author

    def intends(self, reply: str, conversation: str) -> None:
        """A reply was answered 202."""
        with self.lock:
            self.replies[reply] = conversation

    def check(self, account: WebhookAccount) -> None:
        """All of it."""
        self.check_nothing_lost(account)
        self.check_one_effect()
        self.check_order(account)
        self.check_stop()

    def shown(self, account: WebhookAccount) -> dict[str, list[dict[str, Any]]]:
        """Conversation id -> all its mentions, oldest first."""
        return {entry["id"]: _whole(self.rest, entry["id"]) for entry in account.conversations()}

    def check_nothing_lost(self, account: WebhookAccount) -> None:
        """received = visible + waiting + duplicate + quarantined + deleted, by id; and each mention was heard once."""
        coverage = self.rest.get("/coverage")
        assert coverage["waiting_deliveries"] == 0, coverage
        assert coverage["heard"] == sum(coverage["states"].values()) + coverage["deleted"], coverage
        theirs = [mention for mentions in self.shown(account).values() for mention in mentions if mention["media_type"] != "owned"]
        visible = Counter(mention["native_id"] for mention in theirs)
        quarantined = {entry["native_id"] for entry in self.rest.all(f"/quarantine?account={account.id}")}
        lost = set(self.accepted) - set(visible) - quarantined
        assert not lost, f"{len(lost)} of {len(self.accepted)} accepted deliveries are nowhere: {sorted(lost)[:5]}"
        assert not [native for native, times in visible.items() if times > 1], "a message stands twice in the inbox"
        heard = Counter(
            identifier
            for event in self.rest.all("/events")
            if event["name"] == "listen.mentions_heard"
            for identifier in event["data"]["mentions"]
        )
        assert {mention["id"] for mention in theirs} <= set(heard)
        assert not [identifier for identifier, times in heard.items() if times > 1], "a mention was told as new twice"

    def check_one_effect(self) -> None:
        """At most one effect for each intent; what we say of it is what the provider says."""
        effects: dict[str, list[str]] = defaultdict(list)
        for effect in list(self.provider.effects):
            effects[effect.intent].append(effect.native_id)
        twice = {intent: natives for intent, natives in effects.items() if len(natives) > 1}
        assert not twice, f"sent twice: {twice}"
        for reply in self.replies:
            found = self.rest.reply_of(reply)
            done = effects.get(reply, [])
            if found["state"] == "sent":
                assert [found["native_id"]] == done, f"we say sent as {found['native_id']}, the provider says {done}"
            elif found["state"] != "unknown":
                assert not done or found["state"] == "queued", f"we say {found['state']} ({found['detail']}), the provider did it"
        # Of its own replies: other tests share the provider, and some of them change an account's secret.
        assert all(call.signed for call in self.provider.calls if call.intent in self.replies), "a call that was not signed as agreed"

    def check_order(self, account: WebhookAccount) -> None:
        """Inbound order is the provider's; replies of one conversation leave in the order they were written."""
        said: dict[str, list[str]] = defaultdict(list)
        for native, author in self.accepted.items():
            said[author].append(native)
        for mentions in self.shown(account).values():
            theirs = [mention for mention in mentions if mention["media_type"] != "owned"]
            wanted = [
                native
                for native in said.get(theirs[0]["author"]["native_id"], [])
                if native in {mention["native_id"] for mention in theirs}
            ]
            got = [mention["native_id"] for mention in theirs if mention["native_id"] in set(wanted)]
            assert got == wanted, "messages stand in another order than they were said"
        place = {effect.intent: number for number, effect in enumerate(self.provider.effects)}
        written: dict[str, list[str]] = defaultdict(list)
        for reply, conversation in self.replies.items():
            if reply in place and self.rest.reply_of(reply)["attempts"][0]["outcome"] == "sent":
                written[conversation].append(reply)
        for replies in written.values():
            assert sorted(replies, key=place.__getitem__) == replies, "replies left in another order than they were written"

    def check_stop(self) -> None:
        """Nothing begins while an acknowledged stop holds."""
        for acknowledged, lifted in self.stops:
            late = [
                call
                for call in self.provider.calls
                if call.method == "POST" and acknowledged + ON_THE_WAY < call.at < (lifted or float("inf"))
            ]
            assert not late, f"{len(late)} sends began after the stop was acknowledged, the last {late[-1].at - acknowledged:.3f} s after"


def _whole(rest: Rest, conversation: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    before = ""
    while True:
        page = rest.get(f"/conversations/{conversation}{before}")
        found = page["mentions"] + found
        if not page["before"]:
            return found
        before = f"?before={page['before']}"
