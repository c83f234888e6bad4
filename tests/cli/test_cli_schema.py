"""`imbtrain schema`: the JSON schema agrees with what the config takes."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from imbalance_cli.config import Config
from imbalance_cli.config.descriptions import DESCRIPTIONS
from imbalance_cli.config.json_schema import make_json_schema
from imbalance_cli.losses.registry import LOSS_SPECS

if TYPE_CHECKING:
    from conftest import RunCommand

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
SCHEMA = make_json_schema()
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}
KNOWN = {
    "$schema", "$id", "title", "description", "default", "type", "properties", "required",
    "additionalProperties", "anyOf", "items", "enum", "const", "pattern", "not", "minimum",
    "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "minLength",
}  # fmt: skip


def is_valid(value: object, schema: dict[str, Any]) -> bool:
    """Validate by the few words of JSON Schema that ours uses."""
    assert set(schema) <= KNOWN
    names = schema.get("type", list(TYPES))
    return (
        ("anyOf" not in schema or any(is_valid(value, member) for member in schema["anyOf"]))
        and any(_has_type(value, name) for name in ([names] if isinstance(names, str) else names))
        and value in schema.get("enum", [value])
        and value == schema.get("const", value)
        and not ("not" in schema and is_valid(value, schema["not"]))
        and _is_in_bounds(value, schema)
    )


def _is_in_bounds(value: object, schema: dict[str, Any]) -> bool:
    if isinstance(value, str):
        is_long_enough: bool = len(value) >= schema.get("minLength", 0)
        return is_long_enough and bool(re.search(schema.get("pattern", ""), value))
    if isinstance(value, list):
        items = schema.get("items", {})
        is_full: bool = len(value) >= schema.get("minItems", 0)
        return is_full and all(is_valid(v, items) for v in value)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return set(schema.get("required", ())) <= set(value) <= set(known) and all(
            is_valid(inner, known[key]) for key, inner in value.items()
        )
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return bool(
            schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
            and value > schema.get("exclusiveMinimum", -math.inf)
            and value < schema.get("exclusiveMaximum", math.inf)
        )
    return True


def _has_type(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def test_schema_is_json_of_the_named_dialect(imbtrain: RunCommand) -> None:
    done = imbtrain("schema")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"$id", "title", "description"} <= set(SCHEMA)


def test_an_independent_validator_agrees_that_it_is_a_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_are_valid(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert is_valid(document, SCHEMA)
    assert not is_valid(document | {"speling": {}}, SCHEMA)


def test_every_key_is_described_once() -> None:
    described = {
        f"{name}.{key}": value["description"]
        for name, section in SCHEMA["properties"].items()
        for key, value in section["properties"].items()
    }
    name = described["loss.name"]
    assert name.startswith(DESCRIPTIONS["loss.name"])
    assert all(f"{spec.name}: {spec.summary}" in name for spec in LOSS_SPECS.values())
    assert described | {"loss.name": DESCRIPTIONS["loss.name"]} == DESCRIPTIONS
    assert all(section["description"] for section in SCHEMA["properties"].values())


def test_keys_are_spelt_as_in_yaml() -> None:
    weighting = SCHEMA["properties"]["weighting"]["properties"]
    assert "from" in weighting
    assert "from_" not in weighting


@pytest.mark.parametrize("key", ["train", "valid", "test", "labels", "exclude"])
@pytest.mark.parametrize("value", ["a.csv", ["a.csv", "b.csv"], None, 3, [3], [], {}])
def test_one_text_or_a_list(key: str, value: object) -> None:
    data = {"train": "t.csv", key: value}
    assert is_valid({"data": data}, SCHEMA) == is_taken({"data": data})


@pytest.mark.parametrize(
    ("section", "key", "values"),
    [
        ("training", "device", ["cpu", "cuda:1", "cuda:", "tpu", "xcpu", "cpux"]),
        ("output", "name", ["a", "", ".", "..", "a/b", "a\\b", None, "...", "a\0b"]),
        ("split", "seed", [0, -1, 2**63 - 1, 2**63]),
        ("training", "batch_size", ["auto", 1, 0, "big", None]),
        ("model", "hidden", [[], [3], [0], 3, None]),
    ],
)
def test_ranges_and_patterns(section: str, key: str, values: list[object]) -> None:
    for value in values:
        document = {"data": {"train": "t.csv"}, section: {key: value}}
        assert is_valid(document, SCHEMA) == is_taken(document), value


def is_taken(document: dict[str, Any]) -> bool:
    """Say whether pydantic takes a document, where a null section stands for the defaults."""
    filled = {name: {} if section is None else section for name, section in document.items()}
    try:
        Config.model_validate(filled)
    except ValidationError:
        return False
    return True


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.sampled_from([0.0, 0.5, 0.999, 10.5, -0.1]),
    st.sampled_from(["auto", "none", "cpu", "f1", "a"]),
    st.lists(st.integers(-1, 3), max_size=2),
)
KEYS = [dotted.split(".") for dotted in DESCRIPTIONS]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(KEYS), SCALARS)
def test_the_schema_takes_what_the_config_takes(path: list[str], value: object) -> None:
    section, key = path
    document: dict[str, Any] = {"data": {"train": "t.csv"}}
    document.setdefault(section, {})[key] = value
    # to JSON Schema 1.0 is a whole number; to YAML, and to us, it is not
    if isinstance(value, float) and value.is_integer():
        return
    assert is_valid(document, SCHEMA) == is_taken(document)


@pytest.mark.parametrize("section", ["split", "loss", "output"])
def test_a_section_may_be_blank(section: str) -> None:
    assert is_valid({"data": {"train": "t.csv"}, section: None}, SCHEMA)
    assert not is_valid({"data": None}, SCHEMA)
