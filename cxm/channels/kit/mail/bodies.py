"""What a mail says and what came along: its parts, walked without recursion, the words of each chosen or opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from cxm.channels.contracts import Media
from cxm.channels.kit.mail import calendars, html, letters, secured, tnef
from cxm.channels.kit.mail.letters import Letter
from cxm.channels.kit.text import one_line

#: Parts of one message that are looked at; more are a bomb, not a letter.
PART_LIMIT = 500
#: Mails within signed mails within signed mails, and TNEF within TNEF.
_WRAPPED_LIMIT = 3
_SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-encrypted")
_OPAQUE = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_WRAPPED = ("application/ms-tnef", "application/vnd.ms-tnef")
_BOUNDARY = re.compile(rb"^--([A-Za-z0-9'()+_,./:=?-]{1,70})\r?\nContent-", re.MULTILINE | re.IGNORECASE)
#: Alternatives that only few programs show, and that repeat what the others say.
_REPEATED = ("text/x-amp-html", "text/watch-html", "text/x-watch-html")


@dataclass(frozen=True, slots=True)
class Body:
    """``text``: what a reader sees; ``media``: what came along; ``left_out``: how many parts were too many.

    ``marks``: what it is besides (``signed``, ``encrypted``, ``calendar``, ``cancelled``, ``answer``). ``written``: somebody's words are in it, and not
    only a program's entry for a calendar.
    """

    text: str
    media: tuple[Media, ...] = ()
    left_out: int = 0
    marks: tuple[str, ...] = ()
    written: bool = True


@dataclass(slots=True)
class _Found:
    texts: list[str] = field(default_factory=list[str])
    spare: list[str] = field(default_factory=list[str])
    media: list[Media] = field(default_factory=list[Media])
    marks: dict[str, None] = field(default_factory=dict[str, None])
    wrapped: int = 0

    def mark(self, *names: str) -> None:
        self.marks |= dict.fromkeys(names)


def body(letter: Letter) -> Body:
    """Text and attachments. Of alternatives the plain one is read, unless it is empty; attached messages stay attachments.

    What wraps a mail is opened where that takes no key: opaque signatures and Outlook's ``winmail.dat``. Words of a calendar or of ``winmail.dat`` are
    read where there are no others.
    """
    found = _Found()
    left_out = 0
    for count, part in enumerate(_parts(letter, found)):
        if count >= PART_LIMIT:
            left_out += 1
        else:
            _take(part, found)
    texts = [text for text in found.texts if text.strip()]
    written = bool(texts)
    if not texts:
        texts = [text for text in found.spare if text.strip()][:1]
    if not texts and "encrypted" in found.marks:
        texts = [secured.UNREADABLE]
    return Body("\n\n".join(texts), tuple(found.media), left_out, tuple(found.marks), written)


def _parts(letter: Letter, found: _Found) -> Iterator[Letter]:
    """The leaves to look at, one of each set of alternatives; without recursion, attached messages whole."""
    stack: list[Letter] = [letter]
    while stack:
        part = stack.pop()
        kind = part.get_content_type()
        if kind in _OPAQUE and (inner := _unwrapped(part, found)) is not None:
            stack.append(inner)
            continue
        if kind.startswith("multipart/") and not part.is_multipart():
            part = _read_anew(part)
        if not part.is_multipart() or part.get_content_maintype() != "multipart":
            yield part
            continue
        if kind == "multipart/signed":
            found.mark("signed")
        elif kind == "multipart/encrypted":
            found.mark("encrypted")
        entries = letters.children(part)
        stack.extend(reversed(_chosen(entries) if kind == "multipart/alternative" else entries))


def _read_anew(part: Letter) -> Letter:
    """A part whose boundary is not the one that it names, read by the one it uses; as plain text where it uses none."""
    content = letters.payload(part)
    match = _BOUNDARY.search(content)
    if match is not None:
        again = letters.read(b"Content-Type: " + part.get_content_type().encode() + b'; boundary="' + match.group(1) + b'"\n\n' + content)
        if again.is_multipart():
            return again
    return letters.read(b"MIME-Version: 1.0\nContent-Type: text/plain\n\n" + content)


def _unwrapped(part: Letter, found: _Found) -> Letter | None:
    """The mail within an opaque signature; None where there is none to read."""
    mark, content = secured.opaque(letters.payload(part), letters.parameter(part, "smime-type") or "")
    if mark:
        found.mark(mark)
    if content is None or found.wrapped >= _WRAPPED_LIMIT:
        return None
    found.wrapped += 1
    return letters.read(content)


def _take(part: Letter, found: _Found) -> None:
    kind = part.get_content_type()
    if kind in _REPEATED or kind in _SIGNATURES:
        return
    if _is_text(part):
        text, marks = secured.unarmoured(letters.text_of(part))
        found.texts.append(text)
        found.mark(*marks)
        return
    if kind == "text/calendar":
        _calendar(part, found)
    elif kind in _WRAPPED or (_filename(part) or "").lower() == "winmail.dat":
        opened = tnef.opened(letters.payload(part))
        if opened is not None:
            _opened(opened, found)
            return
    if (medium := _medium(part)) is not None:
        found.media.append(medium)


def _calendar(part: Letter, found: _Found) -> None:
    entry = calendars.read(letters.decode(letters.payload(part), letters.parameter(part, "charset")))
    method = (letters.parameter(part, "method") or entry.method).strip().lower()
    found.mark({"cancel": "cancelled", "reply": "answer"}.get(method, "calendar"))
    found.spare.append(entry.text)


def _opened(opened: tnef.Opened, found: _Found) -> None:
    found.spare.append(opened.text or html.to_text(letters.decode(opened.html, None)))
    for file in opened.files:
        inner = tnef.opened(file.content) if found.wrapped < _WRAPPED_LIMIT else None
        if inner is not None:
            found.wrapped += 1
            _opened(inner, found)
            continue
        kind = file.kind.lower() if "/" in file.kind else "application/octet-stream"
        found.media.append(Media(_kind(kind), name=_file_name(file.name), content_type=one_line(kind, 100), content=file.content))


def _chosen(entries: list[Letter]) -> list[Letter]:
    """The plain alternative where it says something, else the richest text; a calendar entry beside them comes along."""
    entries = [entry for entry in entries if entry.get_content_type() not in _REPEATED]
    plain = [entry for entry in entries if entry.get_content_type() == "text/plain" and letters.text_of(entry).strip()]
    rich = [entry for entry in entries if entry.get_content_type() != "text/plain"]
    texts = [entry for entry in rich if _is_version(entry)]
    others = [entry for entry in rich if not _is_version(entry)]
    chosen = plain[:1] or texts[-1:]
    if plain and texts:
        # Pictures of the rich version are part of the letter too, and Apple puts files there.
        others += [leaf for entry in texts for leaf in _companions(entry)]
    return [*chosen, *others] or entries[:1]


def _is_version(entry: Letter) -> bool:
    """Whether an alternative is the mail's words once more, as rich ones."""
    return entry.get_content_type().startswith(("text/html", "multipart/"))


