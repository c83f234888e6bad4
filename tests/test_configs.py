"""Every shipped config loads and runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import succeed

from imbalance_cli.config import load_config

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.y*ml"))


def test_configs_are_shipped() -> None:
    assert "quickstart.yaml" in {path.name for path in CONFIGS}
    assert all(path.suffix == ".yaml" for path in CONFIGS)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    load_config(str(path.relative_to(ROOT)))
    settings = ["training.epochs=2", "report.bootstrap=10", "training.device=cpu"]
    arguments = [part for setting in settings for part in ("--set", setting)]
    run = tmp_path / "run"
    outcome = succeed("fit", path, "--run-dir", run, "--format", "json", *arguments)
    part = outcome.document["splits"]["test"]
    learned = [entry["prevalence"] for entry in part["labels"] if entry["learnable"]]
    assert learned
    assert part["macro"]["average_precision"] > 1.5 * sum(learned) / len(learned)
