"""Which conversation a mail goes on with, where its own thread does not say so.

Mail programs that answer with In-Reply-To alone, or shorten References, begin a thread of their own by every rule of names. What they
answer is known to us all the same. Only the same author on the same account is believed: anybody can write a name into a header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from cxm.kernel.ids import mention_id
from cxm.love.models import Entry


def continued(organization: UUID, mentions: Sequence[Mapping[str, Any]]) -> dict[str, UUID]:
    """For each mention that names earlier ones (``context.references``): the key of the conversation these are in, by mention id."""
    named = {mention["id"]: ids for mention in mentions if (ids := _named(organization, mention))}
    if not named:
        return {}
    entries = Entry.objects.for_organization(organization).filter(mention_id__in={one for ids in named.values() for one in ids})
    known = {
        (row[0], str(row[2]), row[3]): row[1]
        for row in entries.values_list("mention_id", "conversation__key", "conversation__account_id", "conversation__author_id")
    }
    found: dict[str, UUID] = {}
    for mention in mentions:
        whose = (str(mention["account_id"]), str((mention.get("author") or {}).get("native_id") or ""))
        key = next((known[one, *whose] for one in named.get(mention["id"], ()) if (one, *whose) in known), None)
        if key is not None:
            found[mention["id"]] = key
    return found


def _named(organization: UUID, mention: Mapping[str, Any]) -> list[UUID]:
    """Ids of what it names, the nearest first."""
    references = (mention.get("context") or {}).get("references")
    if not isinstance(references, list):
        return []
    natives = dict.fromkeys([mention.get("reply_to"), *reversed(references)])
    account = UUID(mention["account_id"])
    return [
        mention_id(organization, mention["channel"], native, account)
        for native in natives
        if isinstance(native, str) and native and native != mention["native_id"]
    ]
