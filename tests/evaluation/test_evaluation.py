"""An Evaluation holds scikit-learn's numbers, intervals that cover, and None where undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics as reference
import torch

from imbalance_cli.errors import EvaluationError
from imbalance_cli.evaluation import (
    DenseRows,
    Estimate,
    Evaluation,
    Resampling,
    evaluate_rows,
)
from imbalance_cli.evaluation.scored_rows import CheckedRows
from imbalance_cli.metrics import METRIC_SPECS, judge_rows, multilabel_metrics

METRICS = tuple(METRIC_SPECS)

NAN = math.nan


def simulate(rows: int, labels: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities and targets, (N, L)."""
    random = torch.Generator().manual_seed(seed)
    p = torch.rand(rows, labels, generator=random, dtype=torch.float64)
    return p, (torch.rand(rows, labels, generator=random, dtype=torch.float64) < p**2).double()


def evaluate(
    p: torch.Tensor,
    y: torch.Tensor,
    learnable: list[bool],
    replicates: int = 20,
    weights: torch.Tensor | None = None,
    groups: torch.Tensor | None = None,
) -> Evaluation:
    labels = p.shape[1]
    return evaluate_rows(
        DenseRows(p, y),
        torch.full((labels,), 0.5, dtype=torch.float64),
        [f"y_{i}" for i in range(labels)],
        part="test",
        source="rows.csv",
        learnable=learnable,
        resampling=Resampling(replicates=replicates),
        weights=weights,
        groups=groups,
    )


def test_numbers_of_each_label() -> None:
    p, y = simulate(400, 3, seed=0)
    y[:50, 1] = NAN
    evaluation = evaluate(p, y, [True, True, True])
    assert (evaluation.part, evaluation.source, evaluation.rows) == ("test", "rows.csv", 400)
    for i, entry in enumerate(evaluation.labels):
        known = ~y[:, i].isnan().numpy()
        truth, scores = y[known, i].numpy(), p[known, i].numpy()
        assert entry.label == f"y_{i}"
        assert entry.support == known.sum()
        assert entry.positives == truth.sum()
        assert entry.prevalence == pytest.approx(truth.mean())
        assert entry.threshold == 0.5
        assert entry.average_precision.value == pytest.approx(
            reference.average_precision_score(truth, scores), abs=1e-9
        )
        assert entry.roc_auc.value == pytest.approx(
            reference.roc_auc_score(truth, scores), abs=1e-9
        )
        assert entry.f1.value == pytest.approx(reference.f1_score(truth, scores >= 0.5), abs=1e-9)
        assert entry.log_loss.value == pytest.approx(reference.log_loss(truth, scores), abs=1e-9)
        for estimate in (entry.average_precision, entry.roc_auc):
            assert estimate.low is not None
            assert estimate.value is not None
            assert estimate.high is not None
            assert estimate.low < estimate.value < estimate.high


def test_macro_and_micro_leave_out_what_cannot_be_learned() -> None:
    p, y = simulate(300, 3, seed=1)
    both = evaluate(p[:, :2], y[:, :2], [True, True])
    evaluation = evaluate(p, y, [True, True, False])
    assert evaluation.macro == both.macro
    assert evaluation.micro == both.micro
    first, second = (entry.roc_auc.value for entry in both.labels)
    assert first is not None
    assert second is not None
    assert both.macro["roc_auc"] == pytest.approx((first + second) / 2)
    assert both.micro["average_precision"] == pytest.approx(
        reference.average_precision_score(y[:, :2].flatten(), p[:, :2].flatten()), abs=1e-9
    )
    assert both.micro["recall"] == pytest.approx(
        reference.recall_score(y[:, :2].flatten(), p[:, :2].flatten() >= 0.5), abs=1e-9
    )


