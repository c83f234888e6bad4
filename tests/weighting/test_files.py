"""Every file that `weights` writes loads into torch as it is, and back here."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load as load_safetensors

from imbalance_cli.errors import WeightsError
from imbalance_cli.labels import Counts, LabelCounts
from imbalance_cli.weighting.files import (
    BINARY_FORMATS,
    FORMATS,
    encode,
    read_counts,
    read_pos_weight,
)
from imbalance_cli.weighting.pos_weight import PosWeights, Strategy, weigh

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteFile

SIDES = ("positives", "negatives", "missing")
NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=9)
    | st.sampled_from(['a,"b', "two\nlines", "yes", "1", "null", ": x", "y_é"]),
    min_size=1,
    max_size=5,
    unique=True,
)
COUNTED = NAMES.flatmap(
    lambda names: st.tuples(
        *[
            st.builds(LabelCounts, st.just(n), *[st.integers(0, 10**9) for _ in range(3)])
            for n in names
        ]
    )
).map(lambda labels: Counts(sum(labels[0].__dict__[side] for side in SIDES), list(labels)))


def weights_of(**ratios: float) -> PosWeights:
    """Return weights of so many negatives for one hundred positives."""
    labels = [LabelCounts(name, 100, round(100 * ratio)) for name, ratio in ratios.items()]
    return weigh(Counts(500, labels), Strategy(), "a.csv")


def load_pos_weight(content: bytes, file_format: str) -> Any:  # noqa: ANN401  not typed by all
    """Load the weights as a user of torch would."""
    match file_format:
        case "yaml":
            return torch.tensor(yaml.safe_load(content)["pos_weight"])
        case "npy":
            return torch.from_numpy(np.load(io.BytesIO(content), allow_pickle=False))
        case "safetensors":
            return load_safetensors(content)["pos_weight"]
        case _:
            return torch.load(io.BytesIO(content), weights_only=True)["pos_weight"]


@pytest.mark.parametrize("file_format", ["yaml", "npy", "safetensors", "pt"])
@given(counts=COUNTED)
def test_torch_takes_the_weights_as_they_are(file_format: str, counts: Counts) -> None:
    weights = weigh(counts, Strategy(), "a.csv")
    pos_weight = load_pos_weight(encode(weights, file_format), file_format)
    assert pos_weight.dtype == torch.float32
    assert pos_weight.shape == (len(counts.labels),)
    expected = torch.tensor([label.pos_weight for label in weights.labels])
    assert torch.equal(pos_weight, expected)
    logits = torch.linspace(-2, 2, 3 * len(counts.labels)).reshape(3, -1)
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=pos_weight)(logits, torch.ones_like(logits))
    by_hand = (expected * torch.nn.functional.softplus(-logits)).mean()
    assert torch.isclose(loss, by_hand, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("file_format", FORMATS)
@given(counts=COUNTED)
def test_every_format_reads_back_in_any_order(
    file_format: str, counts: Counts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    weights = weigh(counts, Strategy(), "a.csv")
    path = tmp_path_factory.getbasetemp() / f"w.{file_format}"
    path.write_bytes(encode(weights, file_format))
    expected = {label.counts.label: label.pos_weight for label in weights.labels}
    order = list(expected) if file_format == "npy" else list(expected)[::-1]
    found = read_pos_weight(str(path), order)
    precision = 1e-7 if file_format in BINARY_FORMATS else 0  # float32
    for label, weight in zip(order, found, strict=True):
        assert math.isclose(weight, expected[label], rel_tol=precision)


@given(COUNTED)
def test_counts_read_back_from_json(counts: Counts) -> None:
    document = json.loads(encode(weigh(counts, Strategy(), ["a.csv", "b.csv"]), "json"))
    assert list(document) == ["source", "rows", "strategy", "labels"]
    assert document["source"] == ["a.csv", "b.csv"]
    assert document["rows"] == counts.rows
    for entry, label in zip(document["labels"], counts.labels, strict=True):
        assert list(entry) == ["label", *SIDES, "prevalence", "pos_weight"]
        assert LabelCounts(*(entry[key] for key in ("label", *SIDES))) == label
        assert entry["prevalence"] == label.prevalence


def test_csv_has_the_promised_columns() -> None:
    content = encode(weights_of(y_a=4, y_b=9), "csv").decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    assert content.startswith("label,positives,negatives,missing,prevalence,pos_weight\n")
    assert rows[0] == {
        "label": "y_a",
        "positives": "100",
        "negatives": "400",
        "missing": "0",
        "prevalence": "0.2",
        "pos_weight": "4.0",
    }


def test_an_unknown_prevalence_is_null_or_blank() -> None:
    weights = weigh(Counts(3, [LabelCounts("y", 0, 0, 3)]), Strategy(), "a.csv")
    assert encode(weights, "csv").decode().splitlines()[1] == "y,0,0,3,,1.0"
    assert json.loads(encode(weights, "json"))["labels"][0]["prevalence"] is None


def test_label_names_stand_beside_the_tensors(tmp_path: Path) -> None:
    weights = weights_of(y_a=4, y_é=9)
    path = tmp_path / "w.safetensors"
    path.write_bytes(encode(weights, "safetensors"))
    with safe_open(str(path), "pt") as file:
        assert json.loads(file.metadata()["labels"]) == ["y_a", "y_é"]
    document = torch.load(io.BytesIO(encode(weights, "pt")), weights_only=True)
    assert document["labels"] == ["y_a", "y_é"]
    assert yaml.safe_load(encode(weights, "yaml"))["labels"] == ["y_a", "y_é"]


def test_a_pt_file_is_the_same_every_time() -> None:
    assert encode(weights_of(y=3), "pt") == encode(weights_of(y=3), "pt")


@pytest.mark.parametrize("name", ["w.yml", "w.YAML"])
def test_yaml_suffixes(write: WriteFile, name: str) -> None:
    path = write(name, encode(weights_of(y=4), "yaml"))
    assert read_pos_weight(path, ["y"]) == [4]


def test_weights_on_stdin_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO(encode(weights_of(y=4), "json"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    assert read_pos_weight("-", ["y"]) == [4]


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe\x00", b"[1, 2]", b"{}", b"a: [1"])
def test_a_file_that_holds_no_weights_is_refused(
    write: WriteFile, file_format: str, content: bytes
) -> None:
    path = write(f"w.{file_format}", content)
    with pytest.raises(WeightsError) as caught:
        read_pos_weight(path, ["y"])
    assert caught.value.message.startswith(f"{path}: ")


@pytest.mark.parametrize("file_format", BINARY_FORMATS)
def test_a_cut_off_file_is_refused(write: WriteFile, file_format: str) -> None:
    content = encode(weights_of(y=4, z=5), file_format)
    for size in (1, 4, 12, len(content) // 2, len(content) - 1):
        path = write(f"w.{file_format}", content[:size])
        with pytest.raises(WeightsError, match=f"not weights as {file_format}"):
            read_pos_weight(path, ["y", "z"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.txt", "", "weights are read from csv, json, yaml, npy, safetensors, pt files"),
        ("w.csv", "label,pos_weight\ny,2\n", "label 'z' is only in the data"),
        ("w.csv", "label,pos_weight\ny,2\nz,1\na,1\n", "label 'a' is only in the file"),
        ("w.csv", "label,pos_weight\ny,2\nz,1\ny,1\n", "label 'y' is there twice"),
        ("w.csv", "label,pos_weight\ny,2\nz,0\n", "the weight of 'z' is 0.0, not a finite number"),
        ("w.csv", "label,pos_weight\ny,inf\nz,1\n", "the weight of 'y' is inf, not a finite"),
        ("w.csv", "label,pos_weight\ny,nan\nz,1\n", "the weight of 'y' is nan, not a finite"),
        ("w.csv", "label,pos_weight\ny,many\nz,1\n", "could not convert string to float: 'many'"),
        ("w.yaml", "{labels: [y, z], pos_weight: [1]}", "1 weights for 2 labels"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    write: WriteFile, name: str, content: str, message: str
) -> None:
    path = write(name, content)
    with pytest.raises(WeightsError) as caught:
        read_pos_weight(path, ["y", "z"])
    assert caught.value.message.startswith(f"{path}: ")
    assert message in caught.value.message


def test_an_array_of_another_length_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.ones(3))
    with pytest.raises(WeightsError, match="3 weights for 2 labels"):
        read_pos_weight(str(tmp_path / "w.npy"), ["y", "z"])


ENTRY = {"label": "y", "positives": 1, "negatives": 2, "missing": 0}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "line 1: not JSON: Expecting value"),
        ('{\n "rows": 1,\n}', "line 3: not JSON"),
        ([1], "a JSON object is needed, not list"),
        ({}, "not counts: 'rows' is missing"),
        ({"rows": 3}, "not counts: 'labels' is missing"),
        ({"rows": 3, "labels": [{"label": "y"}]}, "not counts: 'positives' is missing"),
        ({"rows": 3, "labels": 3}, "not counts: "),
        ({"rows": 3, "labels": "y"}, "not counts: "),
        ({"rows": 3, "labels": []}, "not counts: no labels"),
        ({"rows": -1, "labels": [ENTRY]}, "a count must be a whole number from 0 up, not -1"),
        ({"rows": 3, "labels": [ENTRY | {"positives": 1.5}]}, "whole number from 0 up, not 1.5"),
        ({"rows": 3, "labels": [ENTRY | {"missing": True}]}, "whole number from 0 up, not True"),
        ({"rows": 3, "labels": [ENTRY | {"missing": "0"}]}, "whole number from 0 up, not '0'"),
        ({"rows": 3, "labels": [ENTRY, ENTRY]}, "label 'y' is there twice"),
    ],
)
def test_files_that_hold_no_counts_are_refused(
    write: WriteFile, document: object, message: str
) -> None:
    path = write("c.json", document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(WeightsError) as caught:
        read_counts(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert message in caught.value.message


def test_counts_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no\.json: cannot be read: No such file"):
        read_counts(str(tmp_path / "no.json"))
    with pytest.raises(WeightsError, match="cannot be read: Is a directory"):
        read_counts(str(tmp_path))


def test_counts_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    entry = {"label": "y", "positives": 2, "negatives": 3, "missing": 1}
    path = tmp_path / "counts.json"
    path.write_text(json.dumps({"rows": 7, "labels": [entry]}))
    with pytest.raises(WeightsError, match="'y' has 6 positives, negatives and missing cells in 7"):
        read_counts(str(path))


def test_sums_beyond_exact_floats_stay_floats() -> None:
    counts = Counts(3, [LabelCounts("y", 2.0**60, 2.0)])
    text = encode(weigh(counts, Strategy(), "a.csv"), "csv").decode()
    assert "\ny,1.152921504606847e+18,2,0," in text
