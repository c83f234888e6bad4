"""Successive halving: who goes on, and where the rungs are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.network.recipes import CYCLE_ENDS
from imbalance_cli.searching import Halving
from imbalance_cli.searching.halving import FRACTIONS, list_rungs


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40))
def test_the_best_third_so_far_goes_on(values: list[float]) -> None:
    halving = Halving()
    for number, value in enumerate(values, start=1):
        rank = sorted(values[:number], reverse=True).index(value)
        assert halving.goes_on(0, value) == (rank < -(-number // 3))
    assert not halving.values[1]


@given(st.integers(1, 300))
def test_rungs_are_before_the_last_epoch(epochs: int) -> None:
    rungs = list_rungs(epochs)
    assert all(1 <= epoch < epochs for epoch in rungs)
    assert list(rungs) == sorted(rungs)


def test_rungs_are_where_cycles_of_the_learning_rate_end() -> None:
    assert list_rungs(64) == {13: 0, 30: 1}
    assert list_rungs(1) == {}
    assert CYCLE_ENDS["coslog4"][1:3] == FRACTIONS
