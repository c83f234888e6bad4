"""YAML is read as people mean it, with the line of every key."""

from __future__ import annotations

import math

import pytest

from imbalance_cli.errors import ConfigError
from imbalance_cli.yaml_text import parse_mapping, parse_scalar, show_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("010", 10),
        ("-3", -3),
        ("1e-3", 0.001),
        ("1.", 1.0),
        (".5", 0.5),
        ("+.inf", math.inf),
        ("-.Inf", -math.inf),
        ("~", None),
        ("", None),
        ("null", None),
        ("2013-02-08", "2013-02-08"),
        ("17:30", "17:30"),
        ("1_000", "1_000"),
        ("'5'", "5"),
        ("[a, 1]", ["a", 1]),
        ("{a: 1}", {"a": 1}),
        ("*_id", "*_id"),
        ("-", "-"),
        ("y_*", "y_*"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    parsed = parse_scalar(text, "--set x")
    assert parsed == value
    assert type(parsed) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(parse_scalar(".NaN", "--set x"))


@pytest.mark.parametrize("text", ["[", "{a", "'a", "@x", "a: b: c", "9" * 5000])
def test_a_value_that_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--set x: .* is not a YAML value") as caught:
        parse_scalar(text, "--set x")
    assert len(caught.value.message) < 120


def test_lines_of_keys_and_items() -> None:
    text = "data:\n  train:\n    - a.csv\n    - b.csv\nsplit: {valid: 0.1,\n  test: 0.2}\n"
    document, lines = parse_mapping(text, "c.yaml")
    assert document == {
        "data": {"train": ["a.csv", "b.csv"]},
        "split": {"valid": 0.1, "test": 0.2},
    }
    assert lines == {
        ("data",): 1,
        ("data", "train"): 2,
        ("data", "train", 0): 3,
        ("data", "train", 1): 4,
        ("split",): 5,
        ("split", "valid"): 5,
        ("split", "test"): 6,
    }


def test_merge_keys_and_anchors_work() -> None:
    text = "base: &base {a: 1}\nother:\n  <<: *base\n  b: 2\n"
    document, _ = parse_mapping(text, "c.yaml")
    assert document["other"] == {"a": 1, "b": 2}


def test_a_node_that_holds_itself_ends() -> None:
    document, _ = parse_mapping("a: &a {b: [*a]}", "c.yaml")
    assert document["a"]["b"][0] is document["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "c.yaml: a mapping of sections is needed, not nothing"),
        ("# only a comment\n", "c.yaml: a mapping of sections is needed, not nothing"),
        ("- a\n", "c.yaml: a mapping of sections is needed, not a list"),
        ("5\n", "c.yaml: a mapping of sections is needed, not 5"),
        ("a,b\n1,2\n", "c.yaml: a mapping of sections is needed, not 'a,b 1,2'"),
        ("a: 1\nb: [\n", "c.yaml: line 3: not YAML: "),
        ("a: 1\n---\nb: 2\n", "c.yaml: line 2: not YAML: but found another document"),
        ("a: 1\nb: x\x00y\n", "c.yaml: line 2: not YAML: unacceptable character #x0000"),
        ("? [a]\n: 1\n", "c.yaml: line 1: not YAML: found unhashable key"),
        ("a: " + "9" * 5000, "c.yaml: not YAML: Exceeds the limit"),
        ("a:\n  b: 1\n  b: 2\n", "c.yaml: line 3: a.b is given twice, first on line 2"),
        ("a: 1\na: 2\n", "c.yaml: line 2: a is given twice, first on line 1"),
        ("a: *b\n", "c.yaml: line 1: not YAML: found undefined alias 'b'"),
        ("x" * 9999, "c.yaml: a mapping of sections is needed, not 'xxxxx"),
        (f"{'x' * 999}: 1\n{'x' * 999}: 2\n", "c.yaml: line 2: xxxxx"),
        (f"a: *{'x' * 9999}\n", "c.yaml: line 1: not YAML: found undefined alias 'xxxxx"),
        ("a: !!python/name:os.system x\n", "c.yaml: line 1: not YAML: could not determine"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_mapping(text, "c.yaml")
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("data:\n  labels: *_late\n", "put a glob in quotes: '*_name'"),
        ("data:\n  train: -\n", "put - in quotes: '-'"),
    ],
)
def test_what_needs_quotes_gets_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_mapping(text, "c.yaml")
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        ([False, {"a": None}], "[false, {'a': null}]"),
        ("true", "'true'"),
        ("it's", '"it\'s"'),
        (0.5, "0.5"),
        ("x" * 78, repr("x" * 78)),
    ],
)
def test_a_value_is_shown_as_yaml_spells_it(value: object, shown: str) -> None:
    assert show_value(value) == shown


def test_a_huge_value_is_shown_in_part() -> None:
    bomb: list[object] = ["lol"] * 9
    for _ in range(30):
        bomb = [bomb] * 9
    itself: list[object] = []
    itself.append(itself)
    for value in (bomb, itself, {"a": bomb}, "x" * 10**6, 10**4000, ["x" * 50] * 50):
        assert "..." in show_value(value)
        assert len(show_value(value)) <= 80


def test_a_text_that_is_nested_too_deeply() -> None:
    deep = "[" * 30_000 + "]" * 30_000
    with pytest.raises(ConfigError, match=r"^c: nested too deeply$"):
        parse_mapping(f"a: {deep}", "c")
    with pytest.raises(ConfigError, match="is not a YAML value"):
        parse_scalar(deep, "--set a")
