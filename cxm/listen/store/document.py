"""A mention as the engine's document: its whole JSON, and beside it what is searched, ordered and counted by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson
import tantivy

from cxm.kernel.text import placed, plain_words
from cxm.listen.store import spec
from cxm.listen.store.port import Change, Mention
from cxm.query.api import person
from cxm.query.fields import NUMBERS, TEXTS
from cxm.query.subject import PLAIN, SHARED, SHARED_LISTS, SHARED_PRESENCE, author_tokens, own_marks, published, shared_marks, url_parts

#: Bumped whenever documents change shape; an older store is then rebuilt.
FORMAT = 2
#: Exact fields whose values are counted as they are searched: one index serves both.
DIRECT = dict(zip(PLAIN, PLAIN, strict=True))
#: Mention keys counted by.
COUNTED = tuple(dict.fromkeys(spec.COUNTABLE.values()))
#: The version of a tombstone: newer than any.
TOMBSTONE = 2**62
_COUNTED_FIELDS = tuple((key, f"c_{key}") for key in COUNTED if key != "author")
#: What many mentions have in common: they differ in words, time and author, and seldom in these.
_SHARED = tuple(dict.fromkeys((*(key for key in COUNTED if key not in ("author", *SHARED_LISTS)), *SHARED)))
_COUNTS = tuple((name, f"n_{name}") for name in NUMBERS if name not in ("rating", "followers"))
_NESTED = ("author", "engagement")
#: The engine cuts at these; within one value they stand as control characters, which nobody can type.
_SPACES = str.maketrans({" ": "\x1f", "\t": "\x1e", "\n": "\x1d", "\r": "\x1c", "\x0c": "\x1b"})


def schema() -> tantivy.Schema:
    """The index's fields."""
    builder = tantivy.SchemaBuilder()
    for name in ("id", "organization", "tombstone"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in TEXTS:
        builder.add_text_field(f"t_{name}", tokenizer_name="spaced", index_option="position")
    builder.add_text_field("x", tokenizer_name="spaced", index_option="basic")
    for name in COUNTED:
        builder.add_text_field(f"c_{name}", tokenizer_name="raw", index_option="basic", fast=True)
    for name in ("version", "published", "engagement", *(f"n_{name}" for name in NUMBERS if name != "rating")):
        builder.add_integer_field(name, fast=True, indexed=name == "published")
    builder.add_float_field("n_rating", fast=True)
    builder.add_unsigned_field("tie", fast=True)
    builder.add_unsigned_field("person", fast=True)
    builder.add_bytes_field("json", stored=True)
    return builder.build()


def register(index: tantivy.Index) -> None:
    """The one way of cutting text that the engine itself does; all real tokenising is ours."""
    index.register_tokenizer("spaced", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())


@lru_cache(maxsize=16_384)
def condition(field: str, value: str) -> str:
    """The term of an exact condition."""
    return f"{field}={value}".translate(_SPACES)


def document(mention: Mention) -> tantivy.Document:
    """The document of one mention. Every value is what :class:`~cxm.query.subject.Subject` says, by the shortest way to it."""
    made = tantivy.Document()
    text = made.add_text
    text("id", mention["id"])
    text("organization", mention["organization"])
    author: Mapping[str, Any] = mention.get("author") or {}
    _add_words(made, mention, author)
    conditions, counted = _common(mention)
    if own := own_marks(mention):
        conditions = [*conditions, *_conditions(own)]
    if conditions:
        text("x", " ".join(conditions))
    for field, value in counted:
        text(field, value)
    if speaker := author.get("handle") or author.get("native_id"):
        text("c_author", str(speaker))
    _add_numbers(made, mention, author)
    made.add_bytes("json", orjson.dumps(mention))
    return made


def _common(mention: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, str]]]:
    """The conditions and the counted fields and values that many mentions share: worked out once for all that are alike."""
    get = mention.get
    lists = [tuple(value) if (value := get(key)) else () for key in SHARED_LISTS]
    return _worked_out(tuple(map(get, _SHARED)), tuple(lists), tuple([bool(get(key)) for key in SHARED_PRESENCE]))


