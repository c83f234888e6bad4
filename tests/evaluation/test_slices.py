"""Groups of rows: their numbers are those of their rows alone, and what differs is named."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics as reference
import torch

from imbalance_cli.evaluation import (
    DenseRows,
    Evaluation,
    Grouping,
    Resampling,
    SliceEvaluation,
    evaluate_rows,
)
from imbalance_cli.metrics.probabilities import expected_calibration_error
from imbalance_cli.report import documents
from imbalance_cli.report.slices import describe_slices

ROWS = 1200


def simulate(seed: int = 0, rows: int = ROWS) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities, and targets that follow them, (N, 2)."""
    random = torch.Generator().manual_seed(seed)
    p = torch.rand(rows, 2, generator=random, dtype=torch.float64) ** 2
    return p, (torch.rand(rows, 2, generator=random, dtype=torch.float64) < p).double()


def evaluate(
    p: torch.Tensor,
    y: torch.Tensor,
    of_row: np.ndarray[tuple[int], np.dtype[np.intp]],
    names: list[str | None],
    *,
    replicates: int = 100,
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
        learnable=[True] * labels,
        resampling=Resampling(replicates),
        weights=weights,
        groups=groups,
        slices=[Grouping("carrier", names, of_row)],
    )


def find(evaluation: Evaluation, group: str | None, label: str = "y_0") -> SliceEvaluation:
    assert evaluation.slices is not None
    [found] = [
        each
        for each in evaluation.slices.groups
        if (each.group, each.label, each.slice) == (group, label, "carrier")
    ]
    return found