def _companions(entry: Letter) -> list[Letter]:
    """What stands beside the words of a rich alternative: pictures and files."""
    level, found = letters.children(entry), list[Letter]()
    while level and len(found) < PART_LIMIT:
        inner = [part for part in level if part.get_content_maintype() == "multipart"]
        found += [
            part
            for part in level
            if part.get_content_maintype() != "multipart" and not _is_text(part) and part.get_content_type() not in _REPEATED
        ]
        level = [child for part in inner for child in letters.children(part)]
    return found


def _is_text(part: Letter) -> bool:
    if part.get_content_type() not in ("text/plain", "text/html") and not (
        part.get_content_maintype() == "text" and part.get_content_subtype() in ("enriched", "richtext", "markdown")
    ):
        return False
    # Some programs name even the words; a mail that is nothing else is no file.
    return _disposition(part) != "attachment" and (
        not _filename(part) or part.get("MIME-Version") is not None or part.get("From") is not None
    )


def _disposition(part: Letter) -> str:
    return str(part.get("Content-Disposition", "")).partition(";")[0].strip().lower()


def _filename(part: Letter) -> str | None:
    name = letters.parameter(part, "filename", "content-disposition") or letters.parameter(part, "name")
    return _file_name(name) if name else None


def _file_name(name: str) -> str | None:
    """Only the last component of a path, no controls, no direction tricks: it is shown and may be saved."""
    name = one_line(letters.decoded(name), 1000).replace("\\", "/").rpartition("/")[2].strip(". ")
    return name[-200:] or None


def _medium(part: Letter) -> Media | None:
    kind = part.get_content_type()
    name = _filename(part) or _own_name(part, kind)
    content = letters.payload(part)
    if not content and name is None:
        return None
    return Media(
        kind=_kind(kind),
        alt=one_line(str(part.get("Content-Description", "")), 500) or None,
        name=name,
        content_type=one_line(kind, 100),
        content=content,
    )


def _own_name(part: Letter, kind: str) -> str | None:
    """A name for what has none: an attached mail is called by its subject."""
    if kind == "message/rfc822":
        inner = letters.children(part)
        subject = (letters.header(inner[0], "Subject") or "") if inner else ""
        return f"{(_file_name(subject.replace('/', '-').replace(chr(92), '-')) or 'message')[:150]}.eml"
    return {"text/calendar": "invite.ics", "text/vcard": "contact.vcf", "text/x-vcard": "contact.vcf", "text/directory": "contact.vcf"}.get(
        kind
    )


def _kind(content_type: str) -> str:
    main = content_type.partition("/")[0]
    return main if main in ("image", "video", "audio") else "file"
