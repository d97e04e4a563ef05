"""Files of mentions: each chunk is read and judged while the one before is written; what breaks one line costs its neighbours nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from cxm.connect import api as connect
from cxm.connect import imports
from cxm.connect.contracts import ImportReport
from cxm.connect.models import Quarantined
from cxm.listen import enrich
from cxm.listen.models import Record
from tests.houses import House, _own_store, house, line  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "CHUNK", 5)


def lines(first: int, last: int, **more: Any) -> list[bytes]:
    return [orjson.dumps(line(f"i{number}", f"I like order number {number} very much", **more)) for number in range(first, last)]


def test_what_breaks_the_model_is_quarantined_with_its_bytes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = enrich.understanding.assess

    def breaking(texts: Sequence[str], hints: Any) -> Any:
        if any("poison" in text for text in texts):
            raise ValueError("a text that nobody foresaw")
        return sound(texts, hints)

    monkeypatch.setattr(enrich.understanding, "assess", breaking)
    poison = orjson.dumps(line("bad", "poison"))
    report = connect.import_lines(house.organization, [*lines(0, 7), poison, *lines(7, 9)])
    assert (report.read, report.accepted, report.quarantined) == (10, 9, 1)
    assert [(fault.line, fault.code) for fault in report.lines] == [(8, "accept_failed")]
    (kept,) = Quarantined.objects.for_organization(house.organization)
    assert bytes(kept.raw) == poison
    assert set(Record.objects.filter(organization_id=house.organization).values_list("language", flat=True)) == {"en"}


def test_chunks_stay_in_order_and_are_judged_beside(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    where: set[str] = set()
    sound = enrich.understanding.assess

    def noting(texts: Sequence[str], hints: Any) -> Any:
        where.update(threading.current_thread().name for text in texts if text)
        return sound(texts, hints)

    monkeypatch.setattr(enrich.understanding, "assess", noting)
    edited = orjson.dumps(line("i1", "I do not like it any more", edited_at="2030-01-01T00:00:00Z"))
    seen: list[int] = []
    report = connect.import_lines(
        house.organization, [*lines(0, 12), edited, *lines(10, 14)], progress=lambda so_far: seen.append(so_far.read)
    )
    assert seen == [5, 10, 15, 17]
    assert (report.accepted, report.duplicate) == (15, 2)  # an edit is accepted: twelve, the edit, and two of the last four
    assert all(name.startswith("import-ahead") for name in where) and where
    record = Record.objects.get(organization_id=house.organization, native_id="i1")
    assert record.version == 2


def test_after_an_interruption_the_same_file_goes_on(house: House) -> None:
    def break_off(so_far: ImportReport) -> None:
        if so_far.read == 10:
            raise KeyboardInterrupt

    file = lines(0, 22)
    with pytest.raises(KeyboardInterrupt):
        connect.import_lines(house.organization, file, progress=break_off)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("import-ahead")]
    report = connect.import_lines(house.organization, file)
    assert (report.accepted, report.duplicate) == (12, 10)
    assert Record.objects.filter(organization_id=house.organization).count() == 22
