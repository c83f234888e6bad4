"""Candidates on the same rows: scikit-learn's numbers, paired intervals, verdicts that hold."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import foldnorm

from imbalance_cli.comparison import (
    Candidate,
    Compared,
    Comparison,
    compare_candidates,
    conclude,
)
from imbalance_cli.comparison.bootstrap import (
    LabelRows,
    Sample,
    point_values,
    replicate_values,
)
from imbalance_cli.comparison.verdicts import judge, standard_errors
from imbalance_cli.evaluation import BLOCKS, JOINT_CELLS, DenseRows, Resampling, evaluate_rows
from imbalance_cli.metrics import compared_metrics, expected_calibration_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

METRICS = compared_metrics()

NAN = math.nan
NOTHING = Compared(None, None, None, None, None, None, None)


def candidate(name: str, p: torch.Tensor, loss: str = "bce") -> Candidate:
    """Return a candidate that decides at 0.3."""
    return Candidate(name, loss, None, "shuffle", p, p >= 0.3)


def simulate(
    rows: int, labels: int, noises: list[float], seed: int
) -> tuple[list[Candidate], torch.Tensor]:
    """Return candidates that see the same signal, each with noise of its own, and targets."""
    random = torch.Generator().manual_seed(seed)

    def normal() -> torch.Tensor:
        return torch.randn(rows, labels, generator=random, dtype=torch.float64)

    signal = normal()
    y = (signal + normal() > 1).double()
    names = ["bce", *(f"loss_{i}" for i in range(1, len(noises)))]
    return [
        candidate(name, torch.sigmoid(2 * (signal + noise * normal()) - 2))
        for name, noise in zip(names, noises, strict=True)
    ], y


def compare(
    candidates: list[Candidate],
    y: torch.Tensor,
    *,
    learnable: list[bool] | None = None,
    groups: torch.Tensor | None = None,
    folds: torch.Tensor | None = None,
    resampling: Resampling | None = None,
    weights: torch.Tensor | None = None,
) -> Comparison:
    return compare_candidates(
        candidates,
        y,
        [f"y_{i}" for i in range(y.shape[1])],
        learnable=learnable or [True] * y.shape[1],
        groups=groups,
        folds=folds,
        baseline="bce",
        resampling=resampling or Resampling(40),
        weights=weights,
    )


def interval(compared: Compared) -> tuple[float, float]:
    """Return the interval of the difference, which there must be."""
    assert compared.difference_low is not None
    assert compared.difference_high is not None
    return compared.difference_low, compared.difference_high


def expected(p: torch.Tensor, decided: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """Return scikit-learn's metrics of one label (N,), NaN where undefined."""
    known = ~y.isnan()
    truth, scores, decisions = y[known].int().numpy(), p[known].numpy(), decided[known].numpy()
    values = dict.fromkeys(METRICS, NAN)
    if not len(truth):
        return values
    values["brier"] = reference.brier_score_loss(truth, scores, labels=[0, 1])
    values["log_loss"] = reference.log_loss(truth, scores, labels=[0, 1])
    values["ece"] = float(expected_calibration_error(p[:, None], y[:, None], debias=True))
    if truth.any():
        values["average_precision"] = reference.average_precision_score(truth, scores)
        values["f1"] = reference.f1_score(truth, decisions)
    if truth.any() and not truth.all():
        values["roc_auc"] = reference.roc_auc_score(truth, scores)
        values["mcc"] = reference.matthews_corrcoef(truth, decisions)
    return values


def assert_values(found: dict[str, Compared], wanted: dict[str, float]) -> None:
    assert tuple(found) == METRICS
    for name, compared in found.items():
        if math.isnan(wanted[name]):
            assert compared == NOTHING, name
        else:
            assert compared.value == pytest.approx(wanted[name], abs=1e-9), name


def test_values_are_those_of_sklearn() -> None:
    candidates, y = simulate(200, 3, [0.2, 0.6], seed=0)
    y[:30, 1] = NAN
    comparison = compare(candidates, y)
    assert comparison.rows == 200
    for given_, found in zip(candidates, comparison.candidates, strict=True):
        assert (found.name, found.loss, found.sampler) == (given_.name, "bce", "shuffle")
        wanted = [
            expected(given_.probabilities[:, i], given_.decisions[:, i], y[:, i]) for i in range(3)
        ]
        for label, values in zip(found.labels, wanted, strict=True):
            assert_values(label.metrics, values)
        means = {name: float(np.mean([values[name] for values in wanted])) for name in METRICS}
        assert_values(found.macro, means)
    assert comparison.candidates[1].labels[1].support == 170
    assert comparison.candidates[1].labels[1].positives == int((y[:, 1] == 1).sum())


