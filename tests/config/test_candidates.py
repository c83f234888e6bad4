"""Which configs `compare` tries, and what each keeps of the base."""

from __future__ import annotations

import pytest
import yaml

from imbalance_cli.config import (
    DEFAULT_STRATEGIES,
    STRATEGIES,
    Config,
    compared_losses,
    list_candidates,
    load_config,
)
from imbalance_cli.errors import ConfigError

LOSSES = compared_losses()


def make_base(**sections: object) -> Config:
    return Config.model_validate({"data": {"train": ["a.csv"]}, **sections})


def test_default_candidates_are_those_of_the_papers() -> None:
    names = list(list_candidates(make_base(), [], []))
    assert names == [
        "bce",
        "weighted_bce:ratio",
        "weighted_bce:sqrt",
        "weighted_bce:effective",
        "focal",
        "asymmetric",
        "logit_adjusted",
        "balanced_sampler",
    ]
    assert set(compared_losses(by_default=True)) < set(LOSSES)
    assert set(DEFAULT_STRATEGIES) < set(STRATEGIES)


def test_the_baseline_is_always_among_them_and_first() -> None:
    assert list(list_candidates(make_base(), ["focal"], [])) == ["bce", "focal"]
    assert list(list_candidates(make_base(), ["focal", "bce"], [])) == ["bce", "focal"]


def test_names_given_twice_count_once() -> None:
    names = ["weighted_bce", "weighted_bce"]
    candidates = list_candidates(make_base(), names, ["sqrt", "sqrt"])
    assert list(candidates) == ["bce", "weighted_bce:sqrt"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_each_saves_as_a_config_that_loads_to_itself(
    loss: str, strategy: str, tmp_path: object
) -> None:
    base = make_base(
        loss={"gamma": 1.5, "tau": 0.5, "margin": 0.1, "gamma_negative": 3.0},
        weighting={"cap": 7.0, "smoothing": 2.0, "beta": 0.99},
    )
    strategies = [strategy] if loss == "weighted_bce" else []
    *_, config = list_candidates(base, [loss], strategies).values()
    path = f"{tmp_path}/config.yaml"
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123  a path of pytest's
        file.write(config.to_yaml())
    assert load_config(path) == config


def test_parameters_go_where_they_are_read() -> None:
    base = make_base(
        loss={"gamma": 1.5, "alpha": 0.3, "tau": 0.5, "margin": 0.1},
        weighting={"cap": 7.0, "beta": 0.99},
    )
    found = list_candidates(base, list(LOSSES), list(STRATEGIES))
    assert (found["focal"].loss.gamma, found["focal"].loss.alpha) == (1.5, 0.3)
    assert found["class_balanced"].loss.gamma == 1.5
    assert found["class_balanced"].weighting.strategy == "effective"
    assert found["class_balanced"].weighting.beta == 0.99
    assert found["asymmetric"].loss.margin == 0.1
    assert found["logit_adjusted"].loss.tau == 0.5
    assert found["bce"].loss.gamma == 2.0
    assert found["bce"].weighting.cap is None
    assert found["weighted_bce:sqrt"].weighting.cap == 7.0
    assert found["weighted_bce:sqrt"].weighting.beta == 0.9999
    assert found["weighted_bce:none"].weighting.cap is None
    assert found["balanced_sampler"].training.sampler == "balanced"
    assert found["balanced_sampler"].loss.name == "bce"
    assert all(
        config.training.sampler == "shuffle"
        for name, config in found.items()
        if name != "balanced_sampler"
    )


@pytest.mark.parametrize(
    ("losses", "strategies", "says", "hint"),
    [
        (["focl"], [], "--losses: 'focl' should be one of bce,", "'focal'"),
        ([""], [], "--losses: '' should be one of", ""),
        ([], ["ratios"], "--strategies: 'ratios' should be one of ratio,", "'ratio'"),
        (["focal"], ["sqrt"], "candidates of weighted_bce", "focal,weighted_bce"),
    ],
)
def test_wrong_names(losses: list[str], strategies: list[str], says: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list_candidates(make_base(), losses, strategies)
    assert says in caught.value.message
    assert hint in (caught.value.hint or "")


def test_weights_from_a_file_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"weighting.from: w.csv: compare makes the weights"):
        list_candidates(make_base(weighting={"from": "w.csv"}), [], [])


def test_folds_in_time_are_refused() -> None:
    base = make_base(data={"train": ["a.csv"], "time": "day"}, training={"folds": 3})
    with pytest.raises(ConfigError, match=r"data.time asks to train on the past"):
        list_candidates(base, [], [])


def test_keys_of_any_loss_may_be_given_for_all_in_turn(tmp_path: object) -> None:
    document = {"data": {"train": "a.csv"}, "loss": {"gamma": 1.0, "tau": 2.0}}
    path = f"{tmp_path}/config.yaml"
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123  a path of pytest's
        yaml.safe_dump(document, file)
    assert load_config(path, for_any_loss=True).loss.tau == 2.0
    with pytest.raises(ConfigError, match=r"loss.gamma \(line \d\): 1.0 goes with loss.name focal"):
        load_config(path)
