"""What is wrong with one field of a request, in the words the console uses for the same: short, plain, and in its catalogues.

pydantic says "Input should be a valid string" and 90 things like it, in English only. Programs that show a refusal to a person show these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_noop

from cxm.kernel.said import Said

#: Of each kind of pydantic's, what we say; the places are its own.
_SAID: dict[str, str] = {
    "missing": gettext_noop("This is needed."),
    "extra_forbidden": gettext_noop("Nothing is called so here."),
    "none_required": gettext_noop("This must be empty."),
    "string_type": gettext_noop("This must be text."),
    "int_type": gettext_noop("This must be a whole number."),
    "int_parsing": gettext_noop("This must be a whole number."),
    "int_from_float": gettext_noop("This must be a whole number."),
    "float_type": gettext_noop("This must be a number."),
    "float_parsing": gettext_noop("This must be a number."),
    "finite_number": gettext_noop("This must be a number."),
    "bool_type": gettext_noop("This must be true or false."),
    "bool_parsing": gettext_noop("This must be true or false."),
    "list_type": gettext_noop("This must be a list."),
    "tuple_type": gettext_noop("This must be a list."),
    "set_type": gettext_noop("This must be a list."),
    "dict_type": gettext_noop("This must be an object."),
    "model_type": gettext_noop("This must be an object."),
    "model_attributes_type": gettext_noop("This must be an object."),
    "uuid_type": gettext_noop("This must be an ID."),
    "uuid_parsing": gettext_noop("This must be an ID."),
    "datetime_type": gettext_noop("This must be a moment with its zone, like {example}."),
    "datetime_parsing": gettext_noop("This must be a moment with its zone, like {example}."),
    "datetime_from_date_parsing": gettext_noop("This must be a moment with its zone, like {example}."),
    "timezone_aware": gettext_noop("This must be a moment with its zone, like {example}."),
    "date_type": gettext_noop("This must be a day, like {day}."),
    "date_parsing": gettext_noop("This must be a day, like {day}."),
    "date_from_datetime_parsing": gettext_noop("This must be a day, like {day}."),
    "greater_than_equal": gettext_noop("This must be {ge} or more."),
    "greater_than": gettext_noop("This must be more than {gt}."),
    "less_than_equal": gettext_noop("This must be {le} or less."),
    "less_than": gettext_noop("This must be less than {lt}."),
    "string_too_short": gettext_noop("This must have {min_length} or more characters."),
    "string_too_long": gettext_noop("This must have at most {max_length} characters."),
    "too_short": gettext_noop("This must have {min_length} or more entries."),
    "too_long": gettext_noop("This must have at most {max_length} entries."),
    "string_pattern_mismatch": gettext_noop("This must match {pattern}."),
    "literal_error": gettext_noop("One of: {expected}."),
    "enum": gettext_noop("One of: {expected}."),
}
_EXAMPLES = {"example": "2026-01-31T12:00:00Z", "day": "2026-01-31"}


def said(error: Mapping[str, Any]) -> str:
    """One of pydantic's findings as a sentence of ours, which :func:`cxm.platform.problems.problem` tells in the reader's language.

    A kind that is not known, or lacks a place, is told in pydantic's own words.
    """
    found = _SAID.get(str(error.get("type")))
    own = str(error["msg"]).removeprefix("Value error, ")
    if found is None:
        return own
    given: dict[str, object] = error.get("ctx") or {}
    context = {name: part if isinstance(part, int) else _listed(str(part)) for name, part in given.items()}
    try:
        return Said(found, {**_EXAMPLES, **context})
    except (KeyError, IndexError):
        return own


def _listed(expected: str) -> str:
    """“'a', 'b' or 'c'” without the word that only English has."""
    return expected.replace("' or '", "', '").replace("'", "")
