"""The API keeps to its document: generated calls over every operation end without a 5xx and answer as described."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from tests.attacks.conftest import House, furnish
from tests.kit.provider import Provider
from tests.kit.serving import Rest, Serve

#: What would end the attack itself.
SPARED = {("DELETE", "/api/v1/tokens/{token}"), ("POST", "/api/v1/mentions/import")}


@pytest.fixture(scope="module")
def doomed(shared: tuple[Serve, Rest, Provider]) -> House:
    """A house of its own: what is generated removes accounts and erases people, which others still need."""
    return furnish(shared[0].organization(f"Doomed Tea {uuid4().hex[:6]}"), shared[2])


def test_generated_calls_meet_the_document(doomed: House, document: dict[str, Any]) -> None:
    # Only here: every process that collects tests would load half a second of it.
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

    checks = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=doomed.rest.url)
    faults: dict[str, str] = {}
    looked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if (operation.method.upper(), operation.path) in SPARED:
            continue
        looked += 1
        label = f"{operation.method.upper()} {operation.path}"

        @settings(max_examples=8, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def attack(case: Any) -> None:
            case.path_parameters = {name: doomed.ids.get(name, value) for name, value in (case.path_parameters or {}).items()}
            case.call_and_validate(headers={"Authorization": f"Bearer {doomed.rest.token}"}, checks=checks, timeout=20)

        try:
            _run(operation, attack)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a group of failures is no Exception
            faults[label] = str(error)[:600]
    assert looked > 60
    if faults:
        pytest.fail("\n\n".join(f"{label}: {text}" for label, text in faults.items()))


def _run(operation: Any, attack: Any) -> None:
    from hypothesis import given

    given(case=operation.as_strategy())(attack)()
