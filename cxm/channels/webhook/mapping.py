"""A delivery to the generic channel: one element or a list of them, each on its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from cxm.channels.contracts import AccountView, Item, RawDelivery, Unmappable
from cxm.channels.kit import jsons
from cxm.channels.kit.mentions import item_from_json


def map_delivery(delivery: RawDelivery, account: AccountView) -> Iterable[Item]:
    """Mentions, deletions and receipts in the order they stand; what cannot be understood is one :class:`Unmappable` each."""
    try:
        value = jsons.load(delivery.body)
    except jsons.NotJson as error:
        return [Unmappable(str(error), delivery.body, None, "not_json")]
    elements = cast("list[object]", value) if isinstance(value, list) else [value]
    return [item_from_json(element, account_name=account.name) for element in elements]
