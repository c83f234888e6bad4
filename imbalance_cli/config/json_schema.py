"""The JSON schema (draft 2020-12) of a config, for editors and other programs."""

from __future__ import annotations

from typing import Any

from imbalance_cli.config.descriptions import DESCRIPTIONS, SECTIONS
from imbalance_cli.config.sections import Config
from imbalance_cli.config.values import DEVICES
from imbalance_cli.losses.registry import LOSS_SPECS
from imbalance_cli.readers.dialect import COMMENT_PATTERN, PATTERN

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTIFIER = "urn:imbtrain:config"
OF_TEXTS: dict[str, dict[str, Any]] = {
    "output.name": {"pattern": r"^[^/\\\u0000]+$", "not": {"enum": [".", ".."]}},
    "data.delimiter": {"pattern": f"^({PATTERN})$"},
    "data.comment": {"pattern": f"^{COMMENT_PATTERN}$"},
}
"""What the text of a key is held to, which may also be null."""

OF_NAMES = frozenset({"data.labels", "data.exclude", "data.categories", "report.slices"})
"""Lists of columns: one name alone is a list too, and null an empty one."""


def make_json_schema() -> dict[str, Any]:
    """Return the schema of what a config may hold; a key without a meaning is refused.

    Contradictions between two keys are for `load_config` alone.
    """
    plain = Config.model_json_schema(by_alias=True)
    sections: dict[str, Any] = {}
    for name, reference in plain["properties"].items():
        section = plain["$defs"][reference["$ref"].rsplit("/", 1)[-1]]
        section["properties"] = {
            key: _describe(f"{name}.{key}", value) for key, value in section["properties"].items()
        }
        section.pop("title")
        section["description"] = SECTIONS[name]
        # a section whose keys are all commented out is null, which stands for the defaults
        section["type"] = "object" if section.get("required") else ["object", "null"]
        sections[name] = section
    return {
        "$schema": DIALECT,
        "$id": IDENTIFIER,
        "title": "imbtrain config",
        "description": "What imbtrain fit and imbtrain compare read.",
        "type": "object",
        "properties": sections,
        "required": plain["required"],
        "additionalProperties": False,
    }


def _describe(dotted: str, value: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a key with its description, and with what validators add to its type."""
    value = {key: part for key, part in value.items() if key not in {"title", "description"}}
    key = dotted.partition(".")[2]
    if dotted.startswith("data.") or dotted in OF_NAMES:
        value = _allow_one(value)
    if dotted in OF_NAMES:
        value["anyOf"].append({"type": "null"})
    if dotted == "data.missing_values":  # one word alone too
        *_, words, by_column = value["anyOf"]
        one = words["items"]["anyOf"]
        by_column["additionalProperties"] = {"anyOf": [words, *one]}
        value["anyOf"] = [words, *one, by_column]
    if key == "device":
        value["pattern"] = f"^({DEVICES.pattern})$"
    if dotted in OF_TEXTS:
        value["anyOf"] = [
            member | OF_TEXTS[dotted] if member["type"] == "string" else member
            for member in value["anyOf"]
        ]
    description = DESCRIPTIONS[dotted]
    if dotted == "loss.name":
        losses = "; ".join(f"{spec.name}: {spec.summary}" for spec in LOSS_SPECS.values())
        description = f"{description} {losses}."
    return {"description": description, **value}


def _allow_one(value: dict[str, Any]) -> dict[str, Any]:
    """Allow a text where a list of texts is read, as the sections do."""
    members = value.get("anyOf", [value])
    lists = [m for m in members if m.get("type") == "array"]
    if not lists:
        return value
    own = {key: part for key, part in value.items() if key in {"default", "description"}}
    wider = [{"type": "string"}, *({k: v for k, v in m.items() if k not in own} for m in members)]
    return {"anyOf": wider, **own}
