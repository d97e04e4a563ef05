"""Every page of the console, and how one gets to it: what pictures are taken of, what is tried for accessibility, what the docs list.

A test compares this with the addresses that exist: a new page stands here, or among what is no page of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver

UUID = "[0-9a-f-]{36}"


@dataclass(frozen=True)
class Place:
    """One page, or one of its states.

    ``route`` is the page's address as the urlconf writes it (empty for what has none, such as an error page); ``start`` is opened,
    then the first link that matches each of ``links`` (a regular expression over the whole address) is followed, then each of
    ``clicks`` (a selector) is pressed. A place whose link is not there is passed over: an empty organization has no conversation.
    """

    name: str
    route: str
    start: str
    links: tuple[str, ...] = ()
    clicks: tuple[str, ...] = ()
    signed_in: bool = True


_CONVERSATION = "<uuid:conversation>"
PLACES = (
    Place("home", "home", "/home"),
    Place("tour", "tour", "/tour"),
    Place("inbox", "inbox", "/inbox"),
    Place("inbox-waiting-all", "inbox", "/inbox?assignee=all"),
    Place("inbox-nothing-found", "inbox", "/inbox?tag=nosuchtag"),
    Place("inbox-views", "inbox", "/inbox", clicks=("[popovertarget=inbox-views]",)),
    Place("inbox-filter", "inbox", "/inbox", clicks=("[popovertarget=inbox-filter] >> nth=0",)),
    Place("inbox-chosen", "inbox", "/inbox?assignee=all", clicks=("[data-select] >> nth=0", "[data-select] >> nth=1")),
    Place("conversation", f"inbox/{_CONVERSATION}", "/inbox?assignee=all", (f"/inbox/{UUID}.*",)),
    Place("conversation-person", f"inbox/{_CONVERSATION}", "/inbox?assignee=all", (f"/inbox/{UUID}.*", f"/inbox/{UUID}.*person=1.*")),
    Place("conversation-note", f"inbox/{_CONVERSATION}", "/inbox?assignee=all", (f"/inbox/{UUID}.*",), ("label:has(> [value=note])",)),
    Place("conversation-closed", f"inbox/{_CONVERSATION}", "/inbox?state=closed&assignee=all", (f"/inbox/{UUID}.*",)),
    Place("cases", "inbox/cases", "/inbox/cases"),
    Place("conversation-close", f"inbox/{_CONVERSATION}", "/inbox?assignee=all", (f"/inbox/{UUID}.*",), ("[popovertarget=menu-close]",)),
    Place(
        "conversation-promise", f"inbox/{_CONVERSATION}", "/inbox?assignee=all", (f"/inbox/{UUID}.*",), ("[popovertarget=menu-promise]",)
    ),
    Place("case", "inbox/cases/<uuid:case>", "/inbox/cases?state=all", (f"/inbox/cases/{UUID}",)),
    Place("promises", "inbox/promises", "/inbox/promises"),
    Place("explorer", "explorer", "/explorer"),
    Place("explorer-asked", "explorer", "/explorer?q=coffee"),
    Place("explorer-refused", "explorer", "/explorer?q=%28coffee"),
    Place("explorer-nothing", "explorer", "/explorer?q=zzzzqqqq"),
    Place("explorer-mention", "explorer", "/explorer", clicks=("article.voice [data-open] >> nth=0",)),
    Place("explorer-export", "explorer", "/explorer", clicks=("[popovertarget=export]",)),
    Place("mention", "mentions/<uuid:mention>", "/explorer", (f"/mentions/{UUID}",)),
    Place("topics", "topics", "/topics"),
    Place("topic-new", "topics/new", "/topics/new"),
    Place("topic", "topics/<uuid:topic>", "/topics", (f"/topics/{UUID}.*",)),
    Place("people", "people", "/people"),
    Place("people-nobody", "people", "/people?q=zzzzqqqq"),
    Place("profile", "people/<uuid:profile>", "/people", (f"/people/{UUID}",)),
    Place("erase", "people/<uuid:profile>/erase", "/people", (f"/people/{UUID}", f"/people/{UUID}/erase")),
    Place("erasures", "people/erasures", "/people/erasures"),
    Place("coverage", "coverage", "/coverage"),
    Place("channels", "channels", "/channels"),
    Place("account", "channels/<uuid:account>", "/channels", (f"/channels/{UUID}",)),
    Place("sources", "channels/<uuid:account>/sources", "/channels", (f"/channels/{UUID}", f"/channels/{UUID}/sources.*")),
    Place("connect-email", "channels/new/<slug:channel>", "/channels/new/email"),
    Place("connect-bluesky", "channels/new/<slug:channel>", "/channels/new/bluesky"),
    Place("connect-matrix", "channels/new/<slug:channel>", "/channels/new/matrix"),
    Place("connect-rss", "channels/new/<slug:channel>", "/channels/new/rss"),
    Place("connect-webhook", "channels/new/<slug:channel>", "/channels/new/webhook"),
    Place("not-authorized", "channels/authorized", "/channels/authorized"),
    Place("quarantine", "channels/quarantine", "/channels/quarantine"),
    Place("stop", "stop", "/stop"),
    Place("stop-one", "stop/<uuid:stop>", "/stop", (f"/stop/{UUID}",)),
    Place("organization", "settings/organization", "/settings/organization"),
    Place("units", "settings/units", "/settings/units"),
    Place("unit", "settings/units/<uuid:unit>", "/settings/units", (f"/settings/units/{UUID}",)),
    Place("members", "settings/members", "/settings/members"),
    Place("member", "settings/members/<uuid:member>", "/settings/members", (f"/settings/members/{UUID}",)),
    Place("tokens", "settings/tokens", "/settings/tokens"),
    Place("sessions", "settings/sessions", "/settings/sessions"),
    Place("appearance", "settings/appearance", "/settings/appearance"),
    Place("shifts", "settings/shifts", "/settings/shifts"),
    Place("audit", "settings/audit", "/settings/audit"),
    Place("webhooks", "settings/webhooks", "/settings/webhooks"),
    Place("addresses", "settings/addresses", "/settings/addresses"),
    Place("hours", "settings/hours", "/settings/hours"),
    Place("queues", "settings/queues", "/settings/queues"),
    Place("design", "design", "/design"),
    Place("design-inbox", "design", "/design?sample=inbox&open=1"),
    Place("keys", "", "/home", clicks=("[popovertarget=me]", "#me [data-dialog=keys]")),
    Place("me", "", "/home", clicks=("[popovertarget=me]",)),
    Place("more", "", "/home", clicks=("[popovertarget=more]",)),
    Place("not-found", "", "/no-such-page"),
    Place("sign-in", "sign-in", "/sign-in", signed_in=False),
    Place("sign-in-wrong", "sign-in", "/sign-in", clicks=("button[type=submit]",), signed_in=False),
    Place("invitation-spent", "accept-invitation/<str:secret>", "/accept-invitation/spent-long-ago", signed_in=False),
)

#: What has an address and is no page: it sends one on, answers a form, is a part of a page, a file or a stream.
NO_PAGES = frozenset(
    {
        "", "settings", "settings/stops", "sign-out", "switch-organization", "live", "healthz", "readyz", "metrics", "explorer/check",
        "explorer/new", "explorer/export", "media/<uuid:mention>/<int:index>", "mentions/<uuid:mention>/conversation",
        "channels/quarantine/events", "channels/quarantine/<uuid:item>", "channels/clients/<slug:channel>.json", "channels/<uuid:account>/test",
        "channels/<uuid:account>/sources/list", "inbox/list", "inbox/bulk", "inbox/bulk/members", "inbox/bulk/<uuid:bulk>", "inbox/bulk/<uuid:bulk>/cancel",
        "inbox/bulk/<uuid:bulk>/undo", "inbox/replies/<uuid:reply>/take-back", "inbox/replies/<uuid:reply>/settle",
        "inbox/cases/<uuid:case>/change", "inbox/cases/moves/<uuid:change>/undo", "inbox/promises/<uuid:promise>/settle",
        *(f"inbox/{_CONVERSATION}/{part}" for part in (
            "case", "promise", "thread", "write", "draft", "here", "files", "files/drop", "correct", "assign", "tag", "queue", "close",
            "snooze", "reopen", "names",
        )),
    }
)  # fmt: skip


def routes() -> set[str]:
    """Every address of the console as the urlconf writes it; the API has pages of its own in the reference."""
    from django.urls import get_resolver

    def walk(entries: list[URLPattern | URLResolver], before: str) -> set[str]:
        found: set[str] = set()
        for one in entries:
            route = before + str(one.pattern)
            found |= walk(one.url_patterns, route) if isinstance(one, URLResolver) else {route}
        return found

    return {route for route in walk(get_resolver("cxm.run.urls").url_patterns, "") if not route.startswith("api/")}


def go(page: Any, base: str, place: Place, more: str = "") -> bool:
    """Bring a browser's page there; False where a link on the way does not exist here. ``more``: a query for each address (``lang=ar``)."""
    page.goto(base + with_query(place.start, more))
    if not _follow(page, place.links, more):
        return False
    for selector in place.clicks:
        target = page.locator(selector).first
        if not target.count() or not target.is_visible():
            return False
        target.click()
    return True


def _follow(page: Any, links: tuple[str, ...], more: str) -> bool:
    """Follow the first way that reaches the end; not every account has sources, not every first link leads on."""
    if not links:
        return True
    found = page.evaluate("() => [...document.querySelectorAll('a[href]')].map((one) => [one.getAttribute('href'), one.href])")
    for address in dict.fromkeys(whole for written, whole in found if re.fullmatch(links[0], written)):
        page.goto(with_query(address, more))
        if _follow(page, links[1:], more):
            return True
    return False


def with_query(address: str, more: str) -> str:
    """``address`` with another part of its query."""
    return f"{address}{'&' if '?' in address else '?'}{more}" if more else address
