"""A fitted model as it is used, and its way through run.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from small_runs import LABELS

from imbalance_cli.errors import FeatureError
from imbalance_cli.predictor import Predictor
from imbalance_cli.readers import open_source, read_table

if TYPE_CHECKING:
    from small_runs import FittedRun

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def predictor(multi_run: FittedRun) -> Predictor:
    """Load the run with three labels."""
    return Predictor.load(multi_run.path, CPU)


def test_document_holds_all_but_the_weights(predictor: Predictor, multi_run: FittedRun) -> None:
    document = json.loads(json.dumps(predictor.to_document()))
    saved = multi_run.document
    for entry in saved["labels"]:
        del entry["validation_positives"], entry["threshold_pooled"]
    assert document == {key: saved[key] for key in document}
    assert [entry["label"] for entry in document["labels"]] == LABELS


def test_loading_gives_the_same_probabilities(predictor: Predictor, multi_run: FittedRun) -> None:
    table = read_table([open_source(str(multi_run.table))], predictor.preprocessing.columns)
    probabilities = predictor.probabilities(table)
    assert probabilities.shape == (600, 3)
    assert probabilities.dtype == torch.float64
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert torch.equal(Predictor.load(multi_run.path, CPU).probabilities(table), probabilities)


def test_probabilities_undo_the_weights_and_calibrate(predictor: Predictor) -> None:
    logits = torch.linspace(-8, 8, 21)[:, None].expand(-1, 3)
    steps = predictor.calibration
    log_odds = logits.double() - predictor.pos_weight.log()
    wanted = torch.sigmoid(steps.slope * log_odds + steps.intercept)
    torch.testing.assert_close(predictor.probabilities_of(logits), wanted, rtol=0, atol=1e-12)


def test_frame_has_two_columns_a_label(predictor: Predictor) -> None:
    threshold = predictor.thresholds
    probabilities = torch.stack([threshold, threshold - 1e-12, threshold + 1e-12])
    frame = predictor.frame(probabilities)
    assert frame.columns == predictor.output_columns
    assert frame.columns[:2] == ["y_often_probability", "y_often_decision"]
    assert frame["y_rare_probability"].to_list() == probabilities[:, 2].tolist()
    assert frame["y_rare_decision"].to_list() == [1, 0, 1]


def test_every_missing_column_is_named(predictor: Predictor) -> None:
    predictor.check_columns(["city", "zzz", "colour", "age", "amount"], "t.csv")
    with pytest.raises(FeatureError) as caught:
        predictor.check_columns(["Amount", "city"], "t.csv")
    assert caught.value.message == "t.csv: without the feature columns 'amount', 'age', 'colour'"
    assert caught.value.hint == "did you mean 'Amount'?"
    with pytest.raises(FeatureError, match=r"without the feature column 'age'$"):
        predictor.check_columns(["amount", "colour", "city"], "t.csv")
