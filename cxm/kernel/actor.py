"""Who acts: a member at a screen, a token, or the system itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever does something, within one organization.

    ``grants`` maps a permission's name to the units it holds in (``None``: the whole organization). A token's actor holds
    the intersection of its scopes and its member's permissions.
    """

    organization: UUID
    kind: str  # "member", "token", "system"
    name: str
    member: UUID | None = None
    token: UUID | None = None
    grants: dict[str, frozenset[UUID] | None] = field(default_factory=dict[str, "frozenset[UUID] | None"])

    def may(self, permission: str, unit: UUID | None = None) -> bool:
        """Whether ``permission`` is held: in ``unit``, or anywhere where no unit is given. The system may everything."""
        if self.kind == "system":
            return True
        if permission not in self.grants:
            return False
        units = self.grants[permission]
        return units is None or unit is None or unit in units

    def may_for(self, permission: str, unit: UUID | None) -> bool:
        """Whether ``permission`` covers something of ``unit``; what belongs to no unit is covered only by the whole organization."""
        held = self.units(permission)
        return held is None or (unit is not None and unit in held)

    def units(self, permission: str) -> frozenset[UUID] | None:
        """The units in which ``permission`` is held; ``None`` for all of them, an empty set for none."""
        if self.kind == "system":
            return None
        return self.grants.get(permission, frozenset())


def system(organization: UUID, name: str = "OpenCXM") -> Actor:
    """The product acting by itself (a job, a rule) within one organization."""
    return Actor(organization=organization, kind="system", name=name)
