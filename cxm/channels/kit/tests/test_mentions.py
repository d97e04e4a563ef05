"""The documented JSON, as an import and as a delivery: what is kept, what is ignored, what is refused and why."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxm.channels.contracts import AccountView, Deletion, Mention, Proof, RawDelivery, Receipt, Unmappable
from cxm.channels.kit import jsons
from cxm.channels.kit.mentions import mention_from_json
from cxm.channels.registry import channel

BASE: dict[str, Any] = {"channel": "bluesky", "native_id": "n1", "text": "Hello", "published_at": "2026-11-21T10:00:00Z"}
ACCOUNT = AccountView(UUID(int=1), "webhook", "@acme")


def _mention(trusted: bool = True, **changes: Any) -> Mention:
    found = mention_from_json({**BASE, **changes}, trusted=trusted, account_name="@acme")
    assert isinstance(found, Mention), found
    return found


def _refused(trusted: bool = True, **changes: Any) -> Unmappable:
    found = mention_from_json({name: value for name, value in {**BASE, **changes}.items() if value is not ...}, trusted=trusted)
    assert isinstance(found, Unmappable), found
    assert found.reason and found.raw
    return found


def test_an_import_keeps_what_is_known() -> None:
    given_ = {
        "account": "@acme",
        "state": "answered",
        "media_type": "owned",
        "language": "de",
        "sentiment": "negative",
        "emotions": ["anger"],
        "assessed": ["anger", "joy"],
        "intents": ["complaint"],
        "categories": ["Delivery"],
        "offensive": False,
        "spam": False,
        "verdicts_by": "person",
    }
    found = _mention(**given_)
    assert found.state == "answered" and found.media_type == "owned"
    assert dict(found.context) == {"channel": "bluesky", "account": "@acme"}
    verdicts = found.verdicts
    assert (verdicts.language, verdicts.sentiment, verdicts.emotions, verdicts.assessed) == ("de", "negative", ("anger",), ("anger", "joy"))
    assert (verdicts.intents, verdicts.categories, verdicts.offensive, verdicts.spam) == (("complaint",), ("Delivery",), False, False)
    ignored = _mention(trusted=False, **given_)
    assert (
        ignored.state is None
        and ignored.media_type == "earned"
        and ignored.verdicts == Mention.__dataclass_fields__["verdicts"].default_factory()
    )
    assert ignored.context == {}


def test_an_export_of_what_was_never_judged_stays_unjudged() -> None:
    found = _mention(verdicts_by=None, sentiment=None, language="und", emotions=[], assessed=[], intents=[], categories=[], offensive=False)
    assert found.verdicts == Mention.__dataclass_fields__["verdicts"].default_factory()
    judged = _mention(emotions=[], assessed=["joy"], intents=[]).verdicts
    assert (judged.emotions, judged.assessed, judged.intents) == ((), ("joy",), ())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"native_id": ...}, "native_id_missing"),
        ({"native_id": "  "}, "native_id_missing"),
        ({"native_id": {}}, "native_id_invalid"),
        ({"native_id": True}, "native_id_invalid"),
        ({"native_id": 2**60}, "native_id_invalid"),
        ({"native_id": "x" * 1025}, "native_id_invalid"),
        ({"text": ...}, "text_missing"),
        ({"text": None}, "text_missing"),
        ({"text": " \n"}, "text_missing"),
        ({"text": ..., "media": [{"kind": "image", "url": "https://x.example"}]}, "text_missing"),
        ({"text": 7}, "text_invalid"),
        ({"title": ["a"]}, "text_invalid"),
        ({"text": "x" * 1_000_001}, "text_too_long"),
        ({"published_at": ...}, "published_at_invalid"),
        ({"published_at": "2026-11-21"}, "published_at_invalid"),
        ({"published_at": "2026-11-21T10:00:00"}, "published_at_invalid"),
        ({"published_at": "2026-02-29T10:00:00Z"}, "published_at_invalid"),
        ({"published_at": "9999-12-31T23:59:59-14:00"}, "published_at_invalid"),
        ({"published_at": 1763719200}, "published_at_invalid"),
        ({"edited_at": "yesterday"}, "edited_at_invalid"),
        ({"channel": ...}, "channel_invalid"),
        ({"channel": "Blue Sky"}, "channel_invalid"),
        ({"channel": "x" * 41}, "channel_invalid"),
        ({"channel": "bluesky\n"}, "channel_invalid"),
        ({"kind": "tweet"}, "kind_unknown"),
        ({"kind": []}, "kind_unknown"),
        ({"state": "done"}, "state_unknown"),
        ({"sentiment": "angry"}, "sentiment_unknown"),
        ({"media_type": {}}, "media_type_unknown"),
        ({"intents": ["rant"]}, "intents_unknown"),
        ({"emotions": ["Anger!"]}, "emotions_invalid"),
        ({"emotions": [["anger"]]}, "emotions_invalid"),
        ({"emotions": "anger"}, "emotions_invalid"),
        ({"language": "german language"}, "language_invalid"),
        ({"spam": "no"}, "spam_invalid"),
        ({"author": "Ann"}, "author_invalid"),
        ({"author": {"native_id": ["a"]}}, "author.native_id_invalid"),
        ({"author": {"native_id": "a", "followers": "many"}}, "author.followers_invalid"),
        ({"author": {"native_id": "a", "verified": {"email": "ann"}}}, "author.verified_invalid"),
        ({"author": {"native_id": "a", "verified": {"phone": "030 1234"}}}, "author.verified_invalid"),
        ({"country": "Germany"}, "country_invalid"),
        ({"rating": float("nan")}, "rating_invalid"),
        ({"rating": True}, "rating_invalid"),
        ({"engagement": {"likes": [1]}}, "engagement.likes_invalid"),
        ({"engagement": 5}, "engagement_invalid"),
        ({"media": {"kind": "image"}}, "media_invalid"),
        ({"media": ["https://x.example"]}, "media_invalid"),
        ({"tags": "a"}, "tags_invalid"),
        ({"tags": [1]}, "tags_invalid"),
        ({"reply_to": {}}, "reply_to_invalid"),
    ],
)
def test_what_is_wrong_has_a_code(changes: dict[str, Any], code: str) -> None:
    refused = _refused(**changes)
    assert refused.code == code
    assert refused.native_id == ("n1" if "native_id" not in changes else refused.native_id)


def test_leniency_that_loses_nothing() -> None:
    assert _mention(native_id=12).native_id == "12"
    assert _mention(published_at="2026-11-21t12:00:00.1234567+02:00").published_at == datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)
    assert _mention(engagement={"likes": 2**70, "shares": -3, "comments": "12", "views": None}).engagement.likes == 2**53
    assert _mention(text="", media=[{"kind": "image", "url": "https://x.example/a"}]).media[0].kind == "image"
    assert _mention(text="", rating=5).rating == 5.0
    assert _mention(text=None, title="Only a title").text == ""
    assert _mention(text="x" * 1_000_000).text == "x" * 1_000_000


def test_addresses_that_could_run_something_are_left_out() -> None:
    found = _mention(url="javascript:alert(1)", author={"native_id": "a", "url": "data:x"}, media=[{"kind": "image", "url": "file:///etc"}])
    assert found.url is None and found.author.url is None and found.media == ()


def test_texts_are_nfc_without_nul_and_surrogates() -> None:
    found = _mention(text="Cafe\u0301 \x00\ud800", title="e\u0301", author={"native_id": "a\x00", "name": "\udfffn\u0303"})
    assert found.text == "Café \ufffd\ufffd" and found.title == "é"
    assert found.author.native_id == "a\ufffd" and found.author.name == "\ufffdñ"


def test_many_marks_are_put_in_order_in_time() -> None:
    text = "a" + "\u0301\u0316" * 200_000
    found = _mention(text=text).text
    assert found == "á" + "\u0316" * 200_000 + "\u0301" * 199_999
    small = "a" + "\u0301\u0316" * 40 + "b\u0344\u0323" * 40
    assert _mention(text=small).text == unicodedata.normalize("NFC", small)


@pytest.mark.parametrize(
    ("changes", "private", "addressed"),
    [
        ({"kind": "message"}, True, False),
        ({"kind": "message", "visibility": "public"}, False, False),
        ({"kind": "post", "visibility": "private"}, False, False),
        ({"reply_to": "p1"}, False, True),
        ({"text": "Dear @ACME, hello"}, False, True),
        ({"text": "see @acmeshop"}, False, False),
        ({"text": "mail me@acme"}, False, False),
    ],
)
def test_private_and_addressed(changes: dict[str, Any], private: bool, addressed: bool) -> None:
    found = _mention(trusted=False, **changes)
    assert (found.private, found.addressed) == (private, addressed)


def test_an_unnamed_author_is_nobody_else() -> None:
    assert _mention(author=None).author.native_id == "anonymous:n1"
    assert _mention(author={"name": "Ann"}).author.native_id == "anonymous:n1"
    assert _mention(author={"handle": "@ann"}).author.native_id == "@ann"
    verified = {"email": " Ann@Example.org ", "phone": "+49 (30) 123-456"}
    assert _mention(author={"native_id": "a", "verified": verified}).author.proofs == (
        Proof("email", "ann@example.org"),
        Proof("phone", "+4930123456"),
    )
    assert _mention(author={"native_id": "a", "email": "ann@example.org"}).author.proofs == ()


def _map(value: object) -> list[Any]:
    return channel("webhook").map(RawDelivery("d", jsons.dump(value)), ACCOUNT)


def test_a_delivery_of_every_kind_keeps_its_order() -> None:
    items = _map(
        [
            BASE,
            {"native_id": "n2", "deleted": True},
            {"type": "receipt", "native_id": "r", "status": "read", "at": BASE["published_at"]},
            [],
        ]
    )
    assert [type(item) for item in items] == [Mention, Deletion, Receipt, Unmappable]
    assert _map({"type": "receipt", "native_id": "r", "status": "seen", "at": BASE["published_at"]})[0].code == "status_unknown"
    assert _map({"type": "receipt", "native_id": "r", "status": "read"})[0].code == "at_invalid"
    assert _map({"deleted": True})[0].code == "native_id_missing"


def test_a_deep_or_foreign_body_costs_itself_alone() -> None:
    for body in (b"[" * 200_000, b'{"a":' * 2000 + b"1" + b"}" * 2000, b"\xff", b"", b'{"native_id": NaN}'):
        items = channel("webhook").map(RawDelivery("d", body), ACCOUNT)
        assert [item.raw for item in items if isinstance(item, Unmappable)] == [body]
    deep = b'[{"native_id":"a","text":' + b"[" * 500 + b"]" * 500 + b',"published_at":"2026-11-21T10:00:00Z"}]'
    (item,) = channel("webhook").map(RawDelivery("d", deep), ACCOUNT)
    assert isinstance(item, Unmappable) and item.native_id == "a"


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["2026-11-21T10:00:00Z", "message"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["native_id", "url", "email", "kind", "likes", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
_KEYS = st.sampled_from(
    [
        "native_id",
        "kind",
        "author",
        "title",
        "text",
        "published_at",
        "url",
        "reply_to",
        "thread",
        "country",
        "rating",
        "engagement",
        "media",
        "tags",
        "edited_at",
        "deleted",
        "type",
        "status",
        "at",
        "language",
        "sentiment",
        "emotions",
        "assessed",
        "intents",
        "categories",
        "offensive",
        "spam",
        "state",
        "media_type",
        "channel",
        "account",
        "visibility",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_KEYS, _VALUES, max_size=6), st.booleans(), st.booleans())
def test_nothing_makes_it_raise(changes: dict[str, Any], whole: bool, trusted: bool) -> None:
    entry = {**BASE, **changes} if whole else changes
    found = mention_from_json(entry, trusted=trusted, account_name="@acme")
    if isinstance(found, Mention):
        assert found.published_at.tzinfo is not None and found.native_id and found.author.native_id
        (found.native_id + found.text + (found.title or "") + "".join(found.tags) + (found.author.name or "")).encode("utf-8")
    else:
        assert found.code and isinstance(found.raw, bytes)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_a_mapping_raise(body: bytes) -> None:
    for name in ("webhook", "email"):
        from importlib import import_module

        mapping = import_module(f"cxm.channels.{name}.mapping")
        items = list(mapping.map_delivery(RawDelivery("d", body, {}, datetime(2026, 1, 1, tzinfo=UTC)), ACCOUNT))
        # Only an empty list says nothing.
        assert items or body.strip() == b"[]" or body.replace(b" ", b"") == b"[]"
