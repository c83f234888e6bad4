"""The config: defaults, overrides, and everything that is refused, with its place."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, get_args

import pytest

from imbalance_cli.config import MONITORS, Config, WeightingSection, load_config
from imbalance_cli.config.sections import CalibrationSection
from imbalance_cli.decisions.calibration import Method
from imbalance_cli.errors import ConfigError
from imbalance_cli.losses.registry import LOSS_SPECS
from imbalance_cli.network.monitors import MONITORS as TRAINING_MONITORS

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteFile

SMALLEST = "data: {train: a.csv}\n"
LOSSES = tuple(LOSS_SPECS)
LOSS_KEYS = {
    "gamma": ["focal", "class_balanced", "distribution_balanced"],
    "alpha": ["focal"],
    "gamma_positive": ["asymmetric"],
    "gamma_negative": ["asymmetric"],
    "margin": ["asymmetric"],
    "tau": ["logit_adjusted"],
}


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
    assert config.weighting == WeightingSection(strategy="none")
    assert config.loss.name == "bce"
    assert config.model.recipe == "tabular"
    assert config.model.hidden == "auto"
    assert config.training.patience == "auto"
    assert config.output.directory == "runs"


def test_one_name_is_a_list_of_one(write: WriteFile) -> None:
    config = load(write, "data: {train: [a.csv, b.csv], labels: y, exclude: '*_id', test: t.csv}")
    assert config.data.train == ["a.csv", "b.csv"]
    assert config.data.labels == ["y"]
    assert config.data.exclude == ["*_id"]
    assert config.data.test == ["t.csv"]


def test_a_section_without_keys_is_its_defaults(write: WriteFile) -> None:
    config = load(write, SMALLEST + "training:\n  # epochs: 5\nmodel:\n", "model.dropout=0.5")
    assert config.training.epochs == "auto"
    assert config.model.dropout == 0.5


SAVED = [
    "",
    "weighting: {cap: 5.0, strategy: sqrt}\n",
    "weighting: {beta: 0.9, strategy: effective, smoothing: 1.0}\n",
    "loss: {name: bce}\n",
    "loss: {name: bce}\ntraining: {sampler: balanced, folds: 3}\nmodel: {members: 4}\n",
    "model: {recipe: plain, sharing: trunk, hidden: auto, dropout: auto}\n",
    "model: {numeric_embedding: both}\ntraining: {epochs: auto, patience: null}\n",
    "loss: {name: focal}\n",
    "loss: {name: focal, gamma: 1.0, alpha: 0.25}\n",
    "loss: {name: focal}\nweighting: {strategy: ratio}\n",
    "loss: {name: focal}\nweighting: {from: w.json}\n",
    "loss: {name: class_balanced}\n",
    "loss: {name: class_balanced, gamma: 0.0}\nweighting: {beta: 0.9, cap: 3.0}\n",
    "loss: {name: asymmetric, gamma_positive: 0.0, gamma_negative: 1.0, margin: 0.1}\n",
    "loss: {name: asymmetric}\nweighting: {strategy: balanced}\n",
    "loss: {name: logit_adjusted, tau: 2.0}\n",
    "loss: {name: distribution_balanced, gamma: 0.5}\n",
    "loss: {name: logit_adjusted}\nweighting: {strategy: sqrt, allow_double_counting: true}\n",
]


@pytest.mark.parametrize("text", SAVED)
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


PLAIN = ("bce", "focal", "asymmetric", "logit_adjusted", "distribution_balanced")


def test_every_loss_is_saved_in_some_test() -> None:
    assert {loss for text in SAVED for loss in LOSSES if f"name: {loss}" in text} == {*LOSSES} - {
        "weighted_bce"
    }


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("section", ["", "weighting: {}\n", "weighting: {cap: null}\n"])
def test_weights_of_each_loss_that_are_not_asked_for(
    write: WriteFile, loss: str, section: str
) -> None:
    config = load(write, SMALLEST + f"loss: {{name: {loss}}}\n" + section)
    wanted = {"weighted_bce": "ratio", "class_balanced": "effective"}.get(loss, "none")
    assert config.weighting == WeightingSection.model_validate({"strategy": wanted})
    assert config.weighting.gives_weights == (loss not in PLAIN)


@pytest.mark.parametrize(
    ("weighting", "loss"),
    [
        ("{}", "bce"),
        ("{strategy: none}", "bce"),
        ("{strategy: sqrt}", "weighted_bce"),
        ("{cap: 5.0}", "weighted_bce"),
        ("{from: w.json}", "weighted_bce"),
    ],
)
def test_the_loss_is_weighted_where_weights_are_asked_for(
    write: WriteFile, weighting: str, loss: str
) -> None:
    config = load(write, SMALLEST + f"weighting: {weighting}\n")
    assert config.loss.name == loss
    assert config.weighting.gives_weights == (loss == "weighted_bce")
    assert load(write, SMALLEST + f"weighting: {weighting}\nloss: {{name: auto}}\n") == config


@pytest.mark.parametrize("strategy", ["ratio", "sqrt", "effective", "balanced", "none"])
@pytest.mark.parametrize("loss", ["weighted_bce", "focal", "asymmetric"])
def test_losses_that_take_any_weights(write: WriteFile, loss: str, strategy: str) -> None:
    config = load(write, SMALLEST, f"loss.name={loss}", f"weighting.strategy={strategy}")
    assert config.weighting.strategy == strategy
    assert config.weighting.gives_weights == (strategy != "none")
    assert load(write, SMALLEST, f"loss.name={loss}", "weighting.from=w.csv").weighting.from_


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        ("loss: {name: focal}\nweighting: {strategy: ratio}\ntraining: {sampler: balanced}", 0),
        ("loss: {name: weighted_bce}\ntraining: {sampler: balanced}", 1),
        ("weighting: {from: w.json}\ntraining: {sampler: balanced}", 2),
        ("loss: {name: class_balanced}\ntraining: {sampler: balanced}", 3),
        ("loss: {name: logit_adjusted}\ntraining: {sampler: balanced}", 4),
        ("loss: {name: distribution_balanced}\ntraining: {sampler: balanced}", 5),
        ("loss: {name: logit_adjusted}\nweighting: {strategy: sqrt}", 6),
        ("loss: {name: distribution_balanced}\nweighting: {from: w.json}", 7),
        ("loss: {name: focal, alpha: 0.25}\nweighting: {strategy: ratio}", 8),
        ("loss: {name: focal, alpha: 0.25}\nweighting: {from: w.json}", 9),
        ("loss: {name: focal, alpha: 0.25}\ntraining: {sampler: balanced}", 10),
    ],
)
def test_double_counting_is_refused_unless_allowed(
    write: WriteFile, text: str, beside: int
) -> None:
    sampler = "training.sampler balanced"
    pairs = [
        ("weighting.strategy ratio", sampler),
        ("weighting.strategy ratio", sampler),
        ("weighting.from", sampler),
        ("loss.name class_balanced", sampler),
        ("loss.name logit_adjusted", sampler),
        ("loss.name distribution_balanced", sampler),
        ("weighting.strategy sqrt", "loss.name logit_adjusted"),
        ("weighting.from", "loss.name distribution_balanced"),
        ("weighting.strategy ratio", "loss.alpha"),
        ("weighting.from", "loss.alpha"),
        ("loss.alpha", sampler),
    ]
    first, second = pairs[beside]
    error = fail(write, SMALLEST + text)
    assert error.message == f"c.yaml: {first} and {second} would count the imbalance twice"
    keys = first.split()[0], second.split()[0]
    ways, _, last = str(error.hint).rpartition("; or ")
    assert last == "weighting.allow_double_counting: true"
    assert ways in {
        f"leave {keys[0]} or {keys[1]} out",
        f"weighting.strategy: none, or leave {keys[1]} out",
    }
    config = load(write, SMALLEST + text, "weighting.allow_double_counting=true")
    assert config.weighting.allow_double_counting
    assert load(write, config.to_yaml()) == config


def test_hint_against_the_default_weights_and_the_sampler_can_be_followed(
    write: WriteFile,
) -> None:
    load(write, SMALLEST, "training.sampler=balanced", "weighting.strategy=none")
    load(write, SMALLEST, "training.sampler=balanced", "loss.name=focal")


@pytest.mark.parametrize("loss", ["logit_adjusted", "distribution_balanced", "bce", "focal"])
def test_nothing_is_counted_twice_by_one_correction(write: WriteFile, loss: str) -> None:
    load(write, SMALLEST, f"loss.name={loss}", "weighting.strategy=none")
    load(write, SMALLEST, f"loss.name={loss}")


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
        (
            SMALLEST + "training: {epochs: 0}\n",
            "0 should be greater than or equal to 1 or be auto",
            "",
        ),
        (
            SMALLEST + "model:\n  hidden: [8, 0]\n",
            "c.yaml: model.hidden.1 (line 3): 0 should be greater than or equal to 1",
            "",
        ),
        (SMALLEST + "model: {hidden: 8}\n", "model.hidden (line 2): 8 should be a list or be", ""),
        (SMALLEST + "model: {sharing: tree}\n", "'tree' should be one of auto, trunk, none", ""),
        (SMALLEST + "training: {seed: -1}\n", "-1 should be greater than or equal to 0", ""),
        (SMALLEST + "training: {learning_rate: .inf}\n", "inf should be a finite number", ""),
        (SMALLEST + "training: {batch_size: big}\n", "should be a whole number or be auto", ""),
        (SMALLEST + "split: {strategy: even}\n", "'even' should be one of auto, random, strat", ""),
        (SMALLEST + "split: {valid: 1}\n", "split.valid (line 2): 1 should be less than 1", ""),
        (
            SMALLEST + "report: {bootstrap: 9}\n",
            "9 should be 0, for no intervals, or at least 10",
            "",
        ),
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
        (
            SMALLEST + "weighting: {cap: 3}\nloss: {name: bce}\n",
            "loss.name bce takes no weights, and weighting.cap asks for them",
            "loss.name: weighted_bce, or leave weighting.cap out",
        ),
        (
            SMALLEST + "weighting: {strategy: ratio}\nloss: {name: class_balanced}\n",
            "loss.name class_balanced weighs by effective numbers, and weighting.strategy asks",
            "loss.name: focal takes any weights",
        ),
        (
            SMALLEST + "weighting: {strategy: none}\nloss: {name: class_balanced}\n",
            "loss.name class_balanced weighs by effective numbers, and weighting.strategy asks",
            "leave weighting.strategy out",
        ),
        (
            SMALLEST + "weighting: {from: w.json}\nloss: {name: class_balanced}\n",
            "loss.name class_balanced weighs by effective numbers, and weighting.from asks",
            "",
        ),
        (
            SMALLEST + "weighting: {cap: 3}\nloss: {name: focal}\n",
            "loss.name focal takes no weights unless asked to, and weighting.cap says nothing",
            "weighting.strategy beside it, or leave weighting.cap out",
        ),
        (
            SMALLEST + "weighting: {beta: 0.9}\nloss: {name: logit_adjusted}\n",
            "loss.name logit_adjusted takes no weights unless asked to, and weighting.beta says",
            "",
        ),
        (
            "data: {train: a, time: day}\ntraining: {folds: 3}\n",
            "training.folds deals the rows out at random, and data.time asks to train on the past",
            "leave training.folds out, or data.time",
        ),
        (
            SMALLEST + "split: {strategy: time}\ntraining: {folds: 3}\n",
            "training.folds deals the rows out at random",
            "",
        ),
    ],
)
def test_wrong_configs(write: WriteFile, text: str, message: str, hint: str) -> None:
    error = fail(write, text)
    assert error.message.startswith("c.yaml: ")
    assert message in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("loss.gamma=-0.1", "-0.1 should be greater than or equal to 0"),
        ("loss.gamma=.inf", "inf should be a finite number"),
        ("loss.gamma=.nan", "nan should be a finite number"),
        ("loss.gamma_positive=-1", "-1 should be greater than or equal to 0"),
        ("loss.gamma_negative=-1e-9", "-1e-09 should be greater than or equal to 0"),
        ("loss.margin=-0.1", "-0.1 should be greater than or equal to 0"),
        ("loss.margin=1.0", "1.0 should be less than 1"),
        ("loss.margin=.nan", "nan should be "),
        ("loss.tau=-1", "-1 should be greater than or equal to 0"),
        ("loss.tau=.inf", "inf should be a finite number"),
        ("loss.alpha=0", "0 should be greater than 0"),
        ("loss.alpha=1.0", "1.0 should be less than 1"),
        ("loss.alpha=-0.5", "-0.5 should be greater than 0"),
        ("weighting.beta=1.0", "1.0 should be less than 1"),
        ("weighting.beta=-0.1", "-0.1 should be greater than or equal to 0"),
        ("weighting.cap=0", "0 should be greater than 0"),
        ("weighting.cap=.inf", "inf should be a finite number"),
        ("weighting.smoothing=-1", "-1 should be greater than or equal to 0"),
        ("weighting.allow_double_counting=1", "1 should be true or false"),
        ("model.members=0", "0 should be greater than or equal to 1"),
        ("model.members=1.5", "1.5 should be a whole number"),
        ("model.members=true", "true should be a whole number"),
        ("training.folds=1", "1 should be greater than or equal to 2"),
        ("training.folds=0", "0 should be greater than or equal to 2"),
        ("training.folds=two", "'two' should be a whole number"),
    ],
)
def test_ranges(write: WriteFile, override: str, problem: str) -> None:
    key, _, _ = override.partition("=")
    assert fail(write, SMALLEST, override).message.startswith(f"c.yaml: {key} (--set): {problem}")


@pytest.mark.parametrize(
    "overrides",
    [
        ["loss.name=focal", "loss.gamma=0"],
        ["loss.name=asymmetric", "loss.margin=0", "loss.gamma_positive=0"],
        ["loss.name=logit_adjusted", "loss.tau=0"],
        ["loss.name=class_balanced", "weighting.beta=0.0"],
        ["model.members=1", "training.folds=2"],
        ["training.folds=null"],
    ],
)
def test_the_ends_of_the_ranges_are_inside(write: WriteFile, overrides: list[str]) -> None:
    load(write, SMALLEST, *overrides)


def test_an_override_takes_the_place_of_everything_below_it(write: WriteFile) -> None:
    error = fail(write, SMALLEST + "training:\n  epoch: 5\n", "training={epoch: 6}")
    assert error.message == "c.yaml: training.epoch (--set): no such key"


def test_a_merged_key_is_named_in_full(write: WriteFile) -> None:
    text = SMALLEST + "training: &t {epochs: 1}\nmodel: {<<: *t}\n"
    error = fail(write, text)
    assert error.message == "c.yaml: model.epochs (line 3): no such key"
    assert error.hint is not None
    assert error.hint.startswith("the keys are recipe, hidden, activation")
    error = fail(write, SMALLEST + "split: &s {seed: x}\ntraining: {<<: *s}\n")
    assert "training.seed (line 3): 'x' should be a whole number" in error.message


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        *(
            (
                f"loss: {{{key}: 0.5, name: {loss}}}",
                f"loss.{key} (line 2): 0.5 goes with loss.name {' or '.join(needed)}, not {loss}",
                f"loss.name: {needed[0]}, or leave loss.{key} out",
            )
            for key, needed in LOSS_KEYS.items()
            for loss in LOSSES
            if loss not in needed
        ),
        *(
            (
                f"weighting: {{{key}: 3.0, strategy: none}}",
                f"weighting.{key} (line 2): 3.0 goes with weighting.strategy ratio or sqrt or ",
                f"weighting.strategy: ratio, or leave weighting.{key} out",
            )
            for key in ("cap", "smoothing")
        ),
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
        (
            "thresholds: {target: 0.9}",
            (
                "thresholds.target (line 2): 0.9 goes with thresholds.objective "
                "recall_at_precision or precision_at_recall or top_k, not f1"
            ),
            "thresholds.objective: recall_at_precision, or leave thresholds.target out",
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
        ("model.recipe=tabula", "'tabula' should be one of tabular, plain", "'tabular'"),
        ("model.sharing=trunks", "'trunks' should be one of auto, trunk, none", "'trunk'"),
        ("training.schedule=cosin", "'cosin' should be one of auto, cosine", "'cosine'"),
        (
            "model.numeric_embedding=piecewise",
            "'piecewise' should be one of auto, none, piecewise_linear",
            "'piecewise_linear'",
        ),
        (
            "calibration.method=plat",
            "'plat' should be one of auto, analytic, temperature, platt, quadratic, none",
            "'platt'",
        ),
        (
            "thresholds.objective=costs",
            "'costs' should be one of f1, f2, mcc, balanced_accuracy, cost, recall_at_precision",
            "'cost'",
        ),
        ("training.sampler=shufle", "'shufle' should be one of shuffle, balanced", "'shuffle'"),
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
        ("training.epochs=null", "null should be a whole number or be auto"),
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
    ("section", "problem", "hint"),
    [
        (
            "{objective: recall_at_precision}",
            (
                "thresholds.objective (line 2): recall_at_precision needs thresholds.target, the "
                "least precision, up to 1"
            ),
            "as thresholds.target=0.9",
        ),
        (
            "{objective: precision_at_recall, target: 90.0}",
            "thresholds.target (line 2): 90 should be the least recall, up to 1",
            "as thresholds.target=0.9",
        ),
        (
            "{objective: top_k}",
            (
                "thresholds.objective (line 2): top_k needs thresholds.target, a whole number of "
                "validation rows, or below 1 their share"
            ),
            "as thresholds.target=100",
        ),
        (
            "{objective: top_k, target: 2.5}",
            (
                "thresholds.target (line 2): 2.5 should be a whole number of validation rows, or "
                "below 1 their share"
            ),
            "as thresholds.target=100",
        ),
        ("{objective: top_k, target: 0}", "thresholds.target (line 2): 0 should be ", None),
        ("{objective: top_k, target: -3}", "thresholds.target (line 2): -3 should be ", None),
        ("{objective: top_k, target: .inf}", "thresholds.target (line 2): inf should be ", None),
    ],
)
def test_an_objective_has_a_target_that_it_can_have(
    write: WriteFile, section: str, problem: str, hint: str | None
) -> None:
    error = fail(write, f"{SMALLEST}thresholds: {section}")
    assert problem in error.message
    assert error.hint == hint


@pytest.mark.parametrize(
    ("objective", "target"),
    [
        ("top_k", "50"),
        ("top_k", "1"),
        ("top_k", "0.01"),
        ("recall_at_precision", "1"),
        ("precision_at_recall", "0.75"),
    ],
)
def test_targets_that_are_read(write: WriteFile, objective: str, target: str) -> None:
    given = [f"thresholds.objective={objective}", f"thresholds.target={target}"]
    loaded = load(write, SMALLEST, *given)
    assert loaded.thresholds.target == float(target)
    assert load(write, loaded.to_yaml()).thresholds == loaded.thresholds


def test_a_default_that_does_nothing_yet_may_be_written_out(write: WriteFile) -> None:
    saved = load(write, SMALLEST).to_yaml()
    for key in ("beta: 0.9999", "false_positive_cost: 1.0", "false_negative_cost: 1.0"):
        assert key in saved
    load(write, saved)
    load(write, saved, "loss.name=bce", "weighting.strategy=none")
    weighted = ("loss.name=weighted_bce", "weighting.strategy=effective", "weighting.beta=0.9")
    load(write, saved, *weighted)
    load(write, saved, "thresholds.objective=cost", "thresholds.false_negative_cost=9.0")


def test_what_is_allowed_is_what_the_rooms_can_do() -> None:
    assert set(MONITORS) == set(TRAINING_MONITORS)
    assert get_args(Method) == get_args(CalibrationSection.model_fields["method"].annotation)


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
