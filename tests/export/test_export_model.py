"""The graph of a run, stage by stage, in ONNX Runtime: what the run says, of every kind of model.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
import torch
from export_models import FEATURES, make_predictor

from imbalance_cli.decisions.calibration import Calibration
from imbalance_cli.errors import ExportError
from imbalance_cli.export import build_onnx, make_rows, to_feeds
from imbalance_cli.export import model as export_model
from imbalance_cli.features import Preprocessing
from imbalance_cli.features.preprocessing import NumericFeature
from imbalance_cli.losses.family import (
    Loss,
    asymmetric,
    bce,
    distribution_balanced,
    focal,
    logit_adjusted,
    weighted_bce,
)
from imbalance_cli.losses.link import mean_log_odds
from imbalance_cli.readers import batch_table
from imbalance_cli.readers.source import row_batch
from imbalance_cli.run.scored_rows import calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_cli.export import Precision
    from imbalance_cli.readers import Table
    from imbalance_cli.run.predictor import Predictor

WEIGHTS = torch.tensor([0.7, 20.0, 300.0])
RARE = torch.tensor([0.2, 0.01, 0.001])
LOSSES = {
    "bce": bce(),
    "weighted_bce": weighted_bce(WEIGHTS),
    "focal": focal(2.0, 0.25, WEIGHTS),
    "asymmetric": asymmetric(pos_weight=WEIGHTS),
    "asymmetric without exponents": asymmetric(0.0, 0.0, 0.3),
    "asymmetric without a margin": asymmetric(1.0, 4.0, 0.0),
    "logit_adjusted": logit_adjusted(RARE),
    "distribution_balanced": distribution_balanced(1000 * RARE, torch.tensor([1000.0] * 3)),
    "balanced sampler": Loss(prior_shift=1 / RARE),
}
SHAPES: dict[str, dict[str, Any]] = {
    "logistic regression": {"hidden": []},
    "bins": {"binned": [0, 2], "bins": 8},
    "learned bins": {"binned": [0, 1, 2, 3], "bins": 48, "bin_outputs": 8},
    "waves": {"frequencies": [0.3] * 16},
    "heads": {"heads": 4},
    "all": {
        "binned": [2],
        "bins": 8,
        "bin_outputs": 8,
        "frequencies": [0.3] * 5,
        "heads": 4,
        "is_scaled": True,
    },
    "gelu": {"activation": "gelu"},
    "silu": {"activation": "silu"},
    "selu": {"activation": "selu"},
}


def serve(
    predictor: Predictor, feeds: dict[str, NDArray[Any]], precision: Precision = "float32"
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return probabilities and decisions as ONNX Runtime gives them, (N, L) each."""
    content = build_onnx(predictor, precision, {}, "")
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    probabilities, decisions = session.run(["probability", "decision"], feeds)
    assert probabilities.dtype == np.dtype(precision)
    assert decisions.dtype == np.bool_
    return probabilities, decisions


def score(predictor: Predictor, table: Table) -> NDArray[np.float64]:
    """Return what the run says of rows, (N, L)."""
    odds = predictor.scores(table).log_odds()
    return np.asarray(calibrate(odds, predictor.calibration))


def score_in_float64(predictor: Predictor, table: Table) -> NDArray[np.float64]:
    """Return what the run would say of rows if its networks computed in float64, (N, L)."""
    features = predictor.preprocessing.transform(table)
    numeric, codes = torch.from_numpy(features.numeric).double(), torch.from_numpy(features.codes)
    model = predictor.model.double()
    with torch.no_grad():
        logits = torch.cat([part(numeric, codes) for part in model.parts()])
    predictor.model.float()
    odds = mean_log_odds(logits, predictor.link_loss)
    return np.asarray(calibrate(odds, predictor.calibration))


def compare(predictor: Predictor, table: Table, precision: Precision) -> None:
    """Hold the graph to the run: to 1e-6 in float32, to 1e-13 in float64."""
    probabilities, decisions = serve(predictor, to_feeds(predictor, table), precision)
    wanted = (score if precision == "float32" else score_in_float64)(predictor, table)
    assert np.ptp(wanted, axis=0).max() > 0.1, "rows that all have one probability test nothing"
    tolerance = 1e-6 if precision == "float32" else 1e-13
    np.testing.assert_allclose(probabilities, wanted, rtol=0, atol=tolerance)
    assert (decisions == (wanted >= predictor.thresholds.numpy())).all()


