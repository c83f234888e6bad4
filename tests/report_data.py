"""Reports of made-up runs, for the tests of what draws them, and a browser to show them in."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from imbalance_cli.comparison import Candidate, compare_candidates
from imbalance_cli.config import Config
from imbalance_cli.evaluation import DenseRows, LabelEvaluation, Resampling, evaluate_rows
from imbalance_cli.evaluation.curves import Costs, compute_curves
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.contents import (
    ComparisonReport,
    Entry,
    RunReport,
    Together,
    TrainingHistory,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from imbalance_cli.comparison import Comparison

NASTY = (
    "<script>document.title = 'run'</script>",
    "\"double\" 'single' `back` & $math$ {{ braces }}",
    "two\nlines\tand a tab",
    "x" * 500,
    "\u540d\u524d \u202ereversed \x00\x0b",
)
"""Names that break what does not escape them."""


def make_report(
    labels: Sequence[str],
    *,
    rows: int = 400,
    drawn: int = 6,
    replicates: int = 20,
    groups: torch.Tensor | None = None,
    findings: Sequence[str] = ("Found <b>nothing</b> & no one.",),
) -> RunReport:
    """Return a report of labels whose positives get rarer, with figures for the first ones."""
    random = np.random.default_rng(0)
    # the last half follows no score: those labels are no better than chance
    skill = np.where(np.arange(len(labels)) * 2 < len(labels), 2.0, 0.0)
    share = 0.4 * 0.9 ** (np.arange(len(labels)) % 30)
    odds = random.normal(size=(rows, len(labels))) + np.log(share / (1 - share))
    p = 1 / (1 + np.exp(-odds))
    targets = (random.random(p.shape) < 1 / (1 + np.exp(-skill * odds))).astype(np.float32)
    evaluation = evaluate_rows(
        DenseRows(torch.from_numpy(p), torch.from_numpy(targets)),
        torch.full((len(labels),), 0.3, dtype=torch.float64),
        labels,
        part="test",
        source="made_up.csv",
        learnable=[True] * len(labels),
        resampling=Resampling(replicates),
        groups=groups,
    )
    curves = [
        compute_curves(
            label,
            p[:, i],
            np.sqrt(p[:, i]),
            targets[:, i].astype(np.float64),
            threshold=0.3,
            costs=Costs(),
            confidence=0.95,
        )
        for i, label in enumerate(labels[:drawn])
    ]
    config = Config.model_validate({"data": {"train": "made_up.csv"}})
    return RunReport(
        run="runs/made_up",
        document={"versions": {"imbtrain": "0.1.0", "torch": "2"}, **_document(labels)},
        config=config.to_yaml(),
        settings=yaml.safe_load(config.to_yaml()),
        evaluation=evaluation,
        findings=findings,
        curves=curves,
        chosen={},
        training=[TrainingHistory([1, 2, 3], [0.9, 0.5, 0.4], [0.3, 0.6, 0.5], 2)],
        together=_together(list(labels[:drawn])) if len(labels) > 1 else None,
    )


def make_runs_report(
    labels: Sequence[str], *, runs: int = 2, rows: int = 400, replicates: int = 20
) -> ComparisonReport:
    """Return a report of runs, each of less noise than the one before, but alike on the last label.

    Args:
        labels: whose positives get rarer.
        runs: how many.
        rows: that they held out.
        replicates: of the bootstrap.
    """
    random = np.random.default_rng(0)
    share = 0.4 * 0.9 ** (np.arange(len(labels)) % 30)
    odds = 2 * random.normal(size=(rows, len(labels))) + np.log(share / (1 - share))
    targets = (random.random(odds.shape) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    noise = random.normal(size=odds.shape)
    predictions = []
    for i in range(runs):
        p = 1 / (1 + np.exp(-odds - 2.0 * (runs - i) * noise))
        p[:, -1] = targets[:, -1] * 0.5 + 0.25
        predictions.append(p)
    names = [f"run <{i}>" for i in range(runs)]

    def compare(*shape: int, of: Sequence[str], groups: torch.Tensor | None = None) -> Comparison:
        probabilities = [torch.from_numpy(p).reshape(shape) for p in predictions]
        return compare_candidates(
            [
                Candidate(name, "bce", None, "", p, p >= 0.3)
                for name, p in zip(names, probabilities, strict=True)
            ],
            torch.from_numpy(targets).reshape(shape),
            of,
            learnable=[True] * len(of),
            groups=groups,
            baseline=names[0],
            resampling=Resampling(replicates),
            kind="run",
            part="test",
            source="made_up.csv",
        )

    units = torch.arange(rows).repeat_interleave(len(labels))
    several = len(labels) > 1
    return ComparisonReport(
        entries=[Entry(name, f"runs/{name}; loss bce; 2026-01-02 03:04 UTC") for name in names],
        settings={"loss.gamma": [f"{i}" for i in range(runs)]},
        comparison=compare(rows, -1, of=labels),
        micro=compare(-1, 1, of=["all cells"], groups=units) if several else None,
        curves=[
            [
                compute_curves(
                    label,
                    p[:, i],
                    None,
                    targets[:, i],
                    threshold=0.3,
                    costs=Costs(),
                    confidence=0.95,
                )
                for p in predictions
            ]
            for i, label in enumerate(labels[:4])
        ],
        cautions=["something to <i>know</i>"],
        versions={"imbtrain": "0.1.0"},
    )


def _document(labels: Sequence[str]) -> dict[str, Any]:
    step = {"slope": 0.9, "intercept": -0.2, "fitted": True}
    entry = {"pos_weight": [4.0], "calibration": step, "threshold": 0.3}
    entry |= {"learnable": True, "validation_positives": 9, "threshold_pooled": False}
    entry |= {"threshold_reached": None, "validation_counts": [6.0, 3.0, 3.0, 8.0]}
    numeric = [{"column": "amount", "kind": "number"}, {"column": "day", "kind": "date"}]
    return {
        "created": "2026-01-02T03:04:05+00:00",
        "trained": [{"seed": 0, "fold": 0, "best_epoch": 3}],
        "labels": [entry | {"label": label} for label in labels],
        "features": {"numeric": numeric, "categorical": [{"column": "city"}]},
        "loss": "weighted_bce",
        "undo_loss": True,
        "members": 4,
        "command": "imbtrain fit made_up.yaml",
        "data": {
            "sources": {"train": "made_up.csv"},
            "files": [{"path": "made_up.csv", "bytes": 1234, "sha256": "0123abcd"}],
            "rows": {"train": 100, "valid": 20, "test": 0},
            "dropped": ["constant"],
            "training": [{"positives": 10, "negatives": 90} for _ in labels],
            "remarks": ["a likely leak: <i>x</i>"],
        },
    }


def _together(labels: list[str]) -> Together:
    size = range(len(labels))
    shares = [[1.0 if i == j else None if j == 0 else 0.25 for j in size] for i in size]
    return Together(labels, shares, [[10 for _ in size] for _ in size])


@contextlib.contextmanager
def open_browser() -> Iterator[webdriver.Chrome]:
    """Start a headless Chromium, or skip the test where there is none and none is required."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        reason = "no chromium with its chromedriver is installed"
        if os.environ.get("IMBTRAIN_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def set_screen(browser: webdriver.Chrome, *, width: int = 1280, dark: bool = False) -> None:
    """Give a browser a screen of a width, and a system of light or dark windows."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = [
        {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
        {"name": "prefers-reduced-motion", "value": "reduce"},  # clicks hit no moving target
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})


def open_page(browser: webdriver.Chrome, path: Path) -> None:
    """Show a file, with logs that hold nothing from before."""
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # type: ignore[no-untyped-call]
    browser.get(path.absolute().as_uri())


def change_label(label: LabelEvaluation, **changes: object) -> LabelEvaluation:
    """Return a label with other numbers: metrics by their names, and what it has beside them."""
    metrics = {name: changes.pop(name) for name in METRIC_SPECS if name in changes}
    return dataclasses.replace(label, metrics=label.metrics | metrics, **changes)  # type: ignore[arg-type]
