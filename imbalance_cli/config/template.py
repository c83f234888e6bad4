"""The commented config that `imbtrain init` prints."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import TYPE_CHECKING, Any

from imbalance_cli.config.descriptions import DESCRIPTIONS, SECTIONS, list_keys
from imbalance_cli.config.json_schema import make_json_schema
from imbalance_cli.yaml_text import flow, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH = 100


@dataclasses.dataclass(frozen=True)
class Proposal:
    """What is known of a source when its config is written.

    Attributes:
        source: a path, as `data.train` takes it.
        about: sentences at the top.
        labels: the label columns, and a remark on each.
        exclude: the columns to leave out, and why.
        settings: other keys of `data` with a value of their own.
        remarks: on some of these.
        suggested: columns that may be `group` or `time`, and why.
    """

    source: str
    labels: Mapping[str, str]
    about: Sequence[str] = ()
    exclude: Mapping[str, str] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    remarks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    suggested: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)


MINIMAL = (
    "# imbtrain init without --minimal writes every key and what it does; so does docs/config.md."
)


def write_minimal(proposal: Proposal) -> str:
    """Return the keys of a config that have no default or need another one, as YAML."""
    lines = [line for key in _list_known(proposal).values() for line in key]
    return "\n".join([MINIMAL, "data:", *(f"  {line}" for line in lines)]) + "\n"


def write_template(proposal: Proposal) -> str:
    """Return a whole config as YAML; what has its default is there as a comment."""
    known = _list_known(proposal)
    lines = [line for sentence in proposal.about for line in _comment(sentence)]
    schema = make_json_schema()["properties"]
    for section, keys in list_keys().items():
        lines += ["", *_comment(SECTIONS[section]), f"{section}:"]
        for key, default in keys:
            choices = _choices(schema[section]["properties"][key])
            lines += _comment(DESCRIPTIONS[f"{section}.{key}"] + choices, 2)
            suggested = proposal.suggested.get(key, {}) if section == "data" else {}
            if section == "data" and key in known:
                lines += [f"  {line}" for line in known[key]]
            elif suggested and key not in proposal.settings:
                lines += [
                    f"  # {key}: {quote(column)}" + _remark(why)
                    for column, why in suggested.items()
                ]
            else:
                lines.append(f"  # {key}: {flow(default)}")
    return "\n".join(lines).lstrip("\n") + "\n"


def _list_known(proposal: Proposal) -> dict[str, list[str]]:
    """Return the keys of `data` that a proposal has a value for, and their lines."""
    known: dict[str, list[str]] = {
        "train": [f"train: {quote(proposal.source)}"],
        "labels": _list_columns("labels", proposal.labels),
        **{
            key: [f"{key}: {flow(value)}{_remark(proposal.remarks.get(key, ''))}"]
            for key, value in proposal.settings.items()
        },
    }
    if proposal.exclude:
        known["exclude"] = _list_columns("exclude", proposal.exclude)
    return known


def _list_columns(key: str, columns: Mapping[str, str]) -> list[str]:
    return [f"{key}:", *(f"  - {quote(name)}{_remark(why)}" for name, why in columns.items())]


def _remark(text: str) -> str:
    return f"  # {_one_line(text)}" if text else ""


def _comment(text: str, indent: int = 0) -> list[str]:
    start = " " * indent + "# "
    return textwrap.wrap(
        _one_line(text),
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _one_line(text: str) -> str:
    """Return a text that cannot end a comment, nor hold what YAML does not allow in one."""
    words = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in words)


def _choices(schema: dict[str, Any]) -> str:
    """Return " One of a, b, c." for a key that takes one of a few words, and those that work."""
    members = schema.get("anyOf", [schema])
    words = [word for member in members for word in member.get("enum", ())]
    return f" One of {', '.join(words)}." if len(words) > 1 else ""
