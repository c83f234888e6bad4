"""What is refused in a config, and in which words.

A key that is not there is refused with the nearest name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imbalance_cli.config.sections import Config, LossSection
from imbalance_cli.config.values import LEAST_REPLICATES, TARGETS
from imbalance_cli.errors import ConfigError, nearest, number_of
from imbalance_cli.losses.registry import losses_with
from imbalance_cli.yaml_text import KeyPath, cut, show_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

EXPECTED = {  # in words of the config, by pydantic's type of error
    "bool_type": "be true or false",
    "float_type": "be a number",
    "int_type": "be a whole number",
    "int_from_float": "be a whole number",
    "invalid_key": "be text, as all keys are",
    "list_type": "be a list",
    "model_type": "be a mapping of keys",
    "string_type": "be text",
    "too_short": "hold something",
}

_GOES_WITH: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    # the key of the same section and its values without which a key does nothing
    ("data", "positive"): ("encoding", ("auto", "binary")),
    ("data", "tag_separator"): ("encoding", ("tags",)),
    ("weighting", "cap"): ("strategy", ("ratio", "sqrt", "effective", "balanced")),
    ("weighting", "smoothing"): ("strategy", ("ratio", "sqrt", "effective", "balanced")),
    ("weighting", "beta"): ("strategy", ("effective",)),
    ("thresholds", "false_positive_cost"): ("objective", ("cost",)),
    ("thresholds", "false_negative_cost"): ("objective", ("cost",)),
    ("thresholds", "target"): ("objective", tuple(TARGETS)),
}


EXAMPLES = {"recall_at_precision": "0.9", "precision_at_recall": "0.9", "top_k": "100"}
OF_A_LOSS = ("loss", "weighting")
"""The sections whose keys go with one loss or another."""


def wrong_values(
    errors: Iterable[ErrorDetails], places: Mapping[KeyPath, str], name: str
) -> ConfigError:
    """Return one error for all values that pydantic refused, each with its path and line."""
    problems: dict[KeyPath, list[str]] = {}
    hints: dict[KeyPath, str] = {}
    stands: dict[KeyPath, str] = {}
    for error in errors:
        path = _key_path(error["loc"])
        problem, hint = _describe(error, path)
        if path in problems:  # another member of a union: "'big' should be a number or be auto"
            problem = problem.removeprefix(f"{show_value(error['input'])} should ")
        problems.setdefault(path, []).append(problem)
        hints |= {path: hint} if hint else {}
        stands[path] = "" if error["type"] == "missing" else _place(path, places)
    lines = [
        f"{_dotted(path)}{stands[path]}: {' or '.join(dict.fromkeys(found))}"
        for path, found in problems.items()
        if not any(other[:-1] == path for other in problems)  # its wrong items say it all
    ]
    count = f"{len(lines)} values are wrong: " if len(lines) > 1 else ""
    shown = [f"{_dotted(p)}: {h}" if len(hints) > 1 else h for p, h in hints.items()]
    return ConfigError(f"{name}: {count}{'; '.join(lines)}", hint="; ".join(shown) or None)


def _key_path(loc: KeyPath) -> KeyPath:
    """Drop what pydantic adds to the section, key and item for the members of a union."""
    return (*loc[:2], loc[-1]) if isinstance(loc[-1], int) else loc[:2]


def _place(path: KeyPath, places: Mapping[KeyPath, str]) -> str:
    """Return where a key stands, or what holds it: a merged key has no line of its own."""
    known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in places), None)
    return "" if known is None else f" ({places[known]})"


def _describe(error: ErrorDetails, path: KeyPath) -> tuple[str, str | None]:
    value = error["input"]
    if error["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        hint = nearest(cut(str(path[-1])), known)
        return "no such key", hint or f"the keys are {', '.join(known)}"
    if error["type"] == "missing":
        return "is needed and not given", None
    if error["type"] == "literal_error":
        works = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        hint = nearest(cut(value), works) if isinstance(value, str) else None
        choice = f"one of {', '.join(works)}" if len(works) > 1 else works[0]
        return f"{show_value(value)} should be {choice}", hint
    expected = EXPECTED.get(error["type"])
    if expected is None:
        expected = "be " + error["msg"].removeprefix("Input should be ")
    return f"{show_value(value)} should {expected}", None


def _known_keys(path: KeyPath) -> list[str]:
    """Return the keys of the section at `path`."""
    section: type[BaseModel] = Config
    for key in path:
        annotation = section.model_fields[str(key)].annotation
        section = annotation if isinstance(annotation, type) else Config
    return [field.alias or key for key, field in section.model_fields.items()]


def refuse_contradictions(
    config: Config, places: Mapping[KeyPath, str], name: str, *, for_any_loss: bool = False
) -> None:
    """Raise for what one key alone cannot show.

    Raises:
        ConfigError: a key does nothing beside another one, folds would train on the future, or the
            parts leave nothing to train on.
    """
    keys_of_losses = {
        ("loss", key): ("name", tuple(losses_with(key)))
        for key in LossSection.model_fields
        if key != "name"
    }
    for (section, key), (other, needed) in (_GOES_WITH | keys_of_losses).items():
        if not (for_any_loss and section in OF_A_LOSS):
            where = f"{name}: {section}.{key}{_place((section, key), places)}"
            _refuse_idle(config, (section, key), other, needed, where)
    if config.data.decimal is not None and config.data.decimal == config.data.thousands:
        raise ConfigError(
            f"{name}: data.decimal and data.thousands are both {config.data.decimal!r}",
            hint="name one of them, or two different ones",
        )
    refuse_folds_in_time(config, name)
    _refuse_streaming(config, name)
    _refuse_second_split(config, places, name)
    _refuse_target(config, places, name)
    held_out = config.split.valid + config.split.test
    if held_out >= 1:
        raise ConfigError(
            f"{name}: split.valid + split.test is {held_out:g}, which leaves nothing to train on"
        )


def refuse_folds_in_time(config: Config, name: str) -> None:
    """Raise where folds would be trained on rows that come after those held out.

    Raises:
        ConfigError: it names both keys.
    """
    if config.training.folds and (config.data.time or config.split.strategy == "time"):
        raise ConfigError(
            f"{name}: training.folds deals the rows out at random, and data.time asks to train on "
            "the past alone",
            hint="leave training.folds out, or data.time",
        )


def _refuse_streaming(config: Config, name: str) -> None:
    """Raise where rows are to be streamed, and another key needs them in memory.

    Raises:
        ConfigError: it names both keys.
    """
    data, training = config.data, config.training
    if data.in_memory is not False:
        return
    for key in ("train", "valid", "test"):
        if "-" in (getattr(data, key) or []):
            raise ConfigError(
                f"{name}: data.in_memory is false, and data.{key} is stdin, which cannot be read "
                "again and again",
                hint=f"name a file in data.{key}",
            )
    others = {
        f"training.folds is {training.folds}": training.folds is not None,
        "training.sampler is balanced": training.sampler == "balanced",
        f"report.peer is {config.report.peer}": config.report.peer is not None,
    }
    for other, is_given in others.items():
        if is_given:
            raise ConfigError(
                f"{name}: data.in_memory is false, and {other}, which needs all rows in memory",
                hint=f"leave data.in_memory or {other.partition(' ')[0]} out",
            )


def _refuse_second_split(config: Config, places: Mapping[KeyPath, str], name: str) -> None:
    """Raise where a column names the part of each row, and another key would cut them too."""
    if config.data.part is None:
        return
    others = [f"data.{key}" for key in ("valid", "test", "group", "time")]
    given = [
        other for other in others if getattr(config.data, other.removeprefix("data.")) is not None
    ]
    given += ["split.strategy"] if config.split.strategy != "auto" else []
    if given:
        raise ConfigError(
            f"{name}: data.part{_place(('data', 'part'), places)} says which part each row is in, "
            f"and {given[0]} would cut them too",
            hint=f"leave data.part or {given[0]} out",
        )


def _refuse_target(config: Config, places: Mapping[KeyPath, str], name: str) -> None:
    """Raise where an objective has no target, or one that no threshold can have."""
    objective, target = config.thresholds.objective, config.thresholds.target
    if objective not in TARGETS:
        return
    if target is None:
        raise ConfigError(
            f"{name}: thresholds.objective{_place(('thresholds', 'objective'), places)}: "
            f"{objective} needs thresholds.target, {TARGETS[objective]}",
            hint=f"as thresholds.target={EXAMPLES[objective]}",
        )
    usable = target >= 1 and target.is_integer() if objective == "top_k" else target == 1
    if not (target < 1 or usable):
        raise ConfigError(
            f"{name}: thresholds.target{_place(('thresholds', 'target'), places)}: {target:g} "
            f"should be {TARGETS[objective]}",
            hint=f"as thresholds.target={EXAMPLES[objective]}",
        )


def _refuse_idle(
    config: Config, path: tuple[str, str], other: str, needed: Sequence[str], where: str
) -> None:
    section, key = path
    given = getattr(config, section)
    value, chosen = getattr(given, key), getattr(given, other)
    # a saved config writes every key out, so a default is no request
    if chosen not in needed and value != type(given).model_fields[key].default:
        raise ConfigError(
            f"{where}: {value} goes with {section}.{other} {' or '.join(needed)}, not {chosen}",
            hint=f"{section}.{other}: {needed[0]}, or leave {section}.{key} out",
        )


def refuse_few_replicates(replicates: int | None) -> None:
    """Raise for an option that asks for some replicates, and fewer than make an interval.

    Raises:
        ConfigError: it says how many do.
    """
    if replicates is not None and 0 < replicates < LEAST_REPLICATES:
        raise ConfigError(
            f"bootstrap: no interval can be made of {number_of(replicates, 'replicate')}",
            hint=f"0, for no intervals, or at least {LEAST_REPLICATES}",
        )


def refuse_second_reader(config: Config, *, is_stdin: bool) -> None:
    """Raise where more than one thing would be read from stdin.

    Raises:
        ConfigError: it names them.
    """
    readers = ["the config"] if is_stdin else []
    for part in ("train", "valid", "test"):
        readers += [f"data.{part}"] * (getattr(config.data, part) or []).count("-")
    readers += ["weighting.from"] if config.weighting.from_ == "-" else []
    if len(readers) > 1:
        raise ConfigError(
            f"stdin can be read once, and {' and '.join(readers)} would read it",
            hint="name a file instead of -",
        )


def _dotted(path: KeyPath) -> str:
    return cut(".".join(str(key) for key in path))
