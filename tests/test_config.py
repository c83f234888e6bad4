"""The config: defaults, overrides, and everything that is refused, with its place."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, get_args

import pytest

from imbalance_cli.calibration import Method
from imbalance_cli.config import MONITORS, Config, WeightingSection, load_config
from imbalance_cli.errors import ConfigError
from imbalance_cli.training import MONITORS as TRAINING_MONITORS

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteFile

SMALLEST = "data: {train: a.csv}\n"


def load(write: WriteFile, text: str, *overrides: str) -> Config:
    """Load a config from text."""
    return load_config(write("c.yaml", text), overrides)


def fail(write: WriteFile, text: str, *overrides: str) -> ConfigError:
    """Return the error that a config gives, its file called c.yaml."""
    with pytest.raises(ConfigError) as caught:
        load(write, text, *overrides)
    error = caught.value
    place, _, rest = error.message.partition("c.yaml: ")
    error.message = f"c.yaml: {rest}" if rest else place
    return error


def test_defaults_of_the_smallest_config(write: WriteFile) -> None:
    config = load(write, SMALLEST)
    assert config.data.train == ["a.csv"]
    assert config.data.labels == []
    assert config.split.strategy == "auto"
    assert config.weighting == WeightingSection()
    assert config.loss.name == "weighted_bce"
    assert config.model.hidden == [256, 256]
    assert config.training.patience == 15
    assert config.output.directory == "runs"


def test_one_name_is_a_list_of_one(write: WriteFile) -> None:
    config = load(write, "data: {train: [a.csv, b.csv], labels: y, exclude: '*_id', test: t.csv}")
    assert config.data.train == ["a.csv", "b.csv"]
    assert config.data.labels == ["y"]
    assert config.data.exclude == ["*_id"]
    assert config.data.test == ["t.csv"]


def test_a_section_without_keys_is_its_defaults(write: WriteFile) -> None:
    config = load(write, SMALLEST + "training:\n  # epochs: 5\nmodel:\n", "model.dropout=0.5")
    assert config.training.epochs == 100
    assert config.model.dropout == 0.5


@pytest.mark.parametrize(
    "text", ["", "weighting: {cap: 5.0, strategy: sqrt}\n", "loss: {name: bce}\n"]
)
def test_saved_yaml_gives_the_same_config(write: WriteFile, text: str) -> None:
    config = load(write, SMALLEST + text + "output: {name: é}\n", "data.positive=no")
    again = load(write, config.to_yaml())
    assert again == config
    assert again.to_yaml() == config.to_yaml()
    assert "\n  name: é\n" in config.to_yaml()


def test_saved_yaml_with_weights_from_a_file(write: WriteFile) -> None:
    config = load(write, SMALLEST + "weighting: {from: w.json}\n")
    assert config.weighting.from_ == "w.json"
    assert load(write, config.to_yaml()) == config


@pytest.mark.parametrize("weighting", ["", "weighting: {}\n", "weighting: {strategy: none}\n"])
def test_bce_is_weighted_by_none(write: WriteFile, weighting: str) -> None:
    config = load(write, SMALLEST + "loss: {name: bce}\n" + weighting)
    assert config.weighting == WeightingSection(strategy="none")


def test_overrides(write: WriteFile) -> None:
    config = load(
        write,
        SMALLEST,
        "training.epochs=5",
        "training.learning_rate=1e-2",
        "training.patience=null",
        "data.labels=[a, b]",
        "data.exclude=*_id",
        "data.positive=yes",
        "training.epochs=7",
        "model.hidden=[]",
    )
    assert config.training.epochs == 7
    assert config.training.learning_rate == 0.01
    assert config.training.patience is None
    assert config.data.labels == ["a", "b"]
    assert config.data.exclude == ["*_id"]
    assert config.data.positive == "yes"
    assert config.model.hidden == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("x", "--set x: not of the form section.key=value"),
        ("=3", "--set =3: not of the form section.key=value"),
        ("training.=3", "--set training.=3: not of the form section.key=value"),
        (".epochs=3", "--set .epochs=3: not of the form section.key=value"),
        ("training.epochs=[", "--set training.epochs: '[' is not a YAML value"),
        ("data.train.x=3", "--set data.train.x=3: data.train holds no keys"),
        ("trainin.epochs=3", "c.yaml: trainin (--set): no such key"),
        ("training.epoch=3", "c.yaml: training.epoch (--set): no such key"),
        ("training=3", "c.yaml: training (--set): 3 should be a mapping of keys"),
        ("training.epochs=x", "c.yaml: training.epochs (--set): 'x' should be a whole number"),
        ("training.device=gpu", "c.yaml: training.device (--set): 'gpu' should be auto, cpu, cuda"),
        ("loss.name=focal", "c.yaml: loss.name (--set): 'focal' is not supported yet"),
        ("data={}", "c.yaml: data.train: is needed and not given"),
        ("data={labls: y}", "c.yaml: 2 values are wrong: data.train: is needed and not given; "),
        ("training={epochs: x}", "c.yaml: training.epochs (--set): 'x' should be a whole number"),
    ],
)
def test_overrides_that_cannot_be(write: WriteFile, override: str, message: str) -> None:
    assert fail(write, SMALLEST, override).message.startswith(message)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("data:\n  train: a\n  lables: b\n", "data.lables (line 3): no such key", "'labels'"),
        (SMALLEST + "los: {}\n", "los (line 2): no such key", "did you mean 'loss'?"),
        (SMALLEST + "qqq: {}\n", "qqq (line 2): no such key", "the keys are data, split"),
        (SMALLEST + "weighting: {form: x}\n", "weighting.form", "did you mean 'from'?"),
        ("split: {}\n", "data: is needed and not given", ""),
        ("data:\n", "data.train: is needed and not given", ""),
        ("data: {labels: y}\n", "data.train: is needed and not given", ""),
        ("data: {train: []}\n", "data.train (line 1): [] should hold something", ""),
        ("data: {train: 5}\n", "data.train (line 1): 5 should be a path or a list of them", ""),
        ("data: {train: [a, 5]}\n", "data.train.1 (line 1): 5 should be text", ""),
        ("data: x\n", "data (line 1): 'x' should be a mapping of keys", ""),
        (SMALLEST + "3: {}\n", "3: 3 should be text, as all keys are", ""),
        (SMALLEST + "report: {plots: 1}\n", "report.plots (line 2): 1 should be true or false", ""),
        (
            SMALLEST + "training: {epochs: 2.5}\n",
            "training.epochs (line 2): 2.5 should be a wh",
            "",
        ),
        (SMALLEST + "training: {epochs: 0}\n", "0 should be greater than or equal to 1", ""),
        (SMALLEST + "training: {seed: -1}\n", "-1 should be greater than or equal to 0", ""),
        (SMALLEST + "training: {learning_rate: .inf}\n", "inf should be a finite number", ""),
        (SMALLEST + "training: {batch_size: big}\n", "should be a whole number or be auto", ""),
        (SMALLEST + "split: {strategy: even}\n", "'even' should be one of auto, random, strat", ""),
        (SMALLEST + "split: {valid: 1}\n", "split.valid (line 2): 1 should be less than 1", ""),
        (SMALLEST + "split: {valid: 0.6, test: 0.4}\n", "split.valid + split.test is 1, which", ""),
        (
            SMALLEST + "weighting: {from: w.json, cap: 3}\n",
            "weighting.from and weighting.cap would count the imbalance twice",
            "give weighting.from alone",
        ),
        (
            SMALLEST + "weighting: {from: w.json, strategy: ratio}\n",
            "weighting.from and weighting.strategy would count",
            "",
        ),
        (
            SMALLEST + "weighting: {strategy: sqrt}\nloss: {name: bce}\n",
            "loss.name bce takes no weights, and weighting.strategy asks",
            "weighted_bce",
        ),
        (
            SMALLEST + "weighting: {from: w.json}\nloss: {name: bce}\n",
            "loss.name bce takes no weights, and weighting.from asks",
            "",
        ),
    ],
)
def test_wrong_configs(write: WriteFile, text: str, message: str, hint: str) -> None:
    error = fail(write, text)
    assert error.message.startswith("c.yaml: ")
    assert message in error.message
    assert hint in (error.hint or "")


def test_an_override_takes_the_place_of_everything_below_it(write: WriteFile) -> None:
    error = fail(write, SMALLEST + "training:\n  epoch: 5\n", "training={epoch: 6}")
    assert error.message == "c.yaml: training.epoch (--set): no such key"


def test_a_merged_key_is_named_in_full(write: WriteFile) -> None:
    text = SMALLEST + "training: &t {epochs: 1}\nmodel: {<<: *t}\n"
    error = fail(write, text)
    assert error.message == "c.yaml: model.epochs (line 3): no such key"
    assert error.hint is not None
    assert error.hint.startswith("the keys are hidden, activation")
    error = fail(write, SMALLEST + "split: &s {seed: x}\ntraining: {<<: *s}\n")
    assert "training.seed (line 3): 'x' should be a whole number" in error.message


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        (
            "weighting: {beta: 0.9}",
            "weighting.beta (line 2): 0.9 goes with weighting.strategy effective, not ratio",
            "weighting.strategy: effective, or leave weighting.beta out",
        ),
        (
            "weighting: {beta: 0.9, strategy: none}\nloss: {name: bce}",
            "weighting.beta (line 2): 0.9 goes with weighting.strategy effective, not none",
            "weighting.strategy: effective, or leave weighting.beta out",
        ),
        (
            "thresholds: {false_positive_cost: 2.0}",
            "thresholds.false_positive_cost (line 2): 2.0 goes with thresholds.objective cost",
            "thresholds.objective: cost, or leave thresholds.false_positive_cost out",
        ),
        (
            "thresholds: {false_negative_cost: 2.0, objective: half}",
            "thresholds.false_negative_cost (line 2): 2.0 goes with thresholds.objective cost",
            "thresholds.objective: cost, or leave thresholds.false_negative_cost out",
        ),
    ],
)
def test_values_that_do_nothing_are_refused(
    write: WriteFile, text: str, problem: str, hint: str
) -> None:
    error = fail(write, SMALLEST + text)
    assert error.message.startswith(f"c.yaml: {problem}")
    assert error.hint == hint


@pytest.mark.parametrize(
    ("override", "problem", "hint"),
    [
        (
            "training.monitor=roc",
            "'roc' should be one of average_precision, roc_auc, brier, log_loss",
            "did you mean 'roc_auc'?",
        ),
        ("training.monitor=f1", "'f1' should be one of average_precision, roc_auc, brier", None),
        ("loss.name=weighted", "'weighted' should be one of bce, weighted_bce", "'weighted_bce'"),
        (
            "model.numeric_embedding=piecewise",
            "'piecewise' should be one of auto, none, piecewise_linear",
            "'piecewise_linear'",
        ),
        (
            "calibration.method=plat",
            "'plat' should be one of auto, analytic, platt, none",
            "'platt'",
        ),
        (
            "thresholds.objective=costs",
            "'costs' should be one of f1, f2, mcc, balanced_accuracy, cost, half",
            "'cost'",
        ),
        ("training.sampler=shufle", "'shufle' should be shuffle", "'shuffle'"),
        ("data.encoding=bin", "'bin' should be one of auto, binary", "'binary'"),
        ("split.strategy=[a]", "['a'] should be one of auto, random, stratified", None),
    ],
)
def test_a_typo_is_told_what_works_today(
    write: WriteFile, override: str, problem: str, hint: str | None
) -> None:
    error = fail(write, SMALLEST, override)
    key, _, _ = override.partition("=")
    assert error.message.startswith(f"c.yaml: {key} (--set): {problem}")
    assert error.hint is None if hint is None else hint in str(error.hint)


BOMB = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else 'lol'] * 9)}]\n" for i in range(7))


@pytest.mark.parametrize(
    "text",
    [
        "data: {train: *a6}",
        "data: {train: a, positive: *a6}",
        "data: {train: a, tag_separator: {a: {b: *a6}}}",
        "training: *a6",
        f"data: {{train: {{a: {'x' * 9999}}}}}",
        f"data: {{train: a, encoding: {'x' * 9999}}}",
        f"data: {{train: a, {'x' * 999}: 1}}",
        f"data: {{train: a, sample_weight: {'x' * 9999}}}",
        f"data: {{train: a}}\ntraining: {{epochs: {'-' + '9' * 4000}}}",
    ],
)
def test_a_huge_value_is_cut(write: WriteFile, text: str) -> None:
    error = fail(write, (BOMB if "*" in text else "") + text)
    assert "..." in error.message
    assert len(error.message) < 3000  # each of the bomb's own keys is wrong too
    assert max(len(part) for part in error.message.split("; ")) < 300


def test_a_huge_override_is_cut(write: WriteFile) -> None:
    for override in ("x" * 9999, "data.train." + "x" * 9999 + "=3", "x." + "y" * 9999 + "=["):
        assert len(fail(write, SMALLEST, override).message) < 300


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("data.train=null", "null should be a path or a list of them"),
        ("data.train={a: 1}", "{'a': 1} should be a path or a list of them"),
        ("data.valid=true", "true should be a path or a list of them"),
        ("data.test={a: [null, false]}", "{'a': [null, false]} should be a path or a list of them"),
        ("data.labels={a: 1}", "{'a': 1} should be a name or a list of them"),
        ("data.exclude=false", "false should be a name or a list of them"),
        ("training.epochs=null", "null should be a whole number"),
        ("training.batch_size='a should b'", "'a should b' should be a whole number or be auto"),
    ],
)
def test_values_are_shown_as_yaml_spells_them(
    write: WriteFile, override: str, problem: str
) -> None:
    key, _, _ = override.partition("=")
    assert fail(write, SMALLEST, override).message == f"c.yaml: {key} (--set): {problem}"


def test_null_names_are_none_given(write: WriteFile) -> None:
    config = load(write, "data: {train: a.csv, labels: null, exclude:, valid:, test: ~}")
    assert config == load(write, SMALLEST)
    assert config.data.labels == config.data.exclude == []


@pytest.mark.parametrize("name", ["a/b", "/a", "a\\b", ".", "..", ""])
def test_the_name_of_a_run_is_no_path(write: WriteFile, name: str) -> None:
    error = fail(write, SMALLEST, f"output.name='{name}'")
    assert error.message == (
        f"c.yaml: output.name (--set): {name!r} should be a name, without / or \\"
    )


def test_all_wrong_values_are_named_at_once(write: WriteFile) -> None:
    text = (
        "data:\n  train: 5\n  labls: y\ntraining:\n  epochs: many\n  batch_size: big\n"
        "model: {hidden: [8, x]}\nlos: {}\n"
    )
    error = fail(write, text)
    assert error.message.startswith("c.yaml: 6 values are wrong: ")
    for part in (
        "data.train (line 2): 5 should be a path or a list of them",
        "data.labls (line 3): no such key",
        "training.epochs (line 5): 'many' should be a whole number",
        "training.batch_size (line 6): 'big' should be a whole number or be auto",
        "model.hidden.1 (line 7): 'x' should be a whole number",
        "los (line 8): no such key",
    ):
        assert part in error.message
    assert error.hint == "data.labls: did you mean 'labels'?; los: did you mean 'loss'?"


@pytest.mark.parametrize(
    ("override", "works"),
    [
        ("data.encoding=tags", "auto, binary"),
        ("data.sample_weight=w", "null"),
        ("loss.name=focal", "bce, weighted_bce"),
        ("loss.gamma=1.0", "2.0"),
        ("loss.alpha=0.25", "null"),
        ("loss.gamma_positive=0.0", "1.0"),
        ("loss.gamma_negative=1.0", "4.0"),
        ("loss.margin=0.1", "0.05"),
        ("loss.tau=2.0", "1.0"),
        ("model.numeric_embedding=periodic", "auto, none, piecewise_linear"),
        ("model.members=3", "1"),
        ("training.sampler=balanced", "shuffle"),
        ("training.folds=5", "null"),
        ("calibration.method=isotonic", "auto, analytic, platt, none"),
        ("thresholds.objective=top_k", "f1, f2, mcc, balanced_accuracy, cost, half"),
        ("thresholds.target=0.9", "null"),
    ],
)
def test_what_does_nothing_yet_is_refused_by_name(
    write: WriteFile, override: str, works: str
) -> None:
    error = fail(write, SMALLEST, override)
    key, _, _ = override.partition("=")
    assert error.message.startswith(f"c.yaml: {key} (--set): ")
    assert error.message.endswith("is not supported yet")
    assert error.hint == f"works today: {works}"


def test_a_default_that_does_nothing_yet_may_be_written_out(write: WriteFile) -> None:
    saved = load(write, SMALLEST).to_yaml()
    for key in ("beta: 0.9999", "false_positive_cost: 1.0", "false_negative_cost: 1.0"):
        assert key in saved
    load(write, saved)
    load(write, saved, "loss.name=bce", "weighting.strategy=none")
    load(write, saved, "weighting.strategy=effective", "weighting.beta=0.9")
    load(write, saved, "thresholds.objective=cost", "thresholds.false_negative_cost=9.0")


def test_what_is_allowed_is_what_the_rooms_can_do() -> None:
    assert set(MONITORS) == set(TRAINING_MONITORS)
    assert set(get_args(Method)) == {"auto", "analytic", "platt", "none"}


def test_files_that_are_no_config(tmp_path: Path, write: WriteFile) -> None:
    write("quickstart.yaml", SMALLEST)
    (tmp_path / "latin.yaml").write_bytes(b"data: {train: caf\xe9}\n")
    for name, message, hint in (
        (tmp_path, "is a directory, not a YAML file", ""),
        (tmp_path / "quikstart.yaml", "no such file", "quickstart.yaml"),
        (tmp_path / "none" / "c.yaml", "no such file", ""),
        (tmp_path / "latin.yaml", "not UTF-8 text: byte 18 is 0xe9", "a YAML file"),
        ("data: {train: a.csv}" * 100, "cannot be read: File name too long", ""),
    ):
        with pytest.raises(ConfigError) as caught:
            load_config(str(name))
        assert message in caught.value.message
        assert hint in (caught.value.hint or "")
        assert len(caught.value.message) < 300


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    def pipe(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    pipe(SMALLEST.encode())
    assert load_config("-", ["training.epochs=3"]).training.epochs == 3
    pipe(b"data: {}\n")
    with pytest.raises(ConfigError, match=r"^stdin: data\.train: is needed"):
        load_config("-")
    pipe(b"\xff")
    with pytest.raises(ConfigError, match=r"^stdin: not UTF-8 text: byte 1 is 0xff"):
        load_config("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ConfigError, match="stdin is closed"):
        load_config("-")


@pytest.mark.parametrize(
    ("text", "readers"),
    [
        ("data: {train: '-', test: '-'}", "data.train and data.test"),
        ("data: {train: ['-', '-']}", "data.train and data.train"),
        ("data: {train: '-'}\nweighting: {from: '-'}", "data.train and weighting.from"),
    ],
)
def test_stdin_is_read_once(write: WriteFile, text: str, readers: str) -> None:
    error = fail(write, text)
    assert error.message == f"stdin can be read once, and {readers} would read it"


def test_stdin_for_the_config_and_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"data: {train: '-'}")))
    with pytest.raises(ConfigError, match=r"the config and data\.train would read it"):
        load_config("-")