def test_undefined_is_none() -> None:
    p = torch.full((4, 3), 0.2, dtype=torch.float64)
    y = torch.tensor([[0.0, NAN, 1.0]] * 4)
    evaluation = evaluate(p, y, [True, True, True])
    none, missing, _ = evaluation.labels
    assert none.average_precision.value is None
    assert none.average_precision.low is None
    assert none.recall.value is None
    assert none.brier.value == pytest.approx(0.04)
    assert missing.prevalence is None
    assert missing.brier.value is None
    assert missing.support == 0
    assert tuple(evaluation.macro) == METRICS


def test_a_label_that_was_not_learned_has_no_numbers() -> None:
    p, y = simulate(50, 2, seed=2)
    evaluation = evaluate(p, y, [False, False])
    for label in evaluation.labels:
        assert label.positives > 0
        assert set(label.metrics.values()) == {Estimate(None)}
        assert label.threshold is None
    assert set(evaluation.macro.values()) == {None}
    assert set(evaluation.micro.values()) == {None}


def test_to_dict_is_plain_data() -> None:
    p, y = simulate(50, 1, seed=2)
    document = evaluate(p, y, [True]).to_dict()
    assert set(document["labels"][0]["average_precision"]) == {"value", "low", "high"}
    assert document["replicates"] == 20


def test_flat_rows() -> None:
    p, y = simulate(50, 2, seed=2)
    evaluation = evaluate(p, y, [True, True])
    rows = evaluation.flat_rows()
    assert [row["label"] for row in rows] == ["y_0", "y_1"]
    for row, entry in zip(rows, evaluation.labels, strict=True):
        assert row["roc_auc"] == entry.roc_auc.value
        assert (row["roc_auc_low"], row["roc_auc_high"]) == (entry.roc_auc.low, entry.roc_auc.high)
        assert row["f1"] == entry.f1.value


def test_every_metric_has_an_interval_and_so_have_the_averages() -> None:
    p, y = simulate(400, 3, seed=3)
    y[:50, 1] = NAN
    evaluation = evaluate(p, y, [True, True, True], replicates=60)
    for entry in evaluation.labels:
        for name, estimate in entry.metrics.items():
            assert estimate.low is not None, name
            assert estimate.low <= estimate.value <= estimate.high, name  # type: ignore[operator]
    for averages, intervals in (
        (evaluation.macro, evaluation.macro_intervals),
        (evaluation.micro, evaluation.micro_intervals),
    ):
        assert tuple(intervals) == METRICS
        for name, interval in intervals.items():
            value = averages[name]
            assert value is not None
            assert interval.low <= value <= interval.high, name
    document = evaluation.to_dict()
    assert set(document["labels"][0]["intervals"]) == set(METRICS)
    assert set(document["macro_intervals"]["f1"]) == {"low", "high"}


def test_the_mean_of_labels_is_surer_than_a_label() -> None:
    p, y = simulate(300, 8, seed=3)
    evaluation = evaluate(p, y, [True] * 8, replicates=100)
    macro = evaluation.macro_intervals["roc_auc"]
    widths = [e.roc_auc.high - e.roc_auc.low for e in evaluation.labels]  # type: ignore[operator]
    assert macro.high - macro.low < 0.6 * min(widths)


def test_labels_drawn_apart_or_jointly_have_like_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    p, y = simulate(500, 2, seed=4)
    jointly = evaluate(p, y, [True, True], replicates=400)
    monkeypatch.setattr("imbalance_cli.evaluation.resampling.JOINT_CELLS", 0)
    apart = evaluate(p, y, [True, True], replicates=400)
    assert apart.macro == pytest.approx(jointly.macro, abs=1e-9)
    for name in set(METRICS) - {"recall_at_precision", "ece"}:
        here, there = apart.macro_intervals[name], jointly.macro_intervals[name]
        assert here.low == pytest.approx(there.low, abs=0.05 * (there.high - there.low)), name
    for one, other in zip(jointly.labels, apart.labels, strict=True):
        for name in set(METRICS) - {"recall_at_precision"}:  # which jumps from draw to draw
            mine, theirs = getattr(one, name), getattr(other, name)
            assert mine.value == pytest.approx(theirs.value, abs=1e-9)
            width = mine.high - mine.low
            assert theirs.low == pytest.approx(mine.low, abs=0.15 * width), name
            assert theirs.high == pytest.approx(mine.high, abs=0.15 * width), name


