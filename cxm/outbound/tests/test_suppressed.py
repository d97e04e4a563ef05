"""One address, however it is spelled: who is not written to as they write themselves is not written to as servers name them either."""

from __future__ import annotations

from uuid import uuid4

import pytest

from cxm.connect.models import Account
from cxm.kernel.clock import now
from cxm.outbound import copies, suppressed
from cxm.outbound.models import Intent

pytestmark = pytest.mark.django_db
SPELLINGS = ("Ann@Bücher.example", "ann@xn--bcher-kva.example")
TOLD = {"status": "complained", "reason": "complained", "detail": "Feedback-Type: abuse"}


@pytest.mark.parametrize("reported", SPELLINGS)
@pytest.mark.parametrize("asked", SPELLINGS)
def test_a_domain_in_its_own_script_and_in_ascii_is_one_address(reported: str, asked: str) -> None:
    organization = uuid4()
    mail, other = (
        Account.objects.add(organization, unit_id=uuid4(), channel=channel, name=channel, settings={}).id
        for channel in ("email", "webhook")
    )
    before = Intent(organization_id=organization, account_id=mail, to=reported, context={})
    suppressed.learn(before, suppressed.whose(before, TOLD), TOLD, now())
    why_not = {
        name: suppressed.why_not(Intent(organization_id=whose, account_id=account, to=to, context={}))
        for name, whose, account, to in (
            ("same", organization, mail, asked),
            ("another address", organization, mail, "ann@other.example"),
            ("another organization", uuid4(), mail, asked),
            ("a handle of another channel", organization, other, asked),
        )
    }
    assert [name for name, why in why_not.items() if why is not None] == ["same"]
    copied = Intent(organization_id=organization, account_id=mail, to="boss@other.example", context={"cc": [asked, "eve@other.example"]})
    copies.keep_back(copied)
    assert copies.context_of(copied)["cc"] == ["eve@other.example"]
