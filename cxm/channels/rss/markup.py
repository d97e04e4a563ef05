"""A tolerant reader of XML: the standard library's expat where the document is well-formed, an own scanner where it is not.

Documents come from strangers. Declarations of types and entities are cut out before anything looks at them, so that nothing is ever
expanded or fetched; depth and number of elements are bounded; the scanner takes time linear in the length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from html import escape, unescape
from html.entities import html5
from xml.parsers import expat

#: Elements of one document, and how deep they may stand in one another; beyond that nothing is read, or passed over.
NODE_LIMIT, DEPTH_LIMIT = 200_000, 60
#: Namespaces that feeds use, without the scheme, by the prefix they go by here. Sources: RSS 1.0 modules, RFC 4287, RFC 4685, RFC 6721, Media RSS, podcasts.
_NAMESPACES = {
    "www.w3.org/2005/atom": "",
    "purl.org/atom/ns#": "",
    "purl.org/rss/1.0/": "",
    "my.netscape.com/rdf/simple/0.9/": "",
    "backend.userland.com/rss2": "",
    "blogs.law.harvard.edu/tech/rss": "",
    "www.w3.org/1999/xhtml": "xhtml",
    "www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "purl.org/dc/elements/1.1/": "dc",
    "purl.org/dc/terms/": "dcterms",
    "purl.org/rss/1.0/modules/content/": "content",
    "purl.org/rss/1.0/modules/syndication/": "sy",
    "purl.org/rss/1.0/modules/slash/": "slash",
    "search.yahoo.com/mrss/": "media",
    "search.yahoo.com/mrss": "media",
    "www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "purl.org/syndication/thread/1.0": "thr",
    "purl.org/atompub/tombstones/1.0": "at",
    "wellformedweb.org/commentapi/": "wfw",
}
_KEPT_REFERENCES = frozenset(("amp", "lt", "gt", "quot", "apos"))
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_NUMBERED = re.compile(r"&#(?:[0-9]{1,8}|[xX][0-9A-Fa-f]{1,7});")
_DECLARATION = re.compile(r"^\s*(?:<\?xml[^>]{0,300}\?>)?\s*", re.IGNORECASE)
_TAG = re.compile(rb"<(/?)([A-Za-z_][A-Za-z0-9_.:-]{0,100})((?:\s[^<>]*)?)>")
_ATTRIBUTE = re.compile(r"([A-Za-z_][\w:.-]{0,100})\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_VOID = frozenset(("br", "img", "hr", "wbr", "input", "col", "source"))
#: One of these never stands in another of its kind: a second one closes a first that was left open.
ITEMS = frozenset(("item", "entry"))


class NotMarkup(ValueError):
    """There is no element in it at all."""


class _Enough(Exception):
    """What was read so far is all that is looked at."""


class Node:
    """One element: ``name`` with the prefix of :data:`_NAMESPACES`, in lower case; ``parts`` are texts and elements in their order.

    ``start`` and ``end`` are places in the bytes that were read.
    """

    __slots__ = ("attributes", "end", "name", "parts", "start")

    def __init__(self, name: str, attributes: dict[str, str], start: int) -> None:
        self.name = name
        self.attributes = attributes
        self.parts: list[str | Node] = []
        self.start = start
        self.end = start

    @property
    def children(self) -> Iterator[Node]:
        """The elements in it."""
        return (part for part in self.parts if isinstance(part, Node))

    def all(self, *names: str) -> list[Node]:
        """The elements in it with one of these names, in their order."""
        return [child for child in self.children if child.name in names]

    def first(self, *names: str) -> Node | None:
        """The first element with the first of these names that there is."""
        for name in names:
            for child in self.children:
                if child.name == name:
                    return child
        return None

    def text(self) -> str:
        """The texts that stand directly or deeper in it."""
        return "".join(part if isinstance(part, str) else part.text() for part in self.parts)

    def markup(self) -> str:
        """What stands in it, elements written out again as tags."""
        return "".join(escape(part, quote=False) if isinstance(part, str) else part.outer() for part in self.parts)

    def outer(self) -> str:
        """The element itself as markup."""
        name = self.name.rpartition(":")[2]
        told = "".join(f' {key}="{escape(value)}"' for key, value in self.attributes.items() if key in ("href", "src", "alt"))
        # What is put together here is only ever read as text again, by a scanner that runs nothing.
        return "<" + name + told + ">" + ("" if name in _VOID else self.markup() + "</" + name + ">")

    def walk(self) -> Iterator[Node]:
        """The element and all in it, in document order."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(list(node.children)))