def test_averages_of_blocks_of_rows_have_the_intervals_of_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where rows are too many to be drawn one by one; also of weighted rows and of groups."""
    p, y = simulate(1200, 3, seed=4)
    random = torch.Generator().manual_seed(0)
    weights = torch.rand(1200, generator=random, dtype=torch.float64) + 0.5
    groups = torch.arange(1200) // 2
    for options in ({}, {"weights": weights}, {"groups": groups}):
        rows = evaluate(p, y, [True] * 3, replicates=400, **options)
        with monkeypatch.context() as patch:
            patch.setattr("imbalance_cli.evaluation.resampling.JOINT_CELLS", 0)
            patch.setattr("imbalance_cli.evaluation.resampling.BLOCKS", 300)
            blocks = evaluate(p, y, [True] * 3, replicates=400, **options)
        for kind in ("macro_intervals", "micro_intervals", "weighted_intervals"):
            ours, theirs = getattr(blocks, kind), getattr(rows, kind)
            assert tuple(ours) == METRICS
            for name in set(METRICS) - {"recall_at_precision", "ece"}:
                width = theirs[name].high - theirs[name].low
                assert ours[name].low == pytest.approx(theirs[name].low, abs=0.2 * width), name
                assert ours[name].high == pytest.approx(theirs[name].high, abs=0.2 * width), name
        assert blocks.multilabel_intervals == rows.multilabel_intervals


def test_metrics_of_whole_rows_have_the_intervals_of_resampled_rows() -> None:
    """The linearised ones are those of a bootstrap, of rows, of weighted rows and of groups."""
    p, y = simulate(600, 4, seed=13)
    generator = torch.Generator().manual_seed(1)
    weights = torch.rand(600, generator=generator, dtype=torch.float64) + 0.1
    groups = torch.arange(600) // 3
    random = np.random.default_rng(0)
    for own, units in ((None, torch.arange(600)), (weights, torch.arange(600)), (None, groups)):
        is_grouped = units is groups
        evaluation = evaluate(p, y, [True] * 4, weights=own, groups=groups if is_grouped else None)
        draws = []
        for _ in range(300):
            counts = np.bincount(random.integers(int(units.max()) + 1, size=int(units.max()) + 1))
            drawn = torch.from_numpy(np.append(counts, np.zeros(600)))[units].double()
            weight = drawn if own is None else drawn * own
            draws.append(multilabel_metrics(judge_rows(p, p >= 0.5, y, weight).sum(dim=1)))
        for name, interval in evaluation.multilabel_intervals.items():
            spread = np.std([draw[name] for draw in draws])
            assert interval.high - interval.low == pytest.approx(2 * 1.96 * spread, rel=0.2), name
            assert interval.low < evaluation.multilabel[name] < interval.high  # type: ignore[operator]
        assert len(evaluation.multilabel_intervals) == 5


def test_rows_that_are_all_right_have_an_interval_below_1() -> None:
    """Of five positives that were all found a recall of 1 is not sure."""
    y = torch.tensor([[1.0, 0.0]] * 5 + [[0.0, 1.0]] * 20, dtype=torch.float64)
    evaluation = evaluate(0.1 + 0.8 * y, y, [True, True])
    label = evaluation.labels[0]
    exact = 0.025 ** (1 / 5)
    for name in ("recall", "precision", "f1", "roc_auc", "average_precision"):
        estimate = getattr(label, name)
        assert (estimate.value, estimate.high) == (1, 1), name
        assert estimate.low == pytest.approx(exact), name
    assert label.specificity.low == pytest.approx(0.025 ** (1 / 20))
    whole = evaluation.multilabel_intervals["subset_accuracy"]
    assert whole.low == pytest.approx(0.025 ** (1 / 25))
    assert whole.high == 1
    none_found = evaluate(0.9 - 0.8 * y, y, [True, True]).labels[0]
    assert (none_found.recall.value, none_found.recall.low) == (0, 0)
    assert none_found.recall.high == pytest.approx(1 - exact)
    most = 1 - exact
    assert none_found.f1.high == pytest.approx(2 * most / (1 + most))


def test_a_sure_half_does_not_make_the_balanced_accuracy_sure() -> None:
    """All of five positives found: recall does not vary, and is not sure for that."""
    p, y = simulate(200, 1, seed=21)
    y[:] = 0
    y[:5], p[:5] = 1, 0.9
    label = evaluate(p, y, [True], replicates=200).labels[0]
    assert label.recall.value == 1
    reach = label.balanced_accuracy.value - label.balanced_accuracy.low  # type: ignore[operator]
    assert reach == pytest.approx((1 - 0.025 ** (1 / 5)) / 2, rel=0.05)


def test_all_cells_of_few_positives_have_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor have they where they are too many to be sorted at once."""
    p, y = simulate(100, 2, seed=22)
    y[:] = 0
    for positives in (4, 0):
        y[:positives, 0] = 1
        for most in (10**6, 1):
            monkeypatch.setattr("imbalance_cli.evaluation.pooling.POOLED_AT_ONCE", most)
            evaluation = evaluate(p, y, [True, True])
            assert not evaluation.micro_intervals
            reason = evaluation.without_interval["micro.brier"]
            assert reason == "fewer than 5 rows of a class"
        y[:] = 0


