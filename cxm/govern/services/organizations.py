"""Organizations and their units."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from uuid import UUID
from zoneinfo import available_timezones

from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from cxm.govern import access, models
from cxm.govern.contracts import Organization, Unit
from cxm.govern.events import RightsChanged
from cxm.govern.services import audit
from cxm.kernel.actor import Actor
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotFound
from cxm.platform import events
from cxm.platform.once import once

_NAME_LIMIT = 200
UnitUser = Callable[[UUID, UUID], str | None]


def clean_name(text: str, path: str = "name") -> str:
    """A name as it is kept: NFC, no outer or doubled blanks, no control characters; raises Invalid where nothing or too much is left."""
    name = " ".join(
        "".join(" " if unicodedata.category(one) in ("Cc", "Zl", "Zp") else one for one in unicodedata.normalize("NFC", text)).split()
    )
    if not 1 <= len(name) <= _NAME_LIMIT:
        raise Invalid("name_invalid", "A name has 1 to 200 characters.", errors=(FieldError(path, "1 to 200 characters"),))
    return name


def create_organization(name: str) -> models.Organization:
    """An organization with its root unit, named like it; within the caller's transaction."""
    kept = clean_name(name, "organization")
    slug = base = slugify(kept)[:70] or "organization"
    number = 1
    while models.Organization.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{base}-{number}"
    row = models.Organization.objects.create(name=kept, slug=slug)
    models.Unit.objects.add(row.id, name=kept, parent=None)
    return row


def organizations() -> list[Organization]:
    """All of them, by name; for commands and the system's own work."""
    return [as_organization(row) for row in models.Organization.objects.order_by("name")]


def organization(identity: UUID) -> Organization:
    """One by its id; raises NotFound."""
    row = once(("govern.organization", identity), lambda: models.Organization.objects.filter(id=identity).first())
    if row is None:
        raise NotFound("organization")
    return as_organization(row)


def organization_named(name: str | None) -> Organization:
    """The one of that name (or slug), or the only one where no name is given; raises NotFound or Invalid (which are there to choose from)."""
    if name is not None:
        row = (
            models.Organization.objects.filter(name=unicodedata.normalize("NFC", name).strip()).first()
            or models.Organization.objects.filter(slug=name).first()
        )
        if row is None:
            raise NotFound("organization")
        return as_organization(row)
    rows = list(models.Organization.objects.order_by("name")[:20])
    if not rows:
        raise Invalid("organization_missing", "There is no organization yet.", "Run “cxm setup …” first.")
    if len(rows) > 1:
        raise Invalid(
            "organization_needed",
            "There are several organizations.",
            f"Add --organization with one of: {', '.join(row.name for row in rows)}.",
        )
    return as_organization(rows[0])


def fitting_zone(zone: str) -> str:
    """A place of the IANA database as it is kept; raises Invalid for anything else."""
    if zone.strip() not in available_timezones():
        raise Invalid(
            "zone_unknown",
            _("That is no time zone."),
            _("Write a place of the IANA database, such as Europe/Berlin."),
            errors=(FieldError("zone", _("A place of the IANA database, such as Europe/Berlin.")),),
        )
    return zone.strip()


def set_zone(actor: Actor, zone: str) -> None:
    """The organization's time zone; raises Invalid."""
    kept = fitting_zone(zone)
    with transaction.atomic():
        models.Organization.objects.filter(id=actor.organization).update(zone=kept)
        audit.record(actor, "organization.zone_set", f"organization:{actor.organization}", {"zone": kept})


def rename_organization(actor: Actor, name: str) -> Organization:
    """Another name; raises Conflict where it is taken."""
    kept = clean_name(name)
    try:
        with transaction.atomic():
            models.Organization.objects.filter(id=actor.organization).update(name=kept)
            audit.record(actor, "organization.renamed", f"organization:{actor.organization}", {"name": kept})
    except IntegrityError as error:
        raise Conflict("organization_exists", "Another organization here has this name.", "Choose another name.") from error
    return organization(actor.organization)


def units(organization: UUID) -> list[Unit]:
    """The tree, each unit after its parent, neighbours by name."""
    tree = access.unit_tree(organization)
    found: list[Unit] = []

    def walk(unit: UUID, depth: int) -> None:
        row = tree.rows[unit]
        found.append(Unit(row.id, row.name, row.parent_id, depth))
        for child in tree.children.get(unit, ()):
            walk(child, depth + 1)

    if tree.rows:
        walk(tree.root, 0)
    return found


