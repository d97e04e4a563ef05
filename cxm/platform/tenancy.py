"""Tenancy fails closed: there is no query without an organization."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Self, TypeVar
from uuid import UUID

from django.db import models

from cxm.kernel.errors import CxmError
from cxm.kernel.ids import new_id

Row = TypeVar("Row", bound=models.Model)


class TenantScopeMissing(CxmError):
    """A query was about to run across organizations; this is a fault of the program, never of its user."""


class OrganizationManager(models.Manager[Row], Generic[Row]):
    """Gives a queryset only for one organization."""

    use_in_migrations = False

    def get_queryset(self) -> models.QuerySet[Row]:
        raise TenantScopeMissing(
            "tenant_scope_missing", f"{self.model.__name__}.objects was asked without an organization.", "Use .for_organization(id)."
        )

    def for_organization(self, organization: UUID) -> models.QuerySet[Row]:
        """The rows of ``organization`` alone."""
        if not isinstance(organization, UUID):
            raise TenantScopeMissing("tenant_scope_missing", f"“{organization!r}” is no organization's id.")
        return models.QuerySet(self.model, using=self._db).filter(organization_id=organization)

    def add(self, organization: UUID, **values: Any) -> Row:
        """A new row of ``organization``, saved."""
        row = self.model(organization_id=organization, **values)
        row.save(force_insert=True, using=self._db)
        return row

    def add_all(self, rows: list[Row], **options: Any) -> list[Row]:
        """Insert ``rows`` (each with its organization) at once; ``options`` as for ``bulk_create``."""
        if any(getattr(row, "organization_id", None) is None for row in rows):
            raise TenantScopeMissing("tenant_scope_missing", "A row without an organization was about to be written.")
        return models.QuerySet(self.model, using=self._db).bulk_create(rows, **options)


class OrganizationModel(models.Model):
    """A row that belongs to one organization. ``everywhere`` is for the system's own work across organizations; each use says why."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization_id = models.UUIDField(editable=False)

    objects: ClassVar[OrganizationManager[Self]] = OrganizationManager()  # pyright: ignore[reportGeneralTypeIssues]
    everywhere: ClassVar[models.Manager[Self]] = models.Manager()  # pyright: ignore[reportGeneralTypeIssues]

    class Meta:
        abstract = True
        base_manager_name = "everywhere"
        default_manager_name = "everywhere"
