"""Keeping accounts: tried before they are connected, signed in anew without losing anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from cxm.channels import registry
from cxm.channels.contracts import TestStep
from cxm.connect import accounts
from cxm.connect.contracts import Account as AccountContract
from cxm.connect.models import Account
from cxm.connect.runtime import runtime, session_of
from cxm.connect.sources import views
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import FieldError, Invalid
from cxm.kernel.said import said
from cxm.platform import secrets

#: Seconds a test may take.
_TEST_SECONDS = 60


def try_out(
    actor: Actor, *, channel: str, settings: Mapping[str, Any], credentials: Mapping[str, str], reach_only: bool = False
) -> list[TestStep]:
    """Test an account that is not connected yet; nothing is stored and nothing is sent.

    ``reach_only``: credentials are not looked at yet, so what they alone could mend is left out. Raises Invalid naming each wrong field.
    """
    govern.require(actor, "accounts:write")
    known = accounts.channel_of(channel)
    checked = accounts.checked_settings(known, settings)
    given = {key: value for key, value in credentials.items() if value}
    if not reach_only:
        given = accounts.checked_credentials(known, given)
    if known.manifest.auth.secret_made_here:
        given.setdefault("secret", accounts.fresh_secret())
    sealed = secrets.seal(json.dumps(given))
    row = Account(
        organization_id=actor.organization,
        unit_id=actor.organization,
        channel=channel,
        name="",
        settings=checked,
        sealed_credentials=sealed,
    )
    steps = run_test(row)
    if reach_only and not given and len(steps) > 1 and not steps[-1].ok:
        return steps[:-1]
    return steps


def test_account(organization: UUID, account: UUID) -> list[TestStep]:
    """Press the test button: each step of the connection, in order, in plain words."""
    return run_test(accounts.find(organization, account))


def run_test(row: Account) -> list[TestStep]:
    """The steps of an account's test, whether it is stored or not. Nothing is sent."""
    channel = registry.channel(row.channel)
    if not channel.can("test"):
        heard = row.last_heard_at is not None
        return [TestStep(said("Wait for a delivery"), heard, "Something was heard." if heard else "Nothing was heard yet.")]
    heard_by = views(row)
    return runtime.call(lambda http: channel.tester().test(session_of(row, http, heard_by)), _TEST_SECONDS)


def sign_in_anew(
    actor: Actor, account: UUID, credentials: Mapping[str, str], *, anyway: bool = False
) -> tuple[AccountContract, str | None, list[TestStep]]:
    """New credentials over the old: its place, its sources and all that was heard stay. What is not given stays as it was.

    They are tried first, and the old are kept where they are refused (Invalid ``credentials_refused``); ``anyway`` stores them untried,
    for a server that is away. Where the channel's secret is made by us and none is given, a fresh one is made, returned this once.
    """
    row = accounts.find(actor.organization, account)
    accounts.may_write(actor, row.unit_id)
    known = registry.channel(row.channel)
    given = {key: value for key, value in credentials.items() if value}
    made = None
    if known.manifest.auth.secret_made_here and not given:
        made = given["secret"] = accounts.fresh_secret()
    elif not given:
        raise Invalid(
            "credentials_missing", "Nothing new was given.", "Type the new credentials.", errors=_beside(known, "This is needed.")
        )
    accounts.put_credentials(known, row, {**accounts.credentials_of(row), **given})
    steps: list[TestStep] = []
    if not anyway and made is None and known.can("test"):
        steps = run_test(row)
        if failed := next((step for step in steps if not step.ok), None):
            told = f"{failed.name}: {failed.text}"
            raise Invalid(
                "credentials_refused", f"The test failed, so the old ones were kept. {told}", "Mend them, or store them without a test.", errors=_beside(known, told)
            )  # fmt: skip
    return accounts.change(actor, account, credentials=given), made, steps


def _beside(known: registry.Channel, text: str) -> tuple[FieldError, ...]:
    """The fault stands beside the secret that is most likely wrong."""
    fields = known.manifest.credentials.get("properties", {})
    name = next((name for name, rule in fields.items() if rule.get("format") == "password"), next(iter(fields), ""))
    return (FieldError(f"credentials.{name}" if name else "credentials", text),)
