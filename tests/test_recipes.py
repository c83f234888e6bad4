"""Recipes: what `auto` comes to, what a config gives instead, and what is refused."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest
from small_runs import PLAIN, TABULAR, load_sections

from imbalance_cli.config import Config
from imbalance_cli.config.sections import ModelSection, TrainingSection
from imbalance_cli.errors import ConfigError
from imbalance_cli.model import ACTIVATIONS
from imbalance_cli.optimization import SCHEDULES
from imbalance_cli.recipes import (
    BINS,
    FEWEST_EPOCHS,
    FREQUENCIES,
    GIVEN,
    HEADS,
    MOST_BINNED,
    MOST_EPOCHS,
    STEPS,
    TABULAR_BATCH,
    Recipe,
    choose_recipe,
)
from imbalance_cli.training import MONITORS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAMES = ("tabular", "plain")


def choose(
    model: Mapping[str, object],
    training: Mapping[str, object] | None = None,
    *,
    rows: int = 500,
    numbers: int = 5,
) -> Recipe:
    """Return the recipe of a config."""
    sections: dict[str, Any] = {"data": {"train": "t.csv"}, "model": model}
    config = Config.model_validate(sections | {"training": training or {}})
    return choose_recipe(config, rows=rows, numbers=numbers)


# ------------------------------------------------------------------------------- what is chosen


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_to_choose(name: str) -> None:
    recipe = choose({"recipe": name})
    for field in dataclasses.fields(Recipe):
        value = getattr(recipe, field.name)
        assert value != "auto" or field.name == "precision"  # which is of the device
    assert recipe.activation in ACTIVATIONS
    assert recipe.schedule in SCHEDULES
    assert recipe.monitor in MONITORS
    assert recipe.hidden
    assert 0 <= recipe.dropout < 1
    assert min(recipe.epochs, recipe.batch_size, recipe.learning_rate) > 0


def test_the_default_is_tabular() -> None:
    assert choose({}) == choose({"recipe": "tabular"}) == TABULAR


def test_tabular_is_heads_on_a_trunk_that_are_trained_to_the_end() -> None:
    recipe = choose({"recipe": "tabular"})
    assert (recipe.heads, recipe.networks) == (HEADS, 1)
    assert (recipe.bins, recipe.frequencies) == (0, FREQUENCIES)
    assert recipe.is_scaled
    assert recipe.patience is None


def test_plain_is_one_network_of_a_textbook() -> None:
    recipe = choose({"recipe": "plain"})
    assert recipe == PLAIN
    assert (recipe.heads, recipe.networks) == (1, 1)
    assert (recipe.bins, recipe.frequencies) == (BINS, [])
    assert not recipe.is_scaled
    assert recipe.patience is not None
    assert recipe.beta2 == 0.999  # as torch has it


GIVEN_VALUES: dict[str, Any] = {
    "hidden": [3, 5, 7],
    "activation": "silu",
    "dropout": 0.375,
    "epochs": 17,
    "batch_size": 19,
    "learning_rate": 0.0625,
    "weight_decay": 0.0,
    "schedule": "constant",
    "monitor": "brier",
    "patience": 4,
    "precision": "bfloat16",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", GIVEN)
def test_what_is_given_is_kept_and_changes_nothing_else(name: str, key: str) -> None:
    """But for epochs, which a budget of steps makes of the size of a batch."""
    value = GIVEN_VALUES[key]
    section = "model" if key in ModelSection.model_fields else "training"
    model = {"recipe": name} | ({key: value} if section == "model" else {})
    chosen = choose(model, {key: value} if section == "training" else {})
    wanted = dataclasses.replace(choose({"recipe": name}), **{key: value})
    if key == "batch_size":
        wanted = dataclasses.replace(wanted, epochs=chosen.epochs)
    assert chosen == wanted
    assert chosen != choose({"recipe": name})


def test_every_key_that_may_be_auto_is_of_a_recipe() -> None:
    """Of members, sharing and embedding a recipe makes heads, networks, bins and frequencies."""
    autos = {
        key
        for section in (ModelSection(), TrainingSection())
        for key, value in section.model_dump().items()
        if value == "auto"
    }
    made = {"members", "sharing", "numeric_embedding"}
    assert autos - {"device"} == {*GIVEN} | made
    assert {*GIVEN_VALUES} == {*GIVEN}


def test_no_patience_is_a_value_of_its_own() -> None:
    assert choose({"recipe": "plain"}, {"patience": None}).patience is None
    assert choose({"recipe": "tabular"}, {"patience": 3}).patience == 3


# ----------------------------------------------------------------------------- a budget of steps


def steps_of(recipe: Recipe, rows: int) -> int:
    """Return the steps of all epochs."""
    return recipe.epochs * math.ceil(rows / recipe.batch_size)


def test_epochs_are_a_budget_of_steps() -> None:
    """Where that is neither too few epochs nor too many; give or take half an epoch."""
    seen = set()
    for rows in range(1, 60 * TABULAR_BATCH, 97):
        recipe = choose({}, rows=rows)
        seen.add(recipe.epochs)
        each = math.ceil(rows / TABULAR_BATCH)
        if FEWEST_EPOCHS < recipe.epochs < MOST_EPOCHS:
            assert abs(steps_of(recipe, rows) - STEPS) <= each / 2
        elif recipe.epochs == FEWEST_EPOCHS:
            assert each * (FEWEST_EPOCHS + 0.5) >= STEPS
        else:
            assert recipe.epochs == MOST_EPOCHS
            assert each * (MOST_EPOCHS - 0.5) <= STEPS
    assert {FEWEST_EPOCHS, MOST_EPOCHS} < seen


def test_epochs_change_where_a_batch_is_full() -> None:
    """With one row more there is one step more."""
    per_epoch = STEPS // MOST_EPOCHS + 1
    full = per_epoch * TABULAR_BATCH
    assert choose({}, rows=full).epochs == round(STEPS / per_epoch) < MOST_EPOCHS
    assert choose({}, rows=full + 1).epochs == round(STEPS / (per_epoch + 1))
    assert choose({}, rows=full - TABULAR_BATCH + 1).epochs == round(STEPS / per_epoch)


@pytest.mark.parametrize("rows", [0, 1, TABULAR_BATCH, 10**9])
def test_epochs_have_a_least_and_a_most(rows: int) -> None:
    wanted = FEWEST_EPOCHS if rows == 10**9 else MOST_EPOCHS
    assert choose({}, rows=rows).epochs == wanted


def test_the_budget_is_of_steps_with_the_batch_that_is_given() -> None:
    size = TABULAR_BATCH // 4
    rows = size * (STEPS // MOST_EPOCHS + 5)
    assert choose({}, {"batch_size": size}, rows=rows).epochs == round(STEPS / (rows / size))
    assert choose({}, rows=rows).epochs != choose({}, {"batch_size": size}, rows=rows).epochs


@pytest.mark.parametrize(
    ("rows", "size"),
    [(0, 32), (1, 32), (100, 32), (6400, 128), (17_000, 256), (60_000, 1024), (10**9, 1024)],
)
def test_batches_of_a_plain_network(rows: int, size: int) -> None:
    """The power of two nearest to rows / 64, from 32 to 1024; epochs do not depend on rows."""
    recipe = choose({"recipe": "plain"}, rows=rows)
    assert recipe.batch_size == size
    assert recipe.epochs == PLAIN.epochs
    assert choose({"recipe": "plain"}, {"batch_size": 7}, rows=rows).batch_size == 7


# --------------------------------------------------------------------- members and how they share


@pytest.mark.parametrize(
    ("model", "heads", "networks"),
    [
        ({}, HEADS, 1),
        ({"members": 3}, 3, 1),
        ({"members": 1}, 1, 1),
        ({"sharing": "trunk"}, HEADS, 1),
        ({"sharing": "none"}, 1, HEADS),
        ({"sharing": "none", "members": 3}, 1, 3),
        ({"recipe": "plain"}, 1, 1),
        ({"recipe": "plain", "members": 3}, 1, 3),
        ({"recipe": "plain", "members": 3, "sharing": "none"}, 1, 3),
        ({"recipe": "plain", "members": 3, "sharing": "trunk"}, 3, 1),
    ],
)
def test_members_are_heads_or_independent_networks(
    model: dict[str, object], heads: int, networks: int
) -> None:
    recipe = choose(model)
    assert (recipe.heads, recipe.networks) == (heads, networks)


# ---------------------------------------------------------------------------- how numbers enter


@pytest.mark.parametrize(
    ("embedding", "bins", "frequencies"),
    [
        ("none", 0, []),
        ("piecewise_linear", BINS, []),
        ("periodic", 0, FREQUENCIES),
        ("both", BINS, FREQUENCIES),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_embeddings_that_are_asked_for(
    name: str, embedding: str, bins: int, frequencies: list[float]
) -> None:
    for numbers in (1, MOST_BINNED + 1):
        recipe = choose({"recipe": name, "numeric_embedding": embedding}, numbers=numbers)
        assert (recipe.bins, recipe.frequencies) == (bins, frequencies)


def test_which_numbers_a_plain_network_bins() -> None:
    """Not so many that the bins would be most of the network."""
    assert choose({"recipe": "plain"}, numbers=MOST_BINNED).bins == BINS
    assert choose({"recipe": "plain"}, numbers=MOST_BINNED + 1).bins == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("embedding", ["piecewise_linear", "periodic", "both"])
def test_an_embedding_without_numbers_is_refused(name: str, embedding: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose({"recipe": name, "numeric_embedding": embedding}, numbers=0)
    wanted = f"model.numeric_embedding: {embedding}: no feature is a number"
    assert caught.value.message == wanted
    assert "leave model.numeric_embedding out" in (caught.value.hint or "")
    for harmless in ("auto", "none"):
        choose({"recipe": name, "numeric_embedding": harmless}, numbers=0)


# -------------------------------------------------------------------------- names that do not exist


@pytest.mark.parametrize(
    ("model", "says", "hint"),
    [
        ({"recipe": "tabula"}, "'tabula' should be one of tabular, plain", "'tabular'"),
        ({"recipe": "plane"}, "'plane' should be one of tabular, plain", "'plain'"),
        ({"sharing": "trunks"}, "'trunks' should be one of auto, trunk, none", "'trunk'"),
        ({"sharing": "non"}, "'non' should be one of auto, trunk, none", "'none'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(
    tmp_path: Path, model: dict[str, object], says: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_sections(tmp_path, "t.csv", model=model)
    [key] = model
    assert f"model.{key} (line " in caught.value.message
    assert says in caught.value.message
    assert f"did you mean {hint}?" in (caught.value.hint or "")
