"""The part of JSON Schema that settings and credentials need: enough to draw a form, check it and say what is wrong.

Known keywords: ``type`` (object at the top; string, integer, number, boolean, array of strings), ``properties``, ``required``,
``additionalProperties: false`` (always so), ``title``, ``description``, ``default``, ``examples``, ``enum``, ``format`` (uri, wss,
hostname, email, password), ``minimum``, ``maximum``, ``minLength``, ``maxLength``, ``pattern``, ``items``, ``readOnly``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from cxm.kernel.errors import FieldError

_TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,)}
_WORDS = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false", "array": "a list"}
_TOP = {"type", "properties", "required", "additionalProperties", "title", "description", "$schema"}
_KNOWN = {
    "type",
    "title",
    "description",
    "default",
    "examples",
    "enum",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "items",
    "readOnly",
    "writeOnly",
}
_FORMATS = ("uri", "wss", "hostname", "email", "password")
_HOSTNAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")
_EMAIL = re.compile(r"[^@\s<>,;\"\x00-\x1f]{1,64}@[^@\s<>,;\"\x00-\x1f]{1,253}")


def problems_of_schema(schema: Mapping[str, Any]) -> list[str]:
    """What this module does not understand in ``schema``, as sentences; empty where all is well."""
    if not schema:
        return []
    problems = [f"“{key}” is not known here." for key in sorted(set(schema) - _TOP)]
    properties = cast("Mapping[str, Any]", schema.get("properties", {}))
    for name in cast("list[str]", schema.get("required", [])):
        if name not in properties:
            problems.append(f"required names “{name}”, which is not in properties.")
    for name, rule in properties.items():
        problems.extend(f"{name}: {problem}" for problem in _problems_of_rule(rule))
    return problems


def _problems_of_rule(rule: object) -> list[str]:
    if not isinstance(rule, dict):
        return ["must be a table."]
    table = cast("dict[str, Any]", rule)
    problems = [f"“{key}” is not known here." for key in sorted(set(table) - _KNOWN)]
    if table.get("type") not in _TYPES:
        problems.append(f"type must be one of {', '.join(_TYPES)}.")
    if not table.get("title"):
        problems.append("Write a title: it is the label of the field.")
    if "format" in table and table["format"] not in _FORMATS:
        problems.append(f"format must be one of {', '.join(_FORMATS)}.")
    if "default" in table and (wrong := _wrong(table["default"], table)):
        problems.append(f"the default is wrong: {wrong}")
    return problems


def check(schema: Mapping[str, Any], values: Mapping[str, Any], path: str = "settings") -> tuple[dict[str, Any], tuple[FieldError, ...]]:
    """``values`` with defaults filled in, and what is wrong with them, a sentence for each field.

    Empty strings and nulls count as not given, as forms send them. Unknown names are refused.
    """
    properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties", {}))
    errors = [FieldError(f"{path}.{name}", "This is not a setting of this channel.") for name in sorted(set(values) - set(properties))]
    filled: dict[str, Any] = {}
    for name, rule in properties.items():
        value = values.get(name)
        if value is None or value == "":
            value = rule.get("default")
        if value is None:
            if name in schema.get("required", ()):
                errors.append(FieldError(f"{path}.{name}", "This is needed."))
            continue
        if wrong := _wrong(value, rule):
            errors.append(FieldError(f"{path}.{name}", wrong))
        filled[name] = value
    return filled, tuple(errors)


def from_text(schema: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Values typed as text (forms, ``--set KEY=VALUE``) in the types that ``schema`` asks for, where they can be read so."""
    properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties", {}))
    return {name: _typed(value, str(properties.get(name, {}).get("type", "string"))) for name, value in values.items()}


def _typed(value: str, kind: str) -> Any:
    text = value.strip()
    if kind == "boolean" and text.lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        return text.lower() in ("true", "yes", "on", "1")
    if kind == "array":
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return int(text) if kind == "integer" else float(text) if kind == "number" else value
    except ValueError:
        return value


def _wrong(value: object, rule: Mapping[str, Any]) -> str:
    """Why ``value`` does not fit, or nothing."""
    kind = str(rule.get("type", "string"))
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return f"This must be {_WORDS[kind]}."
    if "enum" in rule and value not in rule["enum"]:
        return f"This must be one of {', '.join(map(str, rule['enum']))}."
    if isinstance(value, str):
        return _wrong_text(value, rule)
    if isinstance(value, list):
        entries = cast("list[object]", value)
        return next((wrong for entry in entries if (wrong := _wrong(entry, rule.get("items", {"type": "string"})))), "")
    if isinstance(value, int | float) and not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        return f"This must be from {rule.get('minimum', 'any')} to {rule.get('maximum', 'any')}."
    return ""


def _wrong_text(value: str, rule: Mapping[str, Any]) -> str:
    if not rule.get("minLength", 0) <= len(value) <= rule.get("maxLength", 10_000):
        return f"This must have {rule.get('minLength', 0)} to {rule.get('maxLength', 10_000)} characters."
    if "pattern" in rule and not re.search(str(rule["pattern"]), value):
        return f"This must match {rule['pattern']}."
    form = rule.get("format")
    if form == "uri" and not _is_url(value, "https", "http"):
        return "This must be a full address, like https://example.org/replies."
    if form == "wss" and not _is_url(value, "wss", "ws"):
        return "This must be the full address of a stream, like wss://example.org."
    if form == "hostname" and not _HOSTNAME.fullmatch(value):
        return "This must be a host name, like imap.example.org, without a scheme or port."
    if form == "email" and not _EMAIL.fullmatch(value):
        return "This must be a mail address, like care@example.org."
    return ""


def _is_url(value: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0) and value.isprintable()
    except ValueError:
        return False