def deal(rows: int, groups: int, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.random.default_rng(seed).integers(0, groups, rows)


@pytest.mark.parametrize("weighted", [False, True])
def test_numbers_are_those_of_scikit_learn_on_the_rows_of_the_group(*, weighted: bool) -> None:
    p, y = simulate()
    y[:100, 0] = math.nan
    of_row = deal(ROWS, 3)
    weights = None
    if weighted:
        weights = torch.from_numpy(np.random.default_rng(2).choice([0.0, 1.0, 2.5], ROWS))
    evaluation = evaluate(p, y, of_row, ["a", "b", None], weights=weights)
    for place, group in enumerate(["a", "b", None]):
        w = torch.ones(ROWS) if weights is None else weights
        rows = torch.from_numpy(of_row == place) & ~y[:, 0].isnan() & (w > 0)
        own, truth, of_rows = p[rows, 0].numpy(), y[rows, 0].numpy(), w[rows].numpy()
        found = find(evaluation, group)
        assert (found.rows, found.positives) == (int(rows.sum()), int(truth.sum()))
        assert found.prevalence == pytest.approx(of_rows @ truth / of_rows.sum())
        assert found.decided.value == pytest.approx(of_rows @ (own >= 0.5) / of_rows.sum())
        ap = reference.average_precision_score(truth, own, sample_weight=of_rows)
        assert found.metrics["average_precision"].value == pytest.approx(ap)
        recall = reference.recall_score(truth, own >= 0.5, sample_weight=of_rows)
        assert found.metrics["recall"].value == pytest.approx(recall)
        cells = p[rows, :1], y[rows, :1]
        own_weights = None if weights is None else weights[rows]
        ece = float(expected_calibration_error(*cells, weights=own_weights, debias=True))
        assert found.metrics["ece"].value == pytest.approx(ece)
        for estimate in found.estimates.values():
            assert estimate.value is not None
            assert estimate.low is not None
            assert estimate.high is not None
            assert estimate.low <= estimate.value <= estimate.high
            assert estimate.low < estimate.high


def test_the_intervals_are_those_of_an_evaluation_of_the_group_alone() -> None:
    p, y = simulate()
    of_row = deal(ROWS, 3)
    inside = torch.from_numpy(of_row == 1)
    whole = evaluate(p[:, :1], y[:, :1], of_row, ["a", "b", "c"])
    alone = evaluate(p[inside, :1], y[inside, :1], of_row[of_row == 1], ["a", "b", "c"])
    found, label = find(whole, "b"), alone.labels[0]
    for name, estimate in found.metrics.items():
        assert estimate == label.metrics[name]


def test_the_rate_has_wilsons_interval() -> None:
    """(k + z^2 / 2 -+ z sqrt(k (n - k) / n + z^2 / 4)) / (n + z^2), of 40 of 200 rows."""
    p = torch.full((400, 1), 0.1, dtype=torch.float64)
    p[:40] = 0.9
    y = (torch.arange(400)[:, None] % 3 == 0).double()
    of_row = np.repeat([0, 1], 200)
    z = 1.959964
    reach = z * math.sqrt(40 * 160 / 200 + z**2 / 4)
    middle = 40 + z**2 / 2
    rate = find(evaluate(p, y, of_row, ["a", "b"]), "a").decided
    assert rate.value == 0.2
    assert rate.low == pytest.approx((middle - reach) / (200 + z**2), abs=1e-6)
    assert rate.high == pytest.approx((middle + reach) / (200 + z**2), abs=1e-6)
    none = find(evaluate(p, y, of_row, ["a", "b"]), "b").decided  # no row of it is decided positive
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(z**2 / (200 + z**2), abs=1e-6)
    pairs = torch.arange(400) // 2  # a row and its copy vary as one
    wide = find(evaluate(p, y, of_row, ["a", "b"], groups=pairs), "a").decided
    assert wide.high == pytest.approx(
        (20 + z**2 / 2 + z * math.sqrt(20 * 80 / 100 + z**2 / 4)) / (100 + z**2), abs=1e-6
    )


def test_few_positives_or_rows_say_so_instead_of_a_number() -> None:
    p, y = simulate()
    of_row = np.where(np.arange(ROWS) < 60, 1, 0)
    of_row[:5] = 2
    y[:60, 0] = 0
    y[5:14, 0] = 1
    evaluation = evaluate(p, y, of_row, ["many", "few", "tiny"])
    few, tiny = find(evaluation, "few"), find(evaluation, "tiny")
    assert (few.rows, few.positives) == (55, 9)
    assert few.decided.value is not None
    assert {estimate.value for estimate in few.metrics.values()} == {None}
    assert few.undefined == dict.fromkeys(few.metrics, "fewer than 10 positives")
    assert tiny.decided.value is None
    assert tiny.undefined["decided"] == "fewer than 10 rows"
    y[5:15, 0] = 1
    assert find(evaluate(p, y, of_row, ["many", "few", "tiny"]), "few").undefined == {}


def test_a_group_with_less_recall_is_named_with_the_looks() -> None:
    p, y = simulate(rows=3000)
    of_row = deal(3000, 5)
    hidden = torch.from_numpy(of_row == 2) & (y[:, 0] == 1) & (torch.arange(3000) % 3 > 0)
    p[hidden, 0] = 0.05
    evaluation = evaluate(p, y, of_row, ["UA", "AA", "F9", "DL", "B6"])
    assert evaluation.slices is not None
    assert evaluation.slices.looks == 5 * 3 * 2
    found = find(evaluation, "F9")
    others = torch.from_numpy(of_row != 2)
    wanted = reference.recall_score(y[others, 0], p[others, 0] >= 0.5)
    assert found.others["recall"] == pytest.approx(wanted)
    assert found.others["prevalence"] == pytest.approx(float(y[others, 0].mean()))
    assert "recall" in found.differs
    assert {each.label for each in evaluation.slices.groups if each.differs} == {"y_0"}
    sentence, *_ = describe_slices(evaluation)  # what differs most is first
    assert sentence.startswith("carrier = F9, y_0: average precision 0.")
    own = found.metrics["recall"].value
    assert f"recall {own:.3f} where the others have {wanted:.3f}" in sentence
    assert sentence.endswith(", beyond chance after 30 looks.")


def test_groups_dealt_at_random_do_not_differ() -> None:
    """Of 20 such evaluations one is wrong, on average."""
    wrong = 0
    for seed in range(4):
        p, y = simulate(seed, rows=600)
        slices = evaluate(p, y, deal(600, 4, seed), ["a", "b", "c", "d"]).slices
        assert slices is not None
        wrong += any(group.differs for group in slices.groups)
    assert wrong == 0


def test_two_groups_are_compared_once() -> None:
    p, y = simulate()
    evaluation = evaluate(p, y, deal(ROWS, 2), ["a", "b"])
    assert evaluation.slices is not None
    assert evaluation.slices.looks == 2 * 3
    assert find(evaluation, "a").others
    assert not find(evaluation, "b").others


def test_without_replicates_there_are_numbers_and_no_comparison() -> None:
    p, y = simulate()
    evaluation = evaluate(p, y, deal(ROWS, 3), ["a", "b", "c"], replicates=0)
    assert evaluation.slices is not None
    assert evaluation.slices.looks == 0
    assert find(evaluation, "a").metrics["recall"].value is not None
    assert find(evaluation, "a").decided.low is None
    assert describe_slices(evaluation) == [
        (
            "No group of carrier can be compared with the others: there are no intervals "
            "(report.bootstrap is 0)."
        )
    ]


def test_json_holds_all_of_it_and_csv_a_row_a_group() -> None:
    p, y = simulate()
    evaluation = evaluate(p, y, deal(ROWS, 3), ["a", "b", None])
    assert documents.from_json(documents.to_json(evaluation, "run")) == evaluation
    lines = documents.to_csv(evaluation).decode().splitlines()
    assert len(lines) == 1 + 2 + 3 * 2
    assert lines[0].endswith(",decided,decided_low,decided_high,slice,group,differs")
    whole = evaluate_rows(
        DenseRows(p, y),
        torch.tensor([0.5, 0.5]),
        ["y_0", "y_1"],
        part="test",
        source="rows.csv",
        learnable=[True, True],
        resampling=Resampling(100),
    )
    plain = documents.to_csv(whole).decode().splitlines()
    assert [line[: len(old)] for line, old in zip(lines, plain, strict=False)] == plain
