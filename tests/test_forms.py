"""Bad input on every form: what is wrong stands beside its field, in the member's language, and nothing that was typed is lost.

The pages are walked: a form that no case below is for, fails. Hostile and very long values go into every field of each, and may be taken or
refused, but never break it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client

from cxm.connect import api as connect
from cxm.govern import api as govern
from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from cxm.people import api as people
from tests.houses import HOSTILE, House, _own_store, house, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
LONG = "ä" * 120_000
_TYPED = {"text", "email", "url", "password", "number", "search", "datetime-local", "textarea"}


@dataclass
class Form:
    """A form as a browser would send it."""

    action: str
    values: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    marked: dict[str, str] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)

    @property
    def typed(self) -> set[str]:
        """Fields somebody types into or chooses from."""
        return {name for name, kind in self.kinds.items() if kind in _TYPED or kind == "select"}

    @property
    def key(self) -> str:
        """What tells it from the others of its page."""
        return self.values.get("action", [""])[0] or self.values.get("kind", [""])[0] or ",".join(sorted(self.typed))


class Page(HTMLParser):
    """The forms of a page that post, and the words by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: dict[str, str] = {}
        self._at: Form | None = None
        self._select = self._area = ""
        self._ids: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        got = {name: value or "" for name, value in attrs}
        if tag not in ("input", "img", "br", "meta", "link", "use", "rect", "path", "line", "circle", "hr"):
            self._ids.append((tag, got.get("id", "")))
        if tag == "form":
            posts = got.get("method", "get").lower() == "post" or "hx-post" in got
            self._at = Form(got.get("action") or got.get("hx-post", ""))
            if posts:
                self.forms.append(self._at)
        name = got.get("name", "")
        if self._at is None or (not name and tag != "option"):
            return
        kind = {"input": got.get("type", "text"), "textarea": "textarea", "select": "select"}.get(tag, "")
        if tag == "option" and self._select:
            self._at.options.setdefault(self._select, []).append(got.get("value", ""))
            if "selected" in got or self._select not in self._at.values:
                self._at.values[self._select] = [got.get("value", "")]
        if not kind or kind == "submit":
            return
        self._at.kinds[name] = kind
        if got.get("aria-invalid") == "true":
            self._at.marked[name] = got.get("aria-describedby", "")
        if tag == "textarea":
            self._area = name
            self._at.values[name] = [""]
        elif tag == "select":
            self._select = name
        elif kind in ("checkbox", "radio"):
            if "checked" in got:
                self._at.values.setdefault(name, []).append(got.get("value", "on"))
        elif kind != "file":
            self._at.values.setdefault(name, []).append(got.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        while self._ids and tag in [one for one, _ in self._ids] and self._ids.pop()[0] != tag:
            pass
        if tag == "form":
            self._at = None
        if tag == "textarea":
            self._area = ""
        if tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        if self._area and self._at is not None:
            self._at.values[self._area][0] += data
        for _, one in self._ids:
            if one:
                self.words[one] = self.words.get(one, "") + data


@dataclass(frozen=True)
class Case:
    """``bad`` typed into the form ``key`` of ``page``: refused, with words at the fields ``wrong``. ``ours``: the words are, and no connector's."""

    page: str
    key: str
    bad: dict[str, Any]
    wrong: tuple[str, ...]
    ours: bool = True


@dataclass
class Place:
    """An organization with one of everything, and its pages."""

    house: House
    client: Client
    pages: dict[str, str]


@pytest.fixture
def place(house: House, settings: Any) -> Place:
    # Nothing is counted: the walk posts more forms in a minute than the limits on guessing and on calls let one member post.
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    unit = house.unit("Spain")
    account = house.account("Support")
    feeds = connect.connect(house.owner, channel="rss", name="Feeds")[0]
    mail = connect.connect(
        house.owner, channel="email", name="care@marlow.example",
        settings={"address": "care@marlow.example", "imap_host": "imap.marlow.example", "smtp_host": "smtp.marlow.example"},
        credentials={"username": "care", "password": "x"},
    )[0]  # fmt: skip
    first = house.hear(account, "n1", "Where is my parcel?")
    house.hear(account, "n2", "Hello from somebody else", author="bo")
    views = love.conversations(house.owner, InboxFilter()).items
    case = love.create_case(house.owner, "Parcels", [views[0].id])
    love.create_case(house.owner, "Other", [views[1].id])
    queue = love.save_queue(house.owner, name="Returns")
    profile = people.profiles(house.organization, "Lena", None, 1).items[0].id
    client = house.browser()
    jonas = govern.invite(house.owner, "jonas@marlow.example", "Jonas", "agent", None)
    topics = client.get("/topics/new")
    assert topics.status_code == 200
    pages = {
        "member": f"/settings/members/{jonas.member.id}", "unit": f"/settings/units/{unit}", "account": f"/channels/{account.id}",
        "mail": f"/channels/{mail.id}", "sources": f"/channels/{feeds.id}/sources", "mention": f"/mentions/{first}",
        "case": f"/inbox/cases/{case}", "profile": f"/people/{profile}?join=Bo", "queue": f"/settings/queues?queue={queue.id}",
        "join": jonas.link[jonas.link.index("/", 8) :] if "://" in jonas.link else jonas.link,
        "conversation": f"/inbox/{views[0].id}",
    }  # fmt: skip
    return Place(house, client, pages)


CASES = [
    Case("/settings/organization", "name,zone", {"name": "  "}, ("name",)),
    Case("/settings/organization", "name,zone", {"name": LONG[:300]}, ("name",)),
    Case("/settings/units", "name,parent", {"name": ""}, ("name",)),
    Case("/settings/units", "name,parent", {"name": LONG[:300]}, ("name",)),
    Case("unit", "name,parent", {"name": " "}, ("name",)),
    Case("/settings/members", "email,name,role,unit", {"email": "", "name": "Ann"}, ("email",)),
    Case("/settings/members", "email,name,role,unit", {"email": "nobody", "name": "Ann"}, ("email",)),
    Case("/settings/members", "email,name,role,unit", {"email": "jonas@marlow.example", "name": "Ann"}, ("email",)),
    Case("/settings/members", "email,name,role,unit", {"email": "ann@marlow.example", "name": "Ann", "role": "king"}, ("role",)),
    Case("member", "name,role,unit", {"name": "  "}, ("name",)),
    Case("member", "name,role,unit", {"name": "Jo", "role": "king"}, ("role",)),
    Case("/settings/tokens", "days,name", {"name": " "}, ("name",)),
    Case("/settings/tokens", "days,name", {"name": "robot", "which": "some"}, ("scopes",)),
    Case("/settings/webhooks", "url", {"url": "ftp://nowhere"}, ("url",)),
    Case("/settings/webhooks", "url", {"url": "https://example.com/in", "which": "some"}, ("events",)),
    Case("/settings/hours", "*", {"zone": "Mars/Olympus"}, ("zone",)),
    Case("/settings/hours", "*", {"holidays": "christmas"}, ("holidays",)),
    Case("queue", "account,channel,language,name,query", {"name": " "}, ("name",)),
    Case("/settings/queues", "account,channel,language,name,query", {"name": "Spam", "query": "a AND ("}, ("query",)),
    Case("/settings/queues", "account,channel,language,name,query", {"name": "Spam", "query": "a", "language": "!!"}, ("language",)),
    Case("/settings/appearance", "language,zone", {"language": "tlh"}, ("language",)),
    Case("/settings/shifts", "friday,monday,saturday,sunday,thursday,tuesday,wednesday", {"monday": "nine to five"}, ("monday",)),
    Case("/settings/shifts", "friday,monday,saturday,sunday,thursday,tuesday,wednesday", {"monday": "09:00-12:00, 11:00-13:00"}, ("monday",)),
    Case("/topics/new", "name,query", {"name": "", "query": "parcel"}, ("name",)),
    Case("/topics/new", "name,query", {"name": "Parcels", "query": "parcel AND ("}, ("query",)),
    Case("/stop", "reason,scope", {"scope": "nonsense", "reason": "fire"}, ("scope",)),
    Case("/stop", "reason,scope", {"reason": LONG[:5000]}, ("reason",)),
    Case("mention", "correct", {"sentiment": "blue", "language": "en"}, ("sentiment",)),
    Case("mention", "correct", {"language": "!!"}, ("language",)),
    Case("mention", "state", {"state": "eaten"}, ("state",)),
    Case("case", "other,title", {"do": "split", "title": "New"}, ("ids",)),
    Case("case", "other,title", {"do": "merge", "title": "", "other": ""}, ("other",)),
    Case("profile", "merge", {"reason": "same hand"}, ("other",)),
    Case("profile", "merge", {"reason": " ", "other": "first"}, ("reason",)),
    Case("profile", "describe", {"name": LONG[:300], "note": "kind"}, ("name",)),
    Case("profile", "describe", {"name": "Lena", "note": LONG}, ("note",)),
    Case("account", "rename", {"name": " "}, ("name",)),
    Case("account", "change", {"settings.reply_url": "nowhere"}, ("settings.reply_url",)),
    Case("mail", "rename", {"name": ""}, ("name",)),
    Case("mail", "change", {"settings.imap_port": "many", "settings.address": "care@marlow.example"}, ("settings.imap_port",)),
    Case("account", "sign_in", {"credentials.secret": "short"}, ("credentials.secret",), ours=False),
    Case("/settings/organization", "name,zone", {"name": "Marlow", "zone": "Mars/Olympus"}, ("zone",)),
    Case("/settings/appearance", "language,zone", {"language": "en", "zone": "Berlin"}, ("zone",)),
    Case("/channels/new/email", "*", {"name": "care", "settings.address": "nobody"}, ("settings.address",)),
    Case("/channels/new/email", "*", {"name": "", "settings.address": "a@b.example"}, ("name", "settings.imap_host")),
    Case("/channels/new/webhook", "*", {"name": "", "settings.reply_url": "nowhere"}, ("settings.reply_url",)),
    Case("/channels/new/rss", "*", {"name": " "}, ("name",)),
    Case("/channels/new/matrix", "*", {"name": "room", "settings.server_url": "not an address"}, ("settings.server_url",)),
    Case("/channels/new/bluesky", "*", {"name": ""}, ("name",)),
    Case("sources", "add", {"settings.url": "nowhere"}, ("settings.url",)),
    Case("sources", "list", {"list": ""}, ("list",)),
    Case("join", "name,password", {"name": "Jonas", "password": "short"}, ("password",)),
    Case("/sign-in", "login,password", {"login": "", "password": ""}, ("login",)),
    Case("/sign-in", "login,password", {"login": "ines", "password": "wrong"}, ("login",)),
]  # fmt: skip


def forms_of(client: Client, path: str) -> list[Form]:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return [one for one in Page(answer.content.decode()).forms if one.typed or "file" in one.kinds.values()]


def filled(form: Form, bad: dict[str, Any]) -> dict[str, Any]:
    """What the form sends, with ``bad`` typed into it."""
    return {**form.values, **{name: [value] if isinstance(value, str) else value for name, value in bad.items()}}


def chosen(case: Case, forms: list[Form]) -> Form:
    found = [one for one in forms if one.key == case.key or (case.key == "*" and set(case.bad) <= set(one.kinds))]
    assert found, f"{case.page}: no form {case.key} among {[one.key for one in forms]}"
    return found[0]


def faults_of(place: Place, case: Case, language: str) -> tuple[list[str], str]:
    """What is wrong with how a case is told; and the words beside its first field."""
    path = place.pages.get(case.page, case.page)
    client = Client() if case.page in ("join", "/sign-in") else place.client
    client.cookies["cxm_language"] = language
    form = chosen(case, forms_of(client, path))
    bad = {name: form.options["other"][0] if value == "first" and "other" in form.options else value for name, value in case.bad.items()}
    if bad.get("other") == "first":
        bad["other"] = re.findall(r'name="other" value="([^"]+)"', client.get(path).content.decode())[0]
    sent = filled(form, bad)
    token = client.cookies["csrftoken"].value
    answer = client.post(form.action or path, {**sent, "csrfmiddlewaretoken": token})
    if answer.status_code not in (400, 409, 422):
        return [f"answered {answer.status_code}"], ""
    shown = Page(answer.content.decode())
    again = [one for one in shown.forms if one.key == form.key] or [one for one in shown.forms if set(form.kinds) <= set(one.kinds)]
    if not again:
        return ["the form is gone"], ""
    faults, words = [], ""
    for name in case.wrong:
        ids = again[0].marked.get(name, "").split()
        text = " ".join(shown.words.get(one, "") for one in ids).strip()
        words = words or text
        if not text:
            faults.append(f"nothing beside {name}; marked: {again[0].marked}")
    for name, value in sent.items():
        kind = form.kinds.get(name, "")
        kept = again[0].values.get(name, [])
        if kind in _TYPED - {"password"} and [one.strip() for one in kept] != [one.strip() for one in value]:
            faults.append(f"{name} was {str(value)[:60]}, is {str(kept)[:60]}")
        if kind == "select" and value[0] in form.options.get(name, ()) and kept != value:
            faults.append(f"{name} was {value}, is {kept}")
        if kind in ("checkbox", "radio") and sorted(kept) != sorted(value):
            faults.append(f"{name} was {value}, is {kept}")
    return faults, words


def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(place: Place) -> None:
    faults: list[str] = []
    for case in CASES:
        told = []
        for language in ("en", "es"):
            found, words = faults_of(place, case, language)
            told.append(words)
            faults += [f"{case.page} {case.key} {str(case.bad)[:80]} [{language}]: {one}" for one in found]
        if case.ours and told[0] and told[0] == told[1]:
            faults.append(f"{case.page} {case.key} {str(case.bad)[:80]}: said in English: {told[0]!r}")
    assert not faults, "\n" + "\n".join(faults)


#: Forms in menus of the inbox: what is wrong is told by a header, and put beside the field by the page (tests/browser/test_keyboard.py).
MENUS = {"member", "add", "queue", "case", "until", "reason", "text", "own,text,until", "title", "own"}
#: Signing in to platforms has tests of its own (cxm/connect/tests), and reaches out for them.
ELSEWHERE = {"sign_in", "google.client_id,google.client_secret,microsoft.client_id,microsoft.client_secret", "erase"}
WALKED = (
    "/home",
    "/explorer",
    "/topics",
    "/people",
    "/coverage",
    "/channels",
    "/channels/quarantine",
    "/inbox",
    "/inbox/cases",
    "/inbox/promises",
    "/settings/sessions",
    "/settings/audit",
)


def test_every_form_is_known_and_hostile_or_endless_values_break_none(place: Place) -> None:
    """Whatever is typed into every field of every form of every page at once: taken or refused, never a fault of ours."""
    cased: dict[str, set[str]] = {}
    for case in CASES:
        cased.setdefault(place.pages.get(case.page, case.page), set()).add(case.key)
    faults, seen = [], 0
    for path in [*place.pages.values(), *{case.page for case in CASES if case.page.startswith("/")}, *WALKED]:
        client = Client() if "invitation" in path or path == "/sign-in" else place.client
        for form in forms_of(client, path):
            if form.key not in cased.get(path, ()) and "*" not in cased.get(path, ()) and form.key not in MENUS | ELSEWHERE:
                faults.append(f"{path}: no case for the form {form.key} with {sorted(form.kinds)}")
            for value in () if form.key == "sign_in" else (HOSTILE + "\x00", LONG, ""):
                sent = {**form.values, **{name: [value] for name, kind in form.kinds.items() if kind in _TYPED or kind == "select"}}
                answer = client.post(form.action or path, {**sent, "csrfmiddlewaretoken": client.cookies["csrftoken"].value})
                seen += 1
                if answer.status_code >= 500:
                    faults.append(f"{path} {form.key} {value[:20]!r}: {answer.status_code}")
    assert seen > 100
    assert not faults, "\n" + "\n".join(faults)


def test_a_form_in_a_menu_is_told_by_field_and_in_the_members_language(place: Place) -> None:
    place.client.cookies["cxm_language"] = "es"
    headers = {"HX-Request": "true", "HX-Source": "form", "HX-Current-URL": "http://testserver/inbox"}
    for name, sent, wrong in (
        ("tag", {"add": ""}, "add"),
        ("case", {"title": LONG[:400]}, "title"),
        ("promise", {"text": "I will", "own": "yesterday"}, "own"),
        ("promise", {"text": "I will", "own": "1999-01-01T10:00"}, "own"),
    ):
        answer = post(place.client, f"{place.pages['conversation']}/{name}", sent, **headers)
        assert answer.status_code == 422 and answer["HX-Reswap"] == "none", (name, answer.content)
        told = json.loads(answer["HX-Trigger"])["cxm:wrong"]
        assert wrong in told["fields"] and told["text"], told
        post(place.client, f"{place.pages['conversation']}/{name}", sent, **{**headers, "HX-Source": "button#x"})
    assert (
        "etiqueta"
        in json.loads(post(place.client, f"{place.pages['conversation']}/tag", {"add": ""}, **headers)["HX-Trigger"])["cxm:wrong"]["text"]
    )
