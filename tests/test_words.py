"""The catalogues are true: every message is translated in every language, nothing is left over, every place and tag is the original's."""

from __future__ import annotations

import re
from functools import cache

import pytest
from babel.messages.catalog import Catalog
from django.conf import settings

from tools import messages

_TAG = re.compile(r"</?[a-z]+[^>]*>")


@cache
def template() -> Catalog:
    """What stands in the code; read once."""
    return messages.gathered()


def _ids(message_id: str | list[str] | tuple[str, ...]) -> list[str]:
    return [message_id] if isinstance(message_id, str) else list(message_id)


def test_words_are_gathered_from_templates_and_python() -> None:
    assert template().get("Home") and template().get("Waiting for us")
    assert len(template()) > 500


def test_every_language_offered_has_a_catalogue() -> None:
    offered = {code.replace("-hans", "_Hans") for code, _ in settings.LANGUAGES} - {"en"}
    assert offered == set(messages.LANGUAGES)


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_catalogue_is_whole(language: str) -> None:
    faults = messages.faults(language, template())
    assert not faults, "Run “python tools/messages.py”, then translate (docs/handbook/words.md):\n" + "\n".join(faults)


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_markup_is_that_of_the_original(language: str) -> None:
    for message in messages.catalogue_of(language):
        tags = sorted(_TAG.findall(_ids(message.id)[-1])) if message.id else []
        for text in _ids(message.string or ""):
            assert not text or not message.id or sorted(_TAG.findall(text)) == tags, f"{message.id!r}: {text!r}"


def test_a_broken_catalogue_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, broken = Catalog(locale="es"), Catalog(locale="es")
    for one in ("Hello, %(name)s", "Home", "Inbox"):
        wanted.add(one)
    broken.add("Hello, %(name)s", "Hola, %(nombre)s")
    broken.add("Home", "Inicio")
    broken.add("Former", "Antiguo")
    monkeypatch.setattr(messages, "catalogue_of", lambda language: broken)
    found = "\n".join(messages.faults("es", wanted))
    assert all(word in found for word in ("not translated: 'Inbox'", "left over: 'Former'", "other places")) and "'Home'" not in found
