"""What comes with a post or a message: pictures, films, linked pages, quoted posts; and where people read it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cxm.channels.bluesky import ids
from cxm.channels.contracts import AccountView, Media
from cxm.channels.kit.fields import entries, string, table
from cxm.channels.kit.text import clean, one_line, storable

_ID, _ADDRESS, _TEXT = 1000, 4000, 100_000


def quoted_in(embed: dict[str, Any]) -> dict[str, Any]:
    """The post that is quoted, as far as it is shown. A record with media wraps it once more."""
    record = table(embed.get("record"))
    return table(record.get("record")) if "record" in record else record


def media_in(embed: dict[str, Any], account: AccountView) -> Iterator[Media]:
    """Pictures, films, linked pages and quoted posts. ``embed`` is as the network shows it, else as it stands in the record."""
    kind = string(embed.get("$type"), 100)
    if kind.startswith("app.bsky.embed.recordWithMedia"):
        yield from media_in(_plain(embed.get("media")), account)
    for picture in map(table, [*entries(embed.get("images")), *entries(embed.get("items"))][:20]):
        yield Media("image", _web(picture.get("fullsize")) or _web(picture.get("thumb")), _alt(picture.get("alt")))
    if kind.startswith("app.bsky.embed.video"):
        yield Media("video", _web(embed.get("playlist")), _alt(embed.get("alt")))
    external = table(embed.get("external"))
    if linked := _web(external.get("uri")):
        yield Media("file", linked, _alt(external.get("description")), one_line(string(external.get("title"), 4000), 200) or None)
    quoted = quoted_in(embed)
    if place := ids.post_parts(string(quoted.get("uri"), _ID)):
        who = one_line(string(table(quoted.get("author")).get("handle"), 254)) or place[0]
        said = string(table(quoted.get("value")).get("text"), _TEXT)
        yield Media("file", page(account, who, place[1]), clean(said) or None, f"@{who}" if not who.startswith("did:") else who)


def _plain(value: object) -> dict[str, Any]:
    """The media of a record with media; never another of its kind, which would never end."""
    media = table(value)
    return {} if string(media.get("$type"), 100).startswith("app.bsky.embed.recordWithMedia") else media


def _alt(value: object) -> str | None:
    return clean(string(value, 20_000)) or None


def _web(value: object) -> str | None:
    address = storable(string(value, _ADDRESS).strip())
    return address if is_web(address) else None


def is_web(address: str) -> bool:
    return address.lower().startswith(("https://", "http://")) and address.isprintable()


def site(account: AccountView) -> str:
    return string(account.settings.get("web_url"), 500).strip().rstrip("/") or "https://bsky.app"


def page(account: AccountView, who: str, key: str) -> str:
    return f"{site(account)}/profile/{storable(who.removeprefix('@'))}/post/{key}"
