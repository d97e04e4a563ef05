"""Many rows in one statement with one parameter: a JSON array that PostgreSQL takes apart.

Django's own bulk statements have a placeholder for every value; with forty columns and five hundred rows, building and parsing them
costs five times what the database does with them (measured).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, models

from cxm.platform.tenancy import OrganizationModel


def insert(rows: Sequence[OrganizationModel]) -> set[UUID]:
    """Insert ``rows`` of one model; those in conflict with what is there already are passed over. The ids of those that were not."""
    if not rows:
        return set()
    fields = list(rows[0]._meta.concrete_fields)
    names = _names(fields)
    statement = f"insert into {_table(rows)} ({names}) select {names} from t on conflict do nothing returning id"  # noqa: S608 - names of our own
    return {row[0] for row in _run(rows, fields, statement)}


def update(rows: Sequence[OrganizationModel], names: Iterable[str]) -> None:
    """Write the fields ``names`` of ``rows`` of one model, by id and organization."""
    if rows:
        meta = rows[0]._meta
        changed = [meta.get_field(name) for name in names]
        sets = ", ".join(f'"{field.column}" = t."{field.column}"' for field in changed)  # type: ignore[union-attr]
        fields = [meta.get_field("id"), meta.get_field("organization_id"), *changed]
        _run(rows, fields, f"update {_table(rows)} as r set {sets} from t where r.id = t.id and r.organization_id = t.organization_id")  # noqa: S608 - names of our own


def _run(rows: Sequence[OrganizationModel], fields: Sequence[Any], statement: str) -> list[tuple[Any, ...]]:
    types = ", ".join(f'"{field.column}" {field.db_type(connection)}' for field in fields)
    records = [{field.column: getattr(row, field.attname) for field in fields} for row in rows]
    data = json.dumps(records, default=_plain, ensure_ascii=False, check_circular=False)
    with connection.cursor() as cursor:
        cursor.execute(f"with t as (select * from jsonb_to_recordset(%s::jsonb) as t({types})) {statement}", [data])  # noqa: S608 - names of our own
        return cursor.fetchall() if cursor.description else []


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _names(fields: Iterable[models.Field[Any, Any]]) -> str:
    return ", ".join(f'"{field.column}"' for field in fields)


def _table(rows: Sequence[OrganizationModel]) -> str:
    return f'"{rows[0]._meta.db_table}"'
