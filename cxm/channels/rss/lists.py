"""Lists of feeds as readers exchange them (OPML 2.0): many sources in, all sources out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

from cxm.channels.rss import finding

#: The kind of source a list holds, what people call such a file, and how it is named and sent.
KIND, FORMAT, FILE, MEDIA_TYPE = "feed", "OPML", "feeds.opml", "text/x-opml; charset=utf-8"


def read(body: bytes) -> list[dict[str, Any]]:
    """The settings of a source for each feed of the list. Raises ValueError, saying why, where it is no such list."""
    found: list[dict[str, Any]] = []
    for one in finding.in_list(body):
        told = {"url": "https:" + one.url.partition(":")[2], "title": one.title, "folder": " / ".join(one.folders)[:400]}
        found.append({key: value for key, value in told.items() if value})
    return found


def write(title: str, listed: Iterable[Mapping[str, Any]]) -> bytes:
    """The list of those sources, in their folders; :func:`read` reads it back the same."""
    root = ElementTree.Element("opml", version="2.0")
    ElementTree.SubElement(ElementTree.SubElement(root, "head"), "title").text = _clean(title)
    body = ElementTree.SubElement(root, "body")
    folders: dict[str, ElementTree.Element] = {"": body}
    for settings in listed:
        url = _clean(str(settings.get("url") or ""))
        name = _clean(str(settings.get("title") or "")) or url
        above = _folder(folders, _clean(str(settings.get("folder") or "")))
        ElementTree.SubElement(above, "outline", type="rss", text=name, title=name, xmlUrl=url)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _folder(folders: dict[str, ElementTree.Element], path: str) -> ElementTree.Element:
    if path not in folders:
        outer, _, name = path.rpartition(" / ")
        folders[path] = ElementTree.SubElement(_folder(folders, outer), "outline", text=name, title=name)
    return folders[path]


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(sign for sign in text if sign in "\t\n" or " " <= sign < "\ud800" or "\ue000" <= sign < "\ufffe" or sign >= "\U00010000")
