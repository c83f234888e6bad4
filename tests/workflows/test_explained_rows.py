"""The rows that an explanation is made of, where there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from imbalance_cli.workflows import explained_rows

if TYPE_CHECKING:
    from small_runs import FittedRun


@pytest.mark.parametrize(("positives", "wanted"), [(10, 10), (90, 50), (180, 80)])
def test_positives_are_kept_up_to_a_half(
    monkeypatch: pytest.MonkeyPatch, positives: int, wanted: int
) -> None:
    monkeypatch.setattr(explained_rows, "MOST_ROWS", 100)
    is_positive = np.random.default_rng(0).permutation(200) < positives
    rows, factors = explained_rows._draw(is_positive)
    assert factors is not None
    assert len(set(rows.tolist())) == 100
    assert (np.diff(rows) > 0).all()
    drawn = is_positive[rows]
    assert drawn.sum() == wanted
    assert factors[drawn].sum() == pytest.approx(positives)
    assert factors[~drawn].sum() == pytest.approx(200 - positives)


def test_few_rows_are_all_taken() -> None:
    rows, factors = explained_rows._draw(np.array([True, False]))
    assert (rows.tolist(), factors) == ([0, 1], None)


def test_many_rows_are_explained_as_all_would_be(
    multi_run: FittedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imbalance_cli.workflows import explain

    whole = explain(multi_run.path, str(multi_run.table), "cpu", print, repeats=1)
    monkeypatch.setattr(explained_rows, "MOST_ROWS", 400)
    monkeypatch.setattr(explained_rows, "MOST_KEPT", 500)
    some = explain(multi_run.path, str(multi_run.table), "cpu", print, repeats=1)
    assert (some.rows, some.rows_read) == (400, 600)
    [remark] = some.remarks
    assert remark.startswith("400 of 600 rows were drawn at random, positives first")
    for label, metrics in whole.metrics.items():
        assert some.metrics[label]["log_loss"] == pytest.approx(metrics["log_loss"], rel=0.15)
