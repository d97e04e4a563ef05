"""A form drawn from a channel's JSON Schemas: its fields for a template, and what was typed as values of their types.

What is secret is never given back to the browser; everything else stays typed beside what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from cxm.channels.registry import Channel
from cxm.design import refusals

_INPUTS = {"uri": "url", "email": "email", "password": "password", "hostname": "text"}


def fields(channel: Channel, section: str, values: Mapping[str, Any], errors: Mapping[str, str]) -> list[dict[str, Any]]:
    """The fields of ``section`` (settings, credentials) in the schema's order; ``values`` as typed or stored, ``errors`` by path."""
    return fields_of(channel.manifest.settings if section == "settings" else channel.manifest.credentials, section, values, errors)


def fields_of(schema: Mapping[str, Any], section: str, values: Mapping[str, Any], errors: Mapping[str, str]) -> list[dict[str, Any]]:
    """The fields of any such schema."""
    required = set(schema.get("required", ()))
    found = []
    for name, rule in schema.get("properties", {}).items():
        if rule.get("readOnly"):
            continue
        found.append(_field(section, name, rule, values, errors) | {"optional": name not in required and rule["type"] != "boolean"})
    return found


def _option(name: str) -> str:
    """What a choice is called; names of protocols are the same in every language."""
    return {"direct": _("to direct messages"), "all": _("to all"), "none": _("to none"), "plain": _("not encrypted")}.get(name, name)


def _field(section: str, name: str, rule: Mapping[str, Any], values: Mapping[str, Any], errors: Mapping[str, str]) -> dict[str, Any]:
    secret = rule.get("format") == "password" or bool(rule.get("writeOnly"))
    value = values.get(name, rule.get("default", ""))
    options = [(str(option), _option(str(option))) for option in rule.get("enum", ())]
    return {
        "name": f"{section}.{name}",
        "label": refusals.told(rule.get("title", name)),
        "hint": refusals.told(rule.get("description", "")),
        "error": errors.get(f"{section}.{name}", ""),
        "secret": secret,
        "form": "check" if rule["type"] == "boolean" else "lines" if rule["type"] == "array" else "select" if options else "input",
        "type": "number" if rule["type"] in ("integer", "number") else _INPUTS.get(rule.get("format", ""), "text"),
        "options": options,
        "checked": value is True,
        "value": "" if secret else "\n".join(value) if isinstance(value, list) else value,
        "maximum": rule.get("maxLength"),
        "example": str(next(iter(rule.get("examples", ())), "")),
    }


def values(channel: Channel, section: str, posted: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed into ``section``, by the schema's types; what cannot be a number stays text, for the check to name."""
    return values_of(channel.manifest.settings if section == "settings" else channel.manifest.credentials, section, posted)


def values_of(schema: Mapping[str, Any], section: str, posted: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed into the fields of any such schema."""
    found: dict[str, Any] = {}
    for name, rule in schema.get("properties", {}).items():
        if rule.get("readOnly"):
            continue
        text = str(posted.get(f"{section}.{name}", "")).replace("\x00", "")
        found[name] = _typed(text, rule)
    return found


def _typed(text: str, rule: Mapping[str, Any]) -> Any:
    kind = rule["type"]
    if kind == "boolean":
        return text == "on"
    if kind == "array":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if kind in ("integer", "number") and text.strip():
        try:
            return int(text) if kind == "integer" else float(text)
        except ValueError:
            return text
    return text if rule.get("format") == "password" else text.strip()
