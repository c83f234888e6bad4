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
from imbalance_cli.network.layers import ACTIVATIONS
from imbalance_cli.network.monitors import MONITORS
from imbalance_cli.network.optimization import SCHEDULES
from imbalance_cli.network.recipes import (
    BIN_OUTPUTS,
    BINS,
    CYCLE_ENDS,
    FEW_NUMBERS,
    FEWEST_EPOCHS,
    FOLLOWERS,
    FREQUENCIES,
    GIVEN,
    HEADS,
    MOST_CALIBRATED,
    MOST_CELLS,
    MOST_EMBEDDED,
    MOST_EPOCHS,
    MOSTLY_ONE_VALUE,
    NETWORKS,
    PLAIN_BINS,
    REFITTED,
    STEPS_PER_CUBE_ROOT,
    TABULAR_BATCHES,
    Recipe,
    choose_recipe,
)

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
    labels: int = 3,
) -> Recipe:
    """Return the recipe of a config."""
    sections: dict[str, Any] = {"data": {"train": "t.csv"}, "model": model}
    config = Config.model_validate(sections | {"training": training or {}})
    return choose_recipe(config, rows=rows, numbers=numbers, labels=labels)


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


def test_tabular_is_networks_with_heads_that_stop_only_after_a_cycle() -> None:
    recipe = choose({"recipe": "tabular"})
    assert (recipe.heads, recipe.networks, recipe.followers) == (HEADS, REFITTED, FOLLOWERS)
    assert (recipe.bins, recipe.bin_outputs, recipe.frequencies) == (BINS, BIN_OUTPUTS, FREQUENCIES)
    assert recipe.bin_share == MOSTLY_ONE_VALUE
    assert recipe.is_scaled
    assert recipe.patience == "cycle"
    assert recipe.schedule in CYCLE_ENDS


@pytest.mark.parametrize(
    ("best", "last", "later"),
    [(1, 15, 3), (2, 7, 3), (3, 7, 7), (7, 15, 15), (7, 7, 7), (15, 15, 15), (4, 6, 4)],
)
def test_a_network_that_follows_is_kept_at_the_best_epoch_and_the_next_end(
    best: int, last: int, later: int
) -> None:
    """Of cycles that end after 1, 3, 7 and 15 epochs; never after epochs the other did not have."""
    recipe = dataclasses.replace(TABULAR, epochs=15)
    assert recipe.cycle_ends == [1, 3, 7, 15]
    assert recipe.epochs_kept(best, last) == (best, later)
    cosine = dataclasses.replace(recipe, schedule="cosine")
    assert cosine.cycle_ends == []
    assert cosine.epochs_kept(best, last) == (best, best)


def test_plain_is_one_network_of_a_textbook() -> None:
    recipe = choose({"recipe": "plain"})
    assert recipe == PLAIN
    assert (recipe.heads, recipe.networks) == (1, 1)
    assert (recipe.bins, recipe.bin_outputs, recipe.frequencies) == (PLAIN_BINS, 0, [])
    assert recipe.bin_power == 1  # so that edges are quantiles
    assert not recipe.is_scaled
    assert recipe.patience is not None
    assert recipe.beta2 == 0.999  # as torch has it


