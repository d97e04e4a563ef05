"""What a channel's manifest says while an account is connected, in the member's language."""

from __future__ import annotations

import re
import tomllib
from html import unescape
from pathlib import Path

import pytest
from django.utils import translation

from cxm.channels import registry
from cxm.design import refusals
from tests.houses import House, _own_store, assert_safe, house  # noqa: F401 - fixtures
from tools import messages

pytestmark = pytest.mark.django_db
MANIFESTS = Path(registry.__file__).parent.glob("*/manifest.toml")


def test_every_manifest_speaks_the_readers_language_on_its_pages(house: House):
    browser = house.browser()
    english = {known.name: unescape(browser.get(f"/channels/new/{known.name}").content.decode()) for known in registry.channels()}
    browser.get("/home?lang=ar")
    wall = unescape(assert_safe(browser.get("/channels")))
    for path in sorted(MANIFESTS):
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
        page = unescape(assert_safe(browser.get(f"/channels/new/{path.parent.name}")))
        with translation.override("ar"):
            told = {text: refusals.told(text) for text in messages.texts_of(manifest) if len(text.split()) > 2}
        assert len(told) > 5 and all(re.search(r"[\u0600-\u06ff]", one) for one in told.values()), path
        assert sum(text in english[path.parent.name] for text in told) > 5, "the page shows them"
        assert not [text for text in told if text in page or text in wall]
        assert told[manifest["description"]] in wall and told[manifest["description"]] in page
        assert told[manifest["arrange"][0]["text"]] in page
