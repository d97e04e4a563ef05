"""The checks that every channel passes, whoever wrote it. Each raises :class:`AssertionError` with what to mend."""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from cxm.channels import contracts
from cxm.channels.contracts import KINDS, AccountView, Deletion, Item, Mention, NotAuthentic, RawDelivery, Receipt, Session, Unmappable
from cxm.channels.kit import webhooks
from cxm.channels.registry import Channel
from cxm.channels.testing import source
from cxm.channels.testing.fixtures import account, difference, fixtures
from cxm.channels.testing.fuzz import doubled, fields, mutations

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_ROUNDS = 200
#: Schemes that sign no time: what comes again has the same id, and is a duplicate.
_TIMELESS = ("websub",)
_MUTATIONS = 1200
_BROKEN = re.compile("[\x00\ud800-\udfff]")


class NotRun(Exception):
    """The check does not apply to this channel; the message says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: ``name`` in words with underscores, ``promise`` as a sentence."""

    name: str
    promise: str
    call: Callable[[Channel], None]


def run(check: Check, channel: Channel) -> None:
    """Run one check. Raises :class:`AssertionError`, or :class:`NotRun` where it does not apply."""
    check.call(channel)


def declared_equals_implemented(channel: Channel) -> None:
    declared, implemented = set(channel.manifest.capabilities), set(channel.implemented())
    assert declared == implemented, (
        f"manifest.toml declares {sorted(declared - implemented)} without a class in connector.py; "
        f"connector.py has {sorted(implemented - declared)} that the manifest does not declare"
    )
    methods = {"receive": "verify", "subscribe": "verify", "poll": "poll", "stream": "listen", "read_back": "read_back", "test": "test"}
    for capability in implemented:
        method = methods.get(capability, "send")
        assert callable(getattr(channel.connector(capability), method, None)), f"{capability} needs a method {method}"


def documented(channel: Channel) -> None:
    readme = channel.folder / "README.md"
    assert readme.is_file(), "write README.md: what it hears, what it sends, how to connect it"
    assert len(readme.read_text("utf-8")) >= 200, "README.md says too little (200 characters at least)"


def pure(channel: Channel) -> None:
    for name in ("mapping.py", "verify.py"):
        found = source.impurities(channel.folder / name)
        assert not found, f"{name} must be pure (no clock, no network, no files): {', '.join(found)}"


def quiet(channel: Channel) -> None:
    for file in sorted(channel.folder.glob("*.py")):
        found = source.runtime_matters(file)
        assert not found, f"{file.name} must leave sleeping, retrying and logging to the runtime: {', '.join(found)}"


def hosts_allowed(channel: Channel) -> None:
    for file in sorted(channel.folder.glob("*.py")):
        for host in source.hosts(file):
            allowed = any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in channel.manifest.hosts.allowed)
            assert allowed, f"{file.name} names the host {host}, which hosts.allowed in manifest.toml does not"


def fixtures_map(channel: Channel) -> None:
    _needs_mapping(channel)
    found = fixtures(channel)
    assert found, "put at least one real delivery into fixtures/"
    for fixture in found:
        items = list(_map(channel, fixture.delivery))
        # What is nobody's saying (somebody joined a group) may become nothing, where "expected" says so with an empty list.
        assert items or fixture.expected == (), f"{fixture.name}: nothing came of it"
        unmapped = [item for item in items if isinstance(item, Unmappable)]
        if fixture.bad:
            assert unmapped, f"{fixture.name}: a bad- fixture must yield an Unmappable"
        else:
            assert not unmapped, f"{fixture.name}: {unmapped[0].reason}" if unmapped else ""
        for item in items:
            _check_item(item, fixture.name)
        if fixture.expected is not None:
            assert len(items) == len(fixture.expected), f"{fixture.name}: {len(items)} items, not {len(fixture.expected)}"
            for item, expected in zip(items, fixture.expected, strict=True):
                wrong = difference(item, expected)
                assert not wrong, f"{fixture.name}: {wrong}"


