"""HTTP answers into the five errors, the same way for every channel."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from cxm.channels.contracts import AuthExpired, ConnectorError, Gone, RateLimited, Rejected, Response, Unavailable
from cxm.channels.kit import jsons, text

#: A ``Retry-After`` below or above is brought to these bounds (seconds): zero would hammer, a year would be for ever.
RETRY_AT_LEAST, RETRY_AT_MOST = 1.0, 86_400.0
_DETAIL_LIMIT = 500


def header(headers: Mapping[str, str], name: str) -> str | None:
    """The value of ``name``, whatever its case."""
    wanted = name.lower()
    return next((value for key, value in headers.items() if key.lower() == wanted), None)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by ``Retry-After`` (seconds or an HTTP date), within our bounds; None where absent or unreadable."""
    value = (header(headers, "retry-after") or "").strip()
    if not value:
        return None
    if value.isascii() and value.replace(".", "", 1).isdigit():
        seconds = float(value[:20])
    else:
        try:
            moment = parsedate_to_datetime(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = (moment - now).total_seconds()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return min(max(seconds, RETRY_AT_LEAST), RETRY_AT_MOST)


def body_of(response: Response) -> dict[str, Any]:
    """The JSON object in the answer, or an empty one."""
    try:
        value = jsons.load(response.content)
    except jsons.NotJson:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def detail_of(response: Response) -> str:
    """What the other side says went wrong, one line, or nothing."""
    body = body_of(response)
    for key in ("detail", "message", "error", "title"):
        value = body.get(key)
        if isinstance(value, str) and value.strip():
            return text.one_line(value, _DETAIL_LIMIT)
    return ""


def error_of(response: Response, now: datetime, *, effect: bool) -> ConnectorError | None:
    """The error an answer stands for, None for 2xx. ``effect``: the call would have changed something (not a mere read).

    401 and 403 -> AuthExpired; 404 and 410 -> Gone; 429 -> RateLimited; other 3xx and 4xx -> Rejected; 503 -> Unavailable, surely
    without effect; other 5xx -> Unavailable, with a possible effect where there could be one.
    """
    status = response.status_code
    detail = detail_of(response)
    if 200 <= status < 300:
        return None
    if status in (401, 403):
        return AuthExpired(detail or f"The platform refused our credentials ({status}).", "Connect the account again.")
    if status in (404, 410):
        return Gone(detail or f"It is no longer there ({status}).")
    if status == 429:
        return RateLimited(detail or "The platform asks us to slow down.", retry_after=retry_after(response.headers, now))
    if status == 503:
        return Unavailable(detail or "The platform is away (503).", retry_after=retry_after(response.headers, now))
    if status >= 500 or status < 200:
        return Unavailable(detail or f"The platform failed ({status}).", effect_possible=effect)
    return Rejected(detail or f"The platform refused it ({status}).")
