"""Who said a mention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from cxm.connect import api as connect
from cxm.people import api as people


def author_of(organization: UUID, mention: Mapping[str, Any]) -> UUID | None:
    """The id of the identity that said it; None where nobody is named."""
    author = mention.get("author")
    if not isinstance(author, Mapping):
        return None
    account = UUID(mention["account_id"]) if mention.get("account_id") else None
    scope = connect.author_scope(mention["channel"], account)
    return people.identity_key(organization, mention["channel"], scope, str(author.get("native_id") or ""))
