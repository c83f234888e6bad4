"""explain: which columns a run's answers rest on, by the rows it was tested on or by others.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance_cli.comparison.bootstrap import Sample
from imbalance_cli.errors import ConfigError, FeatureError
from imbalance_cli.evaluation import Resampling
from imbalance_cli.explaining.columns import ColumnGroup, group_columns
from imbalance_cli.explaining.contributions import explain_rows
from imbalance_cli.explaining.dependence import measure_dependence
from imbalance_cli.explaining.importance import measure_importance
from imbalance_cli.explaining.results import Explanation
from imbalance_cli.labels import match_columns
from imbalance_cli.metrics import weights_of_labels, weights_of_rows
from imbalance_cli.progress import Stage, tell_nobody
from imbalance_cli.readers.dialect import UNKNOWN, Dialect
from imbalance_cli.report.explanation import to_json
from imbalance_cli.run.directory import EXPLANATION, write_whole
from imbalance_cli.run.scored_rows import sigmoid
from imbalance_cli.workflows.applying import (
    has_labels,
    load_predictor,
    open_rows,
    warn_of_known_rows,
)
from imbalance_cli.workflows.explained_rows import read_others, read_own, read_unlabelled
from imbalance_cli.workflows.reporting import draw_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from imbalance_cli.config import Config
    from imbalance_cli.features import FeatureRows
    from imbalance_cli.progress import Tell
    from imbalance_cli.readers.source import Source
    from imbalance_cli.run.predictor import Predictor
    from imbalance_cli.workflows.explained_rows import Rows

MOST_COLUMNS = 1_000
MOST_LABELS = 20
SHUFFLED, MOST_REPEATS = 10_000, 5
MOST_NAMED = 5  # columns in a sentence
MOST_DRAWN = 5  # columns whose dependence is shown


def explain(  # noqa: PLR0913  a source and how to read it, and what is asked
    directory: Path,
    rows: str | Source | None,
    device: str,
    warn: Callable[[str], None],
    *,
    labels: Sequence[str] = (),
    columns: Sequence[str] = (),
    numbers: Sequence[int] = (),
    repeats: int | None = None,
    input_format: str | None = None,
    dialect: Dialect = UNKNOWN,
    tell: Tell = tell_nobody,
) -> Explanation:
    """Explain a run by labelled rows.

    Args:
        directory: of the run.
        rows: a source, or the name of one; None for the test rows of the run. Where it has no
            labels, only the rows of `numbers` are taken from it, and all else from the test rows.
        device: as in a config.
        warn: receives warnings on the numbers.
        labels: names or globs of those that are explained; none is the commonest MOST_LABELS.
        columns: names or globs of those that are shuffled; none is all.
        numbers: of rows to explain one by one, from 0.
        repeats: how often columns are shuffled; None: so often that SHUFFLED rows are, but
            MOST_REPEATS at most.
        input_format: what the source is; None reads it off its name and first bytes.
        dialect: how delimited text is written; what is None is as in the run.
        tell: receives the progress.

    Raises:
        ImbtrainError: the run or the source cannot be used, or a name or number is not there.
    """
    if repeats is not None and repeats < 1:
        raise ConfigError(f"repeats: {repeats}: a whole number from 1 on is needed")
    predictor, config = load_predictor(directory, device)
    chosen_labels = _choose_labels(predictor, labels)
    chosen_columns = _choose_columns(predictor, columns)
    asked = sorted(set(numbers))
    opened = None if rows is None else open_rows(rows, input_format, dialect, config.data)
    found = _read_rows(directory, opened, predictor, config, asked, warn=warn, tell=tell)
    if repeats is None:
        repeats = min(max(SHUFFLED // len(found.targets), 1), MOST_REPEATS)
    places = predictor.preprocessing.places()
    groups = group_columns({column: places[column] for column in chosen_columns}, found.features)
    names = [predictor.labels[label] for label in chosen_labels]

    model = _Explained(predictor, chosen_labels)
    sample, weights = _sample_rows(predictor, chosen_labels, found)
    resampling = Resampling(confidence=config.report.confidence)
    metrics, importance = measure_importance(
        model.probabilities,
        found.features,
        groups,
        sample,
        names,
        resampling=resampling,
        repeats=repeats,
        tell=tell,
    )
    tell(Stage("changing the strongest columns"))
    ordered = {feature.column for feature in predictor.preprocessing.numeric}
    strongest = [column for each in importance for column in each.columns][:MOST_DRAWN]
    dependence = [
        measure_dependence(
            model.probabilities,
            found.features,
            found.cells,
            column,
            places,
            names,
            is_ordered=column in ordered,
            weights=weights,
        )
        for column in strongest
    ]
    # the columns that were not chosen move together, so that contributions add up
    rest = [column for column in places if column not in chosen_columns]
    explained = explain_rows(
        model.log_odds,
        found.asked,
        found.asked_cells,
        asked,
        [*groups, ColumnGroup.of(rest, places)] if rest else groups,
        others=found.features,
        labels=names,
        weights=weights,
    )
    return Explanation(
        run=str(directory),
        source=found.source,
        part=found.part,
        rows=len(found.targets),
        rows_read=found.read,
        labels=names,
        metrics=metrics,
        repeats=repeats,
        confidence=resampling.confidence,
        importance=importance,
        dependence=dependence,
        explained=explained,
        remarks=_describe_lacks(predictor, chosen_labels, labels, chosen_columns, found),
    )


@dataclasses.dataclass(frozen=True)
class _Explained:
    """What a model says of some of its labels.

    Attributes:
        predictor: the model.
        labels: the numbers of these, (L,).
    """

    predictor: Predictor
    labels: list[int]

    def log_odds(self, rows: FeatureRows) -> NDArray[np.float64]:
        """Return them after calibration, (N, L)."""
        odds = self.predictor.score_features(rows).log_odds()
        return self.predictor.calibration.apply(odds)[:, self.labels].numpy()

    def probabilities(self, rows: FeatureRows) -> NDArray[np.float64]:
        """Return them after calibration, (N, L)."""
        return sigmoid(self.log_odds(rows))


def _sample_rows(
    predictor: Predictor, labels: list[int], rows: Rows
) -> tuple[Sample, NDArray[np.float64] | None]:
    """Return what importance is measured by, and how much each row counts for contributions.

    Raises:
        FeatureError: no label has both classes in these rows.
    """
    targets = rows.targets[:, labels]
    of_cells = weights_of_labels(rows.weights, labels)
    of_rows = weights_of_rows(of_cells, ~targets.isnan())
    learnable = [predictor.learnable[label] for label in labels]
    sample = Sample.of(targets, learnable, rows.groups, weights=of_cells)
    if not sample.kept.any():
        raise FeatureError(
            f"{rows.source}: no label has both positive and negative rows, so average precision "
            "and log loss say nothing",
            hint="SOURCE needs labelled rows, some positive and some negative",
        )
    return sample, None if of_rows is None else of_rows.numpy()


def keep_explanation(found: Explanation, warn: Callable[[str], None]) -> None:
    """Write an explanation into its run, and the page of the run anew.

    Args:
        found: by the run's own rows.
        warn: receives a warning of letters that plots/ cannot show.

    Raises:
        ImbtrainError: as of `draw_report`.
    """
    directory = Path(found.run)
    write_whole(directory / EXPLANATION, to_json(found))
    draw_report(directory, warn)


def _read_rows(
    directory: Path,
    source: Source | None,
    predictor: Predictor,
    config: Config,
    asked: Sequence[int],
    *,
    warn: Callable[[str], None],
    tell: Tell,
) -> Rows:
    if source is None:
        return read_own(directory, predictor, config, asked, tell)
    if asked and not has_labels(source, predictor, config.data):
        rows, cells = read_unlabelled(source, predictor, config, asked, warn, tell)
        own = read_own(directory, predictor, config, (), tell)
        return dataclasses.replace(own, asked=rows, asked_cells=cells, asked_of=source.name)
    found = read_others(source, predictor, config, asked, warn, tell)
    warn_of_known_rows(directory, source.name, config.data, warn)
    return found


def _describe_lacks(
    predictor: Predictor,
    chosen: Sequence[int],
    asked: Sequence[str],
    columns: Sequence[str],
    found: Rows,
) -> list[str]:
    """Return sentences on labels, rows and columns of which less is known."""
    sentences = []
    if found.asked_of is not None:
        sentences.append(
            f"{found.asked_of} has no labels: its rows are explained beside those of {found.source}"
        )
    learned = sum(predictor.learnable)
    if not asked and len(chosen) < learned:
        sentences.append(
            f"{len(chosen)} of {learned:,} labels, the commonest in training: --labels names others"
        )
    if len(found.targets) < found.read:
        sentences.append(
            f"{len(found.targets):,} of {found.read:,} rows were drawn at random, positives first; "
            "each drawn row counts for those it stands for"
        )
    constant = [column for column in columns if found.cells[column].n_unique() == 1]
    if constant:
        names = ", ".join(constant[:MOST_NAMED])
        more = f" and {len(constant) - MOST_NAMED:,} more" if len(constant) > MOST_NAMED else ""
        sentences.append(
            f"the same in all these rows, so that shuffling changes nothing: {names}{more}"
        )
    return sentences


def _choose_labels(predictor: Predictor, patterns: Sequence[str]) -> list[int]:
    """Return the numbers of the labels that are explained."""
    learned = [
        label for label, can in zip(predictor.labels, predictor.learnable, strict=True) if can
    ]
    if patterns:
        names = match_columns(patterns, predictor.labels, "--labels", of="label")
        for name in names:
            if name not in learned:
                raise ConfigError(
                    f"--labels: {name!r} was not learned: there is nothing to explain"
                )
        return [predictor.labels.index(name) for name in names]
    shares = {i: share for i, share in enumerate(predictor.prevalence) if share is not None}
    commonest = sorted(shares, key=lambda label: -shares[label])[:MOST_LABELS]
    return sorted(commonest)


def _choose_columns(predictor: Predictor, patterns: Sequence[str]) -> list[str]:
    known = predictor.preprocessing.columns
    chosen = match_columns(patterns, known, "--columns") if patterns else known
    if len(chosen) > MOST_COLUMNS:
        raise ConfigError(
            f"{len(chosen):,} columns are more than the {MOST_COLUMNS:,} that can be shuffled",
            hint="--columns NAME, which may be a glob such as 'x1*', chooses some",
        )
    return chosen
