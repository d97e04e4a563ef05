"""What we say, as a record: facets, files, whom it answers; and whether that can be answered at all."""

from __future__ import annotations

import asyncio
from typing import Any

from cxm.channels.bluesky import ids, texts
from cxm.channels.bluesky.server import NotThere, Refused, Server
from cxm.channels.contracts import Gone, Media, Outgoing, Rejected, Sent, Session, Unavailable
from cxm.channels.kit.fields import entries, string, table
from cxm.kernel.clock import format_instant

#: What a server takes as one picture, and how many go with a post.
PICTURE, PICTURES = 2_000_000, 4
#: Handles of one text that are looked up.
_HANDLES = 20


async def record(server: Server, session: Session, outgoing: Outgoing) -> dict[str, Any]:
    """The record of a post or an answer. Raises Rejected, in plain words, for what Bluesky does not take; Gone, where what is answered is not
    there any more."""
    _check_length(outgoing.text)
    pictures = [one for one in outgoing.media if one.content is not None]
    _check_files(outgoing.media, pictures)
    text = text_of(outgoing)
    _check_length(text)
    if not text.strip() and not pictures:
        raise Rejected("There is nothing to say.", "Write a text, or attach a picture.")
    made: dict[str, Any] = {"$type": ids.POST, "text": text, "createdAt": format_instant(session.now)}
    if outgoing.kind == "reply":
        made["reply"] = await _reply(server, outgoing)
    if found := await facets(server, text):
        made["facets"] = found
    if pictures:
        made["embed"] = await _pictures(server, pictures)
    return made


def text_of(outgoing: Outgoing) -> str:
    """The words as they are said: files we have no content of go as links."""
    return outgoing.text + "".join(f"\n{one.url}" for one in outgoing.media if one.content is None and one.url)


def _check_length(text: str) -> None:
    count = texts.graphemes(text)
    if count > texts.GRAPHEMES:
        raise Rejected(f"The text has {count} signs; Bluesky takes {texts.GRAPHEMES}.", "Shorten it.")
    if len(text.encode("utf-8", "replace")) > texts.BYTES:
        raise Rejected(f"The text is larger than {texts.BYTES} bytes, though it has few signs.", "Shorten it.")


def _check_files(media: tuple[Media, ...], pictures: list[Media]) -> None:
    other = next((one for one in pictures if one.kind != "image"), None)
    if other is not None:
        raise Rejected(f"“{other.name or 'The file'}” is no picture; only pictures go with a post.", "Send a link to it instead.")
    if len(pictures) > PICTURES:
        raise Rejected(f"{len(pictures)} pictures are too many; a post takes {PICTURES}.", "Leave some out.")
    large = next((one for one in pictures if len(one.content or b"") > PICTURE), None)
    if large is not None:
        raise Rejected(f"“{large.name or 'A picture'}” is larger than {PICTURE // 1_000_000} MB.", "Make it smaller.")


async def facets(server: Server, text: str) -> list[dict[str, Any]]:
    """What its handles, links and tags are, as the network writes them down."""
    found = list(texts.found_in(text))
    handles = list(dict.fromkeys(facet.value for facet in found if facet.kind == "mention"))[:_HANDLES]
    told = await asyncio.gather(*(_did_of(server, handle) for handle in handles))
    return texts.records(text, found, dict(zip(handles, told, strict=True)))


async def _did_of(server: Server, handle: str) -> str:
    """Whose handle it is; nothing where nobody has it, and then it is plain text."""
    try:
        return string((await server.get("com.atproto.identity.resolveHandle", {"handle": handle})).get("did"), 500)
    except (Rejected, Gone):
        return ""


