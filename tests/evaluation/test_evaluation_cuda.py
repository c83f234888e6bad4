"""A report made on a CUDA device holds the numbers of the host, and its intervals too."""

from __future__ import annotations

import math

import pytest
import torch

from imbalance_cli.evaluation import (
    DenseRows,
    Evaluation,
    Resampling,
    evaluate_rows,
)
from imbalance_cli.metrics import (
    Confusion,
    Ranking,
    average_precision,
    brier,
    expected_calibration_error,
    judge_rows,
    log_loss,
    roc_auc,
)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
ROWS, LABELS = 3000, 4


def simulate(decimals: int = 16) -> dict[str, torch.Tensor]:
    """Return probabilities and targets (N, L), some missing, weights and groups (N,)."""
    random = torch.Generator().manual_seed(0)
    p = torch.rand(ROWS, LABELS, generator=random, dtype=torch.float64).round(decimals=decimals)
    y = (torch.rand(ROWS, LABELS, generator=random, dtype=torch.float64) < p**3).double()
    y[torch.rand(ROWS, LABELS, generator=random) < 0.1] = math.nan
    weights = torch.rand(ROWS, generator=random, dtype=torch.float64) + 0.1
    weights[::17] = 0
    return {"p": p, "y": y, "weights": weights, "groups": torch.arange(ROWS) // 3}


def evaluate(device: torch.device, *, decimals: int = 16, special: str = "") -> Evaluation:
    cells = {name: cell.to(device) for name, cell in simulate(decimals).items()}
    return evaluate_rows(
        DenseRows(cells["p"], cells["y"]),
        torch.full((LABELS,), 0.5, dtype=torch.float64),
        [f"y_{i}" for i in range(LABELS)],
        part="test",
        source="rows.csv",
        learnable=[True, True, True, False],
        resampling=Resampling(60),
        device=device,
        weights=cells["weights"] if special == "weights" else None,
        groups=cells["groups"] if special == "groups" else None,
    )


def assert_same(ours: object, theirs: object, place: str = "") -> None:
    """Numbers of two documents are within 1e-9 of each other, all else is equal."""
    if isinstance(ours, dict):
        assert isinstance(theirs, dict)
        assert ours.keys() == theirs.keys(), place
        for key, value in ours.items():
            assert_same(value, theirs[key], f"{place}.{key}")
    elif isinstance(ours, list):
        assert isinstance(theirs, list)
        for i, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_same(*pair, f"{place}[{i}]")
    elif isinstance(ours, float):
        assert ours == pytest.approx(theirs, abs=1e-9), place
    else:
        assert ours == theirs, place


@pytest.mark.parametrize("decimals", [16, 2])
@pytest.mark.parametrize("special", ["", "weights", "groups"])
def test_every_number_is_that_of_the_host(decimals: int, special: str) -> None:
    """Points and intervals: replicates are drawn on the host, wherever they are summed."""
    ours, theirs = (
        evaluate(device, decimals=decimals, special=special).to_dict() for device in (CUDA, CPU)
    )
    assert_same(ours, theirs)


@pytest.mark.parametrize("special", ["", "weights", "groups"])
def test_so_it_is_of_many_cells(monkeypatch: pytest.MonkeyPatch, special: str) -> None:
    """Labels drawn apart, averages of blocks of rows, and all cells in passes."""
    monkeypatch.setattr("imbalance_cli.evaluation.resampling.JOINT_CELLS", 0)
    monkeypatch.setattr("imbalance_cli.evaluation.resampling.BLOCKS", 100)
    monkeypatch.setattr("imbalance_cli.evaluation.pooling.POOLED_AT_ONCE", 1)
    monkeypatch.setattr("imbalance_cli.evaluation.scored_rows.CELLS_AT_ONCE", 7000)
    ours, theirs = (evaluate(device, special=special).to_dict() for device in (CUDA, CPU))
    assert_same(ours, theirs)


def test_rows_on_the_host_are_brought_to_the_device() -> None:
    cells = simulate()
    evaluations = [
        evaluate_rows(
            DenseRows(cells["p"], cells["y"]),
            torch.full((LABELS,), 0.5, dtype=torch.float64),
            [f"y_{i}" for i in range(LABELS)],
            part="test",
            source="rows.csv",
            learnable=[True] * LABELS,
            resampling=Resampling(30),
            weights=cells["weights"],
            groups=cells["groups"],
            device=device,
        )
        for device in (CUDA, CPU)
    ]
    ours, theirs = (evaluation.to_dict() for evaluation in evaluations)
    assert_same(ours, theirs)


def all_metrics(device: torch.device, decimals: int) -> dict[str, torch.Tensor]:
    """Return what is computed of rows on a device, on the host."""
    cells = {name: cell.to(device) for name, cell in simulate(decimals).items()}
    p, y, weights = cells["p"], cells["y"], cells["weights"]
    ranking, confusion = Ranking.of(p, y, weights), Confusion.of(p >= 0.5, y, weights)
    values = {
        "average_precision": average_precision(ranking),
        "roc_auc": roc_auc(ranking),
        "precision": confusion.precision(),
        "recall": confusion.recall(),
        "specificity": confusion.specificity(),
        "f1": confusion.f_beta(),
        "f2": confusion.f_beta(2.0),
        "mcc": confusion.mcc(),
        "balanced_accuracy": confusion.balanced_accuracy(),
        "brier": brier(p, y, weights),
        "log_loss": log_loss(p, y, weights),
        "ece": expected_calibration_error(p, y, weights=weights, debias=True),
    }
    values["of rows"] = judge_rows(p, p >= 0.5, y, weights)
    for value in values.values():
        assert value.device.type == device.type
    return {name: value.cpu() for name, value in values.items()}


@pytest.mark.parametrize("decimals", [16, 1])
def test_every_metric_of_rows_is_that_of_the_host(decimals: int) -> None:
    ours, theirs = (all_metrics(device, decimals) for device in (CUDA, CPU))
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-9, atol=1e-9, msg=name)
