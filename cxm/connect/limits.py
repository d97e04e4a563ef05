"""How many calls a platform still allows: read from the headers of its answers, for every channel that speaks HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cxm.channels.contracts import Response
from cxm.connect.contracts import LimitLeft
from cxm.kernel.clock import format_instant, now, parse_instant
from cxm.platform import egress

#: Hosts remembered for one account.
_HOSTS = 3
#: A figure this large or larger in a reset header is a moment (seconds since 1970), else it is a wait in seconds.
_MOMENT = 1_000_000_000
_PARAMETER = re.compile(r"(?:^|[;,\s])(r|t|q|limit|remaining|reset)\s*=\s*(\d{1,12})")


class Watching:
    """The guarded HTTP client of one look; ``seen`` is what hosts said of our limits meanwhile."""

    def __init__(self, http: egress.GuardedHttp) -> None:
        self._http = http
        self.seen: dict[str, LimitLeft] = {}

    async def request(self, method: str, url: str, **more: Any) -> Response:
        """As the client's own."""
        answer = await self._http.request(method, url, **more)
        host = urlsplit(url).hostname or ""
        if (told := read(answer.headers, host, now())) is not None:
            self.seen[host] = told
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._http, name)


def read(headers: Mapping[str, str], host: str, moment: datetime) -> LimitLeft | None:
    """What an answer says of the limit: ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers) and the ``RateLimit-*``,
    ``X-RateLimit-*`` and ``X-Rate-Limit-*`` families that came before it. None where it says nothing that can be read."""
    told = {
        name.lower().replace("x-rate-limit", "ratelimit").replace("x-ratelimit", "ratelimit"): str(value) for name, value in headers.items()
    }
    one = dict(_PARAMETER.findall(told.get("ratelimit", "")))
    left = _number(told.get("ratelimit-remaining") or one.get("r") or one.get("remaining"))
    if left is None:
        return None
    policy = dict(_PARAMETER.findall(told.get("ratelimit-policy", "")))
    of = _number(told.get("ratelimit-limit") or one.get("limit") or policy.get("q"))
    reset = _number(told.get("ratelimit-reset") or one.get("t") or one.get("reset"))
    return LimitLeft(host, left, of, _moment(reset, moment))


def stored(seen: Mapping[str, LimitLeft]) -> list[dict[str, Any]]:
    """What an account's row keeps."""
    return [
        {"host": one.host[:253], "left": one.left, "of": one.of, "resets_at": format_instant(one.resets_at) if one.resets_at else None}
        for one in list(seen.values())[-_HOSTS:]
    ]


def left(rows: object) -> tuple[LimitLeft, ...]:
    """What a row kept, without what has been reset since."""
    if not isinstance(rows, list):
        return ()
    found = [LimitLeft(one["host"], one["left"], one["of"], parse_instant(one["resets_at"]) if one["resets_at"] else None) for one in rows]
    return tuple(one for one in found if one.resets_at is None or one.resets_at > now())


def _number(text: str | None) -> int | None:
    found = re.match(r"\s*(\d{1,12})", text or "")
    return int(found.group(1)) if found else None


def _moment(reset: int | None, moment: datetime) -> datetime | None:
    if reset is None:
        return None
    wait = reset - int(moment.timestamp()) if reset >= _MOMENT else reset
    return moment + timedelta(seconds=wait) if 0 <= wait <= 31 * 86_400 else None
