"""The generic channel, both ways: signed deliveries in, signed calls out, under one secret."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from cxm.channels import contracts
from cxm.channels.contracts import (
    AuthExpired,
    NotAuthentic,
    Outgoing,
    RateLimited,
    Rejected,
    Response,
    Sent,
    Session,
    TestStep,
    Unavailable,
)
from cxm.channels.kit import answers, jsons, webhooks
from cxm.channels.kit.mention_fields import ID_LIMIT
from cxm.channels.kit.text import storable
from cxm.kernel.said import said

#: Seconds the other side has to answer.
TIMEOUT = 10.0


class Receive:
    """Deliveries are authentic by the Standard Webhooks scheme."""

    def verify(self, headers: Mapping[str, str], body: bytes, secret: str | None, now: datetime) -> str:
        """The ``webhook-id``; raises :class:`NotAuthentic`."""
        return webhooks.verify(headers, body, secret, now)


class Reply:
    """One signed POST for one intent; what its answer means is written in the public interfaces."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent:
        """The native id the other side gave. Raises the five errors; unknown outcomes as ``effect_possible``."""
        body = jsons.dump(_body(outgoing))
        headers = {"content-type": "application/json", **_signed(session, outgoing.id, body)}
        response = await session.http.request("POST", _reply_url(session), headers=headers, content=body, timeout=TIMEOUT)
        return _sent(response, session.now)


class Publish(Reply):
    """A post goes the way of a reply, with ``type: post``."""


class Edit(Reply):
    """``type: edit``; ``in_reply_to`` names what is edited."""


class Delete(Reply):
    """``type: delete``; ``in_reply_to`` names what is deleted."""


class Hide(Reply):
    """``type: hide``; ``in_reply_to`` names what is hidden."""


class ReadBack:
    """Asks the reply address what became of an intent."""

    async def read_back(self, session: Session, outgoing: Outgoing) -> Sent | None:
        """Sent, or None where the other side answers 404. Anything else leaves it unknown: Unavailable or RateLimited."""
        return await _ask(session, outgoing.id)


class Test:
    """Looks at the settings, and asks the reply address about an intent that never was."""

    __test__ = False

    async def test(self, session: Session) -> list[TestStep]:
        """Secret, reply address, read-back; nothing is sent that could have an effect."""
        steps = [_test_secret(session)]
        if not steps[-1].ok or not session.account.settings.get("reply_url"):
            return steps
        if not session.account.settings.get("reads_back"):
            return [
                *steps,
                TestStep(said("Reply address"), True, "It is set. It is not called by a test, since that could look like an answer."),
            ]
        try:
            found = await _ask(session, session.account.id)
        except contracts.ConnectorError as error:
            return [*steps, TestStep(said("Read back"), False, f"{error.text} {error.mend}".strip())]
        if found is not None:
            return [*steps, TestStep(said("Read back"), False, "It claims to know an id we never sent: answer 404 for unknown ids.")]
        return [*steps, TestStep(said("Read back"), True, "The reply address answers signed questions.")]


def _test_secret(session: Session) -> TestStep:
    try:
        _signed(session, session.account.id, b"")
    except AuthExpired as error:
        return TestStep(said("Secret"), False, f"{error.text} {error.mend}")
    return TestStep(said("Secret"), True, "The signing secret is usable.")


def _reply_url(session: Session) -> str:
    url = session.account.settings.get("reply_url")
    if not isinstance(url, str) or not url:
        raise Rejected("This account has no reply address.", "Set reply_url in the account's settings.")
    return url


def _signed(session: Session, message_id: UUID, body: bytes) -> dict[str, str]:
    try:
        return webhooks.sign(str(message_id), body, session.credentials.get("secret"), session.now)
    except NotAuthentic as error:
        raise AuthExpired("This account has no usable signing secret.", "Remove the account and add it again for a fresh one.") from error


def _body(outgoing: Outgoing) -> dict[str, Any]:
    media: list[dict[str, Any]] = []
    for entry in outgoing.media:
        one: dict[str, Any] = {"kind": entry.kind, "url": entry.url, "alt": entry.alt}
        if entry.content is not None:
            one |= {"name": entry.name, "content_type": entry.content_type, "content": base64.b64encode(entry.content).decode()}
        media.append(one)
    return {
        "type": outgoing.kind,
        "id": str(outgoing.id),
        "in_reply_to": outgoing.in_reply_to,
        "thread": outgoing.thread,
        "text": outgoing.text,
        "media": media,
    }


def _native_id(response: Response) -> str | None:
    value = answers.body_of(response).get("native_id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= ID_LIMIT or not value.strip():
        return None
    return storable(value)


def _sent(response: Response, now: datetime) -> Sent:
    status = response.status_code
    native_id = _native_id(response)
    if native_id is not None and (200 <= status < 300 or status == 409):
        return Sent(native_id)
    detail = answers.detail_of(response)
    if 200 <= status < 300:
        raise Unavailable(f"The reply address answered {status} without a native_id.", "See there whether it was done.", True)
    if status == 409 and not detail:
        raise Unavailable("The reply address says it was done before, but not as what.", "See there whether it was done.", True)
    if status == 429:
        raise RateLimited(detail or "The reply address asks us to slow down.", retry_after=answers.retry_after(response.headers, now))
    if status == 503:
        wait = answers.retry_after(response.headers, now)
        raise Unavailable(detail or "The reply address is away (503).", retry_after=wait)
    if 300 <= status < 400:
        raise Rejected(f"The reply address redirects ({status}), which is not followed.", "Set reply_url to where it leads.")
    if 400 <= status < 500:
        raise Rejected(detail or f"The reply address refused it ({status}).", "Mend what it says, then answer again.")
    raise Unavailable(detail or f"The reply address failed ({status}).", "See there whether it was done.", True)


async def _ask(session: Session, intent: UUID) -> Sent | None:
    url = _with_id(_reply_url(session), intent)
    response = await session.http.request("GET", url, headers=_signed(session, intent, b""), timeout=TIMEOUT)
    status = response.status_code
    if status == 404:
        return None
    native_id = _native_id(response)
    if status == 200 and native_id is not None:
        return Sent(native_id)
    wait = answers.retry_after(response.headers, session.now)
    if status == 429:
        raise RateLimited("The reply address asks us to slow down.", retry_after=wait)
    # A refusal to answer is no answer: the intent stays unknown.
    raise Unavailable(f"The reply address does not say what became of it ({status}).", "See there whether it was done.", True, wait)


def _with_id(url: str, intent: UUID) -> str:
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "id"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("id", str(intent))]), fragment=""))
