"""A channel's ``manifest.toml``: what the channel is, can do, may do and needs, read into one typed, checked object."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from cxm.channels.authorization import Way
from cxm.channels.kit import schemas

CAPABILITIES = (
    "poll",
    "stream",
    "receive",
    "subscribe",
    "reply",
    "read_back",
    "publish",
    "edit",
    "delete",
    "hide",
    "insights",
    "ads",
    "test",
)
AUTHS = ("none", "shared_secret", "password", "token", "oauth2")
SUPPORT = ("maintained", "community", "experimental")
#: How we prove to a token endpoint who we are.
CLIENTS = ("post", "basic", "public", "none")
#: By what recipients are named, where that means anything outside the channel.
RECIPIENTS = ("mail",)
COUNTED = ("characters", "bytes", "utf16", "graphemes")
_NAME = re.compile(r"[a-z0-9_]{1,40}")
_HOST = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")


class ManifestInvalid(ValueError):
    """The manifest cannot be used; ``problems`` are sentences that say what to write."""

    def __init__(self, name: str, problems: list[str]) -> None:
        super().__init__(f"{name}: " + " ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Auth:
    """How we sign in: ``kind`` of :data:`AUTHS`; ``inbound`` names the signature scheme of deliveries; ``secret_made_here``:
    the credential ``secret`` is made by us and shown once; ``ways``: by OAuth2, beside typed credentials or, where ``kind`` is oauth2,
    instead of them."""

    kind: str
    inbound: str | None = None
    secret_made_here: bool = False
    ways: tuple[Way, ...] = ()

    def way(self, name: str) -> Way | None:
        """The way called ``name``; None where there is none."""
        return next((way for way in self.ways if way.name == name), None)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where it may connect: fixed names (``*.example.org`` too), and the settings that name hosts or URLs."""

    allowed: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """``text``: longest reply, None where unlimited, counted in ``counted``; ``window_hours``: how long after the last message of
    a person we may still answer; ``media``: how many files go with one reply, ``media_bytes``: how large they may be together;
    ``poll_seconds``: how often to look."""

    text: int | None = None
    counted: str = "characters"
    window_hours: int | None = None
    media: int | None = None
    media_bytes: int | None = None
    poll_seconds: int = 60


@dataclass(frozen=True, slots=True)
class DataUse:
    """What the platform's rules let us do with what we hear; ``delete_within_days``: how soon a deletion there must be one here."""

    store: bool
    link: bool
    message: bool
    export: bool
    train: bool
    delete_within_days: int | None = None


@dataclass(frozen=True, slots=True)
class ReplyRules:
    """``idempotent``, ``reads_back`` and ``private``: always, never, or the name of the setting that says so. ``needs``: settings without
    which an account cannot answer. ``private`` and ``public``: which visibilities it can answer in.
    ``media``: files can go with an answer. ``recipients``: ``mail`` where whom an answer is for is named by a mail address, empty where by
    anything else, however much it looks like one; then ``own`` names the settings that hold such addresses of our own, beside the account's name."""

    idempotent: bool | str = False
    reads_back: bool | str = False
    needs: tuple[str, ...] = ()
    private: bool | str = True
    public: bool = True
    media: bool = False
    recipients: str = ""
    own: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamRules:
    """``needs``: settings without which an account is polled instead."""

    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source an account can listen to beside its own inbound: ``[sources.<name>]`` with ``title``, ``description`` and its
    ``settings`` as JSON Schema. ``hosts`` names those settings that are addresses to be called: the guard judges them when given."""

    name: str
    title: str
    description: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing the operator must arrange on the platform before an account can be connected: ``title`` in a few words, ``text`` with the
    exact names of the platform's settings, ``link`` to where it is done."""

    title: str
    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole manifest. ``settings`` and ``credentials`` are JSON Schemas; ``ids_unique_within`` is channel or account;
    ``sources`` are the kinds of sources an account can have, none where it listens by itself alone; ``arrange``: what the operator must
    do first, in order."""

    name: str
    title: str
    icon: str
    capabilities: tuple[str, ...]
    support: str
    ids_unique_within: str
    auth: Auth
    hosts: Hosts
    limits: Limits
    data_use: DataUse
    reply: ReplyRules
    stream: StreamRules = field(default_factory=StreamRules)
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    credentials: Mapping[str, Any] = field(default_factory=dict[str, Any])
    kinds: tuple[str, ...] = ()
    sources: tuple[SourceKind, ...] = ()
    run_live: bool = False
    description: str = ""
    arrange: tuple[Errand, ...] = ()

    @property
    def replies(self) -> bool:
        """Whether it can answer at all."""
        return "reply" in self.capabilities


class _Reader:
    """Takes values out of a table and collects what is wrong with them."""

    def __init__(self, table: Mapping[str, Any], problems: list[str], path: str = "") -> None:
        self.table = table
        self.problems = problems
        self.path = path
        self.seen: set[str] = set()

    def get(self, key: str, kind: type | tuple[type, ...], default: Any = None, *, required: bool = False) -> Any:
        self.seen.add(key)
        if key not in self.table:
            if required:
                self.problems.append(f"Write {self.path}{key}.")
            return default
        value = self.table[key]
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            self.problems.append(f"{self.path}{key} must be {' or '.join(one.__name__ for one in kinds)}.")
            return default
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        values = cast("list[object]", self.get(key, list, []))
        if not all(isinstance(value, str) for value in values):
            self.problems.append(f"{self.path}{key} must be a list of strings.")
            return ()
        return tuple(cast("list[str]", values))

    def choice(self, key: str, allowed: tuple[str, ...], default: str = "", *, required: bool = True) -> str:
        value = cast("str", self.get(key, str, default, required=required))
        if value and value not in allowed:
            self.problems.append(f"{self.path}{key} must be one of {', '.join(allowed)}.")
        return value

    def positive(self, key: str, default: int | None = None) -> int | None:
        value = cast("int | None", self.get(key, int, default))
        if value is not None and value <= 0:
            self.problems.append(f"{self.path}{key} must be above 0; leave it out where there is no limit.")
        return value

    def table_of(self, key: str, *, required: bool = False) -> _Reader:
        return _Reader(cast("dict[str, Any]", self.get(key, dict, {}, required=required)), self.problems, f"{self.path}{key}.")

    def close(self) -> None:
        for key in sorted(set(self.table) - self.seen):
            self.problems.append(f"{self.path}{key} is not known; check its spelling.")


def read(text: str, folder: str) -> Manifest:
    """The manifest in ``text`` of the channel folder named ``folder``. Raises :class:`ManifestInvalid` naming every problem."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ManifestInvalid(folder, [f"manifest.toml is not TOML: {error}."]) from error
    problems: list[str] = []
    manifest = _manifest(_Reader(table, problems), problems)
    _check(manifest, folder, problems)
    if problems:
        raise ManifestInvalid(folder, problems)
    return manifest


