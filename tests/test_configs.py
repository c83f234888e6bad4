"""Every shipped config loads and runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_data import WRITERS, write_flights
from small_runs import succeed

from imbalance_cli.config import BOOSTED_TREES, STRATEGIES, compared_losses, load_config

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.y*ml"))


def test_configs_are_shipped() -> None:
    assert "quickstart.yaml" in {path.name for path in CONFIGS}
    assert all(path.suffix == ".yaml" for path in CONFIGS)


def test_an_editor_finds_the_schema() -> None:
    schema = (ROOT / "configs" / "schema.json").read_text()
    assert schema == succeed("schema").text  # make golden
    for path in CONFIGS:
        first = path.read_text().partition("\n")[0]
        assert first == "# yaml-language-server: $schema=schema.json"


def test_every_way_of_working_has_its_data() -> None:
    named = {load_config(str(path)).data.train[0].partition("/")[0] for path in CONFIGS}
    assert named >= {"data"}
    on_shipped_data = {"quickstart", "flights_multilabel", "flights_unseen_days"}
    assert {path.stem for path in CONFIGS} == on_shipped_data | set(WRITERS)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    if path.stem in WRITERS:
        WRITERS[path.stem](tmp_path)
        monkeypatch.chdir(tmp_path)
    epochs = 20 if path.stem in WRITERS else 2
    settings = [f"training.epochs={epochs}", "training.device=cpu"]
    settings += ["model.members=1", "report.bootstrap=10"]
    arguments = [part for setting in settings for part in ("--set", setting)]
    run = tmp_path / "run"
    outcome = succeed("fit", path, "--run-dir", run, "--format", "json", *arguments)
    part = outcome.document["splits"]["test"]
    learned = [entry["prevalence"] for entry in part["labels"] if entry["learnable"]]
    assert learned
    if path.stem != "flights_unseen_days":  # of other days little can be known
        assert part["macro"]["average_precision"] > 1.5 * sum(learned) / len(learned)
    source = load_config(str(path)).data.train[0]
    again = succeed("evaluate", run, source, "--format", "json", "--bootstrap", 0)
    names = [entry["label"] for entry in again.document["splits"]["test"]["labels"]]
    assert names == [entry["label"] for entry in part["labels"]]
    predicted = succeed("predict", run, source)
    assert predicted.text.partition("\n")[0].split(",")[0] == f"{names[0]}_probability"


@pytest.mark.parametrize("name", ["quickstart", "flights_multilabel"])
def test_every_loss_and_strategy_trains_on_the_data_that_is_shipped(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    write_flights(tmp_path / "data", every=6)
    settings = ["training.epochs=1", "model.hidden=[8]", "model.members=1"]
    settings += ["report.bootstrap=0", "report.plots=false"]
    outcome = succeed(
        *("compare", ROOT / "configs" / f"{name}.yaml", "--run-dir", "run", "--format", "json"),
        *("--losses", ",".join(compared_losses()), "--strategies", ",".join(STRATEGIES)),
        *("--folds", 2),
        *(part for setting in settings for part in ("--set", setting)),
    )
    candidates = {c["name"]: c["macro"] for c in outcome.document["candidates"]}
    assert len(candidates) == len(compared_losses()) - 1 + len(STRATEGIES)
    for macro in candidates.values():
        assert macro["average_precision"]["value"] > 0
        assert macro["log_loss"]["value"] < 1
    for candidate in candidates.keys() - {BOOSTED_TREES}:  # a yardstick
        succeed(
            *("fit", "--from-compare", "run", "--choose", candidate),
            *("--run-dir", "chosen", "--overwrite", "-q"),
        )
