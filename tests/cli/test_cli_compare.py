"""`imbtrain compare`: the same folds for all, numbers that can be made again, models to choose."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import safetensors.torch
from sklearn import metrics
from small_runs import LABELS, make_columns, refuse, succeed, write_config, write_csv

FOLDS = 3
LOSSES = (
    "weighted_bce,focal,asymmetric,logit_adjusted,distribution_balanced,balanced_sampler,"
    "boosted_trees"
)


class Compared:
    """A comparison, with what it was made from and what it wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table = write_csv(folder / "table.csv", make_columns(600, seed=1))
        self.config = write_config(folder / "config.yaml", self.table)
        self.run = folder / "run"
        self.outcome = succeed(
            *("compare", self.config, "--run-dir", self.run, "--format", "json"),
            *("--folds", FOLDS, "--seeds", 2, "--losses", LOSSES, "--strategies", "ratio,sqrt"),
        )
        self.document: dict[str, Any] = self.outcome.document
        self.predictions = pl.read_parquet(self.run / "predictions.parquet")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Compare seven networks and boosted trees on three labels, two of them with missing cells."""
    return Compared(tmp_path_factory.mktemp("compare"))


def test_candidates_and_their_order(compared: Compared) -> None:
    names = [candidate["name"] for candidate in compared.document["candidates"]]
    assert names[:3] == ["bce", "weighted_bce:ratio", "weighted_bce:sqrt"]
    assert set(names[3:]) == set(LOSSES.split(",")[1:])
    assert compared.document["baseline"] == "bce"
    assert (compared.document["folds"], compared.document["seeds"]) == (FOLDS, 2)
    assert compared.document["conclusions"]


def test_every_row_but_the_test_part_is_held_out_once(compared: Compared) -> None:
    rows = compared.predictions["row"]
    assert rows.n_unique() == len(rows) == compared.document["rows"] == 600 - 90
    assert sorted(compared.predictions["fold"].unique()) == list(range(FOLDS))


def test_numbers_are_those_of_scikit_learn_on_the_saved_predictions(compared: Compared) -> None:
    frame = compared.predictions
    for candidate in compared.document["candidates"]:
        values: dict[str, list[float]] = {}
        for entry in candidate["labels"]:
            label, start = entry["label"], f"{candidate['name']}/{entry['label']}"
            known = frame[f"{label}_target"].is_not_null()
            y = frame[f"{label}_target"].filter(known).to_numpy()
            p = frame[f"{start}_probability"].filter(known).to_numpy()
            decided = frame[f"{start}_decision"].filter(known).to_numpy()
            assert (entry["support"], entry["positives"]) == (len(y), y.sum())
            folds = frame["fold"].filter(known).to_numpy()
            ranked = [
                np.mean([f(y[folds == k], p[folds == k]) for k in range(FOLDS)])
                for f in (metrics.average_precision_score, metrics.roc_auc_score)
            ]
            wanted = {
                "average_precision": ranked[0],
                "roc_auc": ranked[1],
                "f1": metrics.f1_score(y, decided),
                "mcc": metrics.matthews_corrcoef(y, decided),
                "brier": metrics.brier_score_loss(y, p),
                "log_loss": metrics.log_loss(y, p),
            }
            for name, value in wanted.items():
                found = entry["metrics"][name]
                assert found["value"] == pytest.approx(value, abs=1e-9)
                assert found["low"] <= found["high"]
                values.setdefault(name, []).append(value)
        for name, of_labels in values.items():
            assert candidate["macro"][name]["value"] == pytest.approx(np.mean(of_labels), abs=1e-9)


def test_differences_are_paired_with_the_baseline(compared: Compared) -> None:
    baseline, *others = compared.document["candidates"]
    assert baseline["macro"]["f1"]["difference"] is None
    for candidate in others:
        for name, found in candidate["macro"].items():
            gap = found["value"] - baseline["macro"][name]["value"]
            assert found["difference"] == pytest.approx(gap, abs=1e-12)
            assert found["difference_low"] <= found["difference_high"]


def test_thresholds_were_chosen_on_other_folds(compared: Compared) -> None:
    """Within a fold decisions cut the probabilities at one point; folds differ in where."""
    for label in LABELS:
        cuts = set()
        for _, fold in compared.predictions.group_by("fold"):
            p, decided = fold[f"bce/{label}_probability"], fold[f"bce/{label}_decision"] == 1
            above, below = p.filter(decided), p.filter(~decided)
            assert above.is_empty() or below.is_empty() or above.min() > below.max()  # type: ignore[operator]
            cuts.add((above.min(), below.max()))
        assert len(cuts) == FOLDS


def test_csv_and_json_say_the_same(compared: Compared) -> None:
    assert json.loads((compared.run / "comparison.json").read_bytes()) == compared.document
    rows = list(csv.DictReader(io.StringIO((compared.run / "comparison.csv").read_text())))
    assert {row["scope"] for row in rows} == {"macro", "label"}
    found = {
        (row["candidate"], row["metric"]): row["value"] for row in rows if row["scope"] == "macro"
    }
    for candidate in compared.document["candidates"]:
        for name, value in candidate["macro"].items():
            assert float(found[candidate["name"], name]) == value["value"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("bce", ["loss.name=bce"]),
        ("weighted_bce:sqrt", ["weighting.strategy=sqrt"]),
        ("focal", ["loss.name=focal"]),
        ("distribution_balanced", ["loss.name=distribution_balanced"]),
        ("balanced_sampler", ["loss.name=bce", "training.sampler=balanced"]),
    ],
)
def test_a_chosen_candidate_is_the_run_that_fit_would_have_made(
    compared: Compared, name: str, settings: list[str], tmp_path: Path
) -> None:
    settings = [*settings, f"training.folds={FOLDS}", "model.members=2", "model.sharing=none"]
    overrides = [part for setting in settings for part in ("--set", setting)]
    fitted, chosen = tmp_path / "fitted", tmp_path / "chosen"
    outcome = succeed("fit", compared.config, "--run-dir", fitted, "--format", "json", *overrides)
    again = succeed(
        *("fit", "--from-compare", compared.run, "--choose", name),
        *("--run-dir", chosen, "--format", "json"),
    )
    for file in ("config.yaml", "model.safetensors", "predictions.parquet", "metrics.csv"):
        assert (fitted / file).read_bytes() == (chosen / file).read_bytes(), file
    assert outcome.document["splits"] == again.document["splits"]
    documents = [json.loads((path / "run.json").read_bytes()) for path in (fitted, chosen)]
    for document in documents:
        for key in ("created", "command", "checksum", "checksums"):
            del document[key]
    assert documents[0] == documents[1]
    pages = [Path(succeed("report", path).text.strip()) for path in (fitted, chosen)]
    assert all("Loss " in page.read_text() for page in pages)
    assert 'id="training"' in pages[0].read_text()
    assert 'id="training"' not in pages[1].read_text()  # a chosen run has no history of its own
    scored = [succeed("predict", path, compared.table).out for path in (fitted, chosen)]
    assert scored[0] == scored[1]


def test_a_chosen_run_goes_where_its_config_says(
    compared: Compared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    succeed("fit", "--from-compare", compared.run, "--choose", "focal")
    (made,) = (tmp_path / "runs").iterdir()
    assert (made / "run.json").exists()


def test_members_of_all_candidates_are_kept(compared: Compared) -> None:
    tensors = safetensors.torch.load((compared.run / "model.safetensors").read_bytes())
    assert tensors["bce/models.0.output.bias"].shape == (FOLDS * 2, len(LABELS))
    assert tensors["focal/loss.gamma_positive"].shape == (FOLDS * 2, 1, len(LABELS))
    assert (tensors["focal/loss.gamma_positive"] == 2).all()
    assert not any(name.startswith("bce/loss.") for name in tensors)


def test_same_seed_same_bytes(compared: Compared, tmp_path: Path) -> None:
    for run in ("a", "b"):
        succeed(
            *("compare", compared.config, "--losses", "focal", "--folds", 2),
            *("--run-dir", tmp_path / run, "--quiet"),
        )
    for file in ("model.safetensors", "comparison.csv", "predictions.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_table_and_csv_on_stdout(compared: Compared, tmp_path: Path) -> None:
    arguments = ("compare", compared.config, "--losses", "focal", "--folds", 2, "--overwrite")
    table = succeed(*arguments, "--run-dir", tmp_path / "run", "--format", "table").text
    assert "bce" in table
    assert "focal" in table
    assert f"run: {tmp_path / 'run'}" in table.splitlines()
    piped = succeed(*arguments, "--run-dir", tmp_path / "run").out
    assert piped == (tmp_path / "run" / "comparison.csv").read_bytes()


def test_groups_never_straddle_folds(tmp_path: Path) -> None:
    columns = make_columns(400)
    columns["person"] = [str(i // 4) for i in range(400)]
    table = write_csv(tmp_path / "table.csv", columns)
    config = write_config(tmp_path / "config.yaml", table, data={"group": "person"})
    outcome = succeed(
        *("compare", config, "--losses", "bce", "--folds", 3),
        *("--run-dir", tmp_path / "run", "--format", "json"),
    )
    frame = pl.read_parquet(tmp_path / "run" / "predictions.parquet")
    folds = frame.with_columns(pl.col("row") // 4).group_by("row").agg(pl.col("fold").n_unique())
    assert folds["fold"].max() == 1
    assert outcome.document["resampled"] == "groups"


def test_without_a_test_part_the_chosen_report_is_out_of_fold(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "table.csv", make_columns())
    config = write_config(tmp_path / "config.yaml", table, split={"test": 0})
    run = tmp_path / "run"
    succeed("compare", config, "--losses", "focal", "--folds", 2, "--run-dir", run)
    chosen = succeed(
        *("fit", "--from-compare", run, "--choose", "focal"),
        *("--run-dir", tmp_path / "chosen", "--format", "json"),
    )
    assert list(chosen.document["splits"]) == ["out_of_fold"]
    assert "flatters the model" in chosen.err


def test_a_diverging_candidate_is_named(compared: Compared, tmp_path: Path) -> None:
    settings = ("--set", "training.learning_rate=1e30")
    refuse(
        *("compare", compared.config, "--losses", "bce", "--folds", 2, *settings),
        *("--run-dir", tmp_path / "run"),
        says="training of bce, fold 1 diverged in epoch",
        hint="lower training.learning_rate",
    )


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        (["--losses", "focl"], "'focl' should be one of", "'focal'"),
        (["--losses", "focal", "--strategies", "sqrt"], "leaves out", "focal,weighted_bce"),
        (["--folds", "1"], "--folds", "imbtrain compare --help"),
        (["--seeds", "0"], "--seeds", "imbtrain compare --help"),
        (["--folds", "400"], "400 folds, and label 'y_rare' has", "at most"),
        (["--set", "weighting.from=w.csv"], "compare makes the weights", ""),
        (["--set", "data.time=age"], "train on the past", ""),
        (["--losses", "boosted_tree"], "'boosted_tree' should be", "'boosted_trees'"),
        (["--set", "report.peer=boosted_trees"], "a candidate of its own", "leave it out"),
        (["--set", "training.sampler=balanced"], "candidate of its own", "balanced_sampler"),
        (["--set", "loss.gamma=11"], "should be less than or equal to 10", ""),
        (["--seeds", "100000000"], "GB of memory are free", "would fit"),
    ],
)
def test_refused_before_anything_is_written(
    compared: Compared, tmp_path: Path, arguments: list[str], says: str, hint: str
) -> None:
    run = tmp_path / "run"
    refuse("compare", compared.config, "--run-dir", run, *arguments, says=says, hint=hint)
    assert not run.exists()


def test_what_a_comparison_is_no_use_for(compared: Compared, tmp_path: Path) -> None:
    choose = ("--choose", "focal")
    for command in ("predict", "evaluate"):
        refuse(
            *(command, compared.run, compared.table),
            says="is a comparison, and a model is needed",
            hint="--choose NAME makes a model",
        )
    refuse(
        *("fit", "--from-compare", compared.run, "--choose", "focl"),
        says="no candidate 'focl'; there are bce,",
        hint="'focal'",
    )
    chosen = tmp_path / "chosen"
    succeed("fit", "--from-compare", compared.run, *choose, "--run-dir", chosen)
    refuse("fit", "--from-compare", chosen, *choose, says="a comparison is needed")
    refuse("fit", "--from-compare", compared.run, says="go together")
    refuse("fit", compared.config, *choose, says="go together")
    refuse("fit", says="CONFIG is missing")
    both = ("--from-compare", compared.run, *choose)
    refuse("fit", compared.config, *both, says="CONFIG and --from-compare contradict")
    refuse("fit", "--set", "split.seed=1", *both, says="--set and --from-compare contradict")
    for option in ("--dry-run", "--print-config", "--resume", "--finish"):
        refuse("fit", option, *both, says=f"{option} and --from-compare contradict")
    refuse("fit", "--labels", "y", *both, says="--labels and --from-compare contradict")
    refuse(
        *("fit", *both, "--run-dir", chosen),
        says="holds a run already",
        hint="--overwrite",
    )


def test_intervals_can_be_left_out(compared: Compared, tmp_path: Path) -> None:
    outcome = succeed(
        *("compare", compared.config, "--losses", "focal", "--folds", 2),
        *("--set", "report.bootstrap=0", "--run-dir", tmp_path / "run", "--format", "json"),
    )
    found = outcome.document["candidates"][1]["macro"]["f1"]
    assert found["low"] is found["difference_low"] is None
    assert math.isfinite(found["difference"])


def test_a_comparison_is_not_overwritten_by_its_own_model(compared: Compared) -> None:
    refuse(
        *("fit", "--from-compare", compared.run, "--choose", "focal"),
        *("--run-dir", compared.run, "--overwrite"),
        says="is the comparison that the model is taken from",
        hint="another --run-dir",
    )
    assert (compared.run / "comparison.json").exists()


def test_boosted_trees_stand_beside_the_networks(compared: Compared) -> None:
    *networks, trees = compared.document["candidates"]
    assert (trees["name"], trees["is_yardstick"], trees["sampler"]) == ("boosted_trees", True, None)
    assert not any(network["is_yardstick"] for network in networks)
    assert all(candidate["seconds"] > 0 for candidate in [*networks, trees])
    sentences = [s for s in compared.document["conclusions"] if "boosted_trees" in s]
    assert any(s.startswith("The network (bce) ") for s in sentences)
    held_out = compared.predictions["boosted_trees/y_often_probability"]
    assert held_out.is_between(0, 1).all()
    assert held_out.n_unique() > 10


def test_a_yardstick_is_not_to_be_chosen(compared: Compared, tmp_path: Path) -> None:
    refuse(
        *("fit", "--from-compare", compared.run, "--choose", "boosted_trees"),
        *("--run-dir", tmp_path / "chosen"),
        says="boosted_trees is a yardstick and not a model to choose",
        hint="report.peer=boosted_trees",
    )
    assert not (tmp_path / "chosen").exists()


def test_of_many_labels_trees_are_trained_only_if_asked_for(
    compared: Compared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imbalance_cli.workflows.comparing.MOST_WITH_TREES", 2)
    for module in ("workflows.comparing", "config.candidates"):
        of_trees = f"imbalance_cli.{module}.compared_losses"
        monkeypatch.setattr(of_trees, lambda **_: ["boosted_trees"])
    arguments = ("compare", compared.config, "--folds", 2, "--overwrite", "--format", "json")
    left_out = succeed(*arguments, "--run-dir", tmp_path / "run")
    assert [c["name"] for c in left_out.document["candidates"]] == ["bce"]
    assert "note: boosted_trees are left out: 3 labels would take as many models" in left_out.err
    asked = succeed(*arguments, "--run-dir", tmp_path / "run", "--losses", "boosted_trees")
    assert [c["name"] for c in asked.document["candidates"]] == ["bce", "boosted_trees"]
    # three epochs of the small network leave it improving, and so nothing is said of it
    assert asked.document["candidates"][0]["still_improving"]
    assert any("raise training.epochs" in s for s in asked.document["conclusions"])
    macro = asked.document["candidates"][1]["macro"]
    assert {compared["verdict"] for compared in macro.values()} <= {"unclear", None}