def ids_stable(channel: Channel) -> None:
    _needs_mapping(channel)
    for fixture in fixtures(channel):
        first, again = list(_map(channel, fixture.delivery)), list(_map(channel, fixture.delivery))
        assert first == again, f"{fixture.name}: mapping it twice gives different items"
        later = RawDelivery("another", fixture.delivery.body, fixture.delivery.headers, NOW + timedelta(days=7))
        ids = [_id_of(item) for item in first]
        assert ids == [_id_of(item) for item in _map(channel, later)], f"{fixture.name}: its ids depend on when or how it came"


def mapping_is_total(channel: Channel) -> None:
    _needs_mapping(channel)
    found = fixtures(channel)
    for fixture in found:
        for body in mutations(fixture.delivery.body, max(12, _MUTATIONS // len(found)), seed=fixture.name):
            delivery = RawDelivery("fuzz", body, fixture.delivery.headers, NOW)
            try:
                items = list(_map(channel, delivery))
            except Exception as error:
                raise AssertionError(f"{fixture.name}: the mapping raised {error!r} for {body[:200]!r}") from error
            for item in items:
                _check_item(item, f"{fixture.name}, mutated to {body[:80]!r}")


def every_field_survives(channel: Channel) -> None:
    _needs_mapping(channel)
    for fixture in fixtures(channel):
        neighbour = list(_map(channel, fixture.delivery)) if _is_list(fixture.delivery.body) else []
        for told, body in fields(fixture.delivery.body):
            where = f"{fixture.name}, {told}"
            items = _mapped(channel, RawDelivery("fuzz", body, fixture.delivery.headers, NOW), where)
            for item in items:
                _check_item(item, where)
            if neighbour:
                joined = body.rstrip()[:-1] + (b"," if body.strip() != b"[]" else b"") + fixture.delivery.body.lstrip()[1:]
                beside = _mapped(channel, RawDelivery("fuzz", joined, fixture.delivery.headers, NOW), where)
                assert beside[-len(neighbour) :] == neighbour, f"{where}: it cost its neighbours"


def two_ids(channel: Channel) -> None:
    _needs_mapping(channel)
    for fixture in fixtures(channel):
        own = list(_map(channel, fixture.delivery))
        neighbour = own if _is_list(fixture.delivery.body) else []
        for told, later, sooner in doubled(fixture.delivery.body):
            where = f"{fixture.name}, {told} twice"
            found = [_mapped(channel, RawDelivery("fuzz", later, fixture.delivery.headers, NOW), where) for _ in range(2)]
            assert found[0] == found[1], f"{where}: mapping it twice gives different items"
            for item in found[0]:
                _check_item(item, where)
                assert not isinstance(item, Unmappable) or item.raw, f"{where}: an Unmappable keeps its bytes"
            same = _mapped(channel, RawDelivery("fuzz", sooner, fixture.delivery.headers, fixture.delivery.received_at), where)
            kept = [item for item in own if not isinstance(item, Unmappable)]
            assert [item for item in same if not isinstance(item, Unmappable)] == kept, f"{where}: of two values the last one counts"
            if neighbour:
                joined = later.rstrip()[:-1] + b"," + fixture.delivery.body.lstrip()[1:]
                beside = _mapped(channel, RawDelivery("fuzz", joined, fixture.delivery.headers, NOW), where)
                assert beside[-len(neighbour) :] == neighbour, f"{where}: it cost its neighbours"
        if neighbour:
            twice = fixture.delivery.body.rstrip()[:-1] + b"," + fixture.delivery.body.lstrip()[1:]
            items = _mapped(channel, RawDelivery("fuzz", twice, fixture.delivery.headers, NOW), fixture.name)
            assert items == own * 2, f"{fixture.name}: two elements of one id are two items; which of them is a mention is not its matter"


def _is_list(body: bytes) -> bool:
    return body.lstrip()[:1] == b"[" and body.rstrip()[-1:] == b"]" and len(body.strip()) > 2


def _mapped(channel: Channel, delivery: RawDelivery, where: str) -> list[Item]:
    try:
        return list(_map(channel, delivery))
    except Exception as error:
        raise AssertionError(f"{where}: the mapping raised {error!r}") from error


def unauthentic_refused(channel: Channel) -> None:
    if not (channel.can("receive") or channel.can("subscribe")):
        raise NotRun("it receives no deliveries")
    receive = channel.receive() if channel.can("receive") else channel.subscriber()
    body, (headers, secret) = b'{"a": 1}', _signed(channel, b'{"a": 1}')
    assert receive.verify(headers, body, secret, NOW), "an authentic delivery must be accepted, and its id told"
    cases: list[tuple[str, Mapping[str, str], bytes, str | None, datetime]] = [
        ("tampered", headers, b'{"a": 2}', secret, NOW),
        ("unsigned", {}, body, secret, NOW),
        ("unconfigured (no secret)", headers, body, None, NOW),
        ("unconfigured (empty secret)", headers, body, "", NOW),
        ("signed with another secret", headers, body, webhooks.new_secret(), NOW),
    ]
    if channel.manifest.auth.inbound not in _TIMELESS:
        cases.append(("stale", headers, body, secret, NOW + timedelta(seconds=301)))
        cases.append(("from the future", headers, body, secret, NOW - timedelta(seconds=301)))
    for case, given, content, key, moment in cases:
        try:
            receive.verify(given, content, key, moment)
        except NotAuthentic:
            continue
        raise AssertionError(f"verify accepted a delivery that is {case}")


def polls_end(channel: Channel) -> None:
    if not channel.can("poll"):
        raise NotRun("it does not poll")
    session = _session(channel)
    asyncio.run(_poll_to_the_end(channel, session))


async def _poll_to_the_end(channel: Channel, session: Session) -> None:
    seen: list[str] = []
    cursor: Mapping[str, Any] | None = None
    for _ in range(_ROUNDS):
        polled = await channel.poll().poll(session, cursor)
        seen.extend(delivery.delivery_id for delivery in polled.deliveries)
        cursor = polled.cursor
        if not polled.more:
            break
    else:
        raise AssertionError(f"polling says there is more after {_ROUNDS} rounds")
    assert seen, "the provider in tests/provider.py holds nothing to find"
    assert len(set(seen)) == len(seen), "the same delivery id was given twice in one sweep"
    again = await channel.poll().poll(session, cursor)
    assert not again.deliveries, "polling again from the last cursor finds the same things anew"


CHECKS: tuple[Check, ...] = (
    Check("declared_equals_implemented", "Declared capabilities are those that are implemented.", declared_equals_implemented),
    Check("documented", "A README says what it hears and sends and how to connect it.", documented),
    Check("pure", "Mapping and verification touch neither clock nor network.", pure),
    Check("quiet", "The connector leaves sleeping, retrying and logging to the runtime.", quiet),
    Check("hosts_allowed", "It names no host that the manifest does not allow.", hosts_allowed),
    Check("fixtures_map", "Every fixture becomes what it should, in NFC, with aware times.", fixtures_map),
    Check("ids_stable", "Ids depend on nothing but what the platform sent.", ids_stable),
    Check("mapping_is_total", "No bytes make the mapping raise.", mapping_is_total),
    Check(
        "every_field_survives",
        "Any field missing, null, huge, nested or of another type costs that one element at most.",
        every_field_survives,
    ),
    Check("two_ids", "A key that stands twice, an id too, counts as it stands last; an id that stands twice costs no neighbour.", two_ids),
    Check("unauthentic_refused", "Tampered, stale, unsigned and unconfigured deliveries are refused.", unauthentic_refused),
    Check("polls_end", "Polling reaches an end and its cursor holds.", polls_end),
)


# --- helpers -----------------------------------------------------------------------------------------------------------


def _needs_mapping(channel: Channel) -> None:
    if not {"poll", "stream", "receive"} & set(channel.manifest.capabilities):
        raise NotRun("it hears nothing")


def _map(channel: Channel, delivery: RawDelivery) -> list[Item]:
    """The folder's own mapping, without the registry's net under it."""
    mapping = cast("Callable[[RawDelivery, AccountView], Any]", import_module(f"{channel.package}.mapping").map_delivery)
    return list(mapping(delivery, account(channel)))


def _id_of(item: Item) -> str | None:
    return item.native_id


def _check_item(item: Item, where: str) -> None:
    if isinstance(item, Unmappable):
        assert item.reason, f"{where}: an Unmappable says why"
        assert item.code.replace("_", "").replace(".", "").isalnum(), f"{where}: an Unmappable has a code"
        return
    assert item.native_id, f"{where}: the native id is missing"
    for name, text in _texts(item):
        assert _BROKEN.search(text) is None, f"{where}: {name} holds NUL or a surrogate"
    if isinstance(item, Mention):
        _check_mention(item, where)
    elif isinstance(item, Receipt):
        assert item.status in contracts.DELIVERIES, f"{where}: a receipt is one of {', '.join(contracts.DELIVERIES)}"
        assert item.reason in ("", *contracts.REASONS), f"{where}: {item.reason} is no reason"
        _check_aware(item.at, "at", where)
    elif item.deleted_at is not None:
        _check_aware(item.deleted_at, "deleted_at", where)


def _check_mention(mention: Mention, where: str) -> None:
    _check_aware(mention.published_at, "published_at", where)
    if mention.edited_at is not None:
        _check_aware(mention.edited_at, "edited_at", where)
    assert mention.kind in KINDS, f"{where}: {mention.kind} is no kind"
    assert mention.media_type in contracts.MEDIA_TYPES, f"{where}: {mention.media_type} is no media type"
    assert mention.author.native_id, f"{where}: the author's id is missing"
    assert len(mention.text) <= 3 * contracts.TEXT_LIMIT, f"{where}: the text is too long"
    for name, text in (("text", mention.text), ("title", mention.title or "")):
        assert unicodedata.is_normalized("NFC", text[:100_000]), f"{where}: {name} is not NFC (use kit.text.clean)"
    for name, url in [("url", mention.url), ("author.url", mention.author.url), *(("media.url", medium.url) for medium in mention.media)]:
        assert url is None or url.lower().startswith(("https://", "http://")), f"{where}: {name} is no address of the web"
    counts = (mention.engagement.likes, mention.engagement.shares, mention.engagement.comments, mention.engagement.views)
    assert all(type(count) is int and 0 <= count <= 2**53 for count in counts), f"{where}: a count is no count (0 to 2^53)"
    try:
        json.dumps(dict(mention.context), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise AssertionError(f"{where}: context must be plain JSON values ({error})") from error


def _texts(item: Mention | Deletion | Receipt) -> list[tuple[str, str]]:
    found = [("native_id", item.native_id)]
    if isinstance(item, Mention):
        found += [("text", item.text), ("title", item.title or ""), ("quoted", item.quoted or ""), ("author.name", item.author.name or "")]
        found += [("author.native_id", item.author.native_id), ("reply_to", item.reply_to or ""), ("thread", item.thread or "")]
        found += [("media.name", medium.name or "") for medium in item.media]
    return found


def _check_aware(moment: datetime, name: str, where: str) -> None:
    assert moment.tzinfo is not None, f"{where}: {name} has no zone"


def _signed(channel: Channel, body: bytes) -> tuple[Mapping[str, str], str]:
    """An authentic delivery: by the kit for Standard Webhooks, else by ``example(body, now)`` in ``tests/provider.py``."""
    if channel.manifest.auth.inbound == "standard_webhooks":
        secret = webhooks.new_secret()
        return webhooks.sign("msg_1", body, secret, NOW), secret
    provider = _provider(channel)
    assert hasattr(provider, "example"), "tests/provider.py needs example(body, now) -> (headers, secret)"
    return provider.example(body, NOW)


def _session(channel: Channel) -> Session:
    provider = _provider(channel)
    assert hasattr(provider, "session"), "tests/provider.py needs session(now) -> Session over a provider in memory"
    return provider.session(NOW)


def _provider(channel: Channel) -> Any:
    name = f"{channel.package}.tests.provider"
    assert (channel.folder / "tests" / "provider.py").is_file() and find_spec(name), (
        "write tests/provider.py: a provider in memory that the contract test can use"
    )
    return import_module(name)
