"""Template tags of the design system: ``{% load cxm %}``.

Icons, faces, times, clocks, marked text, addresses. All markup is in templates; nothing here builds HTML but attribute lists.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django import template
from django.template.context import Context
from django.template.loader import get_template
from django.template.loader_tags import BLOCK_CONTEXT_KEY
from django.templatetags.static import static
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime

from cxm.design import charts, refusals, words
from cxm.design import kept as fragments
from cxm.kernel.clock import now
from cxm.kernel.said import Said

register = template.Library()

_ATTRIBUTE = re.compile(r"[A-Za-z_@:.][\w.:@-]*\Z")
#: Icons that point along the line and turn with it.
_TURNING = frozenset({"chevron-right", "chevron-left", "arrow-left", "arrow-right", "arrow-up-right", "corner-down-left", "reply", "send", "log-out", "undo-2",
                      "external-link", "panel-left", "quote"})  # fmt: skip
_GO = {"home": "h", "inbox": "i", "explorer": "e", "people": "p", "channels": "c", "topics": "t", "coverage": "v", "settings": "s"}


def plain(value: object) -> str:
    """A string as it was before a template escaped it (attributes of components arrive escaped)."""
    return html.unescape(str(value)) if isinstance(value, SafeString) else str(value or "")


@register.simple_tag
def icon(name: str, label: str = "", size: str = "") -> SafeString:
    """``{% icon "inbox" %}``: decoration, unless ``label`` says what it means. ``size``: s, l or nothing."""
    return _icon(plain(name), plain(label), plain(size))


@lru_cache(maxsize=1024)
def _icon(name: str, label: str, size: str) -> SafeString:
    # A page draws hundreds, of a few dozen kinds.
    context = {"href": f"{static('built/icons.svg')}#{name}", "label": label, "size": size, "turns": name in _TURNING}
    return get_template("design/tags/icon.html").render(context)


@register.filter
def initials(name: object) -> str:
    """One or two letters for a face."""
    return words.initials(plain(name))


@register.filter
def colour_class(name: object) -> str:
    """``c1`` to ``c8``, always the same for the same name."""
    return words.colour(plain(name))


@register.filter
def channel_icon(channel: object, kind: str = "") -> str:
    """The icon's name for a channel; the argument is the mention's kind."""
    return words.channel_icon(plain(channel), kind or "")


@register.filter
def lang_dir(language: object) -> str:
    """``rtl``, ``ltr`` or ``auto`` for a BCP 47 tag."""
    return words.direction(plain(language))


@register.filter
def text_dir(text: object) -> str:
    """``rtl``, ``ltr`` or ``auto`` for what somebody wrote: handles and links before it do not count."""
    return words.text_direction(refusals.stands_for(plain(text)))


@register.inclusion_tag("design/tags/time.html")
def relative_time(when: datetime | None, form: str = "age") -> dict[str, Any]:
    """``{% relative_time mention.published_at %}``: "4 min", the date and zone on hover; runs on in the browser.

    ``form`` "time" shows the wall clock (08:04), "absolute" date, time and zone.
    """
    return {"when": when, "form": form, "text": words.age(when, now()) if when else "", "absolute": words.absolute(when) if when else ""}


@register.filter
def is_recent(when: datetime | None) -> bool:
    """Whether it is less than a day ago, so that its age says more than its time."""
    return bool(when) and 0 <= (now() - when).total_seconds() < words.DAY


@register.inclusion_tag("design/tags/clock.html")
def clock(due: datetime | None, form: str = "within", warn: int = words.HOUR) -> dict[str, Any]:
    """``{% clock conversation.first_answer_due %}``: "answer within 23 min", a chip that changes tone by itself; nothing without ``due``."""
    return {
        "due": due,
        "form": form,
        "warn": warn,
        "said": words.due(due, now(), form, warn) if due else None,
        "absolute": words.absolute(due) if due else "",
    }


@register.inclusion_tag("design/tags/highlight.html")
def highlight(text: object, spans: Iterable[tuple[int, int]] | None = None) -> dict[str, Any]:
    """``{% highlight mention.text mention.highlights %}``: the text, escaped, with the spans (start, end) marked."""
    said = plain(text)
    shown = refusals.stands_for(said)
    return {"pieces": words.pieces(shown, spans or () if shown == said else ())}


@register.filter
def told(text: object) -> str:
    """The sentence of an error in the language of the reader."""
    return refusals.told(text if isinstance(text, Said) else plain(text))


@register.filter
def stands_for(text: object) -> str:
    """What somebody said; a sentence of ours that stands for what cannot be shown, in the language of the reader."""
    return refusals.stands_for(plain(text))


@register.filter
def grouped(value: float | None) -> str:
    """A number with its language's thousands separator; nothing for None."""
    return "" if value is None or value == "" else charts.figure(float(value)) if not isinstance(value, str) else value


