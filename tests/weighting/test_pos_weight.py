"""Every strategy against its formula, scikit-learn, or exact arithmetic."""

from __future__ import annotations

import math
from decimal import Decimal, getcontext
from typing import get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from imbalance_cli.cli.weights import weights as command
from imbalance_cli.errors import WeightsError
from imbalance_cli.labels import Counts, LabelCounts
from imbalance_cli.weighting.pos_weight import STRATEGIES, Strategy, pos_weight, weigh

COUNTS = st.builds(
    LabelCounts, st.just("y"), st.integers(1, 10**12), st.integers(1, 10**12), st.integers(0, 9)
)
ANY_COUNTS = st.builds(
    LabelCounts, st.just("y"), st.integers(0, 10**15), st.integers(0, 10**15), st.integers(0, 9)
)
ANY_STRATEGY = st.builds(
    Strategy,
    st.sampled_from(list(STRATEGIES)),
    st.none() | st.floats(0.01, 1e6),
    st.floats(0, 1e6),
    st.floats(0, 1, exclude_max=True),
)


def test_a_hundred_positives_and_four_hundred_negatives_give_four() -> None:
    assert pos_weight(LabelCounts("y", 100, 400), Strategy()) == 4
    assert pos_weight(LabelCounts("y", 100, 400), Strategy("sqrt")) == 2
    assert pos_weight(LabelCounts("y", 100, 400), Strategy("none")) == 1


@given(COUNTS)
def test_ratio_is_negatives_over_positives(counts: LabelCounts) -> None:
    assert pos_weight(counts, Strategy()) == counts.negatives / counts.positives
    root = pos_weight(counts, Strategy("sqrt"))
    assert math.isclose(root**2, counts.negatives / counts.positives, rel_tol=1e-12)


@given(st.integers(1, 300), st.integers(1, 300))
def test_balanced_is_scikit_learns(positives: int, negatives: int) -> None:
    targets = np.repeat([0, 1], [negatives, positives])
    zero, one = compute_class_weight("balanced", classes=np.array([0, 1]), y=targets)
    found = pos_weight(LabelCounts("y", positives, negatives), Strategy("balanced"))
    assert math.isclose(found, one / zero, rel_tol=1e-12)


@given(
    st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from([0.0, 0.5, 0.9, 0.999, 0.9999])
)
def test_effective_is_the_formula_in_exact_arithmetic(
    positives: int, negatives: int, beta: float
) -> None:
    getcontext().prec = 60
    base = Decimal(beta)
    exact = (1 - base**negatives) / (1 - base**positives)
    found = pos_weight(LabelCounts("y", positives, negatives), Strategy("effective", beta=beta))
    assert math.isclose(found, float(exact), rel_tol=1e-9)


def test_effective_goes_from_no_weight_to_the_ratio() -> None:
    counts = LabelCounts("y", 10, 1000)
    assert pos_weight(counts, Strategy("effective", beta=0)) == 1
    near_one = pos_weight(counts, Strategy("effective", beta=1 - 1e-12))
    assert math.isclose(near_one, 100, rel_tol=1e-6)


@given(COUNTS, st.floats(0, 1e6))
def test_smoothing_adds_to_both_sides(counts: LabelCounts, smoothing: float) -> None:
    found = pos_weight(counts, Strategy(smoothing=smoothing))
    assert found == (counts.negatives + smoothing) / (counts.positives + smoothing)


@given(ANY_COUNTS, ANY_STRATEGY)
def test_a_weight_is_finite_positive_and_capped(counts: LabelCounts, strategy: Strategy) -> None:
    weight = pos_weight(counts, strategy)
    assert 0 < weight < math.inf
    if not counts.positives or not counts.negatives:
        assert weight == 1
    elif strategy.cap is not None:
        assert weight <= strategy.cap


def test_a_label_with_one_side_gets_weight_1_and_a_warning() -> None:
    labels = [
        LabelCounts("never", 0, 5),
        LabelCounts("always", 5, 0),
        LabelCounts("unknown", 0, 0, 5),
        LabelCounts("both", 1, 4),
    ]
    weights = weigh(Counts(5, labels), Strategy(), "a.csv")
    assert [label.pos_weight for label in weights.labels] == [1, 1, 1, 4]
    assert weights.warnings == [
        "label 'never' has no positives: its weight is 1",
        "label 'always' has no negatives: its weight is 1",
        "label 'unknown' has no positives and no negatives: its weight is 1",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "ratios"}, "strategy 'ratios' is none of ratio, sqrt"),
        ({"cap": 0}, "cap must be a finite number above 0, not 0"),
        ({"cap": -1.5}, "not -1.5"),
        ({"cap": math.nan}, "not nan"),
        ({"cap": math.inf}, "not inf"),
        ({"smoothing": -1}, "smoothing must be a finite number from 0 up, not -1"),
        ({"smoothing": math.nan}, "not nan"),
        ({"beta": 1}, "beta must be at least 0 and below 1, not 1"),
        ({"beta": -0.1}, "not -0.1"),
        ({"beta": math.nan}, "not nan"),
    ],
)
def test_parameters_out_of_range_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        Strategy(**arguments)  # type: ignore[arg-type]  # the point of the test


def test_the_command_offers_every_strategy() -> None:
    hints = get_type_hints(command)
    assert list(get_args(hints["strategy"])) == list(STRATEGIES)


@pytest.mark.parametrize("values", [{"cap": -1.0}, {"smoothing": -1.0}])
def test_a_value_out_of_range_has_an_example(values: dict[str, float]) -> None:
    with pytest.raises(WeightsError) as caught:
        Strategy(**values)  # type: ignore[arg-type]
    assert "such as 1" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("counts", "ending"),
    [
        (
            LabelCounts("y", 5, 0, 95),
            (
                "no negatives: its weight is 1; if blank means 0: data.missing_labels: negative "
                "(imbtrain weights --missing-labels negative)"
            ),
        ),
        (LabelCounts("y", 5, 0), "no negatives: its weight is 1"),
        (LabelCounts("y", 0, 0, 95), "no positives and no negatives: its weight is 1"),
        (LabelCounts("y", 0, 5, 95), "no positives: its weight is 1"),
    ],
)
def test_blank_cells_that_may_be_all_negatives_are_told(counts: LabelCounts, ending: str) -> None:
    weighed = weigh(Counts(100, [counts]), Strategy(), "t.csv")
    assert weighed.warnings == [f"label 'y' has {ending}"]


def test_a_notebook_shows_counts_and_weights() -> None:
    counts = [LabelCounts("<y>", 1_000, 23_000, 7), LabelCounts("z", 0.5, 1.25)]
    shown = weigh(Counts(24_007, counts), Strategy(), "a.csv")._repr_html_()
    cells = ["1,000", "23,000", "7", "4.17 %", "23.00"]
    assert f"<th>&lt;y&gt;</th><td>{'</td><td>'.join(cells)}</td>" in shown.replace(' title=""', "")
    assert "<td>0.5</td><td>1.25</td><td>0</td><td>28.6 %</td><td>2.50</td>" in shown
    assert "24,007 rows; pos_weight by ratio" in shown
