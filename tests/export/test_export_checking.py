"""An ONNX file that does not give what its run gives is refused, by row and label."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from export_models import FEATURES, make_predictor

from imbalance_cli.errors import ExportError
from imbalance_cli.export import Comparison, build_onnx, make_rows
from imbalance_cli.losses.family import weighted_bce

if TYPE_CHECKING:
    from imbalance_cli.export import Precision
    from imbalance_cli.run.predictor import Predictor


@pytest.fixture
def predictor() -> Predictor:
    """Return a predictor of three labels."""
    return make_predictor(weighted_bce(torch.tensor([1.0, 5.0, 20.0])), networks=(2, 1))


def compare(content: bytes, predictor: Predictor, precision: Precision) -> Comparison:
    """Compare a model with a run on made-up rows."""
    comparison = Comparison(content, predictor, precision)
    comparison.add(make_rows(FEATURES))
    return comparison


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_model_of_the_run_is_kept(predictor: Predictor, precision: Precision) -> None:
    comparison = compare(build_onnx(predictor, precision, {}, ""), predictor, precision)
    assert comparison.rows == 256
    assert comparison.largest < (1e-6 if precision == "float32" else 1e-14)
    dtypes = {parameter.dtype for parameter in predictor.model.parameters()}
    assert dtypes == {torch.float32}, "the run itself stays as it was"


def test_a_weight_that_changed_is_refused(predictor: Predictor) -> None:
    content = build_onnx(predictor, "float32", {}, "")
    with torch.no_grad():
        predictor.model.parts()[1].output.weight[0, 1, 0] += 1e-3
    with pytest.raises(ExportError) as caught:
        compare(content, predictor, "float32")
    found = re.fullmatch(
        r"made-up rows: row \d+: label 'b': ONNX Runtime gives (\S+) and decides [01], where the "
        r"run gives (\S+) and decides [01]: no file is written",
        caught.value.message,
    )
    assert found
    assert 1e-6 < abs(float(found[1]) - float(found[2])) < 1e-2
    assert caught.value.hint == "--precision float64"


def test_a_decision_that_flips_is_refused(predictor: Predictor) -> None:
    """Of equal probabilities, too."""
    eager = dataclasses.replace(predictor, thresholds=torch.zeros(3, dtype=torch.float64))
    content = build_onnx(eager, "float64", {}, "")
    with pytest.raises(ExportError, match=r" decides 1, where .* decides 0: no file is written$"):
        compare(content, predictor, "float64")


def test_a_label_that_was_not_learned_is_not_compared(predictor: Predictor) -> None:
    unlearned = dataclasses.replace(predictor, learnable=[True, False, True])
    comparison = compare(build_onnx(unlearned, "float32", {}, ""), unlearned, "float32")
    assert np.isfinite(comparison.largest)


def test_what_onnx_runtime_cannot_load_is_said_in_one_line(predictor: Predictor) -> None:
    with pytest.raises(ExportError, match=r"^ONNX Runtime cannot load the model: [^\n]+$"):
        Comparison(b"no model", predictor, "float32")