class Document:
    """What was read: ``data`` the bytes that places refer to, ``root`` the outermost element, ``broken`` where it is not well-formed."""

    __slots__ = ("broken", "data", "root")

    def __init__(self, data: bytes, root: Node, *, broken: bool) -> None:
        self.data = data
        self.root = root
        self.broken = broken


def read(text: str) -> Document:
    """The document in ``text``. Raises :class:`NotMarkup` where there is no element."""
    data = _prepared(text).encode("utf-8", "replace")
    try:
        builder = _Builder()
        with suppress(_Enough):
            _by_expat(data, builder)
        return Document(data, builder.done(len(data)), broken=False)
    except (expat.ExpatError, NotMarkup):
        pass
    builder = _Builder()
    with suppress(_Enough):
        _by_scanner(data, builder)
    return Document(data, builder.done(len(data)), broken=True)


def _prepared(text: str) -> str:
    """Without the declarations, and with references that XML does not know (``&nbsp;``, ``&#146;``, ``&#0;``) as characters."""
    text = text[_DECLARATION.match(text).end() :] if _DECLARATION.match(text) else text  # type: ignore[union-attr]
    text = _without_types(text)
    if "&" not in text:
        return text
    text = _NAMED.sub(
        lambda found: found.group() if found.group(1) in _KEPT_REFERENCES else html5.get(f"{found.group(1)};", found.group()), text
    )
    return _NUMBERED.sub(lambda found: _character(found.group()), text)


def _character(reference: str) -> str:
    sign = unescape(reference)
    if len(sign) != 1 or sign in "&<>\"'":
        return reference if len(sign) == 1 else "\ufffd"
    return sign if sign >= " " or sign in "\t\n\r" else " "


def _without_types(text: str) -> str:
    start = text.find("<!DOCTYPE")
    if start < 0 or start > 100_000:
        return text
    end = text.find(">", start)
    inner = text.find("[", start)
    if 0 <= inner < end:
        end = text.find("]", inner)
        # Entities may hold a bracket of their own; whatever is left of the declaration then is text, and nothing is expanded.
        end = text.find(">", end) if end >= 0 else -1
    return text[:start] + text[end + 1 :] if end >= 0 else text[:start]


class _Builder:
    """Puts elements into a tree, closing what others left open."""

    def __init__(self) -> None:
        self.top = Node("", {}, 0)
        self.stack = [self.top]
        self.scopes: list[dict[str, str]] = [{}]
        self.count = 0
        self.passed = 0

    def start(self, name: str, attributes: dict[str, str], place: int) -> None:
        self.count += 1
        if self.count > NODE_LIMIT:
            raise _Enough
        if self.passed or len(self.stack) > DEPTH_LIMIT:
            self.passed += 1
            return
        scope = _scope(self.scopes[-1], attributes)
        node = Node(_named(name, scope), _attributes(attributes, scope), place)
        self.stack[-1].parts.append(node)
        self.stack.append(node)
        self.scopes.append(scope)

    def end(self, place: int) -> None:
        if self.passed:
            self.passed -= 1
        elif len(self.stack) > 1:
            self.stack.pop().end = place
            self.scopes.pop()

    def say(self, text: str) -> None:
        if text:
            self.stack[-1].parts.append(text)

    def done(self, place: int) -> Node:
        while len(self.stack) > 1:
            self.end(place)
            self.passed = 0
        roots = list(self.top.children)
        if not roots:
            raise NotMarkup("There is no element in it.")
        return next((root for root in roots if root.name in ("rss", "feed", "rdf:rdf", "opml")), roots[0])


