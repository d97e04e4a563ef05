"""What was refused, in the member's language, field by field.

Errors are raised in English, in slices that know no screen (and answer programs with it). Here their sentences find their translations: those
that say the same each time by their words, those with a number or a name in them by the patterns below.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from django.utils.translation import get_language, get_language_bidi, gettext, gettext_noop

from cxm.design import charts
from cxm.kernel.errors import BadInput, Conflict, CxmError
from cxm.kernel.said import Said

#: Sentences that stand in slices which know no translations; listed here so that the catalogues have them.
_SENTENCES = (
    gettext_noop("1 to 200 characters"),
    gettext_noop("A name has 1 to 200 characters."),
    gettext_noop("The name is empty, too long or holds control characters."),
    gettext_noop("That is not a mail address."),
    gettext_noop("a mail address"),
    gettext_noop("Change their role instead."),
    gettext_noop("Choose another name."),
    gettext_noop("There is a unit of this name beside it already."),
    gettext_noop("Another organization here has this name."),
    gettext_noop("Use another name, or change that one."),
    gettext_noop("That is not something a stop can cover."),
    gettext_noop("Shorten it."),
    gettext_noop("Write something."),
    gettext_noop("A reason is missing."),
    gettext_noop("Say how you know; it stays with the profile."),
    gettext_noop("This is needed."),
    gettext_noop("This is not a setting of this channel."),
    gettext_noop("There is no such way to sign in."),
    gettext_noop("Enter the client ID and secret as they stand there."),
    gettext_noop("Nobody knows the address to come back to."),
    gettext_noop("Set CXM_PUBLIC_URL, and register it at the platform."),
    gettext_noop("This must be text."),
    gettext_noop("This must be a whole number."),
    gettext_noop("This must be a number."),
    gettext_noop("This must be true or false."),
    gettext_noop("This must be a list."),
    gettext_noop("This must be a full address, like https://example.org/replies."),
    gettext_noop("This must be the full address of a stream, like wss://example.org."),
    gettext_noop("This must be a host name, like imap.example.org, without a scheme or port."),
    gettext_noop("This must be a mail address, like care@example.org."),
    gettext_noop("Something in the request is not valid."),
    gettext_noop("“errors” names each field."),
    gettext_noop("The body is not JSON."),
    gettext_noop("Send UTF-8 JSON with Content-Type: application/json."),
    gettext_noop("There is no valid token with this request."),
    gettext_noop("Send “Authorization: Bearer cxm_…”; make one in Settings or by “cxm token create”."),
    gettext_noop("Wait as long as Retry-After says."),
    gettext_noop("There is no such thing here."),
    gettext_noop("There is no such route here."),
    gettext_noop("Check the address; it may have been removed."),
)
#: Sentences with something in them that differs; each place is kept as it came.
_PATTERNS = (
    gettext_noop("What was registered at {name} is needed first."),
    gettext_noop("At most {most} characters, and no blanks."),
    gettext_noop("1 to {most} characters."),
    gettext_noop("Use 1 to {most} characters."),
    gettext_noop("at most {most} characters"),
    gettext_noop("“{field}” is empty."),
    gettext_noop("“{field}” is longer than {most} characters."),
    gettext_noop("There is no role “{name}”."),
    gettext_noop("Use one of {names}."),
    gettext_noop("Use one of: {names}."),
    gettext_noop("One of: {names}."),
    gettext_noop("One of: {names}, or null."),
    gettext_noop("{address} is a member here already."),
    gettext_noop("There is an account “{name}” on {channel} already."),
    gettext_noop("There is a topic “{name}” already."),
    gettext_noop("There is a queue “{name}” already."),
    gettext_noop("“{name}” is no state of a mention."),
    gettext_noop("This must have {least} to {most} characters."),
    gettext_noop("This must match {pattern}."),
    gettext_noop("This must be one of {names}."),
    gettext_noop("This must be from {least} to {most}."),
    gettext_noop("{name} may not answer in this unit."),
    gettext_noop("More than {limit} requests in a minute."),
)
#: What stands in place of words that nobody here can read.
_PLACEHOLDERS = (gettext_noop("(This mail is encrypted. It can be read in a mail program that has the key.)"),)
#: Conflicts that are about one field of the form that met them.
_ABOUT = {
    "member_exists": "email",
    "unit_exists": "name",
    "unit_below_itself": "parent",
    "organization_exists": "name",
    "account_exists": "name",
    "topic_exists": "name",
    "queue_exists": "name",
    "queue_name_taken": "name",
    "last_owner": "role",
    "case_same": "other",
    "source_exists": "settings.url",
}
#: Longer texts are told as they are: a pattern is not tried on them.
_LONGEST = 1_000


#: Sentences of slices without a screen that have places, gathered by tools/sentences.py, the most particular first.
_PLACED = Path(__file__).resolve().parent.parent / "locale" / "sentences.txt"
#: Where one sentence ends and the next may begin: “It is away. Try again.”
_ENDED = re.compile(r"\s\S+[.?…)]$")
_NEXT = re.compile(r"(?<=[.?…)]) (?=\S)")


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], str], ...]:
    every = (*_PATTERNS, *_PLACED.read_text(encoding="utf-8").splitlines())
    return tuple((re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(one)), re.DOTALL), one) for one in dict.fromkeys(every))


def told(text: str) -> str:
    """``text`` of an error in the language of the reader, as it is where no catalogue has it.

    It may have been stored long ago, be filled in, and be of several sentences: each is looked for, what is none of ours stays.
    """
    if not text:
        return ""
    if isinstance(text, Said):
        return gettext(text.template).format(**{name: _part(part) for name, part in text.parts.items()})
    if (found := gettext(text)) != text or len(text) > _LONGEST or (get_language() or "en").startswith("en"):
        return found
    return _filled(text, one_sentence=True) or _by_sentences(text) or _filled(text, one_sentence=False) or text


def stands_for(text: str) -> str:
    """What somebody said; where a sentence of ours stands for what cannot be shown (an encrypted mail), that in the reader's language."""
    return gettext(text.strip()) if text.strip() in _PLACEHOLDERS else text