def test_ties() -> None:
    _, y = simulate(90, 2, [0.2], seed=1)
    levels = torch.arange(90, dtype=torch.float64).remainder(4)[:, None].expand(90, 2) / 4
    comparison = compare([candidate("bce", levels)], y, resampling=Resampling(0))
    for i, label in enumerate(comparison.candidates[0].labels):
        assert_values(label.metrics, expected(levels[:, i], levels[:, i] >= 0.3, y[:, i]))


def test_degenerate_labels_are_null_and_in_no_average() -> None:
    candidates, y = simulate(120, 4, [0.2, 0.6], seed=2)
    y[:, 1], y[:, 2] = 0, NAN
    comparison = compare(candidates, y, learnable=[True, True, True, False])
    alone = [candidate(c.name, c.probabilities[:, :1]) for c in candidates]
    only = compare(alone, y[:, :1])
    for given_, found, wanted in zip(
        candidates, comparison.candidates, only.candidates, strict=True
    ):
        usual, negative, missing, unlearned = found.labels
        assert usual.metrics["roc_auc"] == found.macro["roc_auc"]
        assert_values(found.macro, {name: m.value or 0 for name, m in wanted.macro.items()})
        p = given_.probabilities[:, 1]
        wanted_negative = expected(p, p >= 0.3, y[:, 1])
        assert negative.metrics["average_precision"] == NOTHING
        assert negative.metrics["brier"].value == pytest.approx(wanted_negative["brier"])
        assert negative.metrics["brier"].low is None
        assert set(missing.metrics.values()) == set(unlearned.metrics.values()) == {NOTHING}
        assert missing.support == 0
        assert unlearned.positives > 0
        assert not unlearned.learnable


@pytest.mark.parametrize("rows", [0, 50])
def test_nothing_to_compare_on(rows: int) -> None:
    candidates, y = simulate(rows, 2, [0.2, 0.6], seed=3)
    comparison = compare(candidates, torch.full_like(y, NAN))
    assert {compared.value for compared in comparison.candidates[1].macro.values()} == {None}
    assert comparison.conclusions == [
        "No learned label has positives and negatives: there is nothing to compare."
    ]


def test_one_candidate() -> None:
    candidates, y = simulate(100, 1, [0.2], seed=4)
    comparison = compare(candidates, y)
    assert comparison.conclusions == [
        "bce is the only candidate: there is nothing to compare.",
    ]
    ranking = comparison.candidates[0].macro["average_precision"]
    assert ranking.difference is None
    assert ranking.low is not None
    assert ranking.low <= (ranking.value or 0) <= (ranking.high or 0)


def test_the_same_candidate_twice_differs_by_exactly_nothing() -> None:
    candidates, y = simulate(150, 2, [0.2], seed=5)
    twin = candidate("twin", candidates[0].probabilities.clone())
    found = compare([twin, *candidates], y).candidates[0]
    for metrics in (found.macro, *(label.metrics for label in found.labels)):
        for compared in metrics.values():
            assert (compared.difference, *interval(compared)) == (0, 0, 0)
            assert compared.verdict == "unclear"


@st.composite
def cells(draw: st.DrawFn) -> tuple[NDArray[np.float64], ...]:
    """Draw tied probabilities and targets with missing cells, (N, L), and counts (N,)."""
    shape = draw(st.tuples(st.integers(2, 40), st.integers(1, 3)))
    p = draw(arrays(np.float64, shape, elements=st.sampled_from([0, 0.1, 0.25, 0.5, 0.9, 1])))
    y = draw(arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0, NAN])))
    return p, y, draw(arrays(np.float64, shape[:1], elements=st.integers(0, 3).map(float)))


def label_rows(p: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None = None) -> LabelRows:
    """Return one label's rows, (N,) each, of which each is drawn by itself."""
    sample = Sample.of(y[:, None], [True], weights=weights)
    return LabelRows.of(p, p >= 0.3, y, sample, sample.units)