def unit(organization: UUID, identity: UUID) -> Unit:
    """One unit; raises NotFound."""
    found = next((one for one in units(organization) if one.id == identity), None)
    if found is None:
        raise NotFound("unit")
    return found


def ancestors(organization: UUID, unit_id: UUID) -> list[UUID]:
    """``unit_id`` first, the root last; raises NotFound."""
    found = access.unit_tree(organization).above(unit_id)
    if not found:
        raise NotFound("unit")
    return found


def descendants(organization: UUID, unit_id: UUID) -> list[UUID]:
    """``unit_id`` and everything below it; raises NotFound."""
    tree = access.unit_tree(organization)
    if unit_id not in tree.rows:
        raise NotFound("unit")
    return tree.below(unit_id)


def root_unit(organization: UUID) -> UUID:
    """The unit that stands for the whole organization."""
    row = models.Unit.objects.for_organization(organization).filter(parent=None).first()
    if row is None:
        raise NotFound("organization")
    return row.id


def create_unit(actor: Actor, name: str, parent: UUID | None = None) -> Unit:
    """A unit below ``parent`` (the root unless given). Raises NotFound for the parent, Conflict where a sister has the name."""
    over = parent or root_unit(actor.organization)
    _owned(actor, over)
    try:
        with transaction.atomic():
            row = models.Unit.objects.add(actor.organization, name=clean_name(name), parent_id=over)
            audit.record(actor, "unit.created", f"unit:{row.id}", {"name": row.name, "parent": over})
    except IntegrityError as error:
        raise _taken() from error
    return unit(actor.organization, row.id)


def change_unit(actor: Actor, identity: UUID, *, name: str | None = None, parent: UUID | None = None) -> Unit:
    """Rename or move a unit; never below itself, and the root stays the root."""
    row = _owned(actor, identity)
    if name is not None:
        row.name = clean_name(name)
    try:
        with transaction.atomic():
            if parent is not None and parent != row.parent_id:
                _move(actor, row, parent)
            row.save(update_fields=["name", "parent"])
            audit.record(actor, "unit.changed", f"unit:{row.id}", {"name": row.name, "parent": row.parent_id})
    except IntegrityError as error:
        raise _taken() from error
    return unit(actor.organization, identity)


def _move(actor: Actor, row: models.Unit, parent: UUID) -> None:
    # One move at a time: two opposite moves at once could close a ring.
    models.Organization.objects.select_for_update().get(id=actor.organization)
    _owned(actor, parent)
    if row.parent_id is None:
        raise Conflict("unit_is_root", "The organization's own unit has nothing above it.", "Move the units below it.")
    if parent in access.UnitTree(actor.organization).below(row.id):
        raise Conflict("unit_below_itself", "A unit cannot be moved below itself.", "Choose another parent.")
    row.parent_id = parent
    events.publish(RightsChanged(organization=actor.organization, member=None))


def delete_unit(actor: Actor, identity: UUID) -> None:
    """Delete an empty unit. Raises Conflict for the root and for one with units, members or stops in it."""
    row = _owned(actor, identity)
    if row.parent_id is None:
        raise Conflict("unit_is_root", "The organization's own unit stays.", "Delete the units below it instead.")
    stopped = models.Stop.objects.for_organization(actor.organization).filter(kind="unit", target=str(identity), lifted_at=None).exists()
    for user in _unit_users:
        if (why := user(actor.organization, identity)) is not None:
            raise Conflict("unit_in_use", why, "Move it to another unit first.")
    if stopped:
        raise Conflict("unit_in_use", "A stop is on for this unit.", "Lift it first.")
    try:
        with transaction.atomic():
            row.delete()
            audit.record(actor, "unit.deleted", f"unit:{identity}", {"name": row.name})
    except IntegrityError as error:
        raise Conflict("unit_in_use", "Units or members are in it.", "Move them to another unit first.") from error


_unit_users: list[UnitUser] = []


def register_unit_user(ask: UnitUser) -> None:
    """``ask(organization, unit)`` says in a sentence why a unit cannot go (it has accounts), or None; slices above register theirs."""
    _unit_users.append(ask)


def _owned(actor: Actor, identity: UUID) -> models.Unit:
    row = models.Unit.objects.for_organization(actor.organization).filter(id=identity).first()
    if row is None:
        raise NotFound("unit")
    access.require(actor, "units:write", identity)
    return row


def _taken() -> Conflict:
    return Conflict("unit_exists", "There is a unit of this name beside it already.", "Choose another name.")


def as_organization(row: models.Organization) -> Organization:
    """The row as it crosses the door."""
    return Organization(row.id, row.name, row.slug, row.zone)
