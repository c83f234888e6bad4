"""Reading a config: a YAML file or stdin, and what --set changes in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from imbalance_cli.config.refusals import (
    refuse_contradictions,
    refuse_second_reader,
    wrong_values,
)
from imbalance_cli.config.sections import Config
from imbalance_cli.config.weighting import resolve_weighting
from imbalance_cli.errors import ConfigError
from imbalance_cli.yaml_text import KeyPath, cut, parse_mapping, parse_scalar, refuse_no_file

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_NAME = 200  # characters of a path in an error


def load_config(
    given: str | dict[str, Any], overrides: Sequence[str] = (), *, for_any_loss: bool = False
) -> Config:
    """Read and check a config.

    Args:
        given: a YAML file, "-" for stdin, or the sections, to which overrides are written.
        overrides: "section.key=value", as given to --set.
        for_any_loss: whether it is for all losses in turn, so that keys of any may be given.

    Raises:
        ConfigError: it cannot be read, is not YAML, or holds wrong keys or values; all of them
            are named at once.
    """
    shown, document, lines = _parse(given)
    places = {path: f"line {line}" for path, line in lines.items()}
    for key in document:
        if document[key] is None:  # a section whose keys are all commented out
            document[key] = {}
    for override in overrides:
        _override(document, override, places)
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        raise wrong_values(error.errors(), places, shown) from error
    if not for_any_loss:
        config = resolve_weighting(config, shown)
    refuse_contradictions(config, places, shown, for_any_loss=for_any_loss)
    refuse_second_reader(config, is_stdin=given == "-")
    return config


def _parse(given: str | dict[str, Any]) -> tuple[str, dict[str, Any], dict[KeyPath, int]]:
    """Return the name of a config for errors, its sections, and the lines of its keys."""
    if isinstance(given, dict):
        return "config", given, {}
    shown = "stdin" if given == "-" else given
    return shown, *parse_mapping(_read(given), shown)


def _read(name: str) -> str:
    try:
        if name == "-":
            return _read_stdin()
        refuse_no_file(name)
        return Path(name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{'stdin' if name == '-' else name}: not UTF-8 text: byte {error.start + 1} is "
            f"0x{error.object[error.start]:02x}",
            hint="a config is a YAML file",
        ) from error
    except OSError as error:
        shown = name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "..."
        raise ConfigError(f"{shown}: cannot be read: {error.strerror}") from error


def _read_stdin() -> str:
    if sys.stdin is None:
        raise ConfigError("stdin is closed", hint="pipe a config in, or name a file")
    return sys.stdin.buffer.read().decode()


def _override(document: dict[str, Any], override: str, places: dict[KeyPath, str]) -> None:
    dotted, equals, text = override.partition("=")
    keys = dotted.strip().split(".")
    shown = cut(override)
    if not equals or not all(keys):
        raise ConfigError(
            f"--set {shown}: not of the form section.key=value",
            hint="--set training.epochs=5",
        )
    section: Any = document
    for depth, key in enumerate(keys[:-1], start=1):
        section = section.setdefault(key, {})
        places.setdefault(tuple(keys[:depth]), "--set")
        if not isinstance(section, dict):
            raise ConfigError(f"--set {shown}: {cut('.'.join(keys[:depth]))} holds no keys")
    section[keys[-1]] = parse_scalar(text, f"--set {cut(dotted)}")
    replaced = tuple(keys)
    for path in [p for p in places if p[: len(replaced)] == replaced]:
        del places[path]
    places[replaced] = "--set"