def _manifest(top: _Reader, problems: list[str]) -> Manifest:
    auth, hosts = top.table_of("auth", required=True), top.table_of("hosts")
    limits, use, reply, stream = (
        top.table_of("limits"),
        top.table_of("data_use", required=True),
        top.table_of("reply"),
        top.table_of("stream"),
    )
    manifest = Manifest(
        name=top.get("name", str, "", required=True),
        title=top.get("title", str, "", required=True),
        icon=top.get("icon", str, "", required=True),
        description=top.get("description", str, ""),
        capabilities=top.strings("capabilities"),
        support=top.choice("support", SUPPORT),
        ids_unique_within=top.choice("ids_unique_within", ("channel", "account")),
        kinds=top.strings("kinds"),
        sources=_sources(top.table_of("sources")),
        arrange=_errands(top, problems),
        run_live=top.get("run_live", bool, False),
        settings=top.get("settings", dict, {}),
        credentials=top.get("credentials", dict, {}),
        auth=Auth(
            auth.choice("kind", AUTHS), auth.get("inbound", str), auth.get("secret_made_here", bool, False), _ways(auth.table_of("oauth2"))
        ),
        hosts=Hosts(hosts.strings("allowed"), hosts.strings("settings")),
        stream=StreamRules(stream.strings("needs")),
        limits=Limits(
            text=limits.positive("text"),
            counted=limits.choice("counted", COUNTED, "characters", required=False),
            window_hours=limits.positive("window_hours"),
            media=limits.get("media", int),
            media_bytes=limits.positive("media_bytes"),
            poll_seconds=limits.positive("poll_seconds", 60) or 60,
        ),
        data_use=DataUse(
            *(use.get(name, bool, False, required=True) for name in ("store", "link", "message", "export", "train")),
            delete_within_days=use.get("delete_within_days", int),
        ),
        reply=ReplyRules(
            idempotent=reply.get("idempotent", (bool, str), False),
            reads_back=reply.get("reads_back", (bool, str), False),
            needs=reply.strings("needs"),
            private=reply.get("private", (bool, str), True),
            public=reply.get("public", bool, True),
            media=reply.get("media", bool, False),
            recipients=reply.choice("recipients", RECIPIENTS, required=False),
            own=reply.strings("own"),
        ),
    )
    for reader in (auth, hosts, limits, use, reply, stream, top):
        reader.close()
    return manifest


def _ways(tables: _Reader) -> tuple[Way, ...]:
    found: list[Way] = []
    for name in tables.table:
        table = tables.table_of(name)
        own = table.get("own", bool, False)
        found.append(
            Way(
                name=name,
                title=table.get("title", str, "", required=True),
                description=table.get("description", str, ""),
                authorize_url=table.get("authorize_url", str, "", required=not own),
                token_url=table.get("token_url", str, "", required=not own),
                scopes=table.strings("scopes"),
                client=table.choice("client", CLIENTS, "none" if own else "post", required=False),
                pkce=table.get("pkce", bool, True),
                issuer=table.get("issuer", str, ""),
                parameters={key: str(value) for key, value in table.get("parameters", dict, {}).items()},
                settings=table.get("settings", dict, {}),
                own=own,
            )
        )
        table.close()
    return tuple(found)


