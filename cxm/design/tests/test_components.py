"""Every component renders, escapes what strangers wrote, and carries nothing a strict content policy would refuse."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django_cotton.compiler_regex import CottonCompiler

from cxm.design import specimens
from cxm.design.pages import gallery

COTTON = Path(__file__).parents[1] / "templates" / "cotton"
COMPONENTS = sorted(path.stem.replace("_", "-") for path in COTTON.glob("*.html"))
ATTACK = "\"><script>alert(1)</script>' onload='x"
#: Attributes through which text from strangers reaches a component; each is given the attack, bound and written.
TEXTS = ("label", "text", "title", "who", "handle", "name", "value", "hint", "error", "url", "id", "quoted", "about", "example", "data-x", "account",
         "placeholder", "code", "verb", "draft", "shut", "cancel", "undo", "lang", "channel", "kind", "state", "key", "icon", "close", "none", "tone")  # fmt: skip


class Reader(HTMLParser):
    """Collects tags and attributes; complains about what the policy forbids."""

    VOID = frozenset({"input", "img", "meta", "link", "br", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        names = [name for name, _ in attrs]
        self.faults += [f"{name} on <{tag}>" for name in names if name == "style" or re.match(r"on\w+$", name)]
        self.faults += [f"{name} twice on <{tag}>" for name in set(names) if names.count(name) > 1]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")


def read(markup: str) -> Reader:
    """Parse and insist that it is well formed."""
    reader = Reader()
    reader.feed(markup)
    assert not reader.open, reader.open
    return reader


def draw(source: str, **context: object) -> str:
    """``source`` with its components, as a template file would be compiled."""
    markup = Template(CottonCompiler().process("{% load cxm %}" + source)).render(Context(context))
    assert "<c-" not in markup.replace("&lt;c-", "")
    return markup


def page(query: str = "", rf: RequestFactory | None = None) -> str:
    """The gallery as a signed-in member sees it."""
    request = (rf or RequestFactory()).get(f"/design{query}")

    class Member:
        is_authenticated = True

    request.user = Member()  # type: ignore[assignment]
    response = gallery(request)
    assert response.status_code == 200
    return response.content.decode()


def test_there_are_components_to_test() -> None:
    assert len(COMPONENTS) >= 35


@pytest.mark.parametrize("name", COMPONENTS)
def test_component_renders_bare(name: str) -> None:
    reader = read(draw(f"<c-{name} />"))
    assert not reader.faults


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize("bound", [True, False], ids=["bound", "written"])
def test_component_escapes_every_text(name: str, bound: bool) -> None:
    given = " ".join(
        f':{key}="attack"' if bound else f'{key}="{{{{ attack }}}}"' for key in (*TEXTS, *(["href"] if name in ("button", "chip") else []))
    )
    markup = draw(f"<c-{name} {given}>{{{{ attack }}}}</c-{name}>", attack=ATTACK)
    reader = read(markup)
    assert not reader.faults
    assert "<script" not in markup
    assert not [tag for tag, attrs in reader.seen if "onload" in attrs or tag == "script"]


def test_what_surrounds_a_component_does_not_leak_into_it() -> None:
    around = dict.fromkeys(
        ("label", "title", "text", "error", "hint", "url", "href", "icon", "key", "actions", "foot", "meta", "kind"), "LEAK"
    )
    for name in COMPONENTS:
        assert "LEAK" not in draw(f"<c-{name} />", **around), name


def test_attributes_pass_through_and_false_ones_are_left_out() -> None:
    template = '<c-button label="Go" hx-post="/x" hx-target:inherited="#y" data-a="{{ a }}" :disabled="no" :hidden="yes" />'
    tag, attrs = read(draw(template, a='q"t', no=False, yes=True)).seen[0]
    assert tag == "button"
    assert attrs["hx-post"] == "/x" and attrs["hx-target:inherited"] == "#y" and attrs["data-a"] == 'q"t'
    assert "disabled" not in attrs and "hidden" in attrs


@pytest.mark.parametrize("query", ["", "?theme=dark&dir=rtl", "?sample=inbox", "?sample=inbox&stop"])
def test_gallery_is_well_formed_and_hostile_text_stays_text(query: str) -> None:
    markup = page(query)
    reader = read(markup.replace("<!doctype html>", ""))
    assert not reader.faults
    scripts = [attrs for tag, attrs in reader.seen if tag == "script"]
    assert scripts and all(attrs.get("src") for attrs in scripts)
    assert not [attrs for tag, attrs in reader.seen if tag == "img" and attrs.get("src") == "x"]
    assert "&lt;img src=x onerror" in markup


def test_gallery_names_every_component() -> None:
    sources = "".join(path.read_text() for path in (COTTON.parent / "design").rglob("*.html"))
    missing = [name for name in COMPONENTS if f"<c-{name}" not in sources and name not in ("cell",)]
    assert not missing, f"show them in the gallery: {missing}"


def test_frame_speaks_of_a_stop_everywhere() -> None:
    calm, stopped = page("?sample=inbox"), page("?sample=inbox&stop")
    assert (
        "Nothing leaves for Leipzig" in stopped and "See what is held" in stopped and ">Lift<" in stopped and "Stopped: Leipzig" in stopped
    )
    assert 'id="halt"' not in calm and "Stop outbound" in calm


def test_ids_are_unique_on_a_page() -> None:
    for query in ("?sample=inbox", "?sample=inbox&stop"):
        ids = [attrs["id"] for _, attrs in read(page(query).replace("<!doctype html>", "")).seen if "id" in attrs]
        assert len(ids) == len(set(ids)), {one for one in ids if ids.count(one) > 1}


def test_direction_and_theme_are_on_the_root() -> None:
    html = read(page("?theme=dark&dir=rtl").replace("<!doctype html>", "")).seen[0][1]
    assert html["dir"] == "rtl" and "dark" in (html["class"] or "").split()


def test_composer_says_who_reads_it_for_each_mode() -> None:
    markup = draw('<c-composer action="/x" :modes="modes" account="@marlow" draft="d" />', modes=specimens.MODES)
    seen = read(markup).seen
    tones = [attrs["data-tone"] for _, attrs in seen if "data-tone" in attrs]
    assert tones == ["public", "private", "note"]
    assert [attrs["data-tone-only"] for _, attrs in seen if "data-tone-only" in attrs] == tones * 2
    assert sum("checked" in attrs for _, attrs in seen) == 1


def test_deleted_message_keeps_its_place_without_its_text() -> None:
    markup = draw('<c-message who="Tom" text="SECRET" title="SECRET" quoted="SECRET" :deleted="True" />')
    assert "SECRET" not in markup and "Tom" in markup
