"""Too little memory is told like every engine that is away: a page one can read, and a time to come again."""

from __future__ import annotations

from typing import Any

import pytest

from cxm.love import api as love
from tests.houses import House, _own_store, house  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def test_a_request_that_finds_no_memory_is_refused_in_words(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*arguments: Any, **named: Any) -> Any:
        raise MemoryError

    browser = house.browser()
    monkeypatch.setattr(love, "counts", no_memory)
    answer = browser.get("/inbox")
    assert answer.status_code == 503 and int(answer["Retry-After"]) > 0
    assert "too little memory" in answer.content.decode() and "Traceback" not in answer.content.decode()
    spanish = browser.get("/inbox?lang=es").content.decode()
    assert "memoria" in spanish and "too little memory" not in spanish
    monkeypatch.undo()
    assert browser.get("/inbox").status_code == 200
