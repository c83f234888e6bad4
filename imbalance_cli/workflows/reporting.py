"""report: report.html and plots/ of a run, from what `fit` left in it.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl

from imbalance_cli.codes import Warned
from imbalance_cli.config import load_config
from imbalance_cli.errors import RunError
from imbalance_cli.evaluation.curves import Costs, compute_curves
from imbalance_cli.explaining.results import Explanation
from imbalance_cli.inspection.pairs import PairCounts
from imbalance_cli.labels.targets import DenseTargets
from imbalance_cli.metrics import weights_of_labels
from imbalance_cli.report import documents
from imbalance_cli.report.contents import RunReport, Together, TrainingHistory
from imbalance_cli.report.decisions import describe_decisions
from imbalance_cli.report.fonts import describe_missing
from imbalance_cli.report.model_card import to_model_card
from imbalance_cli.report.ordering import RANKING, keep_judged
from imbalance_cli.report.plots import draw_plots
from imbalance_cli.report.run_page import to_html
from imbalance_cli.report.sentences import describe_findings
from imbalance_cli.run.directory import (
    CONFIG,
    EXPLANATION,
    HISTORY,
    MAKES,
    METRICS_JSON,
    PREDICTIONS,
    load_run,
    read_document,
    read_file,
    write_drawings,
)
from imbalance_cli.workflows.predictions import widen_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from imbalance_cli.config import Config
    from imbalance_cli.evaluation import Evaluation, LabelEvaluation
    from imbalance_cli.evaluation.curves import LabelCurves

MOST_DRAWN = 24  # labels that all have figures
OF_EACH_KIND = 8  # the rarest, the worst and the best, where there are more
MOST_TOGETHER = 20  # labels whose co-occurrence is shown, the commonest


def draw_report(directory: Path, warn: Callable[[str], None]) -> Path:
    """Write report.html, model_card.md and plots/ of a run, and return the page's path.

    They are drawn from its saved predictions.

    Args:
        directory: of the run.
        warn: receives a warning of letters that plots/ cannot show.

    Raises:
        RunError: the run, its numbers or its predictions cannot be used.
        OutputError: it cannot be written to.
    """
    report = read_report(directory)
    together = report.together.labels if report.together is not None else ()
    missing = describe_missing([*(curves.label for curves in report.curves), *together])
    if missing is not None:
        warn(Warned("IMB118", missing))
    return write_drawings(directory, to_html(report), to_model_card(report), draw_plots(report))


def draw_page(directory: Path) -> bytes:
    """Return the page of a run, drawn from its saved predictions; nothing is written.

    Raises:
        RunError: the run, its numbers or its predictions cannot be used.
    """
    return to_html(read_report(directory))


def read_report(directory: Path) -> RunReport:
    """Return all that the report of a run shows.

    Raises:
        RunError: the run, its numbers or its predictions cannot be used.
    """
    document, _ = load_run(directory)
    evaluation = read_evaluation(directory)
    config = load_config(str(directory / CONFIG))
    settings = config.model_dump(by_alias=True, mode="json")
    chosen = choose_labels(evaluation)
    names = [label.label for label in evaluation.labels if label.label in chosen]
    commonest = sorted(evaluation.labels, key=lambda label: -label.positives)[:MOST_TOGETHER]
    together = [label.label for label in evaluation.labels if label in commonest]
    order = [label.label for label in evaluation.labels]
    predictions = read_predictions(directory, order, names, together)
    return RunReport(
        run=str(directory),
        document=document,
        config=read_file(directory, CONFIG).decode(),
        settings=settings,
        evaluation=evaluation,
        findings=[
            *describe_findings(evaluation),
            *_describe_decisions(config, document),
        ],
        curves=list(_curves(predictions, evaluation, names, config)),
        chosen={name: reasons for name, reasons in chosen.items() if reasons},
        training=list(_read_history(directory)),
        together=_count_together(predictions, together) if len(together) > 1 else None,
        peer=read_peer(directory),
        explanation=_read_explanation(directory),
    )


def choose_labels(evaluation: Evaluation) -> dict[str, list[str]]:
    """Return the labels that get figures, and why each does; of few labels, all, without a reason.

    Of many, those are the rarest with a positive, and the worst and the best by average precision,
    among those of which it has an interval, if any has.
    """
    learnable = [label for label in evaluation.labels if label.learnable]
    if len(learnable) <= MOST_DRAWN:
        return {label.label: [] for label in learnable}
    scored = [label for label in learnable if label.average_precision.value is not None]
    scored = keep_judged(scored, RANKING)
    scored.sort(key=lambda label: label.average_precision.value or 0.0)
    rarest = sorted((label for label in learnable if label.positives), key=lambda a: a.positives)
    reasons: dict[str, list[str]] = {}
    for reason, labels in (
        ("among the best", scored[-OF_EACH_KIND:][::-1]),
        ("among the worst", scored[:OF_EACH_KIND]),
        ("among the rarest", rarest[:OF_EACH_KIND]),
    ):
        for label in labels:
            reasons.setdefault(label.label, []).append(reason)
    return reasons


def read_evaluation(directory: Path) -> Evaluation:
    """Return the evaluation of the held-out rows of a run.

    Raises:
        RunError: it is not there, or was written by another version.
    """
    return _read_metrics(directory, documents.from_json)


def read_peer(directory: Path) -> Mapping[str, Any] | None:
    """Return what another kind of model came to beside the network of a run; None without one.

    Raises:
        RunError: as of `read_evaluation`.
    """
    return _read_metrics(directory, documents.peer_from_json)


def _read_explanation(directory: Path) -> Explanation | None:
    if not (directory / EXPLANATION).exists():
        return None
    try:
        return Explanation.from_dict(json.loads(read_file(directory, EXPLANATION)))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{directory / EXPLANATION}: not as this imbtrain writes it: {error}",
            hint="imbtrain explain RUN writes it anew",
        ) from error


Read = TypeVar("Read")


def _read_metrics(directory: Path, read: Callable[[bytes], Read]) -> Read:
    content = read_file(directory, METRICS_JSON)
    try:
        return read(content)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{directory / METRICS_JSON}: not as this imbtrain writes it: {error}",
            hint=MAKES["model"],
        ) from error


def read_decisions(directory: Path) -> list[str]:
    """Return what the thresholds of a run were chosen for, and what they reached, in sentences.

    Raises:
        RunError: it is no run.
    """
    return _describe_decisions(load_config(str(directory / CONFIG)), read_document(directory))


def _describe_decisions(config: Config, document: Mapping[str, Any]) -> list[str]:
    settings = config.thresholds.model_dump(mode="json")
    return describe_decisions(settings, document["labels"], folds=config.training.folds)


def read_predictions(
    directory: Path, order: Sequence[str], labels: Sequence[str], targets_of: Sequence[str]
) -> pl.DataFrame:
    """Return what was predicted for the held-out rows of a run.

    Args:
        directory: of the run.
        order: all labels, in the order of the run.
        labels: whose targets, probabilities and raw scores are read.
        targets_of: further labels, of which the targets are enough.

    Raises:
        RunError: they are not there, cannot be read, or are of other labels.
    """
    content = io.BytesIO(read_file(directory, PREDICTIONS))
    path = directory / PREDICTIONS
    try:
        there = pl.read_parquet_schema(content)
        if "probabilities" in there:
            return widen_lists(pl.scan_parquet(path), order, labels, targets_of)
        wanted = [f"{label}_{kind}" for label in labels for kind in ("target", "probability")]
        wanted += [f"{label}_target" for label in targets_of]
        missing = [column for column in wanted if column not in there]
        if missing:
            raise RunError(
                f"{path}: without the column {missing[0]!r}: it is of other labels than the run",
                hint=MAKES["model"],
            )
        optional = ["sample_weight", *(f"{label}_score" for label in labels)]
        columns = dict.fromkeys([*wanted, *(name for name in optional if name in there)])
        content.seek(0)
        return pl.read_parquet(content, columns=list(columns))
    except pl.exceptions.PolarsError as error:
        raise RunError(f"{path}: not Parquet that can be read: {error}") from error


def _curves(
    predictions: pl.DataFrame, evaluation: Evaluation, names: Sequence[str], config: Config
) -> Iterator[LabelCurves]:
    """Yield the curves of labels, in the order of the table."""
    settings = config.thresholds
    costs = Costs(settings.false_positive_cost, settings.false_negative_cost)
    weights = None
    if "sample_weight" in predictions.columns:
        weights = predictions["sample_weight"].to_numpy()
    found: Mapping[str, LabelEvaluation] = {label.label: label for label in evaluation.labels}
    numbers = {label: number for number, label in enumerate(found)}
    for name in sorted(names, key=lambda name: -(found[name].prevalence or 0.0)):
        probabilities, targets = (
            predictions[f"{name}_{kind}"].cast(pl.Float64).to_numpy()
            for kind in ("probability", "target")
        )
        scores = f"{name}_score"
        threshold = found[name].threshold
        yield compute_curves(
            name,
            probabilities,
            predictions[scores].cast(pl.Float64).to_numpy() if scores in predictions else None,
            targets,
            threshold=0.5 if threshold is None else threshold,
            costs=costs,
            confidence=evaluation.confidence,
            weights=weights_of_labels(weights, numbers[name]),
        )


def _count_together(predictions: pl.DataFrame, labels: Sequence[str]) -> Together:
    columns = [predictions[f"{label}_target"].cast(pl.Float32).to_numpy() for label in labels]
    counts = PairCounts(labels)
    counts.add(DenseTargets.of(np.stack(columns, axis=1)))
    shares = counts.shares()
    return Together(
        labels,
        [[None if np.isnan(share) else float(share) for share in row] for row in shares],
        counts.together.tolist(),
    )


def _read_history(directory: Path) -> Iterator[TrainingHistory]:
    """Yield what each epoch gave each network; nothing where the run has no history."""
    if not (directory / HISTORY).exists():
        return
    networks: dict[str, list[dict[str, Any]]] = {}
    for row in csv.DictReader(io.StringIO(read_file(directory, HISTORY).decode())):
        networks.setdefault(row["member"], []).append(row)
    for rows in networks.values():
        yield TrainingHistory(
            list(range(1, len(rows) + 1)),  # of one that follows another they began later
            [float(row["loss"]) for row in rows],
            [float(row["score"] or "nan") for row in rows],
            int(rows[-1]["best_epoch"]),
        )
