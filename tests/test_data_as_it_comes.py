"""fit, compare and evaluate on weighted rows, classes, tags and files of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
import torch
from config_data import write_comments, write_defects, write_embeddings, write_survey
from safetensors.torch import load_file
from sklearn.metrics import average_precision_score, brier_score_loss
from small_runs import fit_run, make_columns, refuse, succeed, write_config

if TYPE_CHECKING:
    from pathlib import Path

SHORT: dict[str, dict[str, Any]] = {
    "training": {"epochs": 2, "device": "cpu"},
    "model": {"hidden": [8]},
    "report": {"bootstrap": 0},
}


def test_weights_that_are_all_alike_change_no_bit(tmp_path: Path) -> None:
    columns = make_columns()
    data = {"labels": ["y_often"], "exclude": ["y_some", "y_rare"]}
    folders = [tmp_path / "plain", tmp_path / "weighted"]
    for folder in folders:
        folder.mkdir()
    plain = fit_run(folders[0], columns, data=data, **SHORT)
    weighted = fit_run(
        folders[1],
        columns | {"w": ["3"] * len(columns["y_often"])},
        data=data | {"sample_weight": "w"},
        **SHORT,
    )
    tensors, others = (load_file(run.path / "model.safetensors") for run in (plain, weighted))
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, others[name]), name


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a folder with a weighted run, and its report."""
    folder = tmp_path_factory.mktemp("survey")
    write_survey(folder)
    data = {"labels": ["ill"], "part": "part", "sample_weight": "weight"}
    config = write_config(folder / "c.yaml", folder / "survey.parquet", data=data, **SHORT)
    run = folder / "run"
    return folder, succeed("fit", config, "--run-dir", run, "--format", "json").document


def test_numbers_of_weighted_rows_equal_scikit_learn(survey: tuple[Path, dict[str, Any]]) -> None:
    folder, report = survey
    rows = pl.read_parquet(folder / "run" / "predictions.parquet")
    [label] = report["splits"]["test"]["labels"]
    assert report["splits"]["test"]["weighted"] is True
    truth, score, weight = (
        rows[column].to_numpy() for column in ("ill_target", "ill_probability", "sample_weight")
    )
    expected = average_precision_score(truth, score, sample_weight=weight)
    assert label["average_precision"]["value"] == pytest.approx(expected, abs=1e-9)
    brier = brier_score_loss(truth, score, sample_weight=weight)
    assert label["brier"] == pytest.approx(brier, abs=1e-9)
    assert label["prevalence"] == pytest.approx(np.average(truth, weights=weight), abs=1e-9)
    assert label["positives"] == truth.sum()


