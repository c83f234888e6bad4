"""What a search found as a table, CSV and JSON, and the config of the best candidate."""

from __future__ import annotations

import json
import math
import textwrap
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from imbalance_cli.errors import number_of
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.encoding import encode_document, encode_rows
from imbalance_cli.report.terminal import name_run
from imbalance_cli.searching.results import CONFIG
from imbalance_cli.yaml_text import flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.config import Config
    from imbalance_cli.searching import SearchResult, Tried

MOST = 10  # finished candidates in the table; of more the best and the config
WIDTH = 100  # of a comment
SHORT = {"loss.name": "loss", "weighting.strategy": "weights"}
"""Of keys whose last part says too little."""


def to_json(result: SearchResult, run: str) -> bytes:
    """Return the whole search."""
    return encode_document({"run": run, **result.to_dict()})


def to_csv(result: SearchResult) -> bytes:
    """Return a row a candidate, in the order they were tried in."""
    rows = []
    for one in result.tried:
        folds = one.folds or [None] * result.folds
        rows.append(
            {
                "candidate": one.name,
                "state": one.state,
                result.score: one.score,
                **{f"fold_{k}": value for k, value in enumerate(folds, start=1)},
                "epochs": one.epochs,
                "seconds": round(one.seconds, 3),
                "settings": json.dumps(one.settings),
            }
        )
    return encode_rows(rows)


def draw_search(result: SearchResult, run: str) -> Group:
    """Return the table of the finished candidates, the best first, and what it says."""
    finished = result.finished
    shown = finished[:MOST] + [one for one in finished[MOST:] if one.name == CONFIG]
    counts = {
        "finished": len(finished) - len(shown),
        "stopped early": sum(one.state == "stopped" for one in result.tried),
        "failed": sum(one.state == "failed" for one in result.tried),
    }
    others = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    column = " ".join(METRIC_SPECS[result.score].column.split())
    return Group(
        Text(
            f"{result.rows:,} held-out rows of {result.source}, {result.folds} folds", style="bold"
        ),
        _fill_table(result, shown, column),
        Text(f"and {others}: --format csv and --format json have all.\n" if others else ""),
        *map(Text, conclude(result)),
        Text(
            f"{column}: {_name(result.score)}, mean over labels and folds; diff: to the config as "
            "it was given; s: seconds.",
            style="dim",
        ),
        name_run(run),
    )


def _fill_table(result: SearchResult, shown: Sequence[Tried], column: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("candidate", no_wrap=True)
    for heading in (column, "diff", "s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("what it changes", ratio=1)
    config = result.selection.config
    for one in shown:
        difference = "-" if one.name == CONFIG else _signed((one.score or 0.0) - config)
        numbers = (_show(one.score), difference, f"{one.seconds:.1f}")
        table.add_row(one.name, *numbers, describe_settings(one))
    return table


def conclude(result: SearchResult) -> list[str]:
    """Return what the search found, and how much of it is selection, as sentences."""
    selection, best = result.selection, result.best
    number = number_of(len(result.finished), "finished candidate")
    metric = _name(result.score)
    if best.name == CONFIG:
        kept = f"{metric} {_show(selection.config)}. Keep it."
        return [f"Of {number} none is better than the config as it was given: {kept}"]
    sign = -1 if result.lower_is_better else 1
    gain = sign * (selection.best - selection.config)
    honest = sign * (selection.nested - selection.config)
    flattery = gain - honest
    first = (
        f"Of {number} {best.name} is the best: {metric} {_show(selection.best)}, and "
        f"{_show(selection.config)} by the config as it was given."
    )
    if selection.standard_error is None:
        return [first, "Of one fold nothing can be said of how much of it is selection."]
    share = _show(flattery) if flattery > 0 else "none"
    second = (
        f"Chosen on {number_of(result.folds - 1, 'fold')} and scored on the other, in turn, it is "
        f"{_show(selection.nested)}: {share} of the gain of {_show(gain)} is selection, and "
        f"{_signed(honest)} (standard error {_show(selection.standard_error)}) is what to expect "
        "on new rows"
    )
    if selection.is_clear:
        return [first, f"{second}."]
    return [first, f"{second}, which is no clear gain."]


def describe_settings(one: Tried) -> str:
    """Return the settings of a candidate on one line, by short names of their keys."""
    shown = [
        f"{SHORT.get(key, key.partition('.')[2])} {flow(value)}"
        for key, value in one.settings.items()
        if key != "training.monitor"  # which is that of all candidates
    ]
    return ", ".join(shown) or "nothing"


def write_best(config: Config, result: SearchResult) -> str:
    """Return the config of the best candidate: what the config gives, and what the search changed.

    Args:
        config: as it was given, its loss not resolved.
        result: of the search.
    """
    sections: dict[str, dict[str, tuple[Any, str]]] = {}
    for section, values in config.model_dump(by_alias=True, exclude_unset=True).items():
        fields = type(getattr(config, section)).model_fields
        defaults = {
            field.alias or key: field.get_default(call_default_factory=True)
            for key, field in fields.items()
        }
        for key, value in values.items():
            # a default that says something: which loss there is
            is_said = (section, key) == ("weighting", "strategy")
            if is_said or value != defaults.get(key):
                sections.setdefault(section, {})[key] = (value, "")
    for dotted, value in result.best.settings.items():
        section, _, key = dotted.partition(".")
        sections.setdefault(section, {})[key] = (value, "  # by the search")
    about = " ".join(["Of imbtrain search.", *conclude(result)])
    lines = textwrap.wrap(about, WIDTH, initial_indent="# ", subsequent_indent="# ")
    for section, keys in sections.items():
        lines.append(f"{section}:")
        for key, (value, remark) in keys.items():
            is_one_path = key == "train" and len(value) == 1
            lines.append(f"  {key}: {flow(value[0] if is_one_path else value)}{remark}")
    return "\n".join(lines) + "\n"


def _name(score: str) -> str:
    """Return a metric as a sentence names it."""
    return METRIC_SPECS[score].title or METRIC_SPECS[score].heading


def _show(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{round(value, 4) + 0.0:+.4f}"
