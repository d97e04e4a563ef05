"""What a mail may claim, and what is believed of it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from cxm.channels.contracts import AccountView, Mention, RawDelivery
from cxm.channels.email.mapping import map_delivery

CARE = "care@acme.example"


def heard(headers: str, authserv_id: str = "") -> Mention:
    """The mention that a mail with ``headers`` becomes."""
    account = AccountView(UUID(int=1), "email", CARE, {"address": CARE, "authserv_id": authserv_id})
    body = f"{headers}\r\nTo: {CARE}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x.example>\r\n\r\nIt is settled.\r\n"
    (item,) = map_delivery(RawDelivery("7:1", body.encode(), {}, datetime(2026, 11, 22, tzinfo=UTC)), account)
    assert isinstance(item, Mention)
    return item


@pytest.mark.parametrize("authserv_id", ["", "mx.acme.example"])
@pytest.mark.parametrize("sender", [CARE, f"Care <{CARE.upper()}>", f'"ann@customer.example" <{CARE}>'])
def test_our_own_address_is_believed_only_where_it_is_proven(sender: str, authserv_id: str) -> None:
    item = heard(f"From: {sender}", authserv_id)
    assert (item.media_type, item.automatic, item.context["automatic_because"]) == ("earned", True, "own_address_unproven")
    assert (item.author.proofs, item.context["to"]) == ((), None)


def test_our_own_address_proven_is_ours() -> None:
    proof = "Authentication-Results: mx.acme.example; dmarc=pass header.from=acme.example\r\n"
    item = heard(f"{proof}From: {CARE}", "mx.acme.example")
    assert (item.media_type, item.automatic) == ("owned", False)
    assert heard(f"{proof}From: {CARE}").media_type == "earned", "without a server of ours that says so, the header is a stranger's"


def test_nobody_is_proven_by_a_name() -> None:
    item = heard("From: Ines of Acme <ines@acme.example>")
    assert (item.media_type, item.author.native_id, item.author.proofs) == ("earned", "ines@acme.example", ())


MACHINES = [
    "Automatic reply: Refund", "Out of office", "Auto-Reply: x", "Automatische Antwort: x", "Abwesenheitsnotiz", "Réponse automatique : x", "Respuesta automática: x", "Fuera de la oficina: x", "Resposta automática: x",
    "Risposta automatica: x", "Automatisch antwoord: x", "Automatiskt svar: x", "Autosvar: x", "Odpowiedź automatyczna: x", "Otomatik yanıt: x", "Автоматический ответ: x", "رد تلقائي: x", "תשובה אוטומטית: x",
    "स्वचालित उत्तर: x", "ตอบกลับอัตโนมัติ: x", "自動応答: x", "자동 회신: x", "自动回复: x", "自動回覆: x",
]  # fmt: skip
PEOPLE = [
    "Re: Automatic reply: Refund", "Out of office chairs?", "Automatic reply is broken", "Fuera de la oficina nadie contesta", "Fuori sede: dove siete?", "Abwesenheit meines Fahrers", "Автоматический ответ не приходит",
    "自动回复太慢了", "Frånvaro: vem hjälper mig?",
]  # fmt: skip


def test_a_subject_alone_tells_a_machine_only_where_it_is_a_machines() -> None:
    assert [subject for subject in MACHINES if not heard(f"From: Ann <ann@customer.example>\r\nSubject: {subject}").automatic] == []
    assert [subject for subject in PEOPLE if heard(f"From: Ann <ann@customer.example>\r\nSubject: {subject}").automatic] == []