async def _reply(server: Server, outgoing: Outgoing) -> dict[str, Any]:
    """Root and parent as strong references, read from the network as it is now: whether we may answer stands there too."""
    address = outgoing.in_reply_to or ""
    place = ids.post_parts(address)
    if place is None:
        raise Rejected("It is not known which post is answered.", "Answer a post.")
    post = await look_up(server, address)
    if table(post.get("viewer")).get("replyDisabled") is True:
        raise Rejected("Its author lets only some people answer, and we are not among them.", "Nothing can be done here.")
    root = table(table(table(post.get("record")).get("reply")).get("root"))
    parent = {"uri": address, "cid": string(post.get("cid"), 200)}
    known = {"uri": string(root.get("uri"), 1000), "cid": string(root.get("cid"), 200)}
    return {"root": known if all(known.values()) else parent, "parent": parent}


async def look_up(server: Server, address: str) -> dict[str, Any]:
    """The post at ``address`` as the network shows it to us. Raises Gone, or Rejected where one has blocked the other."""
    posts = entries((await server.get("app.bsky.feed.getPosts", {"uris": [address]})).get("posts"))
    post = next((one for one in map(table, posts) if one.get("uri") == address), None)
    if post is not None:
        _check_blocks(table(table(post.get("author")).get("viewer")))
        return post
    if await is_gone(server, address):
        raise Gone("The post is not there any more.", "Its author has deleted it, or its server has.")
    raise Rejected(
        "The post is kept from us: its author has blocked this account, or this account its author.", "Nothing can be done here."
    )


def _check_blocks(viewer: dict[str, Any]) -> None:
    if viewer.get("blockedBy") is True:
        raise Rejected("Its author has blocked this account.", "Nothing can be done here.")
    if viewer.get("blocking") or viewer.get("blockingByList"):
        raise Rejected("This account has blocked the author.", "Lift the block in Bluesky first.")


async def is_gone(server: Server, address: str) -> bool:
    """Whether the network says outright that there is no such post (and not only that we may not see it)."""
    try:
        told = await server.get("app.bsky.feed.getPostThread", {"uri": address, "depth": 0, "parentHeight": 0})
    except NotThere as error:
        return error.code == "NotFound"
    return string(table(told.get("thread")).get("$type"), 100).endswith("#notFoundPost")


async def _pictures(server: Server, pictures: list[Media]) -> dict[str, Any]:
    told: list[dict[str, Any]] = []
    for one in pictures:
        blob = await server.upload(one.content or b"", one.content_type or "image/jpeg")
        if not blob:
            raise Unavailable("The server does not say what became of the picture.", "It is tried again.")
        told.append({"image": blob, "alt": one.alt or ""})
    return {"$type": "app.bsky.embed.images", "images": told}


async def place(server: Server, outgoing: Outgoing) -> tuple[str | None, bool]:
    """The key of what this intent says (None where others' words stand under each of its keys), and whether it stands there already."""
    free: list[str] = []
    for key in ids.record_keys(outgoing.id):
        told = await standing(server, key)
        if told is None:
            free.append(key)
        elif _says(table(told.get("value")), outgoing):
            return key, True
    return (free[0] if free else None), False


def _says(record: dict[str, Any], outgoing: Outgoing) -> bool:
    parent = string(table(table(record.get("reply")).get("parent")).get("uri"), 1000)
    answered = (outgoing.in_reply_to or "") if outgoing.kind == "reply" else ""
    return record.get("text") == text_of(outgoing) and parent == answered


async def standing(server: Server, key: str) -> dict[str, Any] | None:
    """The record of ours under ``key``, None where there surely is none."""
    try:
        told = await server.get("com.atproto.repo.getRecord", {"repo": await server.me(), "collection": ids.POST, "rkey": key})
    except NotThere as error:
        if error.code == "RecordNotFound":
            return None
        raise
    except Refused as error:
        if "could not locate record" in error.text.lower():  # servers of before 2024 give it no name of its own
            return None
        raise
    if not string(told.get("uri"), 1000):
        raise Unavailable("The server does not say whether the post is there.", "It is asked again.", effect_possible=True)
    return told


async def sent(server: Server, session: Session, key: str) -> Sent:
    """How a post of ours under ``key`` is known."""
    site = string(session.account.settings.get("web_url"), 500).rstrip("/")
    did = await server.me()
    return Sent(ids.uri(did, key), f"{site}/profile/{did}/post/{key}" if site else None)
