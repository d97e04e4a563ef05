"""Which channels there are: the folders beside this file and what other packages add by the entry point group ``cxm.channels``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from cxm.channels import contracts
from cxm.channels import manifest as manifests
from cxm.channels.authorization import Authorizer, Way
from cxm.channels.contracts import AccountView, Item, Poll, RawDelivery, ReadBack, Receive, Reply, Stream, Subscribe, Test, Unmappable
from cxm.channels.kit import oauth2, schemas
from cxm.channels.manifest import Manifest, ManifestInvalid, SourceKind
from cxm.kernel.errors import FieldError, NotFound

ENTRY_POINTS = "cxm.channels"
#: The capability that carries out an intent of each kind of :class:`~cxm.channels.contracts.Outgoing`.
CAPABILITY_OF = {"reply": "reply", "post": "publish", "edit": "edit", "delete": "delete", "hide": "hide"}


def class_name(capability: str) -> str:
    """The connector class that implements ``capability``: ``read_back`` -> ``ReadBack``."""
    return "".join(part.title() for part in capability.split("_"))


@dataclass(frozen=True)
class Channel:
    """One channel: its manifest, and its code once asked for.

    ``package`` is the importable name of the folder (``cxm.channels.webhook``), ``folder`` where its files are.
    """

    manifest: Manifest
    package: str
    folder: Path

    @property
    def name(self) -> str:
        """As in addresses and queries: ``webhook``."""
        return self.manifest.name

    @property
    def ids_unique_within_account(self) -> bool:
        """Whether the account belongs into a mention's id."""
        return self.manifest.ids_unique_within == "account"

    def can(self, capability: str) -> bool:
        """Whether the channel declares ``capability``."""
        return capability in self.manifest.capabilities

    def can_send(self, kind: str, settings: Mapping[str, Any]) -> bool:
        """Whether an account with ``settings`` can carry out an intent of ``kind`` (reply, post, edit, delete, hide)."""
        return self.can(CAPABILITY_OF[kind]) and all(bool(settings.get(name)) for name in self.manifest.reply.needs)

    def streams(self, settings: Mapping[str, Any]) -> bool:
        """Whether an account with ``settings`` is listened to by a stream, and not polled."""
        return self.can("stream") and all(bool(settings.get(name)) for name in self.manifest.stream.needs)

    def idempotent(self, settings: Mapping[str, Any]) -> bool:
        """Whether the same intent sent twice surely has one effect on this account."""
        rule = self.manifest.reply.idempotent
        return settings.get(rule) is True if isinstance(rule, str) else rule

    def reads_back(self, settings: Mapping[str, Any]) -> bool:
        """Whether this account can tell what became of an unknown intent."""
        rule = self.manifest.reply.reads_back
        return self.can("read_back") and (settings.get(rule) is True if isinstance(rule, str) else rule)

    def speaks_privately(self, settings: Mapping[str, Any]) -> bool:
        """Whether this account can answer where only the two of them read it."""
        rule = self.manifest.reply.private
        return settings.get(rule) is True if isinstance(rule, str) else rule

    def check_settings(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[FieldError, ...]]:
        """Settings with defaults filled in, and what is wrong with them (paths ``settings.…``)."""
        return schemas.check(self.manifest.settings, values, "settings")

    def check_credentials(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[FieldError, ...]]:
        """The same for credentials (paths ``credentials.…``)."""
        return schemas.check(self.manifest.credentials, values, "credentials")

    def check_some_credentials(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[FieldError, ...]]:
        """The same where none is needed, because somebody signed in by OAuth2."""
        return schemas.check({**self.manifest.credentials, "required": []}, values, "credentials")

    def source_kind(self, name: str) -> SourceKind | None:
        """The kind of source called ``name``, None where the channel has none."""
        return next((kind for kind in self.manifest.sources if kind.name == name), None)

    def check_source(self, kind: SourceKind, values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[FieldError, ...]]:
        """Settings of one source with defaults filled in, and what is wrong with them (paths ``settings.…``)."""
        return schemas.check(kind.settings, values, "settings")

    @cached_property
    def _connector(self) -> Any:
        return import_module(f"{self.package}.connector")

    @cached_property
    def _mapping(self) -> Callable[[RawDelivery, AccountView], Iterable[Item]]:
        return import_module(f"{self.package}.mapping").map_delivery

    def connector(self, capability: str) -> Any:
        """A new connector for ``capability``. Raises :class:`~cxm.kernel.errors.NotFound` where the channel has none."""
        if not self.can(capability):
            raise NotFound(f"{capability} on {self.manifest.title}")
        return getattr(self._connector, class_name(capability))()

    def implemented(self) -> frozenset[str]:
        """The capabilities that ``connector.py`` has a class for, whatever the manifest says."""
        if find_spec(f"{self.package}.connector") is None:
            return frozenset()
        return frozenset(name for name in manifests.CAPABILITIES if self._has_class(class_name(name)))

    def _has_class(self, name: str) -> bool:
        found = getattr(self._connector, name, None)
        # A Protocol of the contract imported under the same name implements nothing.
        return isinstance(found, type) and found.__module__ != contracts.__name__

    def map(self, delivery: RawDelivery, account: AccountView) -> list[Item]:
        """What ``delivery`` tells, in order. Never raises: should the mapping fail, the whole delivery is one
        :class:`Unmappable` with code ``mapping_failed``."""
        try:
            return list(self._mapping(delivery, account))
        except Exception as error:  # a fault in a mapping must cost one delivery, never the mailbox
            text = f"The {self.manifest.title} channel could not read it ({type(error).__name__})."
            return [Unmappable(text, delivery.body, None, "mapping_failed")]

    def receive(self) -> Receive:
        """The connector that judges deliveries."""
        return cast("Receive", self.connector("receive"))

    def subscriber(self) -> Subscribe:
        """The connector that judges what comes to an address that it gave somebody itself."""
        return cast("Subscribe", self.connector("subscribe"))

    def poll(self) -> Poll:
        """The connector that looks from time to time."""
        return cast("Poll", self.connector("poll"))

    def stream(self) -> Stream:
        """The connector that stays connected."""
        return cast("Stream", self.connector("stream"))

    def sender(self, kind: str) -> Reply:
        """The connector that carries out an intent of ``kind`` (reply, post, edit, delete, hide)."""
        return cast("Reply", self.connector(CAPABILITY_OF[kind]))

    def read_back(self) -> ReadBack:
        """The connector that tells what became of an unknown intent."""
        return cast("ReadBack", self.connector("read_back"))

    def authorizer(self, way: Way) -> Authorizer:
        """Who speaks to the sign-in server of ``way``: the connector's own ``Authorize`` where the manifest says so, else the kit's."""
        return cast("Authorizer", self._connector.Authorize()) if way.own else oauth2.OAuth2()

    def tester(self) -> Test:
        """The connector behind the test button."""
        return cast("Test", self.connector("test"))


