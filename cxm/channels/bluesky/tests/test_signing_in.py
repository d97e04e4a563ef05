"""Sessions: renewed once for all, and what is wrong with them said with its mend."""

from __future__ import annotations

import asyncio

import pytest

from cxm.channels.bluesky import server as servers
from cxm.channels.bluesky.connector import Test
from cxm.channels.bluesky.tests.desk import PUT, SEARCH, Desk
from cxm.channels.bluesky.tests.provider import START, Network, refusal
from cxm.channels.contracts import (
    AuthExpired,
    ConnectorError,
    RateLimited,
    Rejected,
    Unavailable,
)
from cxm.channels.testing.web import Answer


def test_an_expired_session_is_renewed_once_for_all_who_wait(network: Network):
    desk = Desk(network)
    desk.look()
    assert (network.signed_in, network.renewed) == (1, 0)
    network.expire()

    async def many() -> None:
        session = desk.session()
        await asyncio.gather(*(servers.Server(session).get("app.bsky.feed.getPosts", {"uris": ["x"]}) for _ in range(10)))

    asyncio.run(many())
    assert (network.signed_in, network.renewed) == (1, 1)
    network.tokens.clear()
    asyncio.run(many())
    assert (network.signed_in, network.renewed) == (2, 2)


def test_a_password_taken_back_is_said_and_not_tried_again_and_again(network: Network):
    desk = Desk(network)
    desk.look()
    network.tokens.clear()
    network.password = "another"
    with pytest.raises(AuthExpired, match=r"acme\.example"):
        desk.once()
    assert network.signed_in == 2


@pytest.mark.parametrize(
    ("told", "error", "says"),
    [
        (refusal(401, "AuthFactorTokenRequired", "A code was sent"), AuthExpired, "app password"),
        (refusal(401, "AccountTakedown", "Account has been taken down"), AuthExpired, "taken this account down"),
        (refusal(429, "RateLimitExceeded", "", **{"ratelimit-reset": str(int(START.timestamp()) + 90)}), RateLimited, "slow down"),
        (refusal(404, "XRPCNotSupported", ""), Rejected, "server's address"),
        (Answer(404, b"<html>"), Unavailable, "server's address"),
        (Answer(200, b"<html>Welcome</html>"), Unavailable, "not as one of the AT Protocol"),
        (Answer(200, b'{"did": "did:plc:x", "active": false, "status": "suspended"}'), AuthExpired, "suspended"),
        (Answer(503), Unavailable, "away"),
    ],
)
def test_what_can_be_wrong_with_signing_in_is_said_with_its_mend(network: Network, told: Answer, error: type[ConnectorError], says: str):
    network.fail("com.atproto.server.createSession", told)
    with pytest.raises(error) as raised:
        Desk(network).once()
    assert says in f"{raised.value.text} {raised.value.mend}"
    if isinstance(raised.value, RateLimited):
        assert raised.value.retry_after == 90


def test_the_button_says_which_step_fails(network: Network):
    desk = Desk(network, "cups")
    assert [one.ok for one in asyncio.run(Test().test(desk.session()))] == [True, True, True, True]
    network.fail(SEARCH, refusal(502, "UpstreamFailure", "No search here"))
    steps = asyncio.run(Test().test(desk.session()))
    assert [one.ok for one in steps] == [True, True, True, False] and "No search here" in steps[-1].text
    network.fail("com.atproto.server.describeServer", Answer(200, b"<html>"))
    assert [(one.name, one.ok) for one in asyncio.run(Test().test(desk.session()))] == [("Find the server", False)]
    servers.forget()
    network.password = "another"
    assert [one.ok for one in asyncio.run(Test().test(desk.session()))] == [True, False]
    assert not network.calls(PUT)


def test_another_view_of_the_network_is_asked_where_one_is_set(network: Network):
    Desk(network, appview="did:web:view.example#bsky_appview").look()
    assert {proxy for (name, _, _), proxy in zip(network.asked, network.proxies, strict=True) if name.startswith("app.bsky.")} == {
        "did:web:view.example#bsky_appview"
    }
    assert {proxy for (name, _, _), proxy in zip(network.asked, network.proxies, strict=True) if name.startswith("com.atproto.")} == {""}