@pytest.fixture(scope="module")
def rows() -> Table:
    """Return rows that hold all that a cell may."""
    return make_rows(FEATURES)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_loss(loss: str, precision: Precision, rows: Table) -> None:
    compare(make_predictor(LOSSES[loss]), rows, precision)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_network_alone_and_among_others(shape: str, rows: Table) -> None:
    """Those of a second part have bins of every number, and each has a loss of its own."""
    losses = [focal(), *[weighted_bce(WEIGHTS)] * 2, logit_adjusted(RARE)]
    precision: Precision = "float32" if shape == "gelu" else "float64"
    compare(make_predictor(LOSSES["focal"], **SHAPES[shape]), rows, precision)
    compare(make_predictor(losses, networks=(3, 1), **SHAPES[shape]), rows, precision)


def test_plain_sigmoid_where_the_loss_is_not_undone(rows: Table) -> None:
    undone = make_predictor(weighted_bce(WEIGHTS))
    plain = dataclasses.replace(undone, undo_loss=False)
    compare(plain, rows, "float64")
    assert not np.allclose(score(plain, rows), score(undone, rows))


@pytest.mark.parametrize("curvature", [0.0, 0.05])
def test_calibration(curvature: float, rows: Table) -> None:
    """A temperature, a Platt step, and a curve or none with a straight line beyond its ends."""
    numbers = {
        "intercept": [0.0, -0.7, 0.3],
        "slope": [0.5, 1.4, 1.1],
        "curvature": [0.0, curvature, -curvature],
        "low": [0.0, -3.0, -2.5],
        "high": [0.0, 1.0, 2.0],
    }
    steps = {name: torch.tensor(each, dtype=torch.float64) for name, each in numbers.items()}
    calibration = Calibration(**steps, fitted=torch.tensor([True] * 3))
    compare(make_predictor(bce(), calibration=calibration), rows, "float64")


def test_cells_as_a_service_gives_them() -> None:
    """Numbers, microseconds and texts say what the cells of a table say."""
    frame = pl.DataFrame(
        {
            "pressure": ["1010.4", "998.25", "", "1e9"],
            "day": ["2013-02-14", "2013-02-14T10:30:00.000001", "", "1902-01-01"],
            "always 7": ["7", "", "7", "7"],
            "moment": ["1600000000.123", "1600086400", "1.6e9", ""],
            "seen on": ["2011-01-27 06:00", "2011-01-27 06:00", "NaT", "2011-01-28"],
            "city": ["città 3", "Atlantis", "", "nan"],
            "sex": ["F", "M", "", "x"],
            "colour": ["red", "none", "?x", "?"],
            "dest": ["7", "7.0", "NA", "EWR"],
        }
    )

    def moments(*texts: str) -> NDArray[np.int64]:
        return np.array(texts, "datetime64[us]").astype(np.int64)[:, None]

    def texts(*cells: str) -> NDArray[Any]:
        return np.array(cells, object)[:, None]

    def numbers(*cells: float) -> NDArray[np.float64]:
        return np.array(cells)[:, None]

    feeds = {
        "pressure": numbers(1010.4, 998.25, np.nan, 1e9),
        "day": moments("2013-02-14", "2013-02-14T10:30:00.000001", "NaT", "1902-01-01"),
        "always 7": numbers(7, np.nan, 7, 7),
        "moment": numbers(1600000000.123, 1600086400, 1.6e9, np.nan),
        "seen on": moments("2011-01-27T06:00", "2011-01-27T06:00", "NaT", "2011-01-28"),
        "city": texts("città 3", "Atlantis", "", "nan"),
        "sex": texts("F", "M", "", "x"),
        "colour": texts("red", "none", "?x", "?"),
        "dest": texts("7", "7", "NA", "EWR"),  # a text, so 7.0 would be another one
    }
    predictor = make_predictor(weighted_bce(WEIGHTS), heads=2)
    table = batch_table(row_batch(frame, 0), "t.csv")
    probabilities, _ = serve(predictor, feeds, "float64")
    np.testing.assert_allclose(
        probabilities, score_in_float64(predictor, table), rtol=0, atol=1e-13
    )
    found = to_feeds(predictor, table)
    for column, cells in feeds.items():
        if column not in {"city", "colour", "dest"}:  # whose missing cells are "" there
            np.testing.assert_array_equal(found[column], cells)


