"""Topics at a glance: what each found lately, for lists of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from cxm.design import charts
from cxm.kernel.actor import Actor
from cxm.kernel.clock import minute_after, now
from cxm.kernel.errors import CxmError
from cxm.listen import asking, selectors, topics
from cxm.listen.asking import Asked
from cxm.listen.models import Topic
from cxm.listen.store.port import By

_WEEK = timedelta(days=7)


def topic_glances(actor: Actor, *, limit: int) -> list[dict[str, Any]]:
    """The newest ``limit`` topics, each as :func:`glance` tells."""
    return [glance(actor, row) for row in topics.topics(actor.organization, limit=limit).items]


def glance(actor: Actor, row: Topic) -> dict[str, Any]:
    """A topic with what it found in seven days, in the seven before, and day by day; ``broken`` where it cannot be asked any more."""
    query = asking.written("topic", row.name)
    end = minute_after(now())
    entry: dict[str, Any] = {"topic": row, "url": Asked(query, "now-7d").address(), "all_url": Asked(query).address(), "broken": ""}
    try:
        counted = selectors.aggregate(
            actor,
            query,
            [By("published_at", interval="day")],
            after=end - 2 * _WEEK,
            before=end,
            time_zone=timezone.get_current_timezone_name(),
        )
        week = selectors.aggregate(actor, query, [], after=end - _WEEK, before=end).count
    except CxmError as error:
        return {**entry, "broken": error.text}
    before = counted.count - week
    values = [day["count"] for day in counted.by[0]] if counted.by else []
    return {**entry, "week": week, "before": before, "change": _change(week, before), "values": values}


def _change(week: int, before: int) -> str:
    """The difference in words; shares of small numbers say nothing, so they are not shown."""
    if week == before:
        return _("as many as the week before")
    if before >= 20:
        return _("{share} against the week before").format(share=charts.percent((week - before) / before, 0, signed=True))
    return _("{n} the week before").format(n=before)
