"""Refusals of the API in the caller's language: sentences for people change, what programs read does not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.test import Client

from cxm.govern import api as govern
from tests.houses import House, _own_store, house  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db

#: What refuses one field of each kind: missing, no text, no ID, too long; and what is wrong with no field at all.
ASKED: tuple[tuple[str, dict[str, Any] | None], ...] = (
    ("/api/v1/tokens", {}),
    ("/api/v1/units", {"name": 7}),
    ("/api/v1/units", {"name": "Halle", "parent": "nowhere"}),
    ("/api/v1/units", {"name": "x" * 500}),
    ("/api/v1/nothing-here", None),
)
LANGUAGES = ("es", "ar", "zh-hans")


def ask(token: str, language: str, path: str, body: dict[str, Any] | None) -> Any:
    """The answer to one call."""
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": language}
    client = Client()
    if body is None:
        return client.get(path, headers=headers)
    return client.post(path, orjson.dumps(body), content_type="application/json", headers=headers)


def for_programs(problem: dict[str, Any]) -> dict[str, Any]:
    """A problem document without its sentences."""
    fields = [one["path"] for one in problem.get("errors", ())]
    return {name: part for name, part in problem.items() if name not in ("title", "detail", "errors")} | {"fields": fields}


def sentences(problem: dict[str, Any]) -> list[str]:
    """Its sentences."""
    return [problem["title"], problem["detail"], *(one["text"] for one in problem.get("errors", ()))]


def test_refusals_speak_the_callers_language_and_keep_their_codes(house: House) -> None:
    _, token = govern.create_token(house.owner, "pages")
    for path, body in ASKED:
        english = ask(token, "en", path, body)
        assert english.status_code in (404, 422) and english["Content-Language"] == "en", english.content
        assert "Accept-Language" in english["Vary"]
        told = sentences(english.json())
        assert all(one.isascii() or "“" in one for one in told)
        for language in LANGUAGES:
            other = ask(token, language, path, body)
            assert other.status_code == english.status_code and other["Content-Language"] == language
            assert for_programs(other.json()) == for_programs(english.json())
            for ours, theirs in zip(told, sentences(other.json()), strict=True):
                assert ours != theirs, (path, language, ours)
    # A language nobody translated here is answered in English, and says so.
    assert sentences(ask(token, "fi", *ASKED[0]).json()) == sentences(ask(token, "en", *ASKED[0]).json())
    assert ask(token, "fi", *ASKED[0])["Content-Language"] == "en"
