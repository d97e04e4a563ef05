"""Posts as mentions. Pure: no clock, no network, and no bytes may make it raise.

A delivery is one object that the connector wrote: ``me`` (our DID) with ``post`` (an app.bsky.feed.defs#postView) and, where its
record was changed, ``edited`` (when that was seen); ``deleted`` (the address of a post, a direct message or a reaction) with ``at``; or what
:mod:`~cxm.channels.bluesky.messages` understands.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from cxm.channels.bluesky import embeds, ids, messages, texts
from cxm.channels.bluesky.texts import Facet
from cxm.channels.contracts import AccountView, Author, Deletion, Engagement, Item, Mention, RawDelivery, Unmappable
from cxm.channels.kit import jsons
from cxm.channels.kit.fields import EXACT, Missing, entries, needed, string, table, whole
from cxm.channels.kit.text import clean, one_line, storable

#: A post dated by its author so much earlier than its server heard of it was brought along from elsewhere.
_BACKDATED = timedelta(days=1)
_ID, _TEXT = 1000, 100_000


def map_delivery(delivery: RawDelivery, account: AccountView) -> Iterable[Item]:
    """The one item in a delivery; what cannot be understood is :class:`Unmappable`."""
    try:
        told = table(jsons.load(delivery.body))
    except jsons.NotJson as error:
        return [Unmappable(str(error), delivery.body, None, "not_json")]
    post = table(told.get("post"))
    native_id = storable(string(post.get("uri"), _ID)) or messages.address_of(told)
    try:
        if messages.is_one(told):
            return [messages.item(told, account)]
        return [_deletion(told) if "deleted" in told else _mention(told, post, account)]
    except Missing as error:
        return [Unmappable(str(error), delivery.body, native_id, "field_missing")]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        return [Unmappable(f"The post is not as expected ({type(error).__name__}).", delivery.body, native_id)]


def _deletion(told: dict[str, Any]) -> Deletion:
    address = needed(told, "deleted", _ID)
    if ids.post_parts(address) is None and ids.message_parts(address) is None:
        raise Missing("“deleted” is no address of a post or a message.")
    return Deletion(storable(address), ids.moment(string(told.get("at"), 40)))


def _mention(told: dict[str, Any], post: dict[str, Any], account: AccountView) -> Mention:
    address, me = needed(post, "uri", _ID), string(told.get("me"), 600)
    place = ids.post_parts(address)
    if place is None:
        raise Missing("“uri” is no post's address.")
    record = table(post.get("record"))
    written = record.get("text")
    if not isinstance(written, str) or len(written) > _TEXT:
        raise Missing("“text” is missing or no text of a post.")
    facets = texts.facets_of(written, record.get("facets"))
    media = tuple(embeds.media_in(table(post.get("embed")) or table(record.get("embed")), account))
    if not written.strip() and not media:
        raise Missing("The post is empty.")
    reply = table(record.get("reply"))
    parent, root = (string(table(reply.get(name)).get("uri"), _ID) for name in ("parent", "root"))
    author = _author(post, place[0], account)
    published, dated = _published(record, post)
    ours = place[0] == me
    edited = ids.moment(string(told.get("edited"), 40))
    return Mention(
        native_id=address,
        kind="comment" if parent else "post",
        author=author,
        text=clean(texts.spelled_out(written, facets)),
        published_at=published,
        url=embeds.page(account, author.handle or place[0], place[1]),
        reply_to=storable(parent) or None,
        thread=storable(root) or address,
        addressed=not ours and bool(me) and _speaks_to(me, parent, facets, post, record),
        automatic=_is_bot(post),
        media_type="owned" if ours else "earned",
        engagement=_engagement(post),
        media=media,
        tags=_tags(record, facets),
        edited_at=max(edited, published) if edited is not None else None,
        context=_context(post, record, place[0], author.handle, facets, dated),
    )


def _author(post: dict[str, Any], did: str, account: AccountView) -> Author:
    told = table(post.get("author"))
    handle = one_line(string(told.get("handle"), 254)).lower()
    known = "" if handle == "handle.invalid" else handle
    return Author(
        native_id=did,
        handle=f"@{known}" if known else None,
        name=one_line(string(told.get("displayName"), 1000), 200) or None,
        url=f"{embeds.site(account)}/profile/{did}",
        followers=whole(told.get("followersCount")),
    )


def _published(record: dict[str, Any], post: dict[str, Any]) -> tuple[datetime, str]:
    """When it was said: as its author dates it, unless that lies after its server heard of it, or long before. Then what was claimed."""
    heard = ids.moment(string(post.get("indexedAt"), 40))
    claimed = ids.moment(string(record.get("createdAt"), 40))
    if heard is None and claimed is None:
        raise Missing("It says neither when it was written nor when it was heard.")
    if heard is None or claimed is None:
        return (heard or claimed), ""  # type: ignore[return-value] - one of them is there
    if claimed > heard or heard - claimed > _BACKDATED:
        return heard, string(record.get("createdAt"), 40)
    return claimed, ""


def _speaks_to(me: str, parent: str, facets: list[Facet], post: dict[str, Any], record: dict[str, Any]) -> bool:
    """Whether it names us, answers a post of ours or quotes one."""
    if any(facet.kind == "mention" and facet.value == me for facet in facets):
        return True
    quoted = string(embeds.quoted_in(table(post.get("embed")) or table(record.get("embed"))).get("uri"), _ID)
    return any((ids.post_parts(one) or ("",))[0] == me for one in (parent, quoted))


def _is_bot(post: dict[str, Any]) -> bool:
    """Whether the account says of itself that a machine writes for it."""
    told = table(post.get("author"))
    did = told.get("did")
    return any(label.get("val") == "bot" and label.get("src") == did for label in map(table, entries(told.get("labels"))[:100]))


def _tags(record: dict[str, Any], facets: list[Facet]) -> tuple[str, ...]:
    given = [facet.value for facet in facets if facet.kind == "tag"] + [string(one, 640) for one in entries(record.get("tags"))[:100]]
    found = (one_line(one, 100).lstrip("#＃") for one in given)
    return tuple(dict.fromkeys(one for one in found if one))[:100]


def _engagement(post: dict[str, Any]) -> Engagement:
    likes, reposts, quotes, replies = (_count(post, name) for name in ("likeCount", "repostCount", "quoteCount", "replyCount"))
    return Engagement(likes=likes, shares=min(reposts + quotes, EXACT), comments=replies)


def _count(post: dict[str, Any], name: str) -> int:
    return max(whole(post.get(name)) or 0, 0)


def _context(post: dict[str, Any], record: dict[str, Any], did: str, handle: str | None, facets: list[Facet], dated: str) -> dict[str, Any]:
    """What an answer needs (``cid``, ``root``), and what a reader may want to know beside the words."""
    root = table(table(record.get("reply")).get("root"))
    quoted = embeds.quoted_in(table(post.get("embed")) or table(record.get("embed")))
    links = [facet.value for facet in facets if facet.kind == "link" and embeds.is_web(facet.value)]
    labels = [string(label.get("val"), 128) for label in map(table, entries(post.get("labels"))[:100]) if label.get("neg") is not True]
    context: dict[str, Any] = {
        "cid": string(post.get("cid"), 200),
        "root": {name: storable(string(root.get(name), _ID)) for name in ("uri", "cid")} if root else {},
        "did": did,
        "handle": handle or "",
        "quotes": string(quoted.get("uri"), _ID),
        "languages": [storable(one) for one in map(_language, entries(record.get("langs"))[:3]) if one],
        "links": [storable(one) for one in dict.fromkeys(links)][:50],
        "labels": sorted({storable(one) for one in labels if one}),
        "dated": dated,
    }
    return {key: storable(value) if isinstance(value, str) else value for key, value in context.items() if value}


def _language(value: object) -> str:
    return string(value, 35)