@settings(deadline=None, max_examples=80)
@given(drawn=cells())
def test_a_replicate_is_the_metric_of_the_rows_drawn(
    drawn: tuple[NDArray[np.float64], ...],
) -> None:
    p, y, counts = (torch.from_numpy(cell) for cell in drawn)
    repeated = counts.long()
    for i in range(p.shape[1]):
        if y[:, i].isnan().all():
            continue
        rows = label_rows(p[:, i], y[:, i])
        drawn_and_all = np.stack([counts.numpy(), np.ones(len(p))], axis=1)
        found, once = rows.metrics(drawn_and_all).T
        scores, truth = p[:, i].repeat_interleave(repeated), y[:, i].repeat_interleave(repeated)
        wanted = expected(scores, scores >= 0.3, truth)
        if {0.0, 1.0} - set(truth.tolist()):  # a class that was not drawn
            assert found.isnan().all()
        else:
            for name in set(METRICS) - {"ece"}:  # its bins stay those of all rows
                value = found[METRICS.index(name)].item()
                assert value == pytest.approx(wanted[name], abs=1e-9), name
        if not {0.0, 1.0} - set(y[:, i].tolist()):
            ece = expected_calibration_error(p[:, [i]], y[:, [i]], debias=True).item()
            assert once[METRICS.index("ece")].item() == pytest.approx(ece, abs=1e-12)


def test_calibration_error_of_a_replicate_keeps_the_bins() -> None:
    random = np.random.default_rng(0)
    p, counts = random.random(57), random.integers(0, 4, 57)
    y = (random.random(57) < p).astype(float)
    parts = np.array_split(np.argsort(p), 10)
    wanted = 0.0
    for part in parts:
        gaps = np.repeat((p - y)[part], counts[part])
        error = gaps.std(ddof=1) / np.sqrt(len(gaps))
        folded = foldnorm.mean(abs(gaps.mean()) / error, scale=error)
        wanted += len(gaps) / counts.sum() * (2 * abs(gaps.mean()) - folded)
    rows = label_rows(torch.from_numpy(p), torch.from_numpy(y))
    found = rows.metrics(counts[:, None].astype(float))[METRICS.index("ece")]
    assert found.item() == pytest.approx(max(wanted, 0), abs=1e-12)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_calibration_error_is_that_of_an_evaluation_and_in_its_interval(
    *, is_weighted: bool
) -> None:
    random = np.random.default_rng(3)
    p = random.random((400, 3)) ** 3
    y = torch.from_numpy((random.random(p.shape) < p).astype(float))
    weights = torch.from_numpy(random.random(400) + 0.1) if is_weighted else None
    scores = torch.from_numpy(p)
    ours = compare([candidate("bce", scores)], y, weights=weights).candidates[0]
    theirs = evaluate_rows(
        DenseRows(scores, y),
        torch.full((3,), 0.5),
        ["a", "b", "c"],
        part="test",
        source="rows",
        learnable=[True] * 3,
        resampling=Resampling(40),
        weights=weights,
    )
    values = [label.ece.value for label in theirs.labels]
    assert [label.metrics["ece"].value for label in ours.labels] == pytest.approx(values)
    assert ours.macro["ece"].value == pytest.approx(theirs.macro["ece"])
    for metrics in (ours.macro, *(label.metrics for label in ours.labels)):
        for name, found in metrics.items():
            assert found.value is not None
            assert found.low is not None
            assert found.high is not None
            assert 0 <= found.low <= found.value <= found.high, name


@settings(deadline=None, max_examples=50)
@given(drawn=cells())
def test_an_interval_holds_its_value(drawn: tuple[NDArray[np.float64], ...]) -> None:
    p, y = (torch.from_numpy(cell) for cell in drawn[:2])
    found = compare([candidate("bce", p)], y, resampling=Resampling(20)).candidates[0]
    for metrics in (found.macro, *(label.metrics for label in found.labels)):
        for name, compared in metrics.items():
            if compared.value is not None and compared.low is not None:
                assert compared.high is not None
                assert compared.low <= compared.value <= compared.high, name


def test_one_draw_serves_all_candidates_and_labels() -> None:
    """The error of the macro difference is that of the replicates' macro differences."""
    candidates, y = simulate(150, 3, [0.3, 0.5], seed=6)
    sample, resampling = Sample.of(y, [True] * 3, None), Resampling(60, seed=3)
    first, second = (replicate_values(c, sample, resampling)[:, 0, :3] for c in candidates)
    error = (second.mean(dim=1) - first.mean(dim=1)).std().item()
    found = compare(candidates, y, resampling=resampling).candidates[1].macro["average_precision"]
    assert found.difference is not None
    low, high = interval(found)
    assert (found.difference - low, high - found.difference) == pytest.approx(
        [1.959964 * error] * 2
    )