GIVEN_VALUES: dict[str, Any] = {
    "hidden": [3, 5, 7],
    "activation": "gelu",
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
    assert autos - {"device", "checkpoint_every"} == {*GIVEN} | made
    assert {*GIVEN_VALUES} == {*GIVEN}


def test_no_patience_is_a_value_of_its_own() -> None:
    assert choose({"recipe": "plain"}, {"patience": None}).patience is None
    assert choose({"recipe": "tabular"}, {"patience": 3}).patience == 3
    assert choose({"recipe": "tabular"}, {"patience": None}).patience is None


# ----------------------------------------------------------------------------- a budget of steps


MOST_SMALL, SMALL_BATCH = TABULAR_BATCHES[0]


def test_more_rows_have_larger_batches() -> None:
    sizes = [choose({}, rows=rows).batch_size for rows in (1, MOST_SMALL, MOST_SMALL + 1, 10**9)]
    assert sizes == [SMALL_BATCH, SMALL_BATCH, 256, 256]


def budget(rows: int) -> float:
    """Return the steps that a tabular network takes of so many rows."""
    return STEPS_PER_CUBE_ROOT * math.cbrt(rows)


def test_epochs_are_a_budget_of_steps() -> None:
    """Where that is neither too few epochs nor too many; give or take half an epoch."""
    seen = set()
    for rows in (*range(1, 40 * SMALL_BATCH, 97), *range(10**4, 10**6, 9973)):
        recipe = choose({}, rows=rows)
        epochs = recipe.epochs
        seen.add(epochs)
        per_epoch = math.ceil(rows / recipe.batch_size)
        if FEWEST_EPOCHS < epochs < MOST_EPOCHS:
            assert abs(epochs * per_epoch - budget(rows)) <= per_epoch / 2
        elif epochs == FEWEST_EPOCHS:
            assert budget(rows) <= per_epoch * (FEWEST_EPOCHS + 0.5)
        else:
            assert epochs == MOST_EPOCHS
            assert budget(rows) >= per_epoch * (MOST_EPOCHS - 0.5)
    assert {FEWEST_EPOCHS, MOST_EPOCHS} < seen


def test_epochs_change_where_a_batch_is_full() -> None:
    """With one row more there is one step more in an epoch, and so there are fewer epochs."""
    wanted = MOST_EPOCHS - 4  # so many that one step more makes a difference
    per_epoch = math.ceil((STEPS_PER_CUBE_ROOT * math.cbrt(SMALL_BATCH) / wanted) ** 1.5)
    full = per_epoch * SMALL_BATCH
    before, after = (choose({}, rows=rows).epochs for rows in (full, full + 1))
    assert FEWEST_EPOCHS < after < before < MOST_EPOCHS
    assert before == round(budget(full) / per_epoch)
    assert after == round(budget(full + 1) / (per_epoch + 1))


@pytest.mark.parametrize(("rows", "wanted"), [(0, FEWEST_EPOCHS), (10**9, FEWEST_EPOCHS)])
def test_epochs_have_a_least(rows: int, wanted: int) -> None:
    assert choose({}, rows=rows).epochs == wanted >= 1


def test_epochs_have_a_most() -> None:
    assert choose({}, rows=SMALL_BATCH).epochs == MOST_EPOCHS


def test_the_budget_is_of_steps_with_the_batch_that_is_given() -> None:
    size = SMALL_BATCH // 4
    rows = 20 * size
    chosen = choose({}, {"batch_size": size}, rows=rows).epochs
    assert chosen == round(budget(rows) / 20) != choose({}, rows=rows).epochs


# ------------------------------------------------------------------------------------- many labels


def test_more_labels_have_fewer_heads() -> None:
    """Never none; and the members that are given are kept."""
    for labels in (1, MOST_CELLS // HEADS, MOST_CELLS // HEADS + 1, MOST_CELLS, 10**6):
        recipe = choose({}, labels=labels)
        assert recipe.heads == max(min(HEADS, MOST_CELLS // labels), 1)
        assert recipe.heads == 1 or recipe.heads * labels <= MOST_CELLS
        assert choose({"members": 5}, labels=labels).heads == 5
        assert choose({"recipe": "plain"}, labels=labels) == PLAIN


def test_temperatures_of_very_many_labels_are_not_fitted_in_each_epoch() -> None:
    assert choose({}, labels=MOST_CALIBRATED).monitor == "calibrated_log_loss"
    assert choose({}, labels=MOST_CALIBRATED + 1).monitor == "log_loss"
    given = {"monitor": "calibrated_log_loss"}
    assert choose({}, given, labels=MOST_CALIBRATED + 1).monitor == "calibrated_log_loss"


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
        ({}, HEADS, REFITTED),
        ({"members": 3}, 3, 1),
        ({"members": 1}, 1, 1),
        ({"sharing": "trunk"}, HEADS, 1),
        ({"sharing": "none"}, 1, NETWORKS[0][1]),
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


@pytest.mark.parametrize(
    ("rows", "labels", "folds", "networks"),
    [
        (1, 1, None, REFITTED),
        (20_000, 1, None, REFITTED),
        (20_001, 1, None, 2),
        (200_000, 1, None, 2),
        (200_001, 1, None, 1),
        (500, 1, 2, 1),  # the networks of folds are averaged already
        (500, MOST_CELLS // HEADS, None, REFITTED),
        (500, MOST_CELLS // HEADS + 1, None, 1),  # so many labels that not even heads are worth it
    ],
)
def test_fewer_rows_are_learned_by_more_networks(
    rows: int, labels: int, folds: int | None, networks: int
) -> None:
    recipe = choose({}, {"folds": folds}, rows=rows, labels=labels)
    assert recipe.networks == networks
    given = choose({"members": 3, "sharing": "none"}, {"folds": folds}, rows=rows, labels=labels)
    assert (given.networks, given.followers) == (3, 0)
    assert recipe.followers == (FOLLOWERS if networks == REFITTED else 0)
    alone = choose({}, {"folds": folds, "refit": False}, rows=rows, labels=labels)
    assert (alone.networks, alone.followers) == (min(networks, NETWORKS[0][1]), 0)


# ---------------------------------------------------------------------------- how numbers enter


@pytest.mark.parametrize(
    ("embedding", "has_bins", "frequencies"),
    [
        ("none", False, []),
        ("piecewise_linear", True, []),
        ("periodic", False, FREQUENCIES),
        ("both", True, FREQUENCIES),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_embeddings_that_are_asked_for(
    name: str,
    embedding: str,
    has_bins: bool,  # noqa: FBT001  a parameter of pytest
    frequencies: list[float],
) -> None:
    bins = {"tabular": BINS, "plain": PLAIN_BINS}[name] if has_bins else 0
    for numbers in (1, MOST_EMBEDDED + 1):
        recipe = choose({"recipe": name, "numeric_embedding": embedding}, numbers=numbers)
        assert (recipe.bins, recipe.frequencies) == (bins, frequencies)


def test_which_numbers_a_plain_network_bins() -> None:
    """Not so many that the bins would be most of the network."""
    assert choose({"recipe": "plain"}, numbers=MOST_EMBEDDED).bins == PLAIN_BINS
    assert choose({"recipe": "plain"}, numbers=MOST_EMBEDDED + 1).bins == 0


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


def test_half_of_the_networks_of_a_model_have_bins_of_every_number() -> None:
    assert [choose({}, rows=n).all_binned for n in (500, 30_000, 300_000)] == [FOLLOWERS, 1, 0]
    assert choose({}, {"refit": False}).all_binned == NETWORKS[0][1] // 2
    assert choose({}, numbers=FEW_NUMBERS).binned_frequencies == FREQUENCIES
    assert choose({}, numbers=FEW_NUMBERS + 1).binned_frequencies == []
    given: list[dict[str, object]] = [{"members": 4}, {"sharing": "none"}, {"recipe": "plain"}]
    given += [{"numeric_embedding": name} for name in ("none", "periodic", "both")]
    assert [choose(model).all_binned for model in given] == [0] * len(given)
    assert choose({}, {"folds": 3}).all_binned == 0
    assert choose({}, numbers=0).all_binned == choose({}, numbers=MOST_EMBEDDED + 1).all_binned == 0
