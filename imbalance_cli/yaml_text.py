"""YAML as people expect it: 1.2 scalars, no duplicate keys, and the line of every key.

Values are shown as YAML spells them, and never more of them than fits in an error.

PyYAML follows YAML 1.1, where `no` is false, `1e-3` is a string and `010` is 8.
"""

from __future__ import annotations

import contextlib
import json
import re
import reprlib
from pathlib import Path
from typing import Any

import yaml

from imbalance_cli.errors import ConfigError, nearest, shorten

KeyPath = tuple[str | int, ...]

DEEPEST = 3  # keys of a path: section, key, item
LONGEST_SHOWN = 80  # characters of a value in an error
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")  # texts that may need no quotes
LONGEST_PROBLEM = 150  # characters of what PyYAML says, which may hold a name of any length


class _Loader(yaml.SafeLoader):
    """A SafeLoader with the scalars of YAML 1.2's core schema."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
    ("merge", r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _construct_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node).lower()
    return float(text.replace(".", "") if text.endswith(("inf", "nan")) else text)


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


class _Shown(reprlib.Repr):
    """A repr that stops early: aliases make gigabytes of a few hundred bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxlong = self.maxother = LONGEST_SHOWN

    def repr_NoneType(self, _value: None, _level: int) -> str:  # noqa: N802  reprlib looks it up
        return "null"

    def repr_bool(self, value: bool, _level: int) -> str:  # noqa: FBT001  as reprlib calls it
        return "true" if value else "false"


_SHOWN = _Shown()


def show_value(value: object) -> str:
    """Return a value for an error: quoted where it is text, and cut where it is long."""
    return cut(_SHOWN.repr(value))


def cut(text: str, longest: int = LONGEST_SHOWN) -> str:
    """Return the text as an error shows it."""
    return shorten(text, longest)


def refuse_no_file(name: str) -> None:
    """Raise where a YAML file is not there, or is none at all.

    Raises:
        ConfigError: it names the file that was perhaps meant.
    """
    path = Path(name)
    with contextlib.suppress(OSError):  # which reading it says more of
        if path.is_dir():
            raise ConfigError(f"{name}: is a directory, not a YAML file")
        if not path.exists():
            siblings = [str(path.with_name(p.name)) for p in path.parent.glob("*.y*ml")]
            raise ConfigError(f"{name}: no such file", hint=nearest(name, siblings))


def parse_mapping(text: str, name: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Parse a YAML document that is a mapping.

    Args:
        text: the document.
        name: where it comes from, for errors.

    Returns:
        The mapping, and the line of each key and list item by its path.

    Raises:
        ConfigError: it is not YAML, not a mapping, or has a key twice.
    """
    lines: dict[KeyPath, int] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if isinstance(node, yaml.MappingNode):
            _note_lines(node, (), lines, name)
        document = None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _not_yaml(error, text, name) from error
    if not isinstance(document, dict):
        kinds = {type(None): "nothing", list: "a list"}
        raise ConfigError(
            f"{name}: a mapping of sections is needed, not "
            f"{kinds.get(type(document)) or show_value(document)}",
            hint="data: {train: table.csv, labels: [y]}",
        )
    return document, lines


def parse_scalar(text: str, name: str) -> Any:  # noqa: ANN401  YAML holds any type
    """Parse one value as YAML; a glob that starts with *, and a lone mark but ~, are text.

    A lone mark is - for stdin, or separates cells or tags.

    Args:
        text: the value.
        name: what it is for, for errors.

    Raises:
        ConfigError: it is not YAML.
    """
    is_mark = len(text) == 1 and not text.isalnum() and text not in "~[{"  # ~ is null
    if is_mark or text.startswith("*"):  # to YAML the start of something, as of an alias
        return text
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{name}: {show_value(text)} is not a YAML value",
            hint="put text with special characters in quotes",
        ) from error


def _not_yaml(error: Exception, text: str, name: str) -> ConfigError:
    """Return the error of a text that PyYAML fails on, of numbers with thousands of digits too."""
    if isinstance(error, RecursionError):
        return ConfigError(
            f"{name}: nested too deeply", hint="a config has sections, keys and lists, no more"
        )
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    line = None if mark is None else mark.line + 1
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
    place = "" if line is None else f"line {line}: "
    hints = {
        "undefined alias": "put a glob in quotes: '*_name'",
        "sequence entries are not allowed": "put - in quotes: '-'",
        "but found '<scalar>'": "put text with { or a quote in it in quotes: '{label}_weight'",
    }
    hint = next((hint for part, hint in hints.items() if part in problem), None)
    return ConfigError(f"{name}: {place}not YAML: {cut(problem, LONGEST_PROBLEM)}", hint=hint)


def _note_lines(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], name: str) -> None:
    if len(path) == DEEPEST:  # a config is no deeper, and a node may hold itself
        return
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            lines[*path, i] = item.start_mark.line + 1
            _note_lines(item, (*path, i), lines, name)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            if here in lines and key.value != "<<":
                dotted = cut(".".join(map(str, here)))
                raise ConfigError(
                    f"{name}: line {key.start_mark.line + 1}: {dotted} is given twice, "
                    f"first on line {lines[here]}"
                )
            lines[here] = key.start_mark.line + 1
            _note_lines(value, here, lines, name)


def quote(text: str) -> str:
    """Return a text as YAML that means this text, in YAML 1.1 and 1.2 alike."""
    if PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    quoted = yaml.dump(
        text,
        Dumper=yaml.SafeDumper,
        default_style='"',
        allow_unicode=True,
        width=2**31,
    )
    return quoted.removesuffix("\n")


def flow(value: object) -> str:
    """Return a scalar, a list or a mapping of texts as YAML on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{quote(key)}: {flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    return quote(value) if isinstance(value, str) else json.dumps(value)