def _scope(scope: dict[str, str], attributes: dict[str, str]) -> dict[str, str]:
    declared = {
        key[6:]: _NAMESPACES.get(value.strip().lower().partition("://")[2], f"?{key[6:]}")
        for key, value in attributes.items()
        if key == "xmlns" or key.startswith("xmlns:")
    }
    return {**scope, **declared} if declared else scope


def _named(name: str, scope: dict[str, str]) -> str:
    prefix, mark, local = name.lower().rpartition(":")
    if not mark:
        known = scope.get("", "")
        # A default namespace we do not know is taken for none: feeds are read by what they say, not by whom they cite.
        return local if not known or known.startswith("?") else f"{known}:{local}"
    known = scope.get(prefix)
    if known is None or known == f"?{prefix}":
        known = "" if prefix == "atom" else prefix
    return f"{known}:{local}" if known else local


def _attributes(attributes: dict[str, str], scope: dict[str, str]) -> dict[str, str]:
    return {
        (_named(key, scope) if ":" in key else key.lower()): value
        for key, value in attributes.items()
        if key != "xmlns" and not key.startswith("xmlns:")
    }


def _by_expat(data: bytes, builder: _Builder) -> None:
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: builder.start(name, attributes, parser.CurrentByteIndex)
    parser.CharacterDataHandler = builder.say
    parser.EndElementHandler = lambda name: builder.end(_after_tag(data, parser.CurrentByteIndex))
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    parser.Parse(data, True)


def _refuse(*_: object) -> int:
    raise NotMarkup("Entities are not declared here.")


def _after_tag(data: bytes, place: int) -> int:
    found = data.find(b">", place)
    return len(data) if found < 0 else found + 1


def _by_scanner(data: bytes, builder: _Builder) -> None:
    place, length = 0, len(data)
    while place < length:
        start = data.find(b"<", place)
        if start < 0:
            start = length
        builder.say(unescape(data[place:start].decode("utf-8", "replace")))
        if start == length:
            break
        place = _scanned(data, start, builder)


def _scanned(data: bytes, start: int, builder: _Builder) -> int:
    """Handle what begins at ``start`` with ``<``; the place after it."""
    if data.startswith(b"<![CDATA[", start):
        end = data.find(b"]]>", start + 9)
        builder.say(data[start + 9 : end if end >= 0 else len(data)].decode("utf-8", "replace"))
        return len(data) if end < 0 else end + 3
    if data.startswith((b"<!", b"<?"), start):
        mark = b"-->" if data.startswith(b"<!--", start) else b">"
        end = data.find(mark, start)
        return len(data) if end < 0 else end + len(mark)
    found = _TAG.match(data, start)
    if found is None:
        builder.say("<")
        return start + 1
    name = found.group(2).decode("ascii")
    if found.group(1):
        _close(builder, name, found.end())
        return found.end()
    rest = found.group(3).decode("utf-8", "replace")
    told = {key: unescape(double or single or bare) for key, double, single, bare in _ATTRIBUTE.findall(rest[:20_000])} if rest else {}
    if name.lower() in ITEMS:
        _close_item(builder, start)
    builder.start(name, told, start)
    if rest.rstrip().endswith("/") or name.lower() in _VOID:
        builder.end(found.end())
    return found.end()


def _close(builder: _Builder, name: str, place: int) -> None:
    """End the nearest open element of that name, and what was left open in it; one that nobody opened is passed over."""
    if builder.passed:
        builder.end(place)
        return
    wanted = _named(name, builder.scopes[-1])
    for depth in range(len(builder.stack) - 1, 0, -1):
        if builder.stack[depth].name == wanted:
            while len(builder.stack) > depth:
                builder.end(place)
            return


def _close_item(builder: _Builder, place: int) -> None:
    for depth in range(len(builder.stack) - 1, 0, -1):
        if builder.stack[depth].name in ITEMS:
            while len(builder.stack) > depth:
                builder.passed = 0
                builder.end(place)
            return
