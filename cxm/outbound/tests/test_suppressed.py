"""One address, however it is spelled: who is not written to as they write themselves is not written to as servers name them either."""

from __future__ import annotations

from uuid import uuid4

import pytest

from cxm.kernel.clock import now
from cxm.outbound import suppressed
from cxm.outbound.models import Intent

pytestmark = pytest.mark.django_db
SPELLINGS = ("Ann@Bücher.example", "ann@xn--bcher-kva.example")
TOLD = {"status": "complained", "reason": "complained", "detail": "Feedback-Type: abuse"}


@pytest.mark.parametrize("reported", SPELLINGS)
@pytest.mark.parametrize("asked", SPELLINGS)
def test_a_domain_in_its_own_script_and_in_ascii_is_one_address(reported: str, asked: str) -> None:
    organization = uuid4()
    before = Intent(organization_id=organization, to=reported, context={})
    suppressed.learn(before, suppressed.whose(before, TOLD), TOLD, now())
    assert suppressed.why_not(Intent(organization_id=organization, to=asked, context={})) is not None
    assert suppressed.why_not(Intent(organization_id=organization, to="ann@other.example", context={})) is None
    assert suppressed.why_not(Intent(organization_id=uuid4(), to=asked, context={})) is None
    copied = Intent(organization_id=organization, to="boss@other.example", context={"cc": [asked, "eve@other.example"]})
    assert suppressed.without(copied)["cc"] == ["eve@other.example"]