def _sources(tables: _Reader) -> tuple[SourceKind, ...]:
    found: list[SourceKind] = []
    for name in tables.table:
        table = tables.table_of(name)
        found.append(
            SourceKind(
                name=name,
                title=table.get("title", str, "", required=True),
                description=table.get("description", str, ""),
                settings=table.get("settings", dict, {}, required=True),
                hosts=table.strings("hosts"),
            )
        )
        table.close()
    return tuple(found)


def _errands(top: _Reader, problems: list[str]) -> tuple[Errand, ...]:
    found: list[Errand] = []
    for number, table in enumerate(cast("list[object]", top.get("arrange", list, []))):
        if not isinstance(table, dict):
            problems.append("arrange must be a list of tables: [[arrange]].")
            continue
        reader = _Reader(cast("dict[str, Any]", table), problems, f"arrange.{number}.")
        errand = Errand(
            reader.get("title", str, "", required=True), reader.get("text", str, "", required=True), reader.get("link", str, "")
        )
        if errand.link and not errand.link.startswith("https://"):
            problems.append(f"arrange.{number}.link must begin with https://.")
        reader.close()
        found.append(errand)
    return tuple(found)


def _check(manifest: Manifest, folder: str, problems: list[str]) -> None:
    if manifest.name != folder or not _NAME.fullmatch(manifest.name):
        problems.append(f"name must be the folder's name, {folder}, of a-z, 0-9 and _.")
    for unknown in sorted(set(manifest.capabilities) - set(CAPABILITIES)):
        problems.append(f"“{unknown}” is no capability; use {', '.join(CAPABILITIES)}.")
    if not {"poll", "stream", "receive", "publish", "ads"} & set(manifest.capabilities):
        problems.append("capabilities must hold at least one way to hear or speak.")
    for host in manifest.hosts.allowed:
        if not _HOST.fullmatch(host):
            problems.append(f"hosts.allowed: “{host}” is no host name (no scheme, no port, no path).")
    if {"receive", "subscribe"} & set(manifest.capabilities) and not manifest.auth.inbound:
        problems.append("Write auth.inbound: the scheme by which deliveries are signed.")
    _check_sources(manifest, problems)
    _check_ways(manifest, problems)
    for title, schema in (("settings", manifest.settings), ("credentials", manifest.credentials)):
        problems.extend(f"{title}: {problem}" for problem in schemas.problems_of_schema(schema))
    properties = cast("Mapping[str, Any]", manifest.settings.get("properties", {}))
    named = [*manifest.hosts.settings, *manifest.reply.needs, *manifest.reply.own, *manifest.stream.needs]
    if manifest.stream.needs and not {"poll", "stream"} <= set(manifest.capabilities):
        problems.append("stream.needs is for a channel that both polls and streams.")
    named += [rule for rule in (manifest.reply.idempotent, manifest.reply.reads_back, manifest.reply.private) if isinstance(rule, str)]
    problems.extend(f"“{name}” is named as a setting but is not in settings.properties." for name in named if name not in properties)


def _check_ways(manifest: Manifest, problems: list[str]) -> None:
    if manifest.auth.kind == "oauth2" and not manifest.auth.ways:
        problems.append("Write [auth.oauth2.<name>]: where to sign in.")
    properties = cast("Mapping[str, Any]", manifest.settings.get("properties", {}))
    for way in manifest.auth.ways:
        where = f"auth.oauth2.{way.name}"
        if not _NAME.fullmatch(way.name):
            problems.append(f"{where}: use a-z, 0-9 and _ in its name.")
        for url in (way.authorize_url, way.token_url):
            named = re.findall(r"\{([^}]*)\}", url)
            problems.extend(f"{where}: “{name}” is no setting." for name in named if name not in properties)
            host = re.match(r"https://([^/{]+)/", url)
            if url and not host and (not url.startswith("{") or not named or named[0] not in manifest.hosts.settings):
                problems.append(f"{where}: an address begins with https:// and a host, or with a setting of hosts.settings.")
            elif host and url == way.token_url and host[1] not in manifest.hosts.allowed:
                problems.append(f"{where}: hosts.allowed must name {host[1]}.")
        problems.extend(f"{where}: “{name}” is no setting." for name in way.settings if name not in properties)


def _check_sources(manifest: Manifest, problems: list[str]) -> None:
    if manifest.sources and not {"poll", "stream", "receive"} & set(manifest.capabilities):
        problems.append("sources need a way to hear: poll, stream or receive.")
    for source in manifest.sources:
        if not _NAME.fullmatch(source.name):
            problems.append(f"sources: “{source.name}” is no kind; use a-z, 0-9 and _.")
        problems.extend(f"sources.{source.name}: {problem}" for problem in schemas.problems_of_schema(source.settings))
        known = cast("Mapping[str, Any]", source.settings.get("properties", {}))
        problems.extend(
            f"sources.{source.name}: “{name}” is named as a host but is not in its settings." for name in source.hosts if name not in known
        )
