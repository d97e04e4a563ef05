"""Charts as geometry: views hand over figures, templates draw SVG, a table with the same figures stands behind each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from babel import Locale
from django.utils.formats import number_format
from django.utils.translation import get_language

#: The plot in its own units; it is stretched to the page, so x counts shares of the width and y pixels.
WIDTH, HEIGHT, TOP = 640, 168, 8
MOST_SERIES = 4
WIDEST_BAR = 56.0
#: As many times under the plot as fit on a phone.
MOST_MARKS = 5


@dataclass(frozen=True, slots=True)
class Series:
    """One thing counted over the same buckets: its name and a value for each bucket. ``tone`` is its colour, 1 to 4."""

    name: str
    values: Sequence[float]
    tone: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle, in SVG units as text (never localised)."""

    x: str
    y: str
    width: str
    height: str
    tone: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """One place on the time axis: its parts, what a reader hears, where it leads."""

    label: str
    parts: tuple[Part, ...]
    x: str
    width: str
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A line or a label on an axis."""

    at: str
    label: str


@dataclass(frozen=True, slots=True)
class Legend:
    """A series' name, tone and sum."""

    name: str
    tone: int
    total: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table behind."""

    label: str
    values: tuple[str, ...]
    total: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything ``<c-chart>`` draws."""

    form: str
    buckets: tuple[Bucket, ...]
    lines: tuple[tuple[int, str], ...]
    before: str
    grid: tuple[Tick, ...]
    marks: tuple[Tick, ...]
    legend: tuple[Legend, ...]
    rows: tuple[Row, ...]
    width: str = str(WIDTH)
    base: str = str(HEIGHT)


@dataclass(slots=True)
class _Scale:
    ceiling: float
    ticks: list[float] = field(default_factory=list)

    def y(self, value: float) -> float:
        return HEIGHT - value / self.ceiling * (HEIGHT - TOP)


def figure(value: float) -> str:
    """A number as the reader writes it, grouped; decimals only where there are any."""
    whole = float(value).is_integer()
    return number_format(int(value) if whole else value, None if whole else 1, use_l10n=True, force_grouping=True)


def percent(share: float, decimals: int = 1, *, signed: bool = False) -> str:
    """A share (1 is all of it) as the reader writes it: 36.5%, 36,5 %; ``signed`` says + too."""
    number = number_format(round(100 * abs(share), decimals), decimals, use_l10n=True, force_grouping=True)
    sign = ("-" if share < 0 else "+") if signed or share < 0 else ""
    pattern = Locale.parse(get_language() or "en", sep="-").percent_formats[None].pattern
    return sign + pattern.replace("#,##0", number)


def bars(labels: Sequence[str], series: Sequence[Series], *, before: Sequence[float] = (), urls: Sequence[str] = ()) -> Chart:
    """Stacked bars, first series at the top. ``labels`` name the buckets, ``before`` is the period before as a thin line.

    Raises ValueError for more than four series or a series of another length than ``labels``.
    """
    return _chart("bars", labels, series, before, urls)


def lines(labels: Sequence[str], series: Sequence[Series], *, before: Sequence[float] = (), urls: Sequence[str] = ()) -> Chart:
    """The same as lines over one another; errors as in :func:`bars`."""
    return _chart("lines", labels, series, before, urls)


def spark(values: Sequence[float], width: int = 120, height: int = 34) -> str:
    """Points of a small line without axes, for ``<c-spark>``; empty where there are fewer than two values."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    reach = (high - low) or 1
    step = width / (len(values) - 1)
    return " ".join(f"{index * step:.1f},{height - 3 - (value - low) / reach * (height - 6):.1f}" for index, value in enumerate(values))


def share(value: float, most: float) -> str:
    """The width of a bar beside others as an SVG percentage, "0%" to "100%"."""
    return f"{min(max(value / most, 0), 1) * 100:.1f}%" if most else "0%"


def _chart(form: str, labels: Sequence[str], series: Sequence[Series], before: Sequence[float], urls: Sequence[str]) -> Chart:
    if len(series) > MOST_SERIES:
        raise ValueError(f"a chart shows at most {MOST_SERIES} series, not {len(series)}")
    if any(len(one.values) != len(labels) for one in series):
        raise ValueError("every series needs one value for each label")
    toned = [Series(one.name, one.values, one.tone or index + 1) for index, one in enumerate(series)]
    sums = [sum(values) for values in zip(*(one.values for one in toned), strict=True)]
    highest = sums if form == "bars" else [value for one in toned for value in one.values]
    scale = _scale(max([*highest, *before, 0]))
    step = WIDTH / max(len(labels), 1)
    return Chart(
        form=form,
        buckets=tuple(_bucket(form, index, step, label, toned, sums, scale, urls) for index, label in enumerate(labels)),
        lines=tuple((one.tone, _points(one.values, step, scale)) for one in toned) if form == "lines" else (),
        before=_points(before, step, scale),
        grid=tuple(Tick(f"{scale.y(value):.1f}", figure(value)) for value in scale.ticks),
        marks=_marks(labels, step),
        legend=tuple(Legend(one.name, one.tone, figure(sum(one.values))) for one in toned),
        rows=tuple(
            Row(label, tuple(figure(one.values[index]) for one in toned), figure(sums[index])) for index, label in enumerate(labels)
        ),
    )


def _scale(highest: float) -> _Scale:
    step = 1.0
    while highest / step > 4:
        step *= 2.5 if str(step).startswith("2") else 2
    ceiling = max(step, step * -(-highest // step))
    count = round(ceiling / step)
    return _Scale(ceiling, [index * step for index in range(count + 1)])


def _bucket(
    form: str, index: int, step: float, label: str, series: list[Series], sums: list[float], scale: _Scale, urls: Sequence[str]
) -> Bucket:
    width = min(step - min(2.0, step * 0.2), WIDEST_BAR)
    left = index * step + (step - width) / 2
    parts: list[Part] = []
    top = scale.y(sums[index]) if form == "bars" else 0.0
    for one in series if form == "bars" else ():
        height = one.values[index] / scale.ceiling * (HEIGHT - TOP)
        if height > 0:
            parts.append(Part(f"{left:.2f}", f"{top:.2f}", f"{width:.2f}", f"{max(height - 0.6, 0.4):.2f}", one.tone))
        top += height
    told = ", ".join(f"{one.name} {figure(one.values[index])}" for one in series)
    return Bucket(label, tuple(parts), f"{index * step:.2f}", f"{step:.2f}", f"{label}: {told}", urls[index] if index < len(urls) else "")


def _points(values: Sequence[float], step: float, scale: _Scale) -> str:
    return " ".join(f"{(index + 0.5) * step:.1f},{scale.y(value):.1f}" for index, value in enumerate(values))


def _marks(labels: Sequence[str], step: float) -> tuple[Tick, ...]:
    every = max(1, -(-len(labels) // MOST_MARKS))
    inset = max((step - WIDEST_BAR) / 2, 0)
    kept = [index for index in range(0, len(labels), every) if WIDTH - index * step > WIDTH / MOST_MARKS * 0.7]
    return tuple(Tick(f"{(index * step + inset) / WIDTH * 100:.2f}%", labels[index]) for index in kept)
