"""``cxm channels check``: every check of the contract over one channel, as data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cxm.channels import registry
from cxm.channels.manifest import ManifestInvalid
from cxm.channels.registry import Channel
from cxm.channels.testing.suite import CHECKS, NotRun


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check: ``ok`` is None where it does not apply; ``text`` says what to mend, or why it was not run."""

    name: str
    promise: str
    ok: bool | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """All checks of one channel."""

    channel: str
    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(outcome.ok is not False for outcome in self.outcomes)

    def passed(self, name: str) -> bool:
        """Whether the check ``name`` ran and held, or does not apply."""
        return all(outcome.ok is not False for outcome in self.outcomes if outcome.name == name)


def check(channel: Channel) -> Result:
    """Run every check over ``channel``; takes a few seconds, runs the channel's own code, connects nowhere."""
    outcomes = [Outcome("manifest_valid", "The manifest is complete and consistent.", True)]
    for one in CHECKS:
        try:
            one.call(channel)
            outcomes.append(Outcome(one.name, one.promise, True))
        except NotRun as reason:
            outcomes.append(Outcome(one.name, one.promise, None, str(reason)))
        except Exception as error:  # a channel's code may fail in any way; that is what we want to tell
            text = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            outcomes.append(Outcome(one.name, one.promise, False, text))
    return Result(channel.name, tuple(outcomes))


def check_package(package: str) -> Result:
    """The same for an importable folder (``my_package.my_channel``), whose manifest may be wrong too."""
    try:
        return check(registry.load(package))
    except (ManifestInvalid, ImportError) as error:
        return _without_manifest(package.rpartition(".")[2], error)


def check_folder(folder: Path) -> Result:
    """The same for a folder whose parent is put on the import path for the purpose (``cxm channels check ./my_channel``)."""
    package = importable(folder)
    try:
        return check(registry.load_folder(folder.resolve(), package))
    except ManifestInvalid as error:
        return _without_manifest(folder.name, error)


def importable(folder: Path) -> str:
    """The name by which ``folder`` can be imported; its topmost package's parent joins ``sys.path`` if it must."""
    import sys

    folder = folder.resolve()
    parts = [folder.name]
    top = folder.parent
    while (top / "__init__.py").is_file():
        parts.insert(0, top.name)
        top = top.parent
    if str(top) not in sys.path:
        sys.path.append(str(top))
    return ".".join(parts)


def _without_manifest(name: str, error: Exception) -> Result:
    problems = error.problems if isinstance(error, ManifestInvalid) else [str(error)]
    outcomes = tuple(Outcome("manifest_valid", "The manifest is complete and consistent.", False, problem) for problem in problems)
    return Result(name, outcomes)
