"""The words of the interface: gathered from templates and Python into cxm/locale/*/LC_MESSAGES/django.po.

``python tools/messages.py`` writes the catalogues anew, keeping translations; ``--check`` says what is missing, changed or broken.
Babel does the reading, so that gettext's own programs are not needed.
"""

from __future__ import annotations

import io
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import sentences  # noqa: E402

SOURCES = ROOT / "cxm"
LOCALE = SOURCES / "locale"
LANGUAGES = ("es", "ar", "zh_Hans")
_KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop", "__", "said"), None),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    "npgettext": ((1, "c"), 2, 3),
}
#: Where Babel's own differs from CLDR's: its Arabic exchanges "many" (11 to 99) with "other".
_PLURALS = {"ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);"}
_SPEAKS = re.compile(r"gettext|translate|\bsaid\(")
_PLACES = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w*\}")


def gathered() -> Catalog:
    """Every message of the tree, in order of the files; no line numbers, so that catalogues change only with the words."""
    catalogue = Catalog(fuzzy=False, charset="utf-8", header_comment="# Words of the interface.")
    for path in sorted([*SOURCES.rglob("*.html"), *SOURCES.rglob("*.py")]):
        where = path.relative_to(ROOT).as_posix()
        if "/tests/" in where or "/migrations/" in where or "/demo/" in where:
            continue
        source = path.read_text(encoding="utf-8")
        if not _SPEAKS.search(source):  # reading Python for nothing takes most of the time
            continue
        if path.suffix == ".html":
            source = templatize(source)
        for _, message, comments, context in extract("python", io.BytesIO(source.encode()), _KEYWORDS, ["Translators:"]):
            if message and (message if isinstance(message, str) else message[0]):
                catalogue.add(message, locations=[(where, None)], auto_comments=comments, context=context)  # type: ignore[list-item]
    for sentence, files in sentences.spoken().items():
        catalogue.add(sentence, locations=[(where, None) for where in files])  # type: ignore[list-item]
    for path in sorted(SOURCES.glob("channels/*/manifest.toml")):
        for text in texts_of(tomllib.loads(path.read_text(encoding="utf-8"))):
            catalogue.add(text, locations=[(path.relative_to(ROOT).as_posix(), None)])  # type: ignore[list-item]
    return catalogue


def texts_of(table: Any) -> list[str]:
    """What a channel's manifest says to people: every ``title``, ``description`` and ``text`` that is one, however deep."""
    if isinstance(table, list):
        return [text for one in table for text in texts_of(one)]
    if not isinstance(table, dict):
        return []
    own = [value for key, value in table.items() if key in ("title", "description", "text") and isinstance(value, str) and value]
    return own + [text for value in table.values() for text in texts_of(value)]


def path_of(language: str) -> Path:
    """Where the catalogue of a language lies."""
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def catalogue_of(language: str) -> Catalog:
    """The catalogue as it lies there; empty where there is none."""
    if not path_of(language).exists():
        return Catalog(locale=language, charset="utf-8", fuzzy=False, header_comment="# Words of the interface.")
    with path_of(language).open("rb") as file:
        return read_po(file, locale=language)


def renewed(language: str, template: Catalog) -> Catalog:
    """The catalogue with the messages of ``template``: translations kept by their exact words, nothing guessed, nothing left over."""
    former = catalogue_of(language)
    fresh = Catalog(locale=language, charset="utf-8", fuzzy=False, header_comment="# Words of the interface.")
    if language in _PLURALS:
        fresh.mime_headers = [("Plural-Forms", _PLURALS[language])]
    for message in template:
        if not message.id:
            continue
        known = former.get(message.id, context=message.context)
        string = known.string if known is not None and not known.fuzzy else None
        fresh.add(message.id, string, locations=message.locations, flags=message.flags, auto_comments=message.auto_comments, context=message.context)  # fmt: skip
    return fresh


def text_of(catalogue: Catalog) -> bytes:
    """As it is written to a file; without dates, which would make every writing a change."""
    out = io.BytesIO()
    write_po(out, catalogue, width=110, omit_header=False, include_lineno=False, sort_output=True)
    return b"\n".join(
        line for line in out.getvalue().split(b"\n") if not re.match(rb'"(POT-Creation|PO-Revision)-Date|"Generated-By', line)
    )


def faults(language: str, template: Catalog) -> list[str]:
    """What is wrong with a catalogue."""
    known = catalogue_of(language)
    found = [f"{language}: not translated: {_id(one)!r}" for one in template if one.id and not _translated(known, one)]
    for message in known:
        if message.id and template.get(message.id, context=message.context) is None:
            found.append(f"{language}: left over: {_id(message)!r}")
        elif message.id:
            found += [
                f"{language}: other places than in {_id(message)!r}: {text!r}"
                for text in _strings(message)
                if not _same_places(message, text)
            ]
    return found


def stale() -> list[str]:
    """Whether the list of sentences with places is that of the code."""
    known = sentences.PLACED.read_text(encoding="utf-8") if sentences.PLACED.exists() else ""
    return [] if known == sentences.placed() else ["sentences.txt is not that of the code"]


def _id(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _strings(message: Message) -> list[str]:
    strings = [message.string] if isinstance(message.string, str) else list(message.string or ())
    return [text for text in strings if text]


def _translated(catalogue: Catalog, message: Message) -> bool:
    known = catalogue.get(message.id, context=message.context)
    if known is None:
        return False
    wanted = catalogue.num_plurals if isinstance(message.id, tuple | list) else 1
    return len(_strings(known)) == wanted


def _same_places(message: Message, text: str) -> bool:
    """Whether a translation has the places of the original; of a plural's, one may say the number in words."""
    ids = [message.id] if isinstance(message.id, str) else list(message.id)
    allowed = {place for one in ids for place in _PLACES.findall(one)}
    places = set(_PLACES.findall(text))
    return places == allowed if isinstance(message.id, str) else places <= allowed


def main() -> int:
    """Write, or with ``--check`` only look."""
    if not settings.configured:
        settings.configure()
    template = gathered()
    if "--check" in sys.argv:
        wrong = [fault for language in LANGUAGES for fault in faults(language, template)] + stale()
        sys.stdout.writelines(f"{fault}\n" for fault in wrong)
        return 1 if wrong else 0
    sentences.PLACED.write_text(sentences.placed(), encoding="utf-8")
    for language in LANGUAGES:
        path_of(language).parent.mkdir(parents=True, exist_ok=True)
        catalogue = renewed(language, template)
        path_of(language).write_bytes(text_of(catalogue))
        done = sum(1 for one in catalogue if one.id and _translated(catalogue, one))
        sys.stdout.write(f"{language}: {done} of {len(catalogue)} translated\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
