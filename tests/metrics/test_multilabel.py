"""Metrics of whole rows equal scikit-learn's, and missing cells are as if they were not there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imbalance_cli.metrics import FIELDS, judge_rows, multilabel_metrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NAN = math.nan


@st.composite
def labelled_rows(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """Draw probabilities with ties and whole targets, (N, L), of at least two labels."""
    shape = draw(st.tuples(st.integers(1, 12), st.integers(2, 5)))
    p = draw(arrays(np.float64, shape, elements=st.sampled_from([0.1, 0.4, 0.5, 0.9])))
    y = draw(arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0])))
    return p, y


def of_sums(p: Floats, y: Floats, weights: Floats | None = None) -> dict[str, float]:
    """Return every metric."""
    scores, targets = torch.from_numpy(p), torch.from_numpy(y)
    w = None if weights is None else torch.from_numpy(weights)
    return multilabel_metrics(judge_rows(scores, scores >= 0.5, targets, w).sum(dim=1))


def of_scikit_learn(p: Floats, y: Floats, weights: Floats | None = None) -> dict[str, float]:
    """Return every metric of rows without missing cells."""
    decided, truth = (p >= 0.5).astype(int), y.astype(int)
    options = {"sample_weight": weights}
    found = (decided | truth).any(axis=1)
    f1 = NAN
    if found.any():
        f1 = reference.f1_score(
            truth, decided, average="samples", zero_division=np.nan, sample_weight=weights
        )
    return {
        "samples_f1": f1,
        "subset_accuracy": reference.accuracy_score(truth, decided, **options),
        "hamming_loss": reference.hamming_loss(truth, decided, **options),
        "label_ranking_average_precision": reference.label_ranking_average_precision_score(
            truth, p, **options
        ),
        "coverage_error": reference.coverage_error(truth, p, **options),
    }


@settings(deadline=None, max_examples=150)
@given(rows=labelled_rows())
def test_equals_scikit_learn(rows: tuple[Floats, Floats]) -> None:
    assert of_sums(*rows) == pytest.approx(of_scikit_learn(*rows), abs=1e-9, nan_ok=True)


@settings(deadline=None, max_examples=100)
@given(rows=labelled_rows(), seed=st.integers(0, 2**31))
def test_weighted_equals_scikit_learn(rows: tuple[Floats, Floats], seed: int) -> None:
    weights = 0.1 + np.random.default_rng(seed).random(len(rows[0]))
    theirs = of_scikit_learn(*rows, weights)
    assert of_sums(*rows, weights) == pytest.approx(theirs, abs=1e-9, nan_ok=True)


@settings(deadline=None, max_examples=100)
@given(rows=labelled_rows(), seed=st.integers(0, 2**31))
def test_a_missing_cell_is_a_label_that_is_not_there(
    rows: tuple[Floats, Floats], seed: int
) -> None:
    """The sums of each row equal those of the row without its missing cells."""
    p, y = rows
    random = np.random.default_rng(seed)
    y = np.where(random.random(y.shape) < 0.3, NAN, y)
    wanted = torch.zeros(len(FIELDS), dtype=torch.float64)
    for scores, targets in zip(p, y, strict=True):
        known = ~np.isnan(targets)
        s, t = torch.from_numpy(scores[known][None]), torch.from_numpy(targets[known][None])
        wanted += judge_rows(s, s >= 0.5, t).sum(dim=1)
    assert of_sums(p, y) == pytest.approx(multilabel_metrics(wanted), abs=1e-12, nan_ok=True)


def test_of_nothing_known_nothing_is_defined() -> None:
    p, y = np.full((3, 2), 0.7), np.full((3, 2), NAN)
    assert all(math.isnan(value) for value in of_sums(p, y).values())
    nothing = multilabel_metrics(torch.zeros(len(FIELDS), dtype=torch.float64))
    assert all(math.isnan(value) for value in nothing.values())
