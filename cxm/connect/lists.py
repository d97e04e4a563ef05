"""Whole lists of sources, for channels whose folder has a ``lists.py``: feeds by OPML.

Such a module says ``KIND`` (of its sources), ``FORMAT`` (what people call the file), ``FILE``, ``MEDIA_TYPE``, and has ``read(body)``
(settings of sources; ValueError says why it is no list) and ``write(title, listed)``.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from uuid import UUID

from cxm.channels import registry
from cxm.connect import accounts, sources
from cxm.connect.contracts import SourcesAdded
from cxm.connect.models import Source
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import FieldError, Invalid, NotFound

#: Bytes of one list.
LIMIT = 5_000_000


@lru_cache(maxsize=200)
def module_of(channel: str) -> Any:
    """What reads and writes a channel's lists; None where it has none."""
    name = f"{registry.channel(channel).package}.lists"
    return import_module(name) if find_spec(name) else None


def take(actor: Actor, account: UUID, body: bytes) -> SourcesAdded:
    """Listen to everything a list names. Raises NotFound; Invalid where it is no list, or the channel has none."""
    row = accounts.find(actor.organization, account)
    if not actor.may("accounts:read", row.unit_id):
        raise NotFound("account")
    govern.require(actor, "accounts:write", row.unit_id)
    module = _module(row.channel)
    if len(body) > LIMIT:
        raise _invalid("list_too_large", f"The list has more than {LIMIT // 1_000_000} MB.", "Split it.")
    try:
        listed = module.read(body)
    except ValueError as error:
        raise _invalid("not_a_list", str(error), f"Export the list from your reader as {module.FORMAT}.") from error
    return sources.add_many(actor, account, module.KIND, listed)


def give(actor: Actor, account: UUID) -> tuple[str, str, bytes]:
    """The list of an account's sources: file name, media type, bytes."""
    row = accounts.find(actor.organization, account)
    if not actor.may("accounts:read", row.unit_id):
        raise NotFound("account")
    module = _module(row.channel)
    rows = Source.objects.for_organization(actor.organization).filter(account_id=row.id, kind=module.KIND).order_by("created_at", "id")
    return module.FILE, module.MEDIA_TYPE, module.write(row.name, [made.settings for made in rows])


def _module(channel: str) -> Any:
    module = module_of(channel)
    if module is None:
        title = registry.channel(channel).manifest.title
        raise _invalid("lists_none", f"{title} has no lists of sources.", "Add its sources one by one.")
    return module


def _invalid(code: str, text: str, hint: str) -> Invalid:
    return Invalid(code, text, hint, errors=(FieldError("list", f"{text} {hint}"),))