def _filled(text: str, *, one_sentence: bool) -> str:
    """The translation of a sentence with places, empty where it is none; ``one_sentence``: nothing in a place ends a sentence."""
    for pattern, one in _compiled():
        match = pattern.fullmatch(text)
        if match and not (one_sentence and any(_NEXT.search(part) for part in match.groups())):
            return gettext(one).format(
                **{name: _isolated(told(part) if _ENDED.search(part) else part) for name, part in match.groupdict().items()}
            )
    return ""


def _by_sentences(text: str) -> str:
    """Sentence after sentence, as many at once as are known together; empty where none of them is."""
    ends = [found.start() for found in _NEXT.finditer(text)][:20]
    for end in reversed(ends):
        first = text[:end]
        known = gettext(first)
        known = known if known != first else _filled(first, one_sentence=True)
        if known:
            return f"{known}{_between(known)}{told(text[end + 1 :])}"
    for end in ends:
        rest = text[end + 1 :]
        known = gettext(rest)
        if known != rest:
            return f"{text[:end]} {known}"
    return ""


def _between(sentence: str) -> str:
    """What stands before the next sentence: nothing after a Chinese full stop, which brings its own space."""
    return "" if sentence.endswith(("。", "！", "？", "）", "”")) else " "


def _part(part: object) -> object:
    """What stands in a sentence: sentences are told too, numbers as the reader writes them, all else stays."""
    if isinstance(part, Said):
        return told(part)
    if isinstance(part, int):
        return charts.figure(part)
    return _isolated(part)


def _isolated(part: object) -> object:
    return f"\u2068{part}\u2069" if get_language_bidi() else part  # a query keeps its own direction among Arabic words


def fields(error: CxmError | None) -> dict[str, str]:
    """What is wrong, by the field of the form it is about; empty where no field is to blame."""
    if error is None:
        return {}
    named = {one.path: told(one.text) for one in getattr(error, "errors", ())}
    if isinstance(error, Conflict) and error.code in _ABOUT:
        named.setdefault(_ABOUT[error.code], told(error.text))
    if isinstance(error, BadInput) and "position" in error.extra:
        named.setdefault("query", told(error.text))
    return named