@register.filter
def written(day: date | None, form: str) -> str:
    """``{{ today|written:"l, j F" }}``: a day as the reader's language writes it; the form is English's, :func:`words.written` knows which."""
    return words.written(localtime(day) if isinstance(day, datetime) else day, form) if day else ""


@register.filter
def points(values: Iterable[float]) -> str:
    """The points of a small line chart."""
    return charts.spark(list(values or ()))


@register.simple_tag
def share(value: float, most: float) -> str:
    """A bar's width beside the longest: an SVG percentage."""
    return charts.share(float(value or 0), float(most or 0))


@register.simple_tag(takes_context=True)
def with_query(context: Context, **changes: Any) -> str:
    """This page's address with other parameters: ``{% with_query state="open" cursor=None %}``; None removes, a list repeats."""
    request = context.get("request")
    query: dict[str, list[str]] = dict(request.GET.lists()) if request else {}
    for key, value in changes.items():
        if value is None or value == "":
            query.pop(key, None)
        else:
            query[key] = [str(one) for one in value] if isinstance(value, list | tuple | set) else [str(value)]
    written = urlencode(query, doseq=True)
    return f"?{written}" if written else (request.path if request else "?")


@register.simple_tag(takes_context=True)
def again(context: Context, name: str) -> str:
    """The text of a block of this page once more, for the heading that is also the window's title."""
    blocks = context.render_context.get(BLOCK_CONTEXT_KEY)
    block = blocks.get_block(name) if blocks else None
    return mark_safe(block.nodelist.render(context).strip()) if block else ""  # noqa: S308 - a block's output is already escaped


@register.filter
def attributes(attrs: Mapping[str, Any]) -> SafeString:
    """What a component was given and did not use, as HTML attributes, each value escaped; False and None are left out.

    Components write ``{{ attrs|attributes }}`` and never ``{{ attrs }}``: the latter does not escape values bound with a colon.
    """
    given = attrs.attrs_dict() if hasattr(attrs, "attrs_dict") else dict(attrs)
    written = []
    for key, value in given.items():
        if value is None or value is False or not _ATTRIBUTE.match(key):
            continue
        text = "" if value is True else '="' + conditional_escape(value).replace('"', "&quot;") + '"'
        written.append(key + text)
    return mark_safe(" ".join(written))  # noqa: S308 - every value was escaped above, every name matched


@register.filter
def go_letter(url: object) -> str:
    """The letter after ``g`` that leads to a page: i for /inbox."""
    return _GO.get(plain(url).strip("/").split("/")[0].split("?")[0], "")


@register.filter
def section(entries: Iterable[Mapping[str, Any]] | None, name: str) -> list[Mapping[str, Any]]:
    """The navigation's entries of one section: main, topics or foot."""
    return [entry for entry in entries or () if (entry.get("section") or "main") == name]


class _Kept(template.Node):
    """See :func:`kept`."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self._name, self._values = name, values

    def render(self, context: Context) -> SafeString:
        values = {name: value.resolve(context) for name, value in self._values.items()}
        wanted = fragments.key(self._name, values)
        found = fragments.find(wanted)
        if found is None:
            # A context of its own: what is not named in the tag is not there.
            found = get_template(self._name).template.render(Context(values))  # type: ignore[attr-defined]
            fragments.keep(wanted, found)
        return found


@register.tag
def kept(parser: Any, token: Any) -> _Kept:
    """``{% kept "love/row.html" one=one %}``: another template, with these values alone, drawn once a minute for equal ones."""
    bits = token.split_contents()[1:]
    if not bits or bits[0][0] not in "\"'":
        raise template.TemplateSyntaxError("kept: name the template in quotes, then value=expression for everything it needs")
    return _Kept(bits[0][1:-1], template.base.token_kwargs(bits[1:], parser))