def test_the_test_part_is_that_of_the_column(survey: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = survey
    table = pl.read_parquet(folder / "survey.parquet")
    rows = pl.read_parquet(folder / "run" / "predictions.parquet")["row"].to_list()
    assert rows == [i for i, part in enumerate(table["part"]) if part == "test"]


def test_evaluate_weighs_the_rows_too(survey: tuple[Path, dict[str, Any]]) -> None:
    folder, report = survey
    part = pl.read_parquet(folder / "survey.parquet").filter(pl.col("part") == "test")
    part.write_csv(folder / "test.csv")
    again = succeed("evaluate", folder / "run", folder / "test.csv", "--format", "json").document
    [before], [after] = (d["splits"]["test"]["labels"] for d in (report, again))
    assert after["average_precision"]["value"] == before["average_precision"]["value"]
    assert after["prevalence"] == pytest.approx(before["prevalence"], abs=1e-12)
    drawn = succeed("evaluate", folder / "run", folder / "test.csv", "--format", "table").text
    assert "weighted by the sample weights" in drawn


def test_compare_weighs_the_rows_too(tmp_path: Path) -> None:
    write_survey(tmp_path)
    data = {"labels": ["ill"], "exclude": ["part"], "sample_weight": "weight"}
    config = write_config(tmp_path / "c.yaml", tmp_path / "survey.parquet", data=data, **SHORT)
    arguments = ("--losses", "bce,focal", "--folds", 2, "--run-dir", tmp_path / "compared")
    succeed("compare", config, *arguments)
    assert "sample_weight" in pl.read_parquet(tmp_path / "compared" / "predictions.parquet").columns
    chosen = ("--from-compare", tmp_path / "compared", "--choose", "focal")
    succeed("fit", *chosen, "--run-dir", tmp_path / "chosen", "-q")
    rows = pl.read_parquet(tmp_path / "chosen" / "predictions.parquet")
    assert rows["sample_weight"].n_unique() > 1


def test_weights_that_are_all_0_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("x,y,w\n" + "".join(f"{i},{i % 2},0\n" for i in range(40)))
    config = write_config(tmp_path / "c.yaml", table, data={"sample_weight": "w"}, **SHORT)
    says = "column 'w': every sample weight is 0"
    refuse("fit", config, "--run-dir", tmp_path / "run", says=says)


def test_names_that_polars_takes_for_patterns_are_names(tmp_path: Path) -> None:
    names = ["*", "^x$", "^y$"]
    cells = [(f"{i % 7}", "ab"[i % 2], str(int(i % 5 == 0))) for i in range(200)]
    table = tmp_path / "a.csv"
    table.write_text("\n".join(",".join(row) for row in [names, *cells]) + "\n")
    data = {"labels": ["^y$"]}
    config = write_config(tmp_path / "c.yaml", table, data=data, **SHORT)
    succeed("fit", config, "--run-dir", tmp_path / "run")
    succeed("evaluate", tmp_path / "run", table, "--bootstrap", 0)
    kept = succeed("predict", tmp_path / "run", table, "--keep", "^x$").text
    assert kept.startswith("^x$,^y$_probability,")
    succeed("inspect", table, "--labels", "^y$")
    classes = data | {"encoding": "one_vs_rest"}
    config = write_config(tmp_path / "c.yaml", table, data=classes, **SHORT)
    succeed("fit", config, "--run-dir", tmp_path / "classes")


def test_classes_that_training_never_saw_are_told(tmp_path: Path) -> None:
    write_defects(tmp_path)
    data = {"labels": ["defect"], "encoding": "one_vs_rest"}
    config = write_config(tmp_path / "c.yaml", tmp_path / "defects.csv", data=data, **SHORT)
    outcome = succeed("fit", config, "--run-dir", tmp_path / "run", "--format", "json")
    names = [label["label"] for label in outcome.document["splits"]["test"]["labels"]]
    assert names == ["dent", "none", "scratch"]
    table = pl.read_csv(tmp_path / "defects.csv").with_columns(
        defect=pl.col("defect").replace("dent", "crack")
    )
    table.write_csv(tmp_path / "new.csv")
    again = succeed("evaluate", tmp_path / "run", tmp_path / "new.csv", "--format", "json")
    assert "'crack'" in again.err
    dent = again.document["splits"]["test"]["labels"][0]
    assert (dent["positives"], dent["support"]) == (0, len(table))


def test_a_blank_cell_of_tags_is_told(tmp_path: Path) -> None:
    write_comments(tmp_path)
    data = {"labels": ["tags"], "encoding": "tags"}
    config = write_config(tmp_path / "c.yaml", tmp_path / "comments.csv", data=data, **SHORT)
    told = "cells are blank and so count as missing; if blank means no tags: data.missing_labels"
    assert told in succeed("fit", config, "--run-dir", tmp_path / "run").err
    config = write_config(
        tmp_path / "c.yaml",
        tmp_path / "comments.csv",
        data=data | {"missing_labels": "negative"},
        **SHORT,
    )
    assert told not in succeed("fit", config, "--run-dir", tmp_path / "other").err


@pytest.mark.parametrize("in_memory", [True, False])
def test_lists_of_tags_are_fitted_and_evaluated(tmp_path: Path, *, in_memory: bool) -> None:
    write_comments(tmp_path)
    table = pl.read_csv(tmp_path / "comments.csv").with_columns(
        pl.col("tags")
        .fill_null("")
        .str.split(";")
        .list.eval(pl.element().filter(pl.element() != ""))
    )
    table.write_parquet(tmp_path / "typed.parquet")
    texts = [str(row) for row in table["tags"].to_list()]
    table.with_columns(tags=pl.Series(texts)).write_csv(tmp_path / "lists.csv")
    data = {"labels": ["tags"], "encoding": "tags", "in_memory": in_memory}
    config = write_config(tmp_path / "c.yaml", tmp_path / "lists.csv", data=data, **SHORT)
    fitted = succeed("fit", config, "--run-dir", tmp_path / "run", "--format", "json")
    names = [label["label"] for label in fitted.document["splits"]["test"]["labels"]]
    assert names == ["insult", "threat", "toxic"]
    one, other = (
        succeed("evaluate", tmp_path / "run", tmp_path / name, "--format", "json").document
        for name in ("lists.csv", "typed.parquet")
    )
    assert one["splits"]["test"]["labels"] == other["splits"]["test"]["labels"]
    held = table["tags"].list.contains("toxic").sum()
    assert one["splits"]["test"]["labels"][2]["positives"] == held
    (tmp_path / "lists.csv").write_text((tmp_path / "lists.csv").read_text().replace("]", "", 1))
    says = "is no list, and other cells are lists"
    refuse("evaluate", tmp_path / "run", tmp_path / "lists.csv", says=says)


def test_one_of_a_thing_is_called_so(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("x,kind\n" + "1,ant\n2,bee\n" * 40 + "3,cat\n")
    config = write_config(
        tmp_path / "c.yaml", table, data={"labels": ["kind"], "encoding": "one_vs_rest"}, **SHORT
    )
    told = succeed("fit", config, "--run-dir", tmp_path / "run").err
    assert "1 class of 'kind' in fewer than 10 rows" in told
    table.write_text("x,kind\n" + "1,ant;bee\n2,bee\n" * 40 + "3,\n")
    config = write_config(
        tmp_path / "c.yaml", table, data={"labels": ["kind"], "encoding": "tags"}, **SHORT
    )
    told = succeed("fit", config, "--run-dir", tmp_path / "tags").err
    assert "column 'kind': 1 cell is blank and so counts as missing" in told
    table.write_text("y\n1\n")
    inspected = succeed("inspect", table, "--format", "table").text
    assert ": 1 row, 1 column column type" in " ".join(inspected.split())


def test_features_and_labels_in_two_files(tmp_path: Path) -> None:
    write_embeddings(tmp_path)
    arrays = np.load(tmp_path / "embeddings.npz")
    features, targets = tmp_path / "x.npy", tmp_path / "y.npy"
    np.save(features, arrays["features"])
    np.save(targets, arrays["targets"])
    config = write_config(tmp_path / "c.yaml", features, data={"labels": [str(targets)]}, **SHORT)
    run = tmp_path / "run"
    report = succeed("fit", config, "--run-dir", run, "--format", "json").document
    assert [label["label"] for label in report["splits"]["test"]["labels"]] == ["y_0", "y_1"]
    succeed("evaluate", run, features, "--targets", targets, "--bootstrap", 0)
    header = succeed("predict", run, features).text.partition("\n")[0]
    assert header.startswith("y_0_probability,")
    np.save(targets, arrays["targets"][:-1])
    refuse("evaluate", run, features, "--targets", targets, says="has 600 rows")
    np.save(targets, arrays["targets"])
    others = tmp_path / "others.npy"
    np.save(others, arrays["features"])
    extra = {"labels": [str(targets)], "test": [str(others)]}
    config = write_config(tmp_path / "c.yaml", features, data=extra, **SHORT)
    refuse("fit", config, "--run-dir", tmp_path / "b", says="data.labels", hint="by key")


def test_an_array_of_features_alone(tmp_path: Path) -> None:
    write_embeddings(tmp_path)
    arrays = np.load(tmp_path / "embeddings.npz")
    features, targets = tmp_path / "x.npy", tmp_path / "y.npy"
    np.save(features, arrays["features"])
    np.save(targets, arrays["targets"])
    says, hint = "which is read as labels", "--labels FILE"
    refuse("weights", features, says=says, hint="the labels")
    refuse("init", features, says=says, hint=hint)
    seen = succeed("inspect", features, "--format", "json").document["findings"][0]
    assert seen["outcome"] == "refused"
    assert says in seen["problem"]
    assert hint in seen["hint"]
    succeed("inspect", targets)

    found = succeed("inspect", features, "--labels", targets, "--format", "json").document
    expected = succeed("weights", targets, "--format", "json").document["labels"]
    assert [label["positives"] for label in found["labels"]] == [
        label["positives"] for label in expected
    ]
    made = succeed("init", features, "--labels", targets)
    config = tmp_path / "made.yaml"
    config.write_text(made.text)
    succeed("fit", config, "--run-dir", tmp_path / "run", "--set", "training.epochs=2")
    refuse("evaluate", tmp_path / "run", features, says="one array", hint="--targets FILE")


def test_words_that_are_read_as_missing_are_told(tmp_path: Path) -> None:
    countries = ["NA", "DE", "FR", "None", " NA", "nan", ""] * 60
    table = tmp_path / "a.csv"
    table.write_text("x,country\n" + "".join(f"{i % 7},{c}\n" for i, c in enumerate(countries)))
    told = "column 'country': 120 cells 'NA' are read as missing; if NA is a class, write it"
    data = {"labels": ["country"], "encoding": "one_vs_rest"}
    arguments = ("--labels", "country", "--encoding", "one_vs_rest")
    counted = succeed("weights", table, *arguments, "--format", "json")
    assert [label["label"] for label in counted.document["labels"]] == ["DE", "FR", "None"]
    assert told in counted.err
    assert "60 cells 'nan' are read as missing" in counted.err
    config = write_config(tmp_path / "c.yaml", table, data=data, **SHORT)
    assert told in succeed("fit", config, "--run-dir", tmp_path / "run").err
    findings = succeed("inspect", table, *arguments, "--format", "json").document["findings"]
    about = told.removeprefix("column 'country': ")
    assert ("country", True) in [(f["column"], about in f["problem"]) for f in findings]
    assert about in " ".join(succeed("init", table, *arguments).text.replace("#", " ").split())
    meant = data | {"missing_labels": "mask"}
    config = write_config(tmp_path / "c.yaml", table, data=meant, **SHORT)
    assert told not in succeed("fit", config, "--run-dir", tmp_path / "other").err


def test_a_tag_that_is_read_as_missing_where_it_stands_alone(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("x,tags\n1,a;NA\n2,NA\n3,a\n")
    counted = succeed("weights", table, "--labels", "tags", "--encoding", "tags")
    assert "1 cell 'NA' is read as missing; if NA is a tag" in counted.err


def test_a_tag_among_others_that_alone_is_missing(tmp_path: Path) -> None:
    arguments = ("--labels", "tags", "--encoding", "tags")
    table = tmp_path / "a.csv"
    table.write_text("x,tags\n" + "1,b;a;NA\n2,a\n3,NA;b\n4,null;a\n" * 30)
    told = "column 'tags': 60 cells hold 'NA' among other tags, where it is read as a tag"
    counted = succeed("weights", table, *arguments, "--format", "json")
    assert [(label["label"], label["positives"]) for label in counted.document["labels"]] == [
        ("NA", 60), ("a", 90), ("b", 60), ("null", 30)
    ]  # fmt: skip
    assert told in counted.err
    assert "30 cells hold 'null' among other tags" in counted.err
    config = write_config(
        tmp_path / "c.yaml", table, data={"labels": ["tags"], "encoding": "tags"}, **SHORT
    )
    assert told in succeed("fit", config, "--run-dir", tmp_path / "run").err
    findings = succeed("inspect", table, *arguments, "--format", "json").document["findings"]
    assert any("60 cells hold 'NA' among other tags" in f["problem"] for f in findings)
    lists = tmp_path / "a.parquet"  # where a word is a tag wherever it stands
    pl.DataFrame({"x": [1, 2, 3], "tags": [["NA"], ["a", "NA"], []]}).write_parquet(lists)
    assert succeed("weights", lists, *arguments).err == ""


@pytest.mark.parametrize("encoding", ["binary", "one_vs_rest", "tags"])
def test_counting_rows_of_no_weight_is_refused(tmp_path: Path, encoding: str) -> None:
    tables = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for table in tables:
        table.write_text("y,w\n" + "".join(f"{i % 2},0\n" for i in range(40)))
    arguments = ("--encoding", encoding, "--sample-weight", "w")
    says = "a.csv, "
    refuse("weights", *tables, *arguments, says=says)
    refuse("weights", tables[0], *arguments, says="column 'w': every sample weight is 0")
    tables[1].write_text("y,w\n0,1\n1,0\n")
    succeed("weights", *tables, *arguments)


@pytest.mark.parametrize(
    ("cells", "side"), [("0", "positive"), ("1", "negative"), ("", "positive")]
)
def test_a_table_of_one_class(tmp_path: Path, cells: str, side: str) -> None:
    table = tmp_path / "a.csv"
    table.write_text("x,y,y_b\n" + "".join(f"{i % 7},{cells},\n" for i in range(100)))
    for labels, more in ((["y"], ""), (["y", "y_b"], ", and no other label has both")):
        config = write_config(tmp_path / "c.yaml", table, data={"labels": labels}, **SHORT)
        says = f"label 'y' has no {side} in 100 rows{more}"
        refuse("fit", config, "--run-dir", tmp_path / "run", says=says)
    assert not (tmp_path / "run").exists()


def test_targets_of_other_columns_than_the_labels_of_a_run(tmp_path: Path) -> None:
    """An array under the key of a label, with several columns, is not that label."""
    write_embeddings(tmp_path)
    arrays = np.load(tmp_path / "embeddings.npz")
    features, targets = tmp_path / "x.npy", tmp_path / "y.npy"
    np.save(features, arrays["features"])
    np.save(targets, arrays["targets"][:, 0])
    config = write_config(tmp_path / "c.yaml", features, data={"labels": [str(targets)]}, **SHORT)
    run = tmp_path / "run"
    succeed("fit", config, "--run-dir", run)
    several, both = tmp_path / "several.npy", tmp_path / "both.npz"
    np.save(several, arrays["targets"])
    np.savez(both, x=arrays["features"], y=arrays["targets"])
    says = f"{several}: no column 'y'; the columns are y_0, y_1"
    refuse("evaluate", run, features, "--targets", several, says=says)
    refuse("evaluate", run, both, says=f"{both}: no column 'y'; the columns are x_0")


def test_a_file_of_labels_is_counted_beside_its_features(tmp_path: Path) -> None:
    write_embeddings(tmp_path)
    arrays = np.load(tmp_path / "embeddings.npz")
    features, targets = tmp_path / "x.npy", tmp_path / "y.npy"
    np.save(features, arrays["features"])
    np.save(targets, arrays["targets"])
    counted = succeed("weights", features, "--labels", targets, "--format", "json").document
    alone = succeed("weights", targets, "--format", "json").document
    assert counted["labels"] == alone["labels"]
    says, hint = f"{targets}: a file of labels goes with one source, and 2", "--merge"
    refuse("weights", features, features, "--labels", targets, says=says, hint=hint)
    config = write_config(tmp_path / "c.yaml", features, data={"labels": []}, **SHORT)
    says = f"{features}: one array, which cannot hold features and labels both"
    refuse("fit", config, says=says, hint="data.labels: [targets.npy]")


def test_what_a_directory_holds_beside_its_table_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    for sex in "fm":
        (folder / f"sex={sex}").mkdir(parents=True)
        rows = {"x": np.arange(200) % 17 / 3, "y": np.arange(200) % 5 // 4}
        pl.DataFrame(rows).write_parquet(folder / f"sex={sex}" / "a.parquet")
    (folder / "sex=f" / "more.csv").write_text("x,y\n1,1\n")
    (folder / "_SUCCESS").touch()
    told = f"{folder}: 1 file beside the Parquet files is not read: {folder}/sex=f/more.csv"
    assert told in succeed("weights", folder).err
    found = succeed("inspect", folder, "--format", "json").document["findings"]
    assert told in [finding["problem"] for finding in found]
    (folder / "readme.txt").touch()
    told = f"{folder}: 2 files beside the Parquet files are not read, such as {folder}/readme.txt"
    config = write_config(tmp_path / "c.yaml", folder, data={"labels": ["y"]}, **SHORT)
    run = tmp_path / "run"
    assert told in succeed("fit", config, "--run-dir", run).err
    assert told in succeed("evaluate", run, folder, "--bootstrap", 0).err
    assert told in succeed("predict", run, folder).err


def test_an_empty_name_is_no_source() -> None:
    refuse("weights", "", says="the source is empty", hint="- for stdin")
