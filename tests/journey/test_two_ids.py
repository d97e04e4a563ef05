"""Payloads in which two items carry one id, or one message two ids that disagree, through the mailbox of every channel that speaks JSON: each
id becomes one mention, whatever else came with it; what cannot be read is kept with its bytes and taken in once the mapping can."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from cxm.channels import registry
from cxm.channels.contracts import AccountView, Item, Mention, RawDelivery, Unmappable
from cxm.channels.registry import Channel
from cxm.channels.testing import fixtures as given
from cxm.channels.testing.fuzz import doubled
from cxm.connect import api as connect
from cxm.connect import mailbox, quarantine
from cxm.connect.models import Account, Quarantined
from cxm.govern import api as govern
from cxm.kernel.clock import now
from cxm.kernel.ids import mention_id
from cxm.listen.models import Record
from tests.houses import House, _own_store, house  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
#: Payloads of one channel with a key that stands twice.
_MOST = 24


def _told(channel: Channel) -> list[tuple[RawDelivery, list[Mention]]]:
    """A channel's fixtures that are JSON, with the mentions in them; those without any are left out."""
    view = given.account(channel)
    good = [one.delivery for one in given.fixtures(channel) if not one.bad and one.delivery.body.lstrip()[:1] in (b"{", b"[")]
    told = [(one, [item for item in channel.map(one, view) if isinstance(item, Mention)]) for one in good]
    return [(one, items) for one, items in told if items]


#: The channels whose platforms speak JSON; what others send has no member to write twice.
_SPEAKING_JSON = [channel for channel in registry.channels() if _told(channel)]


def _payloads(channel: Channel) -> tuple[list[RawDelivery], list[Mention]]:
    """Everything a channel's first fixture with a mention can be turned into, each between two neighbours that are as they should be; and what the
    neighbours say."""
    told = _told(channel)
    (first, mentions), (last, later) = told[0], told[-1]
    broken = [body for _, *bodies in doubled(first.body) for body in bodies][: 2 * _MOST]
    bodies = [first.body, *broken, first.body, b'{"a": ', last.body]
    headers = [first.headers] * (len(bodies) - 1) + [last.headers]
    made = [RawDelivery(f"d-{number}", body, header, now()) for number, (body, header) in enumerate(zip(bodies, headers, strict=True))]
    return made, [*mentions, *later]


def test_no_channel_that_speaks_json_is_left_out() -> None:
    assert {channel.name for channel in _SPEAKING_JSON} == {"bluesky", "matrix", "rss", "telegram", "webhook"}


@pytest.mark.parametrize("channel", _SPEAKING_JSON, ids=lambda channel: channel.name)
def test_one_id_is_one_mention_and_no_neighbour_is_harmed(house: House, channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    payloads, neighbours = _payloads(channel)
    view = given.account(channel)
    row = Account.objects.add(
        house.organization, unit_id=govern.root_unit(house.organization), channel=channel.name, name=view.name, settings=dict(view.settings)
    )
    items: list[Item] = [item for one in payloads for item in channel.map(one, view)]
    mailbox.store(row, payloads, "poll")
    while mailbox.take_in_batch(row):
        pass

    def stored(native: str) -> UUID:
        return mention_id(house.organization, channel.name, native, row.id if channel.ids_unique_within_account else None)

    counted = connect.mailbox_sum(house.organization, row.id)
    outcomes = counted.accepted + counted.changed + counted.duplicate + counted.deleted + counted.quarantined + counted.receipts
    assert (counted.waiting, outcomes) == (0, len(items)), "every item has its outcome"
    natives = {item.native_id for item in items if isinstance(item, Mention)}
    records = Record.objects.filter(organization_id=house.organization, deleted_at=None)
    assert {one.pk for one in records} <= {stored(native) for native in natives} and counted.accepted <= len(natives)
    assert counted.duplicate, "the same id came again and again"
    for one in neighbours:
        assert Record.objects.filter(pk=stored(one.native_id)).exists(), f"a neighbour is missing: {one.native_id}"

    kept = list(Quarantined.objects.for_organization(house.organization).filter(account_id=row.id, state="quarantined"))
    assert len(kept) == counted.quarantined > 0 and all(bytes(one.raw) for one in kept), "with their bytes"
    before = records.all().count()
    mapped = Channel.map

    def mended(self: Channel, delivery: RawDelivery, account: AccountView) -> list[Item]:
        found = mapped(self, delivery, account)
        fresh = replace(neighbours[0], text=f"Mended {delivery.delivery_id}", state=None, edited_at=None)
        return [
            replace(fresh, native_id=f"mended-{delivery.delivery_id}-{place}") if isinstance(item, Unmappable) else item
            for place, item in enumerate(found)
        ]

    assert {quarantine.replay(house.organization, one.id).outcome for one in kept} == {"quarantined"}, "nothing was mended yet"
    monkeypatch.setattr(Channel, "map", mended)
    assert {quarantine.replay(house.organization, one.id).outcome for one in kept} == {"accepted"}
    assert (
        records.all().count() == before + len(kept) and not quarantine.within(house.organization, None).filter(state="quarantined").exists()
    )
