"""REST of opening hours."""

from __future__ import annotations

import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Status
from pydantic import BaseModel, Field

from cxm.govern import api as govern
from cxm.love import api as love
from cxm.love.contracts import HoursView
from cxm.love.services.hours import TIMES, WEEKDAYS, written

router = govern.router(tags=["hours"])


class Holiday(govern.Body):
    """A day on which we are shut."""

    date: datetime.date
    name: str = ""


class Days(govern.Week):
    """Opening hours by weekday, each a list of spans such as ``09:00-17:00``; a day without any is shut."""


class HoursIn(govern.Body):
    """Hours of a unit; times of answers and ``resolution`` are minutes of open time."""

    zone: str
    days: Days
    holidays: list[Holiday] = Field(default_factory=list, max_length=1000)
    first_private: int = 60
    first_public: int = 120
    next_private: int = 60
    next_public: int = 120
    resolution: int = 1440


class HoursOut(BaseModel):
    """The hours ``unit`` keeps. ``set_on``: the unit they are set on, itself or one above; null where nobody set any: day and night."""

    unit: UUID
    set_on: UUID | None
    zone: str
    days: dict[str, list[str]]
    holidays: list[dict[str, str]]
    first_private: int
    first_public: int
    next_private: int
    next_public: int
    resolution: int


class HoursList(BaseModel):
    """All that were set."""

    items: list[HoursOut]
    next: str | None


@router.get("/hours", response=HoursList, summary="Opening hours that were set")
@govern.requires("conversations:read")
def list_hours(request: HttpRequest) -> Any:
    """In the order of the tree of units; a unit that is not among them keeps those of the nearest one above."""
    return {"items": [_json(view) for view in love.all_hours(govern.actor_of(request))], "next": None}


@router.get("/hours/{unit}", response=HoursOut, summary="Opening hours of a unit")
@govern.requires("conversations:read")
def get_hours(request: HttpRequest, unit: UUID) -> Any:
    """Its own, or those of a unit above."""
    return _json(love.hours(govern.actor_of(request), unit))


@router.put("/hours/{unit}", response=HoursOut, summary="Set opening hours")
@govern.requires("desk:write")
def set_hours(request: HttpRequest, unit: UUID, body: HoursIn) -> Any:
    """In place of what was set. Clocks that run already stay as they are."""
    holidays = [{"date": one.date.isoformat(), "name": one.name} for one in body.holidays]
    days, times = body.days.model_dump(), {name: getattr(body, name) for name in TIMES}
    return _json(love.save_hours(govern.actor_of(request), unit, zone=body.zone, days=days, holidays=holidays, times=times))


@router.delete("/hours/{unit}", response={204: None}, summary="Keep the hours of the unit above")
@govern.requires("desk:write")
def remove_hours(request: HttpRequest, unit: UUID) -> Any:
    """404 where the unit has none of its own."""
    love.remove_hours(govern.actor_of(request), unit)
    return Status(204, None)


def _json(view: HoursView) -> dict[str, Any]:
    return {
        "unit": view.unit,
        "set_on": view.set_on,
        "zone": view.zone,
        "days": {name: [written(span) for span in spans] for name, spans in zip(WEEKDAYS, view.days, strict=True)},
        "holidays": [{"date": day.isoformat(), "name": name} for day, name in view.holidays],
        **{name: getattr(view, name) for name in TIMES},
    }
