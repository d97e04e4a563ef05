"""The same request twice: one effect, one answer, also in parallel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from cxm.govern import api
from cxm.kernel.clock import shifted_by
from cxm.platform import idempotency
from cxm.platform.models import IdempotencyKey

pytestmark = pytest.mark.urls("cxm.govern.tests.urls")


def names(house: Any) -> list[str]:
    return sorted(one["name"] for one in house.call("GET", "/units").json()["items"])


@pytest.mark.django_db
def test_the_answer_is_replayed_and_another_body_refused(house):
    key = {"Idempotency-Key": "unit-1"}
    first = house.call("POST", "/units", {"name": "Germany"}, **key)
    again = house.call("POST", "/units", {"name": "Germany"}, **key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    other = house.call("POST", "/units", {"name": "Spain"}, **key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    elsewhere = house.call("POST", "/tokens", {"name": "Germany"}, **key)
    assert elsewhere.json()["code"] == "idempotency_key_reused"
    assert names(house) == ["Germany", "Marlow Coffee"]


@pytest.mark.django_db
def test_a_secret_is_given_the_first_time_only(house):
    first = house.call("POST", "/tokens", {"name": "t"}, **{"Idempotency-Key": "t"})
    again = house.call("POST", "/tokens", {"name": "t"}, **{"Idempotency-Key": "t"})
    assert first.json()["token"].startswith("cxm_")
    assert again.json() == {**first.json(), "token": None}
    assert first.json()["token"] not in IdempotencyKey.objects.get().body
    invited = house.call("POST", "/members", {"email": "a@marlow.example", "role": "agent"}, **{"Idempotency-Key": "m"}).json()
    replayed = house.call("POST", "/members", {"email": "a@marlow.example", "role": "agent"}, **{"Idempotency-Key": "m"}).json()
    assert "/accept-invitation/" in invited["link"]
    assert replayed == {**invited, "link": None}


@pytest.mark.django_db
def test_keys_are_each_callers_own_and_end_after_a_day(house, other):
    key = {"Idempotency-Key": "same"}
    _, second = api.create_token(house.owner, "second")
    assert house.call("POST", "/units", {"name": "A"}, **key).status_code == 201
    assert house.call("POST", "/units", {"name": "B"}, secret=second, **key).status_code == 201
    assert other.call("POST", "/units", {"name": "C"}, **key).status_code == 201
    with shifted_by(timedelta(hours=23, minutes=59)):
        assert house.call("POST", "/units", {"name": "A"}, **key)["Idempotency-Replayed"] == "true"
        assert idempotency.forget_old() == 0
    with shifted_by(timedelta(hours=24, seconds=1)):
        assert house.call("POST", "/units", {"name": "D"}, **key).status_code == 201
        assert idempotency.forget_old() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["x" * 256, "bad\tkey", "schl\u00fcssel"])
def test_a_key_that_is_none_is_refused(house, key):
    answer = house.call("POST", "/units", {"name": "A"}, **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_invalid")
    assert names(house) == ["Marlow Coffee"]


@pytest.mark.django_db
def test_a_refusal_is_not_remembered(house):
    key = {"Idempotency-Key": "k"}
    assert house.call("POST", "/units", {"name": ""}, **key).status_code == 422
    assert house.call("POST", "/units", {"name": "Mended"}, **key).status_code == 201


def in_parallel(count: int, act: Callable[[], Any]) -> list[Any]:
    """What ``count`` threads, let go at once, each got."""
    start, answers = threading.Barrier(count), []

    def run() -> None:
        try:
            start.wait()
            answers.append(act())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_have_one_effect(house):
    answers = in_parallel(8, lambda: house.call("POST", "/units", {"name": "Once"}, **{"Idempotency-Key": "race"}))
    assert sorted({answer.status_code for answer in answers}) in ([201], [201, 409])
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "idempotency_running"
            assert int(answer["Retry-After"]) >= 1
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert len([answer for answer in answers if answer.status_code == 201 and "Idempotency-Replayed" not in answer]) == 1
    assert names(house) == ["Marlow Coffee", "Once"]


@pytest.mark.django_db(transaction=True)
def test_while_the_first_runs_the_second_is_told_so(house, monkeypatch):
    from cxm.govern.services import organizations

    entered, go_on = threading.Event(), threading.Event()
    inner = organizations.create_unit

    def slow(*arguments: Any) -> Any:
        entered.set()
        assert go_on.wait(20)
        return inner(*arguments)

    monkeypatch.setattr(organizations, "create_unit", slow)
    key = {"Idempotency-Key": "slow"}
    first: list[Any] = []

    def run() -> None:
        first.append(house.call("POST", "/units", {"name": "Slow"}, **key))
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert entered.wait(20)
    second = house.call("POST", "/units", {"name": "Slow"}, **key)
    go_on.set()
    thread.join()
    assert (second.status_code, second.json()["code"], second["Retry-After"]) == (409, "idempotency_running", "1")
    assert first[0].status_code == 201
    assert house.call("POST", "/units", {"name": "Slow"}, **key).json() == first[0].json()


@pytest.mark.django_db(transaction=True)
def test_a_fault_after_the_effect_leaves_neither_effect_nor_answer(house, monkeypatch):
    from cxm.govern import rest

    inner = rest.unit_json

    def broken(unit: Any) -> Any:
        raise RuntimeError("the power went")

    monkeypatch.setattr(rest, "unit_json", broken)
    key = {"Idempotency-Key": "crash"}
    assert house.call("POST", "/units", {"name": "Half"}, **key).status_code == 500
    monkeypatch.setattr(rest, "unit_json", inner)
    assert names(house) == ["Marlow Coffee"]
    answer = house.call("POST", "/units", {"name": "Half"}, **key)
    assert (answer.status_code, "Idempotency-Replayed" in answer) == (201, False)
    assert UUID(answer.json()["id"])
