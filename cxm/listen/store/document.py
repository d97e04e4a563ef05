"""A mention as the engine's document: its whole JSON, and beside it what is searched, ordered and counted by."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson
import tantivy

from cxm.kernel.text import Token
from cxm.listen.store import spec
from cxm.listen.store.port import Change, Mention
from cxm.query.api import Subject, person
from cxm.query.fields import NUMBERS, TEXTS

#: Bumped whenever documents change shape; an older store is then rebuilt.
FORMAT = 1
#: Exact fields whose values are counted as they are searched: one index serves both.
DIRECT = {"channel": "channel", "kind": "kind", "media_type": "media_type", "sentiment": "sentiment", "state": "state", "unit": "unit"}
#: Mention keys counted by.
COUNTED = tuple(dict.fromkeys(spec.COUNTABLE.values()))
#: The version of a tombstone: newer than any.
TOMBSTONE = 2**62
_COUNTED_FIELDS = tuple((key, f"c_{key}") for key in COUNTED)
_NOTHING: tuple[Any, ...] = (None, "", [])
_TEXT_FIELDS = tuple((where, f"t_{where}") for where in TEXTS)
_WHOLE_NUMBERS = tuple((name, f"n_{name}") for name in NUMBERS if name != "rating")
_NESTED = ("author", "engagement")
_SEPARATOR = "\x1f"


def schema() -> tantivy.Schema:
    """The index's fields."""
    builder = tantivy.SchemaBuilder()
    for name in ("id", "organization", "tombstone"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in TEXTS:
        builder.add_text_field(f"t_{name}", tokenizer_name="spaced", index_option="position")
    builder.add_text_field("x", tokenizer_name="separated", index_option="basic")
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
    """The two ways of cutting text that the engine itself does; all real tokenising is ours."""
    index.register_tokenizer("spaced", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    index.register_tokenizer("separated", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(r"[^\x1f]+")).build())


def condition(field: str, value: str) -> str:
    """The term of an exact condition."""
    return f"{field}={value}".replace(_SEPARATOR, " ")


def document(mention: Mention) -> tantivy.Document:
    """The document of one mention."""
    subject = Subject(mention)
    made = tantivy.Document()
    text = made.add_text
    text("id", mention["id"])
    text("organization", mention["organization"])
    for where, field in _TEXT_FIELDS:
        if found := subject.tokens(where):
            _add_tokens(made, field, found)
    text("x", _SEPARATOR.join(condition(name, v) for name, values in subject.exact.items() if name not in DIRECT for v in values))
    for key, field in _COUNTED_FIELDS:
        if key == "author" or mention.get(key) not in _NOTHING:
            for value in spec.counted_values(mention, key):
                text(field, value)
    _add_numbers(made, subject, mention)
    made.add_bytes("json", orjson.dumps(mention))
    return made


def _add_tokens(made: tantivy.Document, name: str, found: list[Token]) -> None:
    """Plain words as one joined text; where several share a position, or positions have gaps, one by one."""
    if found[-1].position == len(found) - 1:
        made.add_text(name, " ".join([token.text for token in found]))
    else:
        pieces = [tantivy.Token(token.text, token.position, 0, 0) for token in found]
        made.add_pre_tokenized_text(name, tantivy.PreTokenizedString("", pieces))


def _add_numbers(made: tantivy.Document, subject: Subject, mention: Mention) -> None:
    made.add_integer("version", mention["version"])
    made.add_integer("published", subject.published)
    made.add_unsigned("tie", spec.tie_key(mention["id"]))
    made.add_integer("engagement", subject.engagement)
    for name, field in _WHOLE_NUMBERS:
        if (value := subject.number(name)) is not None:
            made.add_integer(field, int(value))
    if (rating := subject.number("rating")) is not None:
        made.add_float("n_rating", float(rating))
    who = person(mention)
    if who is not None:
        made.add_unsigned("person", int.from_bytes(blake2b(who.encode(), digest_size=8).digest()))


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
