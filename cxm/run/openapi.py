"""What the generated OpenAPI document does not know by itself: problems, keys, rates."""

from __future__ import annotations

from typing import Any

DESCRIPTION = (
    "Bearer token in every call. Errors are problem documents (RFC 9457) with a stable `code`. Lists are "
    '`{"items": [...], "next": cursor-or-null}` with `limit` (50, at most 500) and `cursor`. Every POST honours `Idempotency-Key` for 24 hours. '
    "`RateLimit` and `RateLimit-Policy` say how many calls are left; 429 carries `Retry-After`. What belongs to another organization answers as if it were not there."
)
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {"type": "string", "description": "What happened and what to do next."},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "text"],
                "properties": {"path": {"type": "string"}, "text": {"type": "string"}},
            },
        },
    },
}
_MEANING = {
    "400": "What was sent cannot be read.",
    "401": "No valid token.",
    "403": "The token or its member may not.",
    "404": "Not there, or another organization's.",
    "409": "There already, or no longer possible.",
    "410": "It was deleted by its author or the platform.",
    "422": "Not valid; `errors` names each field.",
    "424": "It lies on another server and could not be had from there; `code` says why.",
    "429": "Too many requests; `Retry-After` says when.",
    "503": "Not available just now; nothing was accepted. `Retry-After` says when.",
}


def completed(document: Any) -> Any:
    """``document`` with problem responses on every operation and the Idempotency-Key on every POST."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components["responses"] = {f"Problem{status}": _response(text) for status, text in _MEANING.items()}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    wanted = {"400", "401", "403", "422", "429", "503"}
    if method != "get":
        wanted |= {"404", "409"}  # ids stand in bodies too
    if "{" in path:
        wanted.add("404")
    if "{mention}" in path:
        wanted.add("410")
    if path.endswith("/media/{index}"):
        wanted.add("424")
    for status in sorted(wanted):
        operation["responses"].setdefault(status, {"$ref": f"#/components/responses/Problem{status}"})
    if method == "post":
        operation.setdefault("parameters", []).append(
            {
                "in": "header",
                "name": "Idempotency-Key",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                "description": "The same key with the same request answers as before, for 24 hours; a secret only the first time.",
            }
        )


def _response(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