def test_groups_and_weights_leave_fewer_cases_to_be_sure_of() -> None:
    y = torch.tensor([[1.0]] * 12 + [[0.0]] * 30, dtype=torch.float64)
    p = 0.1 + 0.8 * y
    groups = torch.arange(42) // 2
    of_groups = evaluate(p, y, [True], groups=groups).labels[0]
    assert of_groups.recall.low == pytest.approx(0.025 ** (1 / 6))
    weights = torch.ones(42, dtype=torch.float64)
    weights[0] = 10
    of_weights = evaluate(p, y, [True], weights=weights).labels[0]
    assert of_weights.recall.low == pytest.approx(0.025 ** (111 / 21**2))


def test_what_has_no_interval_says_why() -> None:
    p, y = simulate(60, 2, seed=6)
    y[:, 0] = 0
    y[:3, 0] = 1
    evaluation = evaluate(p, y, [True, True])
    few, enough = evaluation.labels
    assert set(few.without_interval) == set(METRICS) - set(few.undefined)
    assert set(few.without_interval.values()) == {"fewer than 5 rows of a class"}
    assert not enough.without_interval
    assert not evaluation.without_interval
    grouped = evaluate(p, y, [True, True], groups=torch.arange(60) // 2).labels[0]
    assert set(grouped.without_interval.values()) == {"fewer than 5 groups of a class"}
    assert not evaluate(p, y, [True, True], replicates=0).labels[0].without_interval
    certain = evaluate(y, y, [True, True]).labels[1]
    assert certain.without_interval == {
        "brier_skill": "all replicates are alike",
        "log_loss": "all replicates are alike",
    }
    assert "without_interval" in evaluation.to_dict()["labels"][0]


def test_intervals_by_group_are_wider() -> None:
    p, y = simulate(100, 2, seed=5)
    p, y = p.repeat_interleave(8, dim=0), y.repeat_interleave(8, dim=0)
    groups = torch.arange(100).repeat_interleave(8)
    rows = evaluate(p, y, [True, True], replicates=150)
    grouped = evaluate(p, y, [True, True], replicates=150, groups=groups)
    assert (rows.resampled, grouped.resampled) == ("rows", "groups")
    for one, other in zip(rows.labels, grouped.labels, strict=True):
        assert one.f1.value == other.f1.value
        assert other.f1.high - other.f1.low > 1.8 * (one.f1.high - one.f1.low)  # type: ignore[operator]


def test_too_few_for_an_interval() -> None:
    """Four positives, or those of one group, say next to nothing of how others would score."""
    p, y = simulate(40, 2, seed=6)
    y[:, 0] = 0
    y[:4, 0] = 1
    groups = torch.arange(40) // 4
    evaluation = evaluate(p, y, [True, True], groups=groups)
    assert evaluation.labels[0].average_precision.value is not None
    assert evaluation.labels[0].average_precision.low is None
    assert evaluation.labels[1].average_precision.low is not None
    for learnable in ([True, True], [True, False]):
        evaluation = evaluate(p, y, learnable)
        assert {e.low for e in evaluation.labels[0].metrics.values()} == {None}
    y[4, 0] = 1
    assert evaluate(p, y, [True, True]).labels[0].average_precision.low is not None
    assert evaluate(1 - p, 1 - y, [True, True]).labels[0].roc_auc.low is not None


def test_no_replicates_no_interval() -> None:
    p, y = simulate(60, 2, seed=6)
    for weights in (None, torch.rand(60)):
        evaluation = evaluate(p, y, [True, True], replicates=0, weights=weights)
        assert {e.low for e in evaluation.labels[0].metrics.values()} == {None}
        assert evaluation.labels[0].f1.value is not None
        assert not evaluation.macro_intervals
        assert not evaluation.micro_intervals


def test_same_seed_same_evaluation() -> None:
    p, y = simulate(80, 2, seed=7)
    assert evaluate(p, y, [True, True]) == evaluate(p, y, [True, True])


def test_each_undefined_metric_says_why() -> None:
    p = torch.full((4, 4), 0.2, dtype=torch.float64)
    y = torch.tensor([[0.0, NAN, 1.0, 0.0]] * 4)
    y[0, 3] = 1
    evaluation = evaluate(p, y, [True, True, True, False])
    negatives, missing, positives, unlearned = evaluation.labels
    for label in evaluation.labels:
        for name, estimate in label.metrics.items():
            assert (estimate.value is None) == (name in label.undefined)
    assert negatives.undefined["f1"] == "no positives"
    assert positives.undefined["roc_auc"] == "no negatives"
    assert positives.undefined["precision"] == "no row decided positive"
    assert positives.undefined["precision_at_k"] == "fewer than 100 rows"
    assert set(missing.undefined.values()) == {"no known target"}
    assert set(unlearned.undefined.values()) == {"one class in training"}
    assert evaluation.undefined["micro.precision"] == "no row decided positive"
    assert (missing.support, missing.missing) == (0, 4)
    assert evaluation.macro_labels["roc_auc"] == 0
    assert evaluation.macro_labels["brier"] == 2


def test_averages_equal_scikit_learn() -> None:
    p, y = simulate(300, 4, seed=8)
    evaluation = evaluate(p, y, [True] * 4)
    truth, scores, decided = y.numpy(), p.numpy(), p.numpy() >= 0.5
    for average, ours in (
        ("macro", evaluation.macro),
        ("micro", evaluation.micro),
        ("weighted", evaluation.weighted_average),
    ):
        wanted = {
            "average_precision": reference.average_precision_score(truth, scores, average=average),
            "roc_auc": reference.roc_auc_score(truth, scores, average=average),
            "precision": reference.precision_score(truth, decided, average=average),
            "recall": reference.recall_score(truth, decided, average=average),
            "f1": reference.f1_score(truth, decided, average=average),
            "f2": reference.fbeta_score(truth, decided, beta=2, average=average),
        }
        for name, value in wanted.items():
            assert ours[name] == pytest.approx(value, abs=1e-9), (average, name)
    assert set(evaluation.macro_labels.values()) == {4}


def test_many_cells_are_pooled_without_being_sorted_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Blocks of rows and labels of any size come to the same numbers."""
    p, y = simulate(240, 5, seed=9)
    p[:, 2:] = (p[:, 2:] * 10).round() / 10
    y[::7, 1] = NAN
    learnable = [True, True, False, True, True]
    for weights in (None, torch.rand(240, generator=torch.Generator().manual_seed(0)) + 0.1):
        whole = evaluate(p, y, learnable, weights=weights)
        with monkeypatch.context() as patch:
            patch.setattr("imbalance_cli.evaluation.pooling.POOLED_AT_ONCE", 1)
            patch.setattr("imbalance_cli.evaluation.scored_rows.CELLS_AT_ONCE", 500)
            blocks = evaluate(p, y, learnable, weights=weights)
        assert blocks.labels == whole.labels
        assert blocks.multilabel == pytest.approx(whole.multilabel, abs=1e-12)
        for name in METRICS:
            tolerance = 0.01 if name == "ece" else 1e-9
            assert blocks.micro[name] == pytest.approx(whole.micro[name], abs=tolerance), name
            one, other = whole.micro_intervals[name], blocks.micro_intervals[name]
            near = 0.35 if name == "ece" else 0.1
            width = max(one.high - one.low, 0.01)
            assert other.low == pytest.approx(one.low, abs=near * width), name
            assert other.high == pytest.approx(one.high, abs=near * width), name


def test_predictions_that_are_no_probabilities() -> None:
    p, y = simulate(20, 2, seed=9)
    for wrong in (1.2, -0.1, NAN, math.inf):
        p[3, 1] = wrong
        with pytest.raises(EvaluationError, match=r"rows.csv: row 4 predicts .* for label 'y_1'"):
            evaluate(p, y, [True, True])


def test_targets_that_are_none() -> None:
    p, y = simulate(20, 2, seed=9)
    for wrong in (2.0, -1.0, 0.5, math.inf):
        y[4, 1] = wrong
        with pytest.raises(EvaluationError, match=r"row 5 has the target .* for label 'y_1'"):
            evaluate(p, y, [True, True])


def test_weights_and_groups_of_other_rows() -> None:
    p, y = simulate(20, 2, seed=9)
    with pytest.raises(EvaluationError, match=r"weights of shape \(19,\) for 20 rows"):
        evaluate(p, y, [True, True], weights=torch.ones(19))
    with pytest.raises(EvaluationError, match=r"groups of shape \(20, 1\) for 20 rows"):
        evaluate(p, y, [True, True], groups=torch.ones(20, 1))


def test_predictions_of_other_rows_or_labels() -> None:
    p, y = simulate(20, 2, seed=9)
    with pytest.raises(EvaluationError, match=r"shape \(20, 2\) for targets of shape \(19, 2\)"):
        evaluate(p, y[:19], [True, True])
    with pytest.raises(EvaluationError, match="predictions of 2 labels, where there are 3"):
        evaluate_rows(
            DenseRows(p, y),
            torch.full((3,), 0.5),
            ["a", "b", "c"],
            part="test",
            source="rows.csv",
            learnable=[True] * 3,
            resampling=Resampling(),
        )


def test_no_rows() -> None:
    p = torch.empty(0, 2, dtype=torch.float64)
    evaluation = evaluate(p, p, [True, True])
    assert evaluation.rows == 0
    assert set(evaluation.macro.values()) == set(evaluation.micro.values()) == {None}
    assert set(evaluation.multilabel.values()) == {None}
    assert evaluation.undefined["multilabel.samples_f1"] == "no known target"


# ---------------------------------------------------------------------------------- sample weights


def simulate_weighted(
    rows: int, labels: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return probabilities and targets (N, L), of which some are missing, and whole weights."""
    p, y = simulate(rows, labels, seed)
    random = torch.Generator().manual_seed(seed)
    y[torch.rand(y.shape, generator=random) < 0.1] = NAN
    return p, y, torch.randint(5, (rows,), generator=random).float()


def numbers_of(evaluation: Evaluation) -> dict[str, float | None]:
    """Return every point estimate but the two that count rows: of bins, and of a budget."""
    numbers = {
        f"{row['label']}/{name}": row[name]
        for row in evaluation.flat_rows()
        for name in ("prevalence", *METRICS)
    }
    numbers |= {f"macro/{name}": value for name, value in evaluation.macro.items()}
    numbers |= {f"micro/{name}": value for name, value in evaluation.micro.items()}
    of_rows = ("/ece", "/precision_at_k")
    return {name: value for name, value in numbers.items() if not name.endswith(of_rows)}


def test_whole_weights_are_repeated_rows() -> None:
    p, y, weights = simulate_weighted(200, 3, seed=8)
    ours = evaluate(p, y, [True, True, False], weights=weights)
    repeated = [tensor.repeat_interleave(weights.long(), dim=0) for tensor in (p, y)]
    wanted = evaluate(repeated[0], repeated[1], [True, True, False])
    assert numbers_of(ours) == pytest.approx(numbers_of(wanted), abs=1e-9)


def test_counts_of_weighted_rows_are_counts_of_rows() -> None:
    p, y, weights = simulate_weighted(200, 2, seed=9)
    counted = weights > 0
    evaluation = evaluate(p, y, [True, True], weights=weights)
    assert evaluation.rows == int(counted.sum())
    for i, entry in enumerate(evaluation.labels):
        truth = y[counted, i]
        assert entry.support == int((~truth.isnan()).sum())
        assert entry.positives == int((truth == 1).sum())
        share = np.average(truth.nan_to_num(), weights=weights[counted] * ~truth.isnan())
        assert entry.prevalence == pytest.approx(share)


def test_a_row_of_weight_zero_is_not_there() -> None:
    """Nor in the intervals."""
    p, y, weights = simulate_weighted(200, 2, seed=10)
    counted = weights > 0
    ours = evaluate(p, y, [True, True], weights=weights)
    assert ours == evaluate(p[counted], y[counted], [True, True], weights=weights[counted])


def test_weights_that_are_alike_change_nothing_to_the_bit() -> None:
    p, y, _ = simulate_weighted(200, 2, seed=11)
    plain = evaluate(p, y, [True, True])
    assert evaluate(p, y, [True, True], weights=torch.full((200,), 0.3)) == plain


@pytest.mark.parametrize("scale", [0.25, 64.0])
def test_the_scale_of_the_weights_says_nothing(scale: float) -> None:
    p, y, weights = simulate_weighted(200, 2, seed=12)
    ours = evaluate(p, y, [True, True], weights=scale * weights)
    assert ours == evaluate(p, y, [True, True], weights=weights)


def test_one_heavy_row_is_too_few_for_an_interval() -> None:
    """Rows are what is drawn: a positive of weight 100 is one positive."""
    p, y = simulate(40, 1, seed=14)
    y[:] = 0
    y[3] = 1
    weights = torch.ones(40, dtype=torch.float64)
    weights[3] = 100
    evaluation = evaluate(p, y, [True], weights=weights)
    assert evaluation.labels[0].roc_auc.value is not None
    assert evaluation.labels[0].roc_auc.low is None


def test_weighted_rows_of_weight_zero_are_in_no_block() -> None:
    p, y, weights = simulate_weighted(200, 3, seed=15)
    counted = weights > 0
    kept = counted.nonzero()[:, 0]
    rows = CheckedRows(DenseRows(p, y), ["a", "b", "c"], "rows.csv", p.device, kept)
    assert (rows.rows, rows.labels) == (int(counted.sum()), 3)
    for ours, wanted in zip(rows.block(slice(10, 30)), (p, y), strict=True):
        torch.testing.assert_close(ours, wanted[counted][10:30], equal_nan=True)
    nothing, _ = rows.block(slice(0, 0))
    assert nothing.shape == (0, 3)
