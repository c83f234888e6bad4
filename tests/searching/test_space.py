"""The space of a search: what is kept, and that every choice in it is a config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.config import Config, load_config
from imbalance_cli.network.recipes import choose_recipe
from imbalance_cli.searching import PORTFOLIO, Space
from imbalance_cli.searching.space import PARAMETERS, RECIPES

if TYPE_CHECKING:
    from imbalance_cli.searching.space import Parameter, Value

DATA = {"train": ["t.csv"], "labels": ["y"]}


def make_space(labels: int = 1, numbers: int = 3, **sections: Any) -> Space:  # noqa: ANN401
    config = load_config({"data": DATA, **sections}, for_any_loss=True)
    recipes = {}
    for name in RECIPES:
        document = {"data": DATA, "model": {"recipe": name}}
        recipes[name] = choose_recipe(
            Config.model_validate(document), rows=900, numbers=numbers, labels=labels
        )
    return Space(config, recipes, numbers=numbers, labels=labels)


def one_value(draw: st.DrawFn, parameter: Parameter) -> Value:
    if parameter.choices:
        return draw(st.sampled_from(parameter.choices))
    if parameter.is_whole:
        return draw(st.integers(int(parameter.low), int(parameter.high)))
    return draw(st.floats(parameter.low, parameter.high))


@st.composite
def choices(draw: st.DrawFn, space: Space) -> dict[str, Value]:
    chosen: dict[str, Value] = {}
    for parameter in space.parameters:
        if space.asks_for(parameter, chosen):
            chosen[parameter.name] = one_value(draw, parameter)
    return chosen


SPACE = make_space(labels=3)


@given(choices(SPACE))
def test_every_choice_is_a_config_and_is_found_again(chosen: dict[str, Value]) -> None:
    settings = SPACE.settings(chosen)
    config = SPACE.config(settings)
    assert config.loss.name == chosen["loss.name"]
    assert config.model.recipe == chosen["model.recipe"]
    again = SPACE.values(settings)
    assert again.keys() == chosen.keys()
    for name, value in chosen.items():
        if isinstance(value, float):
            assert again[name] == pytest.approx(value, rel=0.006)
        else:
            assert again[name] == value


@pytest.mark.parametrize("name", PORTFOLIO)
def test_the_portfolio_is_inside_of_the_space(name: str) -> None:
    settings = PORTFOLIO[name]
    assert SPACE.keep(settings).items() >= settings.items()
    SPACE.config(SPACE.keep(settings))
    chosen = SPACE.values(settings)
    for parameter in SPACE.parameters:
        if parameter.name in chosen:
            value = chosen[parameter.name]
            if parameter.choices:
                assert value in parameter.choices
            else:
                assert parameter.low <= float(value) <= parameter.high


def test_what_the_config_gives_is_kept() -> None:
    space = make_space(model={"hidden": [7], "dropout": 0.4})
    assert space.kept == ["model.dropout", "model.hidden"]
    names = {parameter.name for parameter in space.parameters}
    assert not names & {"width", "layers", "model.dropout"}
    assert space.keep({"model.hidden": [9], "loss.name": "focal"}) == {"loss.name": "focal"}
    assert space.config({"loss.name": "focal"}).model.hidden == [7]


@pytest.mark.parametrize(
    "sections",
    [
        {"loss": {"name": "focal"}},
        {"weighting": {"strategy": "ratio"}},
        {"weighting": {"from": "w.csv"}},
        {"training": {"sampler": "balanced"}},
    ],
)
def test_a_loss_or_weights_that_are_given_are_kept(sections: dict[str, Any]) -> None:
    space = make_space(**sections)
    names = {parameter.name for parameter in space.parameters}
    assert not any(name.startswith(("loss.", "weighting.")) for name in names)
    assert space.keep({"loss.name": "asymmetric", "loss.margin": 0.1}) == {}


def test_without_numbers_none_is_embedded() -> None:
    names = {parameter.name for parameter in make_space(numbers=0).parameters}
    assert names == {parameter.name for parameter in PARAMETERS} - {"model.numeric_embedding"}


def test_a_loss_of_several_labels_is_none_of_one() -> None:
    found = [p.choices for p in make_space().parameters if p.name == "loss.name"]
    assert "distribution_balanced" not in found[0]


def test_another_recipe_is_stopped_by_the_same_metric() -> None:
    settings = SPACE.keep({"model.recipe": "plain"})
    assert settings["training.monitor"] == "calibrated_log_loss"
    chosen = make_space(training={"monitor": "roc_auc"}).keep({"model.recipe": "plain"})
    assert chosen == {"model.recipe": "plain"}
