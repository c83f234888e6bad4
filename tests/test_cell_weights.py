"""`data.cell_weights`, from a table to the numbers of a report."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
import sklearn.metrics as reference
from small_runs import (
    LABELS,
    fit_run,
    load_sections,
    make_columns,
    refuse,
    succeed,
    write_config,
)

import imbalance_cli
from imbalance_cli import ImbalanceClassifier
from imbalance_cli.rows.loading import read_labelled

if TYPE_CHECKING:
    from pathlib import Path

    from small_runs import Columns, FittedRun

QUICK: dict[str, dict[str, Any]] = {"training": {"epochs": 1}, "thresholds": {"objective": "half"}}
COLUMNS = {"y_some": "some_w", "y_often": "often_w"}


def make_table(rows: int = 500) -> Columns:
    """Return a table with a weight for each row, two labels' cells, and one of each row's cells."""
    columns = make_columns(rows, seed=1)
    random = np.random.default_rng(0)
    columns["w"] = [str(value) for value in random.integers(1, 4, rows)]
    for name, label in (("some_w", "y_some"), ("often_w", "y_often")):
        weights = random.integers(0, 4, rows)
        pairs = zip(weights, columns[label], strict=True)
        columns[name] = [str(weight) if cell else "" for weight, cell in pairs]
    return columns


@pytest.fixture(scope="module")
def weighted(tmp_path_factory: pytest.TempPathFactory) -> FittedRun:
    """Fit a run with weights of rows and of the cells of two labels of three."""
    data = {"sample_weight": "w", "cell_weights": COLUMNS}
    folder = tmp_path_factory.mktemp("cells")
    return fit_run(folder, make_table(), data=data, weighting={"strategy": "ratio"}, **QUICK)


def weights_of(table: pl.DataFrame, label: str) -> Any:  # noqa: ANN401  an array
    """Return what each cell of a label weighs, by the columns of a table."""
    own = table[COLUMNS[label]].fill_null(0) if label in COLUMNS else 1
    return (table["w"] * own).to_numpy().astype(float)


def test_numbers_of_each_label_are_weighted_by_its_own_column(weighted: FittedRun) -> None:
    table = pl.read_csv(weighted.table)
    said = pl.read_parquet(weighted.path / "predictions.parquet")
    held_out = table[said["row"]]
    for entry in weighted.outcome.document["splits"]["test"]["labels"]:
        label = entry["label"]
        w = weights_of(held_out, label)
        known = held_out[label].is_not_null().to_numpy() & (w > 0)
        y, p = held_out[label].to_numpy()[known], said[f"{label}_probability"].to_numpy()[known]
        assert entry["support"] == known.sum()
        own = {"sample_weight": w[known]}
        wanted = {
            "average_precision": reference.average_precision_score(y, p, **own),
            "roc_auc": reference.roc_auc_score(y, p, **own),
        }
        assert {k: entry[k]["value"] for k in wanted} == pytest.approx(wanted)
        assert entry["brier"] == pytest.approx(reference.brier_score_loss(y, p, **own))


def test_weights_of_positives_are_of_weighted_counts(weighted: FittedRun) -> None:
    sections = {"data": {"sample_weight": "w", "cell_weights": COLUMNS}}
    config = load_sections(weighted.table.parent, weighted.table, **sections)
    _, labelled = read_labelled(config)
    table = pl.read_csv(weighted.table)[labelled.split.train]
    for entry in weighted.document["labels"]:
        w, y = weights_of(table, entry["label"]), table[entry["label"]].to_numpy()
        wanted = w[y == 0].sum() / w[y == 1].sum()
        assert entry["pos_weight"] == pytest.approx([wanted])


def test_weights_are_no_features(weighted: FittedRun) -> None:
    features = weighted.document["features"]
    columns = {each["column"] for each in [*features["numeric"], *features["categorical"]]}
    assert columns == {"amount", "age", "colour", "city"}


def test_evaluate_weighs_by_the_columns_it_finds(weighted: FittedRun, tmp_path: Path) -> None:
    table = pl.read_csv(weighted.table)
    said = pl.read_parquet(weighted.path / "predictions.parquet")
    table[said["row"]].write_csv(tmp_path / "test.csv")
    found = succeed("evaluate", weighted.path, tmp_path / "test.csv", "--format", "json")
    labels = found.document["splits"]["test"]["labels"]
    wanted = weighted.outcome.document["splits"]["test"]["labels"]
    for mine, its in zip(labels, wanted, strict=True):
        for key in ("support", "average_precision", "log_loss", "ece"):
            assert mine[key] == pytest.approx(its[key])
    table.drop("w", "some_w").write_csv(tmp_path / "bare.csv")
    less = succeed("evaluate", weighted.path, tmp_path / "bare.csv", "--format", "json")
    assert "without the weight columns 'w', 'some_w': what is not weighed counts 1" in less.err
    often, some, _ = less.document["splits"]["test"]["labels"]
    assert some["support"] == table["y_some"].count()
    assert often["support"] == (table["often_w"].fill_null(0) > 0).sum()


def test_predict_and_explain_need_no_more(weighted: FittedRun, tmp_path: Path) -> None:
    bare = pl.read_csv(weighted.table).drop("w", *COLUMNS.values(), *LABELS)
    bare.write_csv(tmp_path / "bare.csv")
    assert succeed("predict", weighted.path, tmp_path / "bare.csv").text.count("\n") == 501
    explained = succeed("explain", weighted.path, "--format", "json", "--repeats", "1").document
    assert explained["rows"] == len(pl.read_parquet(weighted.path / "predictions.parquet"))


def test_saved_weights_are_read_again(weighted: FittedRun, tmp_path: Path) -> None:
    copy = shutil.copytree(weighted.path, tmp_path / "copy")
    runs = succeed("report", weighted.path, copy, "--format", "json").document["runs"]
    wanted = weighted.outcome.document["splits"]["test"]["labels"]
    for run in runs:
        for mine, its in zip(run["labels"], wanted, strict=True):
            value = its["average_precision"]["value"]
            assert mine["metrics"]["average_precision"]["value"] == pytest.approx(value)
    page = (weighted.path / "report.html").read_text()
    assert "y_some: column some_w" in page
    succeed("report", weighted.path)
    figures = imbalance_cli.load(weighted.path).plot
    axes = figures.precision_recall("y_some")
    assert axes is not None


def test_cells_that_weigh_as_their_row_does_change_no_bit(tmp_path: Path) -> None:
    columns = make_table(300)
    models, numbers = [], []
    of_cells = {"cell_weights": dict.fromkeys(LABELS, "w")}
    for name, weights in (("rows", {"sample_weight": "w"}), ("cells", of_cells)):
        folder = tmp_path / name
        folder.mkdir()
        data = {**weights, "exclude": list(COLUMNS.values())}
        run = fit_run(folder, columns, data=data, **QUICK)
        models.append((run.path / "model.safetensors").read_bytes())
        document = run.outcome.document["splits"]["test"]
        numbers.append({k: v for k, v in document.items() if k != "source"})
    assert models[0] == models[1]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("in_memory", [True, False])
def test_streamed_rows_have_the_same_weights(
    weighted: FittedRun, tmp_path: Path, *, in_memory: bool
) -> None:
    data = {"sample_weight": "w", "cell_weights": COLUMNS, "in_memory": in_memory}
    config = write_config(
        tmp_path / "c.yaml", weighted.table, data=data, weighting={"strategy": "ratio"}, **QUICK
    )
    run = tmp_path / "run"
    document = succeed("fit", config, "--run-dir", run, "--format", "json").document
    entries = json.loads((run / "run.json").read_text())["labels"]
    wanted = weighted.document["labels"]
    assert [entry["pos_weight"] for entry in entries] == [entry["pos_weight"] for entry in wanted]
    supports = [
        [label["support"] for label in one["splits"]["test"]["labels"]]
        for one in (document, weighted.outcome.document)
    ]
    assert supports[0] == supports[1]


def test_folds_and_trees_are_compared(weighted: FittedRun, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "c.yaml",
        weighted.table,
        data={"sample_weight": "w", "cell_weights": COLUMNS},
        **QUICK | {"training": {"epochs": 1, "folds": 2}},
    )
    run = tmp_path / "run"
    losses = ("--losses", "bce,distribution_balanced,balanced_sampler")
    found = succeed("compare", config, "--run-dir", run, "--format", "json", *losses).document
    names = [candidate["name"] for candidate in found["candidates"]]
    said = pl.read_parquet(run / "predictions.parquet")
    table = pl.read_csv(weighted.table)[said["row"]]
    for candidate in found["candidates"]:
        for entry in candidate["labels"]:
            label = entry["label"]
            w, y = weights_of(table, label), table[label].to_numpy()
            known = ~np.isnan(y) & (w > 0)
            p = said[f"{candidate['name']}/{label}_probability"].to_numpy()[known]
            brier = reference.brier_score_loss(y[known], p, sample_weight=w[known])
            assert entry["metrics"]["brier"]["value"] == pytest.approx(brier)
    chosen = tmp_path / "chosen"
    succeed("fit", "--from-compare", run, "--choose", names[0], "--run-dir", chosen)
    weights = pl.read_parquet(chosen / "predictions.parquet")["sample_weight"].to_numpy()
    assert weights.shape[1:] == (3,)


def test_a_frame_needs_no_weights_of_its_missing_targets() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 3))
    targets = (features[:, :2] + random.normal(size=(300, 2)) > 1).astype(float)
    targets[:9, 0] = np.nan
    weights = random.integers(1, 4, (300, 2)).astype(float)
    weights[:9, 0], weights[20:40, 1] = np.nan, 0
    model = ImbalanceClassifier(epochs=1, members=1, bootstrap=0, hidden=[8])
    model.fit(features, targets, sample_weight=weights)
    assert model.report_.weighted
    for shape in ((300, 3), (299, 2), (300, 1)):
        with pytest.raises(ValueError, match="sample_weight of shape"):
            model.fit(features, targets, sample_weight=np.ones(shape))
    with pytest.raises(ValueError, match="sample_weight holds NaN, infinity or a negative number"):
        model.fit(features, targets, sample_weight=-weights)


@pytest.mark.parametrize(
    ("data", "says", "hint"),
    [
        ({"cell_weights": "{label}_w"}, "no column 'y_often_w'", "y_often"),
        ({"cell_weights": "w"}, "'w' is the same column for every label", "{label}_weight"),
        ({"cell_weights": {"y_oft": "w"}}, "no label 'y_oft'", "y_often"),
        ({"cell_weights": {"y_some": "y_often"}}, "'y_often', for the weights of 'y_some'", ""),
        (
            {"cell_weights": {"y_some": "w"}, "sample_weight": "w"},
            "'w', for the weights of 'y_some', is also data.sample_weight",
            "multiplies",
        ),
        ({"cell_weights": {"y_some": "city"}, "group": "city"}, "is also data.group", ""),
        ({"cell_weights": {"y_some": "w"}, "categories": ["w"]}, "is also one of data.cat", ""),
        (
            {"cell_weights": "{label}_w", "encoding": "tags", "labels": ["colour"]},
            "labels of data.encoding tags are values of one column",
            "data.sample_weight",
        ),
        ({"cell_weights": {"y_some": "colour"}}, "line 2: column 'colour': '", "0 leaves the cell"),
        ({"cell_weights": ["w"]}, "['w'] should be a pattern such as '{label}_weight', in", ""),
        ({"cell_weights": {"label": None}}, "{'label': null} should be a pattern such as", ""),
    ],
)
def test_what_cannot_be_weights_is_refused(
    weighted: FittedRun, tmp_path: Path, data: dict[str, object], says: str, hint: str
) -> None:
    config = write_config(tmp_path / "c.yaml", weighted.table, data=data)
    refuse("check", config, says=says, hint=hint)


def test_listed_labels_have_none(tmp_path: Path) -> None:
    lines = [f"{row % 7},{7 + row % 150} 1:{row % 5} 2:{row % 3}\n" for row in range(300)]
    (tmp_path / "t.svm").write_text("".join(lines))
    config = write_config(
        tmp_path / "c.yaml", tmp_path / "t.svm", data={"cell_weights": {"y_0": "x_1"}}
    )
    refuse("check", config, says="t.svm: the labels are listed row by row", hint="data.sample_wei")


def test_many_labels_keep_what_is_missing(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3)).astype(np.float32)
    y = (x[:, :1] + random.normal(size=(200, 260)) > 0.7).astype(np.float32)
    w = random.integers(0, 3, y.shape).astype(np.float32)
    np.savez(tmp_path / "a.npz", x=x, y=y, w=w)
    config = write_config(
        tmp_path / "c.yaml",
        tmp_path / "a.npz",
        data={"labels": ["y"], "cell_weights": "w"},
        report={"bootstrap": 0},
        **QUICK,
    )
    run = tmp_path / "run"
    wanted = succeed("fit", config, "--run-dir", run, "--format", "json").document
    copy = shutil.copytree(run, tmp_path / "copy")
    said = pl.read_parquet(run / "predictions.parquet")
    missing = [np.flatnonzero(w[row] == 0).tolist() for row in said["row"]]
    assert said["missing"].to_list() == missing
    np.testing.assert_array_equal(
        said["sample_weight"].to_numpy() > 0, w[said["row"].to_numpy()] > 0
    )
    runs = succeed("report", run, copy, "--format", "json", "--bootstrap", "0").document["runs"]
    for mine, its in zip(runs[1]["labels"], wanted["splits"]["test"]["labels"], strict=True):
        assert mine["support"] == its["support"]
        brier = mine["metrics"]["brier"]["value"]
        assert brier == pytest.approx(its["brier"], rel=1e-5)
