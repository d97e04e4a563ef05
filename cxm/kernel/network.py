"""What can go wrong beyond our door: the five errors a connector raises; the runtime decides what follows."""

from __future__ import annotations


class ConnectorError(Exception):
    """The root of the five. ``text`` is a plain sentence for the member; ``mend`` says what to do now."""

    def __init__(self, text: str, mend: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.mend = mend


class AuthExpired(ConnectorError):
    """The credentials are no longer (or never were) accepted."""


class RateLimited(ConnectorError):
    """Later, please. ``retry_after``: seconds, None where the platform did not say."""

    def __init__(self, text: str, mend: str = "", retry_after: float | None = None) -> None:
        super().__init__(text, mend)
        self.retry_after = retry_after


class Rejected(ConnectorError):
    """Refused for good; sending the same again cannot help."""


class Gone(ConnectorError):
    """What we wanted to read or answer no longer exists there."""


class Unavailable(ConnectorError):
    """The platform is away. ``effect_possible``: the call may have had its effect all the same (time-out, cut line)."""

    def __init__(self, text: str, mend: str = "", effect_possible: bool = False, retry_after: float | None = None) -> None:
        super().__init__(text, mend)
        self.effect_possible = effect_possible
        self.retry_after = retry_after