def test_blocks_of_many_rows_say_what_rows_do(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates, y = simulate(20_000, 1, [0.2, 0.5], seed=9)
    sample, resampling = Sample.of(y, [True]), Resampling(400)
    errors = []
    for most in (JOINT_CELLS, 0):
        monkeypatch.setattr("imbalance_cli.comparison.bootstrap.JOINT_CELLS", most)
        first, second = (replicate_values(c, sample, resampling)[:, :, 0] for c in candidates)
        errors.append((second - first).std(dim=0))
    assert sample.drawn_units(resampling).size == BLOCKS
    torch.testing.assert_close(errors[1], errors[0], rtol=0.2, atol=0)


def test_pairing_narrows_the_interval() -> None:
    candidates, y = simulate(400, 2, [0.15, 0.2], seed=7)
    base, other = (c.macro for c in compare(candidates, y).candidates)
    for name in ("average_precision", "roc_auc", "log_loss", "brier"):
        widths = [(m[name].high or 0) - (m[name].low or 0) for m in (base, other)]
        low, high = interval(other[name])
        assert high - low < 0.7 * math.hypot(*widths)


def test_whole_groups_are_drawn() -> None:
    """Rows that repeat say no more than one of them, which only the groups know."""
    candidates, y = simulate(60, 1, [0.2, 0.8], seed=8)
    copies = [candidate(c.name, c.probabilities.repeat(8, 1)) for c in candidates]
    groups = torch.arange(60).repeat(8) * 5 - 3
    widths = []
    for given_ in (None, groups):
        comparison = compare(copies, y.repeat(8, 1), groups=given_)
        low, high = interval(comparison.candidates[1].macro["roc_auc"])
        widths.append(high - low)
    assert widths[1] > 1.8 * widths[0]
    assert comparison.resampled == "groups"
    assert "over groups" in comparison.conclusions[-1]


def trained_by_fold(seed: int) -> tuple[list[Candidate], torch.Tensor, torch.Tensor]:
    """Return two candidates whose trainings differ by chance in every fold, targets, and folds.

    Each fold's network of each candidate is too sure of itself, or not sure enough, by its own
    factor: neither candidate is better, but on these folds one always is.
    """
    random = torch.Generator().manual_seed(seed)
    signal = torch.randn(600, 1, generator=random, dtype=torch.float64)
    y = (torch.rand(600, 1, generator=random) < torch.sigmoid(2 * signal - 2)).double()
    folds = torch.arange(600) % 5
    factors = torch.exp(0.4 * torch.randn(2, 5, generator=random, dtype=torch.float64))
    candidates = [
        candidate(name, torch.sigmoid((2 * signal - 2) * factor[folds][:, None]))
        for name, factor in zip(("bce", "focal"), factors, strict=True)
    ]
    return candidates, y, folds


def test_folds_that_scatter_widen_the_interval() -> None:
    candidates, y, folds = trained_by_fold(3)
    of_rows = compare(candidates, y).candidates[1].macro["log_loss"]
    of_both = compare(candidates, y, folds=folds).candidates[1].macro["log_loss"]
    assert of_both.difference == of_rows.difference
    assert (of_both.value, of_both.low, of_both.high) == (of_rows.value, of_rows.low, of_rows.high)
    inner, outer = interval(of_rows), interval(of_both)
    assert outer[0] < inner[0] < inner[1] < outer[1]
    gaps = []
    for fold in range(5):
        rows = folds == fold
        losses = [
            reference.log_loss(y[rows, 0].numpy(), c.probabilities[rows, 0].numpy())
            for c in candidates
        ]
        gaps.append(losses[1] - losses[0])
    error = np.std(gaps, ddof=1) / math.sqrt(5)
    assert outer[1] - outer[0] == pytest.approx(2 * 1.96 * error, rel=0.25)


def test_folds_that_agree_leave_the_interval_as_it_is() -> None:
    candidates, y = simulate(600, 2, [0.2, 0.8], seed=4)
    plain = compare(candidates, y)
    folded = compare(candidates, y, folds=torch.arange(600) % 2)
    for name, found in plain.candidates[1].macro.items():
        if name in {"average_precision", "roc_auc"}:  # within folds they are other numbers
            continue
        wider = interval(folded.candidates[1].macro[name])
        assert wider[0] <= interval(found)[0] + 1e-12
        assert wider[1] >= interval(found)[1] - 1e-12
    same = compare(
        [candidates[0], candidate("b", candidates[0].probabilities)], y, folds=folds_of(600)
    )
    assert all(interval(found) == (0, 0) for found in same.candidates[1].macro.values())
    assert (plain.folds, folded.folds) == (None, 2)
    assert any("each trained anew" in sentence for sentence in folded.conclusions)


def folds_of(rows: int) -> torch.Tensor:
    return torch.arange(rows) % 3


def test_rankings_are_within_folds() -> None:
    """Each fold on a scale of its own: pooled they would rank by fold."""
    candidates, y = simulate(600, 1, [0.2, 0.5], seed=8)
    folds = folds_of(600)
    shifted = [
        candidate(c.name, torch.sigmoid(torch.logit(c.probabilities) + 3.0 * folds[:, None]))
        for c in candidates
    ]
    scores = {
        "average_precision": reference.average_precision_score,
        "roc_auc": reference.roc_auc_score,
    }
    for c, found in zip(shifted, compare(shifted, y, folds=folds).candidates, strict=True):
        for name, score in scores.items():
            parts = [folds == fold for fold in range(3)]
            values = [score(y[p, 0].numpy(), c.probabilities[p, 0].numpy()) for p in parts]
            assert found.macro[name].value == pytest.approx(np.mean(values), abs=1e-12)
            low, high = found.macro[name].low, found.macro[name].high
            assert low is not None
            assert high is not None
            assert low < np.mean(values) < high
            assert np.mean(values) > 0.05 + score(y[:, 0].numpy(), c.probabilities[:, 0].numpy())


def test_chance_in_training_is_seldom_taken_for_a_better_loss() -> None:
    wrong = {True: 0, False: 0}
    for seed in range(60):
        candidates, y, folds = trained_by_fold(seed)
        for knows in wrong:
            found = compare(candidates, y, folds=folds if knows else None)
            wrong[knows] += found.candidates[1].macro["log_loss"].verdict != "unclear"
    assert wrong[True] <= 8  # five folds are few to tell a scatter by
    assert wrong[False] >= 2 * wrong[True]


def test_too_few_for_an_interval() -> None:
    candidates, y = simulate(80, 2, [0.2, 0.5], seed=9)
    y[:, 0] = 0
    y[0, 0] = 1
    one, enough = compare(candidates, y).candidates[1].labels
    assert one.metrics["roc_auc"].difference is not None
    assert one.metrics["roc_auc"].difference_low is None
    assert one.metrics["roc_auc"].verdict is None
    assert enough.metrics["roc_auc"].difference_low is not None
    single = compare([candidate(c.name, c.probabilities[:, :1]) for c in candidates], y[:, :1])
    assert single.candidates[1].macro["brier"].low is None
    assert single.conclusions[-1].startswith("No intervals can be made from so few positives")
    # positives of one group are one thing that happened
    groups = torch.where(y[:, 1] == 1, 0, torch.arange(80))
    grouped = compare(candidates, y, groups=groups).candidates[1].labels[1]
    assert grouped.metrics["roc_auc"].difference_low is None


def test_no_replicates_no_intervals() -> None:
    candidates, y = simulate(100, 1, [0.2, 0.5], seed=10)
    comparison = compare(candidates, y, resampling=Resampling(0))
    for compared in comparison.candidates[1].macro.values():
        assert compared.difference is not None
        assert (compared.low, compared.difference_low, compared.verdict) == (None, None, None)
    assert comparison.conclusions[-1].startswith("No intervals were asked for")
    assert len(comparison.conclusions) == 4
    once = compare(candidates, y, resampling=Resampling(1))  # has no standard error
    assert once.candidates[1].macro["brier"].verdict is None


def test_same_seed_same_numbers() -> None:
    candidates, y = simulate(100, 2, [0.2, 0.5, 0.4], seed=11)
    first, again, other = (
        compare(candidates, y, resampling=Resampling(20, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    turned = compare(candidates[::-1], y, resampling=Resampling(20, seed=1))
    assert turned.candidates == first.candidates[::-1]
    assert turned.conclusions == first.conclusions


def test_a_better_candidate_is_found_and_a_worse_one_named() -> None:
    candidates, y = simulate(3000, 2, [0.7, 0.1, 2.0, 0.7], seed=12)
    comparison = compare(candidates, y, resampling=Resampling(100))
    better, worse, like = (c.macro for c in comparison.candidates[1:])
    for name in METRICS[:6]:
        assert (better[name].verdict, worse[name].verdict) == ("better", "worse"), name
    assert like["average_precision"].verdict == "unclear"
    ranking, behind, decisions, _, losses, *_ = comparison.conclusions
    assert ranking.startswith("Average precision: loss_1 beats bce by 0.")
    assert behind == "Average precision, clearly worse: loss_2."
    assert decisions.startswith("F1: loss_1 beats tuned thresholds by 0.")
    assert losses.startswith("Log loss (lower is better): loss_1 beats bce by 0.")
    low, high = interval(better["log_loss"])
    assert low < high < 0


def test_where_none_is_better_it_says_so() -> None:
    """Eight candidates alike: a wrong verdict is rarer than 1 in 20 a metric, not 7 in 20."""
    said = 0
    for seed in range(15):
        candidates, y = simulate(300, 1, [0.5] * 8, seed=100 + seed)
        comparison = compare(candidates, y, resampling=Resampling(60, seed=seed))
        text = "\n".join(comparison.conclusions)
        said += "F1: no correction beats tuned thresholds here; the best" in text
        assert "2.69 standard errors (Bonferroni, 7 comparisons)." in text
    assert said >= 13


def conclude_of_one(other: Compared) -> str:
    """Return what is said of the average precision of one run beside another."""
    candidates, y = simulate(100, 1, [0.2, 0.2], seed=10)
    comparison = compare(candidates, y)
    first, second = comparison.candidates
    macro = second.macro | {"average_precision": other}
    changed = [first, dataclasses.replace(second, macro=macro)]
    return " ".join(conclude(dataclasses.replace(comparison, kind="run", candidates=changed)))


def test_chance_is_said_of_an_unclear_difference_alone() -> None:
    unclear = Compared(0.5, 0.4, 0.6, 0.004, 0.001, 0.007, "unclear")
    assert "+0.0070), as one comparison gives by chance" in conclude_of_one(unclear)
    worse = dataclasses.replace(
        unclear, difference=-0.004, difference_low=-0.007, difference_high=-0.001, verdict="worse"
    )
    said = conclude_of_one(worse)
    assert "no run beats bce here; the nearest, loss_1, is -0.0040 (-0.0070 to -0.0010)." in said
    assert "clearly worse: loss_1" in said


def test_a_run_that_is_behind_is_not_the_best_one() -> None:
    ahead = Compared(0.5, None, None, 0.004, None, None, None)
    assert "the best run, loss_1, is +0.0040 from bce." in conclude_of_one(ahead)
    behind = dataclasses.replace(ahead, difference=-0.004)
    assert "the nearest run, loss_1, is -0.0040 from bce." in conclude_of_one(behind)


def test_intervals_of_differences_cover_the_truth() -> None:
    """95 % intervals of 300 data sets, each a label, whose two candidates are alike."""
    candidates, y = simulate(300, 300, [0.5, 0.5], seed=13)
    labels = compare(candidates, y, resampling=Resampling(150)).candidates[1].labels
    for name in ("average_precision", "f1", "log_loss"):
        ends = [interval(label.metrics[name]) for label in labels]
        covered = sum(low <= 0 <= high for low, high in ends) / 300
        assert 0.91 <= covered <= 0.985, name


def test_verdicts_allow_for_the_number_of_comparisons() -> None:
    assert standard_errors(1) == pytest.approx(1.96, abs=1e-3)
    assert standard_errors(7) == pytest.approx(2.69, abs=1e-3)
    assert [judge(gain, 2.69) for gain in (2.5, 2.8, -2.5, -2.8, math.inf)] == [
        "unclear",
        "better",
        "unclear",
        "worse",
        "better",
    ]
    assert judge(NAN, 2.69) is None


def test_sentences_are_short_and_few() -> None:
    candidates, y = simulate(2000, 1, [0.4, 0, 0, 0, 0, 0, 3, 3], seed=14)
    named = [
        candidate(c.name if i == 0 else f"a_very_long_loss_{i}:{'x' * 3}", c.probabilities)
        for i, c in enumerate(candidates)
    ]
    conclusions = compare(named, y).conclusions
    assert len(conclusions) <= 11
    assert max(map(len, conclusions)) <= 160
    assert conclusions[1].startswith("Average precision, also better: a_very_long_loss_")
    assert conclusions[1].endswith(" and 1 more.")


def test_the_rival_is_named_where_it_is_not_bce() -> None:
    candidates, y = simulate(100, 1, [0.4, 0.4], seed=15)
    first = candidate("bce", candidates[0].probabilities, loss="focal")
    assert "F1: no correction beats bce here" in "\n".join(
        compare([first, candidates[1]], y).conclusions
    )


def test_plain_data() -> None:
    candidates, y = simulate(60, 2, [0.2, 0.6], seed=16)
    y[:, 1] = 0
    comparison = compare(candidates, y)
    document = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert document["baseline"] == "bce"
    assert document["metrics"] == list(METRICS)
    ranking = document["candidates"][1]["labels"][1]["metrics"]["average_precision"]
    assert set(ranking.values()) == {None}
    rows = comparison.flat_rows()
    assert len(rows) == 2 * 3 * len(METRICS)
    assert [(row["scope"], row["label"]) for row in rows[:: len(METRICS)]] == [
        ("macro", None),
        ("label", "y_0"),
        ("label", "y_1"),
    ] * 2
    found: Candidate = comparison.candidates[1]
    row = rows[3 * len(METRICS)]
    assert row["candidate"] == "loss_1"
    assert row["metric"] == "average_precision"
    assert row["value"] == found.macro["average_precision"].value
    assert row["difference_low"] == found.macro["average_precision"].difference_low


def test_the_baseline_must_be_a_candidate() -> None:
    candidates, y = simulate(20, 1, [0.2], seed=17)
    with pytest.raises(ValueError, match="not in list"):
        compare([candidate("focal", candidates[0].probabilities)], y)


# ---------------------------------------------------------------------------------- sample weights


def draw_weights(rows: int, seed: int = 0) -> torch.Tensor:
    """Return whole weights from 0 to 3."""
    return torch.randint(4, (rows,), generator=torch.Generator().manual_seed(seed)).double()


def test_whole_weights_are_repeated_rows() -> None:
    """In every metric but the calibration error: a heavy row is less to go by than two rows."""
    candidates, y = simulate(300, 2, [0.2, 0.6], seed=20)
    y[:40, 1] = NAN
    weights, folds = draw_weights(300), folds_of(300)
    ours = compare(candidates, y, folds=folds, weights=weights, resampling=Resampling(0))
    times = weights.long()
    wanted = compare(
        [candidate(c.name, c.probabilities.repeat_interleave(times, dim=0)) for c in candidates],
        y.repeat_interleave(times, dim=0),
        folds=folds.repeat_interleave(times),
        resampling=Resampling(0),
    )
    assert ours.rows == int((weights > 0).sum())
    for found, theirs in zip(ours.candidates, wanted.candidates, strict=True):
        tables = zip(
            [found.macro, *(label.metrics for label in found.labels)],
            [theirs.macro, *(label.metrics for label in theirs.labels)],
            strict=True,
        )
        for table, other in tables:
            for name in METRICS[:6]:
                value, difference = table[name].value, table[name].difference
                assert value == pytest.approx(other[name].value, abs=1e-9), name
                assert difference == pytest.approx(other[name].difference, abs=1e-9), name


def test_a_row_of_weight_zero_is_not_there() -> None:
    """Nor in the draws; its group may be elsewhere."""
    candidates, y = simulate(200, 2, [0.2, 0.6], seed=21)
    weights, groups, folds = draw_weights(200), torch.arange(200) // 2, folds_of(200)
    counted = weights > 0
    ours = compare(candidates, y, groups=groups, folds=folds, weights=weights)
    wanted = compare(
        [candidate(c.name, c.probabilities[counted]) for c in candidates],
        y[counted],
        groups=groups[counted],
        folds=folds[counted],
        weights=weights[counted],
    )
    assert ours == wanted


def test_weights_that_are_alike_change_nothing_to_the_bit() -> None:
    candidates, y = simulate(200, 2, [0.2, 0.6], seed=22)
    weights = torch.full((200,), 0.3)
    assert compare(candidates, y, weights=weights) == compare(candidates, y)


def test_the_scale_of_the_weights_says_nothing() -> None:
    candidates, y = simulate(200, 2, [0.2, 0.6], seed=23)
    weights, folds = draw_weights(200), folds_of(200)
    ours = compare(candidates, y, folds=folds, weights=64 * weights)
    assert ours == compare(candidates, y, folds=folds, weights=weights)


@settings(deadline=None, max_examples=60)
@given(drawn=cells(), scale=st.sampled_from([0.3, 1.0, 1e4]))
def test_a_replicate_that_draws_each_row_once_is_the_point_estimate(
    drawn: tuple[NDArray[np.float64], ...], scale: float
) -> None:
    p, y, weights = (torch.from_numpy(cell) for cell in drawn)
    weights = scale * (0.25 + weights)
    sample = Sample.of(y, [True] * y.shape[1], weights=weights)
    wanted = point_values(candidate("bce", p), sample)[:, :-1]
    wanted = wanted.where(((y == 1).any(dim=0)) & ((y == 0).any(dim=0)), NAN)
    found = torch.full_like(wanted, NAN)
    once = np.ones((len(p), 1))
    for i in range(y.shape[1]):
        if not y[:, i].isnan().all():
            found[:, i] = label_rows(p[:, i], y[:, i], weights).metrics(once)[:, 0]
    # decisions that are all the same have a correlation of 0, and that of rounding is small
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-7, equal_nan=True)


def test_heavy_rows_widen_the_interval() -> None:
    candidates, y = simulate(400, 1, [0.2, 0.6], seed=24)
    weights = torch.rand(400, generator=torch.Generator().manual_seed(0)) ** 6
    widths = []
    for w in (None, weights):
        comparison = compare(candidates, y, weights=w, resampling=Resampling(200))
        low, high = interval(comparison.candidates[1].macro["log_loss"])
        widths.append(high - low)
    assert widths[1] > 1.3 * widths[0]


def test_no_weight_at_all_compares_nothing() -> None:
    candidates, y = simulate(50, 2, [0.2, 0.6], seed=25)
    comparison = compare(candidates, y, weights=torch.zeros(50))
    assert comparison.rows == 0
    assert {compared.value for compared in comparison.candidates[1].macro.values()} == {None}


# ----------------------------------------------------------- a yardstick, and training cut short


def beside_trees(noise: float, of_trees: float, **changes: object) -> Comparison:
    """Compare a network with trees, each with so much noise of its own; changes are to the first.

    There is a second network, which is clearly better than the first.
    """
    (first, second, last), y = simulate(2000, 1, [noise, 0.05, of_trees], seed=3)
    network = dataclasses.replace(first, seconds=1234.5, **changes)  # type: ignore[arg-type]
    trees = dataclasses.replace(last, name="boosted_trees", is_yardstick=True, seconds=2.345)
    return compare([network, second, trees], y)


TIMES = "it trained for 1,234 s against 2.3 s of processor time."


@pytest.mark.parametrize(
    ("noise", "of_trees", "says"),
    [
        (0.3, 3.0, "The network (bce) beats boosted_trees by 0."),
        (3.0, 0.3, "The network (bce) is beaten by boosted_trees by 0."),
        (0.5, 0.5, "The network (bce) differs from boosted_trees by "),
    ],
)
def test_a_sentence_says_whether_the_network_beats_the_trees(
    noise: float, of_trees: float, says: str
) -> None:
    comparison = beside_trees(noise, of_trees)
    (sentence,) = [s for s in comparison.conclusions if s.startswith("The network")]
    assert sentence.startswith(says)
    assert sentence.endswith(
        f" in average precision{', a tie' if noise == of_trees else ''}; {TIMES}"
    )
    gap = comparison.candidates[2].macro["average_precision"]
    assert gap.difference is not None
    assert all(f"{abs(end):.3f}" in sentence for end in interval(gap))
    # the trees are no correction, but are counted among the comparisons
    assert not any("boosted_trees" in s for s in comparison.conclusions if s != sentence)
    assert any("(Bonferroni, 2 comparisons)" in s for s in comparison.conclusions)
    assert len(sentence) <= 190


def test_trees_alone_beside_the_baseline() -> None:
    (network, trees), y = simulate(600, 1, [0.3, 0.3], seed=3)
    trees = dataclasses.replace(trees, name="boosted_trees", is_yardstick=True)
    comparison = compare([network, trees], y, resampling=Resampling(0))
    first, *rest = comparison.conclusions
    assert first.startswith("The network (bce) differs from boosted_trees by ")
    assert first.endswith(" in average precision, no verdict.")  # nobody took the time
    assert rest == ["No intervals were asked for: these differences may be chance."]


@pytest.mark.parametrize("improving", [["bce"], ["loss_1"], ["boosted_trees"], []])
def test_no_winner_among_candidates_that_were_still_improving(improving: list[str]) -> None:
    named, y = simulate(3000, 1, [1.0, 0.05, 3.0, 0.05], seed=5)
    named[3] = dataclasses.replace(named[3], name="boosted_trees", is_yardstick=True)
    candidates = [dataclasses.replace(c, still_improving=c.name in improving) for c in named]
    comparison = compare(candidates, y, resampling=Resampling(60))
    found = {c.name: c.macro["average_precision"].verdict for c in comparison.candidates[1:]}
    labels = {
        c.name: c.labels[0].metrics["average_precision"].verdict for c in comparison.candidates[1:]
    }
    wanted = {"loss_1": "better", "loss_2": "worse", "boosted_trees": "better"}
    held_back = wanted if improving == ["bce"] else improving
    wanted |= dict.fromkeys(held_back, "unclear")
    assert found == labels == wanted
    text = "\n".join(comparison.conclusions)
    of_trees = "no verdict, since boosted_trees still improved in the last round" in text
    assert of_trees == (improving == ["boosted_trees"])
    networks = [name for name in improving if name != "boosted_trees"]
    assert ("raise training.epochs" in text) == bool(networks)
    for name in networks:
        said = f"No verdict on {name}, which was still improving at the last epoch in most folds"
        assert said in text
    for name, verdict in wanted.items():
        beats = f"{name} beats bce by" in text or f"is beaten by {name} by" in text
        assert beats == (verdict == "better"), name
    assert ("Average precision, clearly worse: loss_2." in text) == (wanted["loss_2"] == "worse")
