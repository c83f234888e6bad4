"""The classifier, by scikit-learn's own checks and within its tools."""

import inspect
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import polars as pl
import pytest
import sklearn
from matplotlib.patches import Rectangle
from sklearn.base import clone
from sklearn.calibration import CalibrationDisplay
from sklearn.callback import CallbackContext, ProgressBar
from sklearn.inspection import permutation_importance
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from imbalance_cli import ImbalanceClassifier, errors, evaluate, load, predict
from imbalance_cli.config import load_config
from imbalance_cli.config.sections import LossSection
from imbalance_cli.estimator.settings import KEYS

FAST: dict[str, Any] = {"members": 1, "epochs": 10, "bootstrap": 0}
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of tables of twenty rows


@parametrize_with_checks(  # type: ignore[untyped-decorator]  # scikit-learn has no types
    [ImbalanceClassifier(**FAST)]
)
def test_every_check_of_scikit_learn_passes(
    estimator: ImbalanceClassifier, check: Callable[[ImbalanceClassifier], None]
) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, pd.Series]:
    """Return rows whose rare class depends on a number, a text and a date."""
    random = np.random.default_rng(0)
    rows = 800
    frame = pd.DataFrame(
        {
            "dose": random.normal(size=rows),
            "site": random.choice(["north", "south"], rows),
            "seen": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(random.integers(300, size=rows), "D"),
        }
    )
    frame.loc[::50, "dose"] = np.nan
    odds = 2.5 * frame["dose"].fillna(0) + 1.5 * (frame["site"] == "south") - 4
    ill = random.random(rows) < 1 / (1 + np.exp(-odds))
    return frame, pd.Series(np.where(ill, "ill", "well"), name="state")


@pytest.fixture(scope="module")
def fitted(table: tuple[pd.DataFrame, pd.Series]) -> ImbalanceClassifier:
    with warnings.catch_warnings(action="ignore"):
        model: ImbalanceClassifier = ImbalanceClassifier(**FAST).fit(*table)
    return model


def test_arguments_are_keys_of_the_config_with_its_defaults() -> None:
    config = load_config({"data": {"train": "x.csv"}}, []).model_dump(by_alias=True)
    config["loss"] = LossSection().model_dump()  # whose auto is resolved by then
    arguments = inspect.signature(ImbalanceClassifier).parameters
    assert set(arguments) == {*KEYS, "random_state", "config"}
    other = {"weighting": None, "threshold": "auto", "test": 0.0}  # as their docstrings say
    for name, key in KEYS.items():
        section, _, entry = key.partition(".")
        assert arguments[name].default == other.get(name, config[section][entry]), name


def test_torch_is_loaded_by_fit_and_not_before() -> None:
    program = (
        "import sys; from imbalance_cli import ImbalanceClassifier as C; from sklearn.base import "
        "clone; clone(C(epochs=3)).set_params(loss='focal'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_rarer_class_is_the_positive_one(
    table: tuple[pd.DataFrame, pd.Series], fitted: ImbalanceClassifier
) -> None:
    frame, y = table
    assert list(fitted.classes_) == ["ill", "well"]
    assert fitted.positive_ == "ill"
    found = fitted.predict_proba(frame)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert average_precision_score(y == "ill", found[:, 0]) > 0.5
    assert set(fitted.predict(frame)) == {"ill", "well"}
    np.testing.assert_array_equal(
        fitted.predict(frame) == "ill", found[:, 0] >= fitted.thresholds_[0]
    )
    np.testing.assert_allclose(
        fitted.decision_function(frame), np.log(found[:, 1] / found[:, 0]), rtol=1e-9
    )
    assert fitted.score(frame, y) == (fitted.predict(frame) == y).mean()


def test_pandas_and_polars_are_alike(
    table: tuple[pd.DataFrame, pd.Series], fitted: ImbalanceClassifier
) -> None:
    frame = pl.DataFrame({name: column.to_list() for name, column in table[0].items()})
    frame = frame.with_columns(pl.col("dose").fill_nan(None))
    np.testing.assert_array_equal(fitted.predict_proba(frame), fitted.predict_proba(table[0]))
    shuffled = frame.select("seen", "dose", "site", pl.lit(1).alias("further"))
    np.testing.assert_array_equal(fitted.predict_proba(shuffled), fitted.predict_proba(table[0]))
    with pytest.raises(ValueError, match="without the feature column 'site'"):
        fitted.predict(frame.drop("site"))