def test_one_row_and_many_are_alike(rows: Table) -> None:
    predictor = make_predictor(focal(), networks=(2, 1), heads=2)
    feeds = to_feeds(predictor, rows)
    many, _ = serve(predictor, feeds, "float64")
    one, _ = serve(predictor, {name: cells[5:6] for name, cells in feeds.items()}, "float64")
    np.testing.assert_allclose(one, many[5:6], rtol=0, atol=1e-15)


def test_a_number_that_no_float32_holds_is_far_out() -> None:
    features = Preprocessing([NumericFeature("x", "number", 10.0, 2.0, indicator=False)], [])
    far = np.array([-np.inf, -1e300, -1e30, 10.0, 1e30, 1e300, np.inf])
    probabilities, _ = serve(make_predictor(bce(), features), {"x": far[:, None]})
    np.testing.assert_array_equal(probabilities[:2], probabilities[[2, 2]])
    np.testing.assert_array_equal(probabilities[5:], probabilities[[4, 4]])
    assert len(np.unique(probabilities[:, 0])) == 3


def test_a_table_of_numbers_alone() -> None:
    features = Preprocessing(
        [NumericFeature(f"x_{i}", "number", 0.0, 1.0, False) for i in range(3)], []
    )
    compare(make_predictor(bce(), features), make_rows(features), "float64")


def test_a_table_of_categories_alone() -> None:
    features = Preprocessing([], FEATURES.categorical)
    compare(make_predictor(bce(), features), make_rows(features), "float64")


def test_a_label_that_was_not_learned_has_no_probability(rows: Table) -> None:
    predictor = dataclasses.replace(make_predictor(bce()), learnable=[True, False, True])
    probabilities, decisions = serve(predictor, to_feeds(predictor, rows))
    assert np.isnan(probabilities[:, 1]).all()
    assert not decisions[:, 1].any()
    assert not np.isnan(probabilities[:, [0, 2]]).any()


def test_a_probability_at_the_threshold_is_decided_positive() -> None:
    features = Preprocessing([NumericFeature("x", "number", 0.0, 1.0, False)], [])
    predictor = make_predictor(bce(), features, labels=["y"], hidden=[])
    with torch.no_grad():
        predictor.model.parts()[0].output.weight.zero_()
        predictor.model.parts()[0].output.bias.zero_()
    feeds = {"x": np.array([[0.0]])}
    for threshold, wanted in ((0.5, True), (np.nextafter(0.5, 1), False)):
        given = dataclasses.replace(predictor, thresholds=torch.tensor([threshold]).double())
        assert serve(given, feeds)[1].item() is wanted


def test_more_labels_than_are_scored_at_a_time() -> None:
    labels = [f"y{i}" for i in range(300)]
    features = Preprocessing(FEATURES.numeric, [])
    predictor = make_predictor(bce(), features, labels=labels)
    compare(predictor, make_rows(features), "float32")


@pytest.mark.parametrize("name", ["probability", "decision", ""])
def test_a_column_of_the_name_of_an_output_is_refused(name: str) -> None:
    features = Preprocessing([NumericFeature(name, "number", 0.0, 1.0, indicator=False)], [])
    with pytest.raises(ExportError, match=f"^column '{name}': no input"):
        build_onnx(make_predictor(bce(), features), "float32", {}, "")


def test_columns_of_the_names_of_values_within_are_none() -> None:
    names = ["/", "/0.0", "//1.1", "0.0"]
    features = Preprocessing(
        [NumericFeature(n, "number", 0.0, 1.0, indicator=True) for n in names], []
    )
    compare(make_predictor(bce(), features), make_rows(features), "float64")


def test_what_has_no_kernel_or_no_room_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = make_predictor(bce(), activation="gelu")
    with pytest.raises(ExportError, match=r"^model.activation gelu: ") as caught:
        build_onnx(predictor, "float64", {}, "")
    assert caught.value.hint == "--precision float32"
    monkeypatch.setattr(export_model, "MOST_COLUMNS", 8)
    with pytest.raises(ExportError, match=r"^9 feature columns: .* at most 8 are exported$"):
        build_onnx(predictor, "float32", {}, "")
    monkeypatch.undo()
    monkeypatch.setattr(export_model, "LARGEST_FILE", 2_000)
    with pytest.raises(ExportError, match=r"^3 labels, \d\d\d weights: .* at most 2.0 kB$"):
        build_onnx(predictor, "float32", {}, "")
