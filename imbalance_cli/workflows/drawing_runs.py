"""The page of several runs, and that of candidates.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from imbalance_cli.comparison import conclude
from imbalance_cli.config import load_config
from imbalance_cli.evaluation.curves import Costs, compute_curves
from imbalance_cli.metrics import weights_of_labels
from imbalance_cli.report.comparison_page import to_html
from imbalance_cli.report.contents import ComparisonReport, Entry
from imbalance_cli.report.differences import rank_labels
from imbalance_cli.report.names import LONGEST, show_name
from imbalance_cli.run.directory import CONFIG, read_document
from imbalance_cli.workflows.comparing_runs import (
    choose_resampling,
    compare_cells,
    compare_labels,
    evaluate_runs,
    learned_by_all,
    warn_of,
)
from imbalance_cli.workflows.saved_runs import read_runs
from imbalance_cli.workflows.saving import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from imbalance_cli.comparison import Comparison
    from imbalance_cli.config import Config
    from imbalance_cli.evaluation.curves import LabelCurves
    from imbalance_cli.workflows.saved_runs import SavedRun

MOST_DRAWN = 8  # labels that have figures
ELSEWHERE = ("output",)  # sections that say where a run is, and not what it is
UNSET = "\N{EN DASH}"


def draw_runs(
    directories: Sequence[Path], warn: Callable[[str], None], *, bootstrap: int | None = None
) -> tuple[Comparison, bytes]:
    """Compare runs with the first of them, and draw the page that shows them side by side.

    Args:
        directories: of the runs.
        warn: receives warnings on the numbers, which the page has too.
        bootstrap: replicates; None takes those of the first run's config.

    Raises:
        ConfigError: a run is named twice, or the replicates are too few.
        RunError: a run cannot be used, or is of other labels or rows than the first.
        EvaluationError: a prediction is no probability.
    """
    runs = read_runs(directories)
    cautions: list[str] = []

    def caution(sentence: str) -> None:
        cautions.append(sentence)
        warn(sentence)

    warn_of(runs, caution)
    resampling = choose_resampling(runs[0], bootstrap)
    own = evaluate_runs(runs, resampling)
    comparison, micro = compare_labels(runs, own, resampling), None
    if sum(learned_by_all(runs)) > 1:
        micro = compare_cells(runs, own, resampling)
    entries = _describe_runs(runs)
    report = ComparisonReport(
        entries=entries,
        settings=find_differences(
            [_dump(load_config(str(Path(run.path) / CONFIG))) for run in runs]
        ),
        comparison=_rename(comparison, entries),
        micro=None if micro is None else _rename(micro, entries),
        curves=list(_curves_that_differ(runs, comparison)),
        cautions=cautions,
        versions=versions(),
    )
    return comparison, to_html(report)


def draw_candidates(comparison: Comparison, configs: Mapping[str, Config]) -> bytes:
    """Draw the page of candidates side by side.

    Args:
        comparison: of the candidates.
        configs: of the networks among them, which stand first, by name.
    """
    entries = []
    for candidate in comparison.candidates:
        facts = [] if candidate.is_yardstick else [f"loss {candidate.loss}"]
        facts += [f"{candidate.seconds:,.3g} s of processor time"] if candidate.seconds else []
        facts += ["still improving at the last epoch"] if candidate.still_improving else []
        entries.append(Entry(candidate.name, "; ".join(facts)))
    differing = find_differences([_dump(config) for config in configs.values()])
    unset = [UNSET] * (len(entries) - len(configs))
    return to_html(
        ComparisonReport(
            entries=entries,
            settings={key: [*values, *unset] for key, values in differing.items()},
            comparison=comparison,
            micro=None,
            curves=[],
            cautions=[],
            versions=versions(),
        )
    )


def find_differences(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the keys whose values differ between configs, as train.epochs, and each value as YAML.

    Where runs were written is no difference.
    """
    flat = [dict(_flatten(config)) for config in configs]
    keys = dict.fromkeys(key for each in flat for key in each)
    differing = {key: [each.get(key, UNSET) for each in flat] for key in keys}
    return {key: values for key, values in differing.items() if len(set(values)) > 1}


def _dump(config: Config) -> dict[str, Any]:
    return config.model_dump(by_alias=True, mode="json")


def _flatten(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for section, settings in config.items():
        if section in ELSEWHERE:
            continue
        for key, value in settings.items():
            text = yaml.safe_dump(
                value, default_flow_style=True, allow_unicode=True, width=math.inf
            )
            yield f"{section}.{key}", text.removesuffix("\n").removesuffix("\n...")


def _describe_runs(runs: Sequence[SavedRun]) -> list[Entry]:
    """Return each run with the last part of its path as its name, where these differ."""
    paths = [run.path for run in runs]
    names = [show_name(Path(path).name, LONGEST) for path in paths]
    if len(set(names)) < len(names) or "" in names:
        names = paths
    entries = []
    for name, run in zip(names, runs, strict=True):
        made = read_document(Path(run.path))["created"][:16].replace("T", " ")
        note = f"{run.path}; loss {run.loss}; {made} UTC"
        entries.append(Entry(name, note, is_tuned=run.evaluation.part != "test"))
    return entries


def _rename(comparison: Comparison, entries: Sequence[Entry]) -> Comparison:
    """Return the comparison with runs called by short names, in what it says too."""
    candidates = [
        dataclasses.replace(candidate, name=entry.name)
        for candidate, entry in zip(comparison.candidates, entries, strict=True)
    ]
    renamed = dataclasses.replace(comparison, candidates=candidates, baseline=entries[0].name)
    return dataclasses.replace(renamed, conclusions=conclude(renamed))


def _curves_that_differ(
    runs: Sequence[SavedRun], comparison: Comparison
) -> Iterator[list[LabelCurves]]:
    """Yield the curves of the labels that differ most, a run each."""
    learned = learned_by_all(runs)
    weights = runs[0].weights
    for i in [i for i in rank_labels(comparison) if learned[i]][:MOST_DRAWN]:
        thresholds = [run.evaluation.labels[i].threshold for run in runs]
        own = weights_of_labels(weights, i)
        yield [
            compute_curves(
                run.labels[i],
                run.probabilities[:, i].numpy(),
                None,
                run.targets[:, i].numpy(),
                threshold=0.5 if threshold is None else threshold,
                costs=Costs(),
                confidence=comparison.confidence,
                weights=None if own is None else own.numpy(),
            )
            for run, threshold in zip(runs, thresholds, strict=True)
        ]