def test_a_missing_label_is_no_row_to_learn_from(table: tuple[pd.DataFrame, pd.Series]) -> None:
    frame, y = table
    known = y == "ill"
    some = known.astype(float).where(np.arange(len(y)) % 3 > 0)
    one = ImbalanceClassifier(**FAST).fit(frame, some)
    assert list(one.classes_) == [0, 1]
    several = np.column_stack([some, ~known])
    two = ImbalanceClassifier(**FAST).fit(frame, several)
    assert two.predict(frame).shape == two.predict_proba(frame).shape == (len(y), 2)
    first, second = two.report_.labels
    assert first.missing > second.missing == 0
    assert two.thresholds_.shape == two.pos_weight_.shape == (2,)


def test_a_label_of_the_name_of_a_feature_takes_the_place_of_none() -> None:
    random = np.random.default_rng(0)
    x = pd.DataFrame({"a": random.random(60), "y": random.random(60), "groups": random.random(60)})
    y = pd.Series((x["a"] > 0.6).astype(int), name="a")
    model = ImbalanceClassifier(**FAST).fit(x, y, groups=np.arange(60) // 2)
    assert model.run_.labels == ["a_"]
    assert model.run_.columns == ["a", "y", "groups"]
    labels = pd.DataFrame({"y": y, "b": 1 - y})
    assert ImbalanceClassifier(**FAST).fit(x, labels).run_.labels == ["y_", "b"]


def test_classes_are_in_the_order_of_numbers() -> None:
    random = np.random.default_rng(0)
    y = random.choice([10, 2, 33], 300)
    x = np.column_stack([(y == value) + random.normal(0, 0.3, 300) for value in (10, 2)])
    model = ImbalanceClassifier(**FAST).fit(x, y)
    assert list(model.classes_) == [2, 10, 33]
    assert model.score(x, y) > 0.8
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (np.zeros(6), "1 class"),
        (np.array(["a", "NA", "a", "NA", "a", "NA"]), "read as a missing label"),
        (np.array(["1", "1.0", "1", "1.0", "1", "1.0"]), "'1' and '1.0' of y are read as the same"),
        (pd.DataFrame([[0, 1]] * 6, columns=["q", "q"]), "two columns of y have the same name"),
        (np.arange(12).reshape(6, 2), "should hold 0, 1 and NaN, and holds 2"),
        (np.column_stack([np.ones(6), np.arange(6) % 2]), "label 'y0' of y has one class"),
        (np.linspace(0, 1, 6), "Unknown label type"),
    ],
)
def test_what_cannot_be_learned_is_refused(y: np.ndarray, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ImbalanceClassifier(**FAST).fit(np.random.default_rng(0).random((6, 2)), y)


def test_texts_in_an_array_are_refused() -> None:
    with pytest.raises(ValueError, match="not compatible with arrays of bytes/strings"):
        ImbalanceClassifier(**FAST).fit(np.array([["a"], ["b"]]), [0, 1])


def test_a_wrong_argument_is_named_when_it_is_fitted() -> None:
    with pytest.raises(ValueError, match=r"loss\.name: 'focl'.*focal"):
        ImbalanceClassifier(loss="focl").fit(np.arange(20).reshape(-1, 1), [0, 1] * 10)


def test_groups_stay_together_and_are_routed(table: tuple[pd.DataFrame, pd.Series]) -> None:
    frame, y = table
    groups = np.arange(len(y)) // 8
    with sklearn.config_context(enable_metadata_routing=True):
        model = ImbalanceClassifier(**FAST, test=0.2).set_fit_request(groups=True)
        scores = cross_val_score(
            model, frame, y, cv=GroupKFold(2), params={"groups": groups}, scoring="roc_auc"
        )
    assert (scores > 0.7).all()
    assert model.fit(frame, y, groups=groups).report_.resampled == "groups"


def test_a_search_a_pipeline_and_a_display(table: tuple[pd.DataFrame, pd.Series]) -> None:
    x, y = table[0][["dose"]].fillna(0).to_numpy(), (table[1] == "ill").astype(int)
    model = make_pipeline(StandardScaler(), ImbalanceClassifier(**FAST))
    grid = {"imbalanceclassifier__weighting": [None, "sqrt"]}
    search = GridSearchCV(model, grid, cv=2, scoring="average_precision").fit(x, y)
    assert search.best_score_ > 0.5
    assert CalibrationDisplay.from_estimator(search, x, y, n_bins=3).line_ is not None
    importance = permutation_importance(
        search.best_estimator_, x, y, n_repeats=2, random_state=0, scoring="average_precision"
    )
    assert importance.importances_mean[0] > 0.1


def test_a_callback_counts_epochs(table: tuple[pd.DataFrame, pd.Series]) -> None:
    class Counter(ProgressBar):  # type: ignore[misc]  # as above
        """Notes the names of tasks that end, and draws nothing."""

        def setup(self, **_: object) -> None:
            """Begin."""
            self.ended: list[str] = []

        def on_fit_task_begin(self, *_: object) -> None:
            """Say nothing."""

        def on_fit_task_end(self, _: object, context: CallbackContext) -> None:
            """Note the name of the task."""
            self.ended.append(context.task_name)

        def teardown(self, **_: object) -> None:
            """End."""

    counter = Counter()
    ImbalanceClassifier(**FAST).set_callbacks(counter).fit(*table)
    assert counter.ended.count("epoch") >= 5
    assert counter.ended[-1] == "fit"


@pytest.mark.parametrize("classes", [(0, 1), (1, 0), ("well", "ill"), (10, 2, 33), (1.5, 0.5)])
def test_a_saved_classifier_keeps_its_classes(classes: tuple[Any, ...], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    chosen = np.minimum(random.integers(5, size=240), len(classes)) % len(classes)
    x = np.column_stack([(chosen == 1) + random.normal(0, 0.2, 240), random.normal(size=240)])
    y = np.array(classes)[chosen]
    if isinstance(classes[0], float):
        y = y * 2 > 2  # booleans
    model = ImbalanceClassifier(**FAST).fit(x, y)
    model.save(tmp_path / "run")
    again = ImbalanceClassifier.load(tmp_path / "run")
    np.testing.assert_array_equal(again.classes_, model.classes_)
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.score(x, y) == model.score(x, y) > 0.6
    found = ImbalanceClassifier(**FAST).fit(x, y, groups=np.arange(240)).run_
    assert "estimator.json" in found._files


def test_new_rows_need_no_column_of_copies(table: tuple[pd.DataFrame, pd.Series]) -> None:
    some = [*range(300), *range(50)]
    frame, y = table[0].iloc[some], table[1].iloc[some]
    with warnings.catch_warnings(action="ignore"):
        run = ImbalanceClassifier(**FAST).fit(frame, y).run_
    assert run.config.data.group == "equal_rows"
    with warnings.catch_warnings(record=True, action="always") as caught:
        run.evaluate(table[0].assign(state=table[1]), bootstrap=0)
    assert not [warning for warning in caught if "equal_rows" in str(warning.message)]


def test_copies_of_a_row_are_in_one_part() -> None:
    """Without a signal nothing is found, however often each row counts."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(400, 5)), random.random(400) < 0.2
    weighted = ImbalanceClassifier(**FAST).fit(x, y, sample_weight=np.full(400, 4))
    again = ImbalanceClassifier(**FAST).fit(x.repeat(4, axis=0), y.repeat(4))
    for model in (weighted, again):
        assert model.report_.labels[0].average_precision.value < 0.45
        assert model.report_.resampled == "groups"
    np.testing.assert_array_equal(weighted.predict_proba(x), again.predict_proba(x))
    few = np.tile([[0.0, 1.0], [1.0, 0.0]], (100, 1))  # combinations, not copies
    assert ImbalanceClassifier(**FAST).fit(few, few[:, 0]).report_.resampled == "rows"


def test_rows_of_another_kind_are_found_by_place(
    table: tuple[pd.DataFrame, pd.Series], fitted: ImbalanceClassifier
) -> None:
    frame = table[0][["dose"]].assign(other=np.linspace(0, 1, len(table[0])) ** 2)
    model = ImbalanceClassifier(**FAST).fit(frame, table[1])
    expected = model.predict_proba(frame)
    np.testing.assert_array_equal(model.predict_proba(frame.to_numpy()), expected)
    plain = ImbalanceClassifier(**FAST).fit(frame.to_numpy(), table[1])
    np.testing.assert_array_equal(plain.predict_proba(frame), plain.predict_proba(frame.to_numpy()))
    assert fitted.n_features_in_ == 3


def test_arguments_may_be_numpys_and_tuples(table: tuple[pd.DataFrame, pd.Series]) -> None:
    x, y = table[0][["dose"]], table[1]
    fast = FAST | {"epochs": np.int64(2), "hidden": (8,), "valid": np.float64(0.2)}
    assert ImbalanceClassifier(**fast).fit(x, y).run_.config.model.hidden == [8]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"data": {"group": "a"}}, "data.group is what groups is for"),
        ({"data": {"positive": "0"}}, "data.positive is what y is for"),
        ({"loss": {"name": "focal"}}, "loss.name is what loss is for"),
        ({"training": {"seed": 1}}, "training.seed is what random_state is for"),
        ({"seed": 1}, "'seed' should hold keys"),
        ("f.yaml", "should be sections of keys"),
    ],
)
def test_a_config_holds_what_no_argument_is_for(config: Any, says: str) -> None:  # noqa: ANN401
    with pytest.raises((TypeError, ValueError), match=says):
        ImbalanceClassifier(**FAST, config=config).fit(np.arange(80).reshape(40, 2), [0, 1] * 20)


def test_saved_and_read_again_it_is_the_same(
    table: tuple[pd.DataFrame, pd.Series], fitted: ImbalanceClassifier, tmp_path: Path
) -> None:
    frame, y = table
    expected = fitted.predict_proba(frame)
    copied = pickle.loads(pickle.dumps(fitted))  # noqa: S301  our own
    np.testing.assert_array_equal(copied.predict_proba(frame), expected)
    fitted.save(tmp_path / "run")
    with pytest.raises(errors.OutputError, match="is there already"):
        fitted.save(tmp_path / "run")
    scored = predict(tmp_path / "run", frame)
    np.testing.assert_array_equal(scored["state_probability"], expected[:, 0])
    found = evaluate(tmp_path / "run", frame.assign(state=y), bootstrap=0)
    assert found.labels[0].positives == (y == "ill").sum()
    again = ImbalanceClassifier.load(tmp_path / "run")
    np.testing.assert_array_equal(again.predict_proba(frame), expected)
    np.testing.assert_array_equal(again.predict(frame), fitted.predict(frame))
    assert again.report_ == fitted.report_
    same = clone(again).set_params(random_state=0)
    assert same.get_params()["members"] == 1


def test_a_run_answers_without_a_file(
    table: tuple[pd.DataFrame, pd.Series], fitted: ImbalanceClassifier, tmp_path: Path
) -> None:
    frame, y = table
    fitted.save(tmp_path / "run")
    run = load(tmp_path / "run")
    expected = fitted.predict_proba(frame)[:, :1]
    np.testing.assert_array_equal(run.predict_proba(frame), expected)
    rows = pl.DataFrame({str(name): list(frame[name][1:3]) for name in frame})
    np.testing.assert_array_equal(run.predict_proba(rows.to_dicts()), expected[1:3])
    np.testing.assert_array_equal(run.predict_proba(rows.to_dict(as_series=False)), expected[1:3])
    with pytest.warns(UserWarning, match="rows: unlike the training rows: site: 100 %"):
        run.predict_proba(frame.assign(site="elsewhere"))
    assert list(run.predict(frame)) == ["state_probability", "state_decision"]
    assert run.evaluate(frame.assign(state=y), bootstrap=0).rows == len(y)
    assert run.metrics.loc["state", "f1"] == run.report.labels[0].f1.value
    shown = run._repr_html_()
    assert "<th>state</th>" in shown
    assert f"{run.report.labels[0].f1.value:.3f}" in shown
    with pytest.raises(errors.RunError):
        load(tmp_path)
    assert repr(run) == "<run of state: 3 features>"
    np.testing.assert_array_equal(run.predict_proba(rows.to_dicts()[0]), expected[1:2])
    with pytest.raises(errors.FeatureError, match="row 1: without 'site', which another row has"):
        run.predict_proba([rows.to_dicts()[0], {"dose": 1.0, "seen": None}])
    with pytest.raises(errors.FeatureError, match="holds no rows by column"):
        run.predict_proba(["dose"])  # type: ignore[list-item]  # that is what is refused
    (tmp_path / "run" / "predictions.parquet").unlink()
    with pytest.raises(errors.RunError, match=r"the run holds no predictions\.parquet"):
        _ = load(tmp_path / "run").plot


def test_figures_are_matplotlib_axes(fitted: ImbalanceClassifier) -> None:
    run = fitted.run_
    (curve, *_), label = run.plot.precision_recall().get_lines(), run.report.labels[0]
    assert np.asarray(curve.get_xydata())[:, 0].max() == 1
    dot = run.plot.precision_recall("state").get_lines()[-1]
    assert np.asarray(dot.get_xydata()).tolist() == [[label.recall.value, label.precision.value]]
    assert run.plot.roc().get_lines()
    assert run.plot.reliability().get_lines()
    with pytest.raises(errors.ConfigError, match="no label 'stat'"):
        run.plot.roc("stat")
    known = run.report.labels[0]
    assert np.asarray(run.plot.confusion().images[0].get_array()).sum() == run.report.rows
    lines = {
        line.get_label(): np.asarray(line.get_xydata())
        for line in run.plot.thresholds().get_lines()
    }
    precision, recall, f1 = (lines[name] for name in ("precision", "recall", "F1"))
    at = np.searchsorted(precision[:, 0], run.thresholds[0])
    assert precision[at, 1] == pytest.approx(known.precision.value)
    assert recall[at, 1] == pytest.approx(known.recall.value)
    assert f1[at, 1] == pytest.approx(known.f1.value)
    bars = [bar for bar in run.plot.classes().patches if isinstance(bar, Rectangle)]
    assert sum(bar.get_height() for bar in bars) == pytest.approx(2)
    model, everyone, *_ = run.plot.benefit().get_lines()
    assert np.asarray(model.get_xydata())[-1, 1] == pytest.approx(
        np.asarray(everyone.get_xydata())[-1, 1]  # at the lowest threshold all are acted on
    )


def test_a_label_says_which_class_it_is_of(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=300)})
    y = pd.Series((frame["x"] + random.normal(size=300) < 1.5).astype(int), name="late")
    quick = ImbalanceClassifier(epochs=1, members=1, bootstrap=0)
    inverted = clone(quick).fit(frame, y)  # 0 is rare
    assert (inverted.positive_, inverted.run_.labels) == (0, ["late=0"])
    onnx_file = inverted.run_.export(tmp_path / "late.onnx")
    said = {entry.key: entry.value for entry in onnx.load(onnx_file).metadata_props}
    assert (said["labels"], said["positive"]) == ('["late=0"]', '"0"')
    inverted.save(tmp_path / "run")
    saved = load(tmp_path / "run")
    np.testing.assert_array_equal(
        saved.predict_proba(frame)[:, 0], inverted.predict_proba(frame)[:, 0]
    )
    assert clone(quick).fit(frame, 1 - y).run_.labels == ["late"]
    assert clone(quick).fit(frame, y == 0).run_.labels == ["late"]
    with pytest.raises(ValueError, match="texts and other values"):
        clone(quick).fit(frame, pd.Series([1, "a"] * 150))
    with pytest.raises(ValueError, match="no column with a value, in 300 rows"):
        clone(quick).fit(frame * np.nan, y)
    with pytest.raises(errors.FeatureError, match="'z' is one cell, and other columns hold"):
        saved.predict_proba({"x": [1.0, 2.0], "z": 3.0})  # type: ignore[dict-item]  # refused
