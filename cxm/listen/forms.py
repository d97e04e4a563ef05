"""Reading forms of the slice's pages: what was typed comes back beside what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from cxm.design import refusals
from cxm.kernel.errors import CxmError


def text(request: HttpRequest, name: str) -> str:
    """A field as typed; NUL, which no database keeps, is dropped."""
    return request.POST.get(name, "").replace("\x00", "")


def attempt(act: Callable[[], Any]) -> CxmError | None:
    """Run ``act``; what it refuses as invalid, taken or unreadable comes back for the form. What is missing or forbidden is raised."""
    try:
        act()
    except CxmError as error:
        if error.status not in (400, 409, 422):
            raise
        return error
    return None


def field_errors(error: CxmError | None) -> dict[str, str]:
    """The sentences of an error by field."""
    return {path.rpartition(".")[2]: text for path, text in refusals.fields(error).items()}
