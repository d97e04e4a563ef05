"""When something was said and how far it went, for the lines that do not say it themselves: by weekday, hour, place and reach.

Everything follows from the story's own id and its author, so that it is the same each time it is asked.
"""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cxm.demo.lines import Window
from cxm.demo.telling import Said

#: How much is said on each day of the week, Monday first, and in each hour of the day where people are: a morning, an evening.
WEEK = (0.88, 0.80, 0.82, 0.86, 0.94, 1.0, 0.78)
_DAY = (2, 1, 0, 0, 0, 2, 8, 20, 26, 22, 18, 17, 19, 18, 15, 15, 16, 18, 19, 20, 21, 17, 10, 5)
_OFFICE = (0, 0, 0, 0, 0, 1, 4, 12, 22, 26, 25, 21, 16, 18, 20, 18, 16, 12, 9, 9, 8, 6, 3, 1)
_ZONES = {
    "DE": "Europe/Berlin", "ES": "Europe/Madrid", "FR": "Europe/Paris", "PT": "Europe/Lisbon", "GB": "Europe/London", "IE": "Europe/Dublin",
    "SA": "Asia/Riyadh", "JP": "Asia/Tokyo", "TH": "Asia/Bangkok", "KR": "Asia/Seoul", "IN": "Asia/Kolkata", "BR": "America/Sao_Paulo",
    "MX": "America/Mexico_City", "US": "America/New_York", "CN": "Asia/Shanghai", "TW": "Asia/Taipei", "EG": "Africa/Cairo", "AE": "Asia/Dubai",
}  # fmt: skip
#: How many of its followers like a post, and how many people look at it who do not follow.
_LIKED = {
    "instagram": 0.05,
    "tiktok": 0.09,
    "youtube": 0.04,
    "xiaohongshu": 0.08,
    "reddit": 0.03,
    "bluesky": 0.03,
    "x": 0.012,
    "social": 0.015,
}
_FOLLOWED = frozenset(_LIKED) - {"reddit"}
_JUDGED = frozenset(("app", "stores", "leipzig", "valencia", "google_reviews", "app_store"))
_LATEST = timedelta(minutes=9)
_moments: dict[tuple[str, datetime], datetime] = {}


def moment(said: Said, start: datetime) -> datetime:
    """When it was said, if the first start was at ``start``; always before it."""
    if said.before is not None:
        return start - said.before
    key = (said.native_id, start)
    if key not in _moments:
        _moments[key] = _drawn(said, said.window or Window(1, 0), start)
    return _moments[key]


def followers(said: Said) -> int | None:
    """How many follow the author; None where nobody can."""
    if said.followers is not None or said.where not in _FOLLOWED:
        return said.followers
    chance = random.Random(f"followers {said.author}")  # noqa: S311 - spreads numbers
    return int(math.exp(chance.gauss(5.4, 1.3))) + 3


def engagement(said: Said) -> dict[str, int]:
    """Likes, shares, views; zeros where the platform counts none."""
    chance = random.Random(f"likes {said.native_id}")  # noqa: S311 - spreads numbers
    answers = sum(1 for turn in said.turns if not turn.ours)
    if said.likes or said.where not in _LIKED:
        judged = int(chance.expovariate(0.9)) if said.where in _JUDGED else 0
        return {"likes": said.likes or judged, "shares": said.likes // 14, "comments": 0, "views": 0}
    reach = (followers(said) or int(math.exp(chance.gauss(6.6, 1.2)))) ** 0.9
    likes = int(reach * _LIKED[said.where] * math.exp(chance.gauss(0.3, 0.8)) + chance.random() * 3)
    views = int(reach * chance.uniform(0.6, 4)) + likes * 9 if said.where in ("tiktok", "youtube", "x") else 0
    return {
        "likes": likes,
        "shares": int(likes * chance.uniform(0.0, 0.14)),
        "comments": answers + int(likes * chance.uniform(0, 0.05)),
        "views": views,
    }


def _drawn(said: Said, window: Window, start: datetime) -> datetime:
    chance = random.Random(f"moment {said.native_id}")  # noqa: S311 - spreads talk over time
    zone = ZoneInfo(_ZONES.get(said.country or "", "Europe/Berlin"))
    hours = _OFFICE if said.where == "care" else _DAY
    latest = start - _LATEST - sum((turn.after for turn in said.turns), timedelta())
    if window.oldest < 1.5:  # too short for the days' and hours' habits
        return min(start - timedelta(days=chance.uniform(window.newest, window.oldest)), latest)
    for _ in range(40):
        days = (
            chance.uniform(window.newest, window.oldest)
            if window.peak is None
            else chance.triangular(window.newest, window.oldest, window.peak)
        )
        day = (start - timedelta(days=days)).astimezone(zone)
        if chance.random() > WEEK[day.weekday()]:
            continue
        hour, minute, second = chance.choices(range(24), hours)[0], chance.randrange(60), chance.randrange(60)
        found = day.replace(hour=hour, minute=minute, second=second, microsecond=0).astimezone(start.tzinfo)
        if found <= min(latest, start - timedelta(days=max(0.0, window.newest - 1))):
            return found
    return min(start - timedelta(days=chance.uniform(window.newest, window.oldest)), latest)
