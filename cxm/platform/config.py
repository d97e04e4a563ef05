"""The one typed configuration object. Every field is documented in docs/operations/settings.md, or a test fails."""

from __future__ import annotations

import functools
from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from cxm.kernel.errors import CxmError


class NotConfigured(CxmError):
    """A setting is missing or unusable; nothing starts on a guess."""

    title = "Not configured"


class Settings(BaseSettings):
    """Options of one installation, read from the environment (``CXM_*``)."""

    model_config = SettingsConfigDict(env_prefix="CXM_", extra="ignore", populate_by_name=True)

    data: Path = Field(default=Path("data"), description="The data directory: embedded PostgreSQL, the mention store, files, secret.key.")
    database_url: str = Field(
        default="",
        validation_alias=AliasChoices("CXM_DATABASE_URL", "DATABASE_URL", "database_url"),
        description="A PostgreSQL 15+ of your own (postgresql://user:password@host:port/name). Empty: the embedded one in the data directory.",
    )
    secret_key: str = Field(default="", description="The master key; at least 32 characters. It signs sessions and encrypts credentials.")
    secret_key_file: Path | None = Field(default=None, description="A file that holds the master key, and former keys one a line below it.")
    public_url: str = Field(
        default="", description="The address people and platforms reach this installation by, such as https://cx.example.com."
    )
    allowed_hosts: str = Field(
        default="", description="Host names served, separated by commas. Empty: the host of CXM_PUBLIC_URL and loopback."
    )
    egress_allow: str = Field(
        default="",
        description="host:port pairs, separated by commas, that outgoing connections may reach although private; only these may be plain http.",
    )
    intake_limit: int = Field(default=10_000_000, description="Largest inbound delivery, in bytes; larger ones get 413.", ge=1_000)
    api_rate: int = Field(default=1200, description="Requests a minute and token before 429.", ge=1)
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: str = Field(default="auto", description="json, text, or auto: text on a terminal.")
    metrics_public: bool = Field(default=False, description="Serve /metrics to other than loopback addresses.")
    trusted_proxies: int = Field(
        default=0, description="How many reverse proxies of yours stand in front; that many X-Forwarded-For entries are believed.", ge=0
    )
    mail_url: str = Field(
        default="",
        description="smtp://user:password@host:port or smtps://… for invitations and sign-in mail. Empty: links are shown on screen instead.",
    )
    mail_from: str = Field(default="", description="The sender of that mail.")
    workers: int = Field(default=6, description="Jobs at once in one process, replies on their way apart.", ge=1, le=64)
    senders: int = Field(
        default=16, description="Replies on their way at once in one process; a slow platform holds one for up to 30 s.", ge=1, le=64
    )
    media_cache: int = Field(
        default=1_000_000_000,
        description="Bytes of files fetched from foreign addresses that are kept for each organization; the oldest go first.",
        ge=0,
    )
    session_hours: int = Field(default=24 * 14, description="Hours after which a sign-in ends.", ge=1)

    @property
    def embedded(self) -> bool:
        """Whether PostgreSQL is ours to start and stop."""
        return not self.database_url


@functools.cache
def settings() -> Settings:
    """The configuration of this process, read once."""
    return Settings()


def master_keys() -> list[str]:
    """The master key first, former ones after it (readable, no longer written with).

    Looked for in ``CXM_SECRET_KEY``, ``CXM_SECRET_KEY_FILE`` and ``<data>/secret.key``. Raises :class:`NotConfigured` where none is
    found or one is shorter than 32 characters: no secret has a usable default.
    """
    options = settings()
    if options.secret_key:
        keys = [options.secret_key]
    else:
        path = options.secret_key_file or options.data / "secret.key"
        try:
            keys = [line.strip() for line in path.read_text().splitlines() if line.strip()]
        except OSError as error:
            raise NotConfigured(
                "secret_key_missing",
                f"There is no secret key ({path}).",
                "Run “cxm setup …”, which makes one, or set CXM_SECRET_KEY or CXM_SECRET_KEY_FILE.",
            ) from error
    if not keys or any(len(key) < 32 for key in keys):
        raise NotConfigured("secret_key_short", "The secret key is shorter than 32 characters.", "Make one with: openssl rand -hex 32")
    return keys
