"""``cxm channels score``: how far a channel is, computed from its folder and never claimed.

Bronze: it maps, is verified and documented. Silver: it also answers (or says that it only listens), knows when to sign in again,
states its limits and can be tested by a button. Gold: it also honours deletions, is tested in depth against a provider in memory and
has been run against a real server.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from cxm.channels import check as checks
from cxm.channels import registry
from cxm.channels.check import Result
from cxm.channels.registry import Channel
from cxm.channels.testing.fixtures import fixtures

TIERS = ("none", "bronze", "silver", "gold")


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition: ``tier`` it belongs to, whether it is ``met``, and what it asks for."""

    tier: str
    name: str
    met: bool
    text: str


@dataclass(frozen=True, slots=True)
class Score:
    """The tier of a channel and every criterion, met or not. ``never_run_live``: nobody has run it against the live service."""

    channel: str
    tier: str
    criteria: tuple[Criterion, ...]
    never_run_live: bool

    def missing(self) -> tuple[Criterion, ...]:
        """What the next tier still asks for."""
        following = TIERS[min(TIERS.index(self.tier) + 1, len(TIERS) - 1)]
        return tuple(one for one in self.criteria if one.tier == following and not one.met)


_Test = Callable[[Channel, Result], bool]
_CRITERIA: tuple[tuple[str, str, str, _Test], ...] = (
    ("bronze", "checks", "Every check of the contract that applies passes.", lambda channel, result: result.ok),
    ("bronze", "fixture", "At least one delivery stands in fixtures/.", lambda channel, result: len(fixtures(channel)) >= 1),
    ("silver", "fixtures", "Five deliveries with their expected items, one of them bad.", lambda channel, result: _covered(channel)),
    ("silver", "answers", "It can answer, or says that it only listens.", lambda channel, result: _answers(channel)),
    ("silver", "button", "The test button works.", lambda channel, result: channel.can("test")),
    (
        "silver",
        "sign_in_again",
        "It raises AuthExpired, so that members are asked to sign in again.",
        lambda c, r: _names(c, "AuthExpired"),
    ),
    ("silver", "slows_down", "It raises RateLimited or tells Unavailable when to come back.", lambda c, r: _names(c, "RateLimited")),
    (
        "silver",
        "limits",
        "limits.text is stated where it answers.",
        lambda channel, result: channel.manifest.limits.text is not None or not channel.manifest.replies,
    ),
    ("gold", "deletions", "A deletion there becomes one here, where the platform tells of any.", lambda c, r: _deletes(c)),
    ("gold", "tests", "Its tests hold at least ten cases of their own.", lambda channel, result: _tests(channel) >= 10),
    ("gold", "outcome", "An unknown outcome can be settled: by reading back or by sending again.", lambda c, r: _settles(c)),
    ("gold", "real_server", "A test marked lab runs it against a real server.", lambda channel, result: _has_lab(channel)),
)


def score(channel: Channel) -> Score:
    """Compute the tier of ``channel`` by running its checks and reading its folder."""
    result = checks.check(channel)
    criteria = tuple(Criterion(tier, name, test(channel, result), text) for tier, name, text, test in _CRITERIA)
    tier = "none"
    for candidate in TIERS[1:]:
        if not all(one.met for one in criteria if one.tier == candidate):
            break
        tier = candidate
    return Score(channel.name, tier, criteria, not channel.manifest.run_live)


def scores() -> tuple[Score, ...]:
    """The scores of every channel, by name; the table in the documentation is made from this."""
    return tuple(score(channel) for channel in registry.channels())


def _covered(channel: Channel) -> bool:
    found = fixtures(channel)
    return len(found) >= 5 and any(one.bad for one in found) and sum(one.expected is not None for one in found) >= 5


def _names(channel: Channel, error: str) -> bool:
    """Whether the folder's code, or the kit on its behalf, raises ``error``."""
    for file in channel.folder.glob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
        # The kit's mail parts and its reading of HTTP answers raise all five.
        if names & {error, "error_of", "Mailbox", "Outbox"}:
            return True
    return False


def _answers(channel: Channel) -> bool:
    """Whether it answers; a feed says by ``private = false, public = false`` in ``[reply]`` that there is nothing to answer."""
    rules = channel.manifest.reply
    return channel.manifest.replies or not (rules.private or rules.public)


def _deletes(channel: Channel) -> bool:
    """Whether some fixture tells of a deletion. A mailbox has none to tell: what was sent is with us."""
    expected = [item for one in fixtures(channel) for item in one.expected or ()]
    return any(item.get("is") == "Deletion" for item in expected) or channel.manifest.data_use.delete_within_days is None


def _settles(channel: Channel) -> bool:
    return not channel.manifest.replies or channel.can("read_back") or channel.manifest.reply.idempotent is not False


def _tests(channel: Channel) -> int:
    count = 0
    for file in (channel.folder / "tests").glob("test_*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        count += sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_") for node in ast.walk(tree))
    return count


def _has_lab(channel: Channel) -> bool:
    return any("mark.lab" in file.read_text("utf-8") for file in (channel.folder / "tests").glob("test_*.py"))
