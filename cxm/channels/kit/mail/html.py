"""HTML mail to plain text: linear, nothing fetched, nothing executed, quotes kept as quotes.

The result is text for templates to escape, so a markup trick can at worst leave odd characters. An own scanner, because the
two parsers at hand take quadratic time on hostile input (200,000 nested elements: minutes).
"""

from __future__ import annotations

import re
from html import unescape

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,30})((?:\s[^<>]*)?)/?>")
_HREF = re.compile(r"\bhref\s*=\s*[\"']?(https?://[^\"'\s>]{1,2000})", re.IGNORECASE)
_ALT = re.compile(r"\balt\s*=\s*(?:\"([^\"]{1,500})\"|'([^']{1,500})')", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\f\v\n\xa0\u200b\ufeff\u034f\u00ad]+")
_SKIPPED = frozenset(("script", "style", "head", "title", "template", "noscript", "object", "svg", "math", "select", "textarea"))
_BREAKS = frozenset(
    [
        "p",
        "div",
        "br",
        "hr",
        "tr",
        "table",
        "ul",
        "ol",
        "li",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "section",
        "article",
        "header",
        "footer",
        "pre",
        "blockquote",
        "dl",
        "dt",
        "dd",
        "center",
    ]
)
_PARAGRAPHS = frozenset(["p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "blockquote", "pre"])
_QUOTE_DEPTH = 8
#: Quotes that mail programs mark by a class or id instead of a blockquote.
_QUOTE_MARK = re.compile(r"(gmail_quote|moz-cite-prefix|divRplyFwdMsg|yahoo_quoted|protonmail_quote|OutlookMessageHeader)", re.IGNORECASE)
QUOTE_LINE = "-----Original Message-----"


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.current: list[str] = []
        self.depth = 0
        self.link: str | None = None
        self.link_at = 0
        self.marked = False

    def say(self, text: str) -> None:
        self.current.append(text)

    def end_line(self) -> None:
        line = _BLANKS.sub(" ", "".join(self.current)).strip()
        self.current = []
        if line:
            self.lines.append("> " * self.depth + line)

    def blank(self) -> None:
        if self.lines and self.lines[-1].strip("> "):
            self.lines.append(("> " * self.depth).rstrip())

    def open_link(self, attributes: str) -> None:
        match = _HREF.search(attributes)
        self.link = unescape(match.group(1)) if match else None
        self.link_at = len(self.current)

    def close_link(self) -> None:
        if self.link is not None:
            shown = "".join(self.current[self.link_at :])
            if self.link.rstrip("/") not in shown and shown.strip():
                self.say(f" ({self.link})")
        self.link = None


def to_text(markup: str) -> str:
    """The words of ``markup`` with lines and paragraphs, links as ``words (address)``, quotes as ``> `` lines."""
    writer = _Writer()
    position = 0
    while position < len(markup):
        start = markup.find("<", position)
        if start < 0:
            writer.say(unescape(markup[position:]))
            break
        writer.say(unescape(markup[position:start]))
        position = _markup(writer, markup, start)
    writer.end_line()
    while writer.lines and not writer.lines[-1].strip("> "):
        writer.lines.pop()
    return "\n".join(writer.lines).strip()


def _markup(writer: _Writer, markup: str, start: int) -> int:
    """Handle what begins at ``start`` with ``<``; the position after it."""
    if markup.startswith("<!--", start):
        return _after(markup, "-->", start + 4)
    if markup.startswith(("<!", "<?"), start):
        return _after(markup, ">", start + 2)
    match = _TAG.match(markup, start)
    if match is None:
        writer.say("<")
        return start + 1
    closing, name, attributes = match.group(1) == "/", match.group(2).lower(), match.group(3)
    if name in _SKIPPED and not closing:
        return _skipped(markup, name, match.end())
    _tag(writer, name, attributes, closing)
    return match.end()


def _after(markup: str, end: str, start: int) -> int:
    found = markup.find(end, start)
    # What never ends hides the rest, as it does in a browser; and it is looked for only once.
    return len(markup) if found < 0 else found + len(end)


def _skipped(markup: str, name: str, start: int) -> int:
    match = re.compile(rf"</{name}\s{{0,20}}>", re.IGNORECASE).search(markup, start)
    return len(markup) if match is None else match.end()


def _tag(writer: _Writer, name: str, attributes: str, closing: bool) -> None:
    if name == "a":
        writer.close_link()
        if not closing:
            writer.open_link(attributes)
    elif name == "img":
        match = _ALT.search(attributes)
        if match:
            writer.say(f" {unescape(match.group(1) or match.group(2))} ")
    elif name in ("td", "th"):
        writer.say(" ")
    elif name in _BREAKS:
        _break(writer, name, attributes, closing)


def _break(writer: _Writer, name: str, attributes: str, closing: bool) -> None:
    writer.end_line()
    if name == "blockquote" and closing:
        writer.depth = max(0, writer.depth - 1)
    if name in _PARAGRAPHS:
        writer.blank()
    if name == "blockquote" and not closing:
        writer.depth = min(_QUOTE_DEPTH, writer.depth + 1)
    elif name == "li" and not closing:
        writer.say("- ")
    elif name in ("div", "hr") and not closing and not writer.marked and not writer.depth and _QUOTE_MARK.search(attributes):
        writer.marked = True
        if writer.lines:
            writer.lines.append(QUOTE_LINE)
