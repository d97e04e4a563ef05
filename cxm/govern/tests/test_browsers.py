"""Browsers by the names people know, and lines of the audit log in words."""

from __future__ import annotations

import pytest

from cxm.govern.browsers import browser_name

EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36 Edg/130.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (EDGE, "Edge on Windows"),
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0", "Firefox on Linux"),
        ("curl/8.9.1", "curl"),
        ("<script>alert(1)</script>" * 20, ("<script>alert(1)</script>" * 20)[:80]),
        ("", "unknown browser"),
    ],
)
def test_a_browser_has_the_name_people_know(agent: str, name: str) -> None:
    assert browser_name(agent) == name


def test_the_audit_log_names_members_and_says_what_became_of_an_intent(house) -> None:
    from cxm.govern import api as govern

    house.join("noor@marlow.example", "agent")
    begun = govern.intent(house.owner, "reply.send", "reply:0190-x")
    govern.outcome(begun, "sent")
    page = house.browser().get("/settings/audit").content.decode()
    assert page.count(">noor</bdi>") >= 2, "the member stands by name"
    assert ">begun</span>" in page and ">sent</span>" in page and "0190-x" in page
