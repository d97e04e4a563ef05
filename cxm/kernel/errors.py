"""The one error tree: what went wrong, what it means, what to do next.

Each error carries ``status`` (HTTP), ``code`` (stable, for programs), ``text`` (a sentence for people) and ``hint`` (the next
step). ``platform.problems`` renders it once as problem+json and once as a page fragment.
"""

from __future__ import annotations

from dataclasses import dataclass


class CxmError(Exception):
    """The root of everything OpenCXM raises on purpose."""

    status = 500
    title = "Something broke on our side"

    def __init__(self, code: str, text: str, hint: str = "", **extra: object) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.hint = hint
        #: Further members of the problem document, e.g. ``position`` and ``length`` of a query error.
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.text} {self.hint}".strip()


class BadInput(CxmError):
    """What came in cannot be read at all (not JSON, not a query)."""

    status = 400
    title = "That cannot be read"


class NotSignedIn(CxmError):
    """No valid session or token."""

    status = 401
    title = "Sign in first"


class NotAllowed(CxmError):
    """Known, but without the permission."""

    status = 403
    title = "Not allowed"


class NotFound(CxmError):
    """Not there; another organization's things answer exactly so."""

    status = 404
    title = "Not found"

    def __init__(self, what: str = "thing") -> None:
        super().__init__("not_found", f"There is no such {what} here.", "Check the address; it may have been removed.")


class Conflict(CxmError):
    """There already, or no longer in a state that allows it."""

    status = 409
    title = "Not possible now"


class Removed(CxmError):
    """Was here and was deleted."""

    status = 410
    title = "Deleted"


class TooLarge(CxmError):
    """Over a documented limit."""

    status = 413
    title = "Too large"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid field: ``path`` as in the request body (``settings.reply_url``), ``text`` a sentence."""

    path: str
    text: str


class Invalid(CxmError):
    """Readable, but not valid; ``errors`` names each field."""

    status = 422
    title = "Not valid"

    def __init__(self, code: str, text: str, hint: str = "", errors: tuple[FieldError, ...] = (), **extra: object) -> None:
        super().__init__(code, text, hint, **extra)
        self.errors = errors


class TooMany(CxmError):
    """Too fast; try again after ``retry_after`` seconds."""

    status = 429
    title = "Too many requests"

    def __init__(self, code: str, text: str, hint: str = "", retry_after: int = 1) -> None:
        super().__init__(code, text, hint)
        self.retry_after = retry_after


class NotNow(CxmError):
    """An engine we depend on is away; nothing was accepted. Try again after ``retry_after`` seconds."""

    status = 503
    title = "Not available just now"

    def __init__(self, code: str, text: str, hint: str = "", retry_after: int = 5) -> None:
        super().__init__(code, text, hint)
        self.retry_after = retry_after