def load(package: str) -> Channel:
    """The channel in the importable folder ``package``. Raises :class:`ManifestInvalid`."""
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise ManifestInvalid(package.rpartition(".")[2], [f"There is no package {package}."])
    return load_folder(Path(places[0]), package)


def load_folder(folder: Path, package: str) -> Channel:
    """The channel in ``folder``, importable as ``package``. Raises :class:`ManifestInvalid`."""
    file = folder / "manifest.toml"
    if not file.is_file():
        raise ManifestInvalid(folder.name, ["There is no manifest.toml."])
    return Channel(manifests.read(file.read_text("utf-8"), folder.name), package, folder)


@lru_cache(maxsize=1)
def _all() -> tuple[dict[str, Channel], tuple[ManifestInvalid, ...]]:
    found: dict[str, Channel] = {}
    refused: list[ManifestInvalid] = []
    here = Path(__file__).parent
    packages = [f"cxm.channels.{path.parent.name}" for path in sorted(here.glob("*/manifest.toml"))]
    packages += [entry.value for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name)]
    for package in packages:
        try:
            channel = load(package)
        except (ManifestInvalid, ImportError, OSError) as error:
            refused.append(error if isinstance(error, ManifestInvalid) else ManifestInvalid(package, [str(error)]))
            continue
        # Ours come first: another package cannot put itself in the place of a built-in channel.
        found.setdefault(channel.name, channel)
    return found, tuple(refused)


def channels() -> tuple[Channel, ...]:
    """Every usable channel, by name."""
    return tuple(channel for _, channel in sorted(_all()[0].items()))


def refused() -> tuple[ManifestInvalid, ...]:
    """What claims to be a channel but has no usable manifest; ``doctor`` shows it."""
    return _all()[1]


def channel(name: str) -> Channel:
    """The channel called ``name``. Raises :class:`~cxm.kernel.errors.NotFound`."""
    found = _all()[0].get(name)
    if found is None:
        raise NotFound("channel")
    return found


#: Places people speak that we have no connector for: imports and webhooks bring them, named as people call them.
_ELSEWHERE = {
    "app_store": "App Store", "discord": "Discord", "facebook": "Facebook", "form": "Form", "google_business": "Google Business", "google_play": "Google Play",
    "google_reviews": "Google Reviews", "hacker_news": "Hacker News", "instagram": "Instagram", "irc": "IRC", "linkedin": "LinkedIn", "mastodon": "Mastodon", "messenger": "Messenger",
    "news": "News", "reddit": "Reddit", "sms": "SMS", "telegram": "Telegram", "threads": "Threads", "tiktok": "TikTok", "tripadvisor": "Tripadvisor", "trustpilot": "Trustpilot", "vk": "VK",
    "whatsapp": "WhatsApp", "wechat": "WeChat", "weibo": "Weibo", "x": "X", "xmpp": "XMPP", "youtube": "YouTube",
}  # fmt: skip


def title(name: str) -> str:
    """A channel as people call it, be it one we have no connector for; a name nobody knows is only made readable."""
    try:
        return channel(name).manifest.title
    except NotFound:
        return _ELSEWHERE.get(name) or name.replace("_", " ").capitalize()