@lru_cache(maxsize=8192)
def _worked_out(
    values: tuple[Any, ...], lists: tuple[tuple[str, ...], ...], present: tuple[bool, ...]
) -> tuple[list[str], list[tuple[str, str]]]:
    like = dict(zip((*_SHARED, *SHARED_LISTS, *SHARED_PRESENCE), (*values, *map(list, lists), *present), strict=True))
    counted = [(field, value) for key, field in _COUNTED_FIELDS for value in spec.counted_values(like, key)]
    return _conditions(shared_marks(like)), counted


def _conditions(found: Mapping[str, AbstractSet[str]]) -> list[str]:
    return [condition(name, value) for name, values in found.items() for value in values]


def _add_words(made: tantivy.Document, mention: Mention, author: Mapping[str, Any]) -> None:
    for where in ("text", "title"):
        if text := mention.get(where):
            words = plain_words(text)
            if words is None:
                made.add_pre_tokenized_text(f"t_{where}", _pieces(placed(text)))
            elif words:
                made.add_text(f"t_{where}", words)
    if known := _author_words(author.get("name"), author.get("handle")):
        made.add_pre_tokenized_text("t_author", known)
    if (url := mention.get("url")) and (parts := url_parts(url)):
        made.add_text("t_url", " ".join(parts))


def _pieces(found: Iterable[tuple[str, int]]) -> tantivy.PreTokenizedString:
    """Tokens that share positions or leave some out, one by one: a hundred times the price of a plain text."""
    token = tantivy.Token
    return tantivy.PreTokenizedString("", [token(text, position, 0, 0) for text, position in found])


@lru_cache(maxsize=8192)
def _author_words(name: str | None, handle: str | None) -> tantivy.PreTokenizedString | None:
    found = author_tokens(name, handle)
    return _pieces((token.text, token.position) for token in found) if found else None


def _add_numbers(made: tantivy.Document, mention: Mention, author: Mapping[str, Any]) -> None:
    integer = made.add_integer
    integer("version", mention["version"])
    integer("published", published(mention))
    made.add_unsigned("tie", spec.tie_key(mention["id"]))
    engagement: Mapping[str, Any] = mention.get("engagement") or {}
    total = 0
    for name, field in _COUNTS:
        if (value := engagement.get(name)) is not None:
            integer(field, int(value))
            total += int(value) if name != "views" else 0
    integer("engagement", total)
    if (followers := author.get("followers")) is not None:
        integer("n_followers", int(followers))
    if (rating := mention.get("rating")) is not None:
        made.add_float("n_rating", float(rating))
    if (who := person(mention)) is not None:
        made.add_unsigned("person", person_key(who))


@lru_cache(maxsize=8192)
def person_key(who: str) -> int:
    """What somebody is counted under."""
    return int.from_bytes(blake2b(who.encode(), digest_size=8).digest())


def tombstone(organization: str, mention_id: str, at: str) -> tantivy.Document:
    """What stays of a deleted mention."""
    made = tantivy.Document()
    made.add_text("id", mention_id)
    made.add_text("tombstone", organization)
    made.add_integer("version", TOMBSTONE)
    made.add_unsigned("tie", spec.tie_key(mention_id))
    made.add_bytes("json", orjson.dumps({"id": mention_id, "organization": organization, "tombstone": True, "deleted_at": at}))
    return made


def changed(mention: Mapping[str, Any], change: Change) -> Mention:
    """The mention with the change's values; ``author`` and ``engagement`` merged key by key."""
    values = dict(change.values)
    for key in _NESTED:
        if isinstance(values.get(key), dict) and isinstance(mention.get(key), dict):
            values[key] = {**mention[key], **values[key]}
    return {**mention, **values, "id": mention["id"], "organization": mention["organization"], "version": change.version}
