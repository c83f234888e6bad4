"""Recipes: what a config leaves to `auto`, chosen for the rows at hand.

`tabular` is after RealMLP (Holzmueller et al. 2024) and TabM-mini (Gorishniy et al. 2025), each
part kept where benchmarks/RESULTS.md shows that it helps. `plain` is a multilayer perceptron as in
a textbook: standard initialisation, one learning rate, early stopping by patience.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

from imbalance_cli.errors import ConfigError

if TYPE_CHECKING:
    from imbalance_cli.config import Config

HEADS, LEADING_HEADS = 4, 2
NETWORKS = ((20_000, 4), (200_000, 2))  # as many for up to so many rows; of more rows, or folds, 1
REFITTED, FOLLOWERS = 6, 2
"""Two networks choose the epochs; after each another learns from all rows, and is kept twice: those
four are the model. The two that choose need neither as many heads nor other embeddings."""
FREQUENCIES = [0.3] * 16
BINS, BIN_OUTPUTS, BIN_POWER = 48, 8, 0.3
MOSTLY_ONE_VALUE = 0.5
PLAIN_BINS = 16
FEW_NUMBERS = 16  # up to so many have waves beside the bins of every number
MOST_EMBEDDED = 256  # `auto` embeds no more numbers than these: it would take longer than all else
MOST_CELLS = 2**10  # heads x labels: of more labels a network has fewer heads
STEPS_PER_CUBE_ROOT = 57  # of the rows of a tabular network, within ...
FEWEST_EPOCHS, MOST_EPOCHS = 10, 64
MOST_CALIBRATED = 256  # labels whose temperature is fitted in each epoch
TABULAR_BATCHES = ((20_000, 128), (math.inf, 256))  # rows a step, for up to so many rows
BATCHES_PER_EPOCH = 64  # of a plain network, between the two sizes of a batch
SMALLEST_BATCH, LARGEST_BATCH = 32, 1024
CYCLE_ENDS = {"coslog4": (1 / 15, 3 / 15, 7 / 15, 1.0)}
"""Of schedules that fall to 0 several times, when they do, as shares of the whole."""
GIVEN = (
    "hidden",
    "activation",
    "dropout",
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "schedule",
    "monitor",
    "patience",
    "precision",
)
"""The keys of model and training that are parts of a recipe as they are."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How networks are built and trained, with nothing left to choose.

    Attributes:
        hidden: the width of each hidden layer.
        activation: between two layers.
        dropout: the share of hidden units left out.
        bins: of a number's piecewise linear embedding; 0 for none.
        bin_share: a number has one if so large a share of the rows have the same value.
        bin_outputs: that are learned of a number's bins; 0 takes the bins as they are.
        bin_power: what evens out the rows of a bin, as of `PiecewiseLinear.fit`.
        frequencies: of each number's periodic embedding, their standard deviations; empty for none.
        heads: of each network that none follows, on its hidden layers.
        leading_heads: of each that another follows.
        networks: of each fold, followers among them.
        all_binned: how many of all networks, the last ones, have bins of every number.
        binned_frequencies: of these networks, in place of `frequencies`.
        followers: how many of the networks, after each other one, are one that learns from the
            validation rows too, kept after as many epochs as were best for the other, and later.
        epochs: the most passes over the training rows.
        batch_size: rows per step.
        learning_rate: at its highest.
        beta2: of AdamW, how slowly it forgets the size of gradients.
        weight_decay: at its highest.
        schedule: of the learning rate.
        monitor: the metric on validation rows that chooses the epoch.
        patience: epochs without a better score until training stops; None for never; "cycle" for
            those of the schedule's last cycle but one.
        precision: of the forward pass.
        is_scaled: whether layers have learned scales and learning rates of their own, and dropout
            and weight decay fade, as RealMLP has it.
    """

    hidden: list[int]
    activation: str
    dropout: float
    bins: int
    bin_share: float
    bin_outputs: int
    bin_power: float
    frequencies: list[float]
    heads: int
    leading_heads: int
    networks: int
    all_binned: int
    binned_frequencies: list[float]
    followers: int
    epochs: int
    batch_size: int
    learning_rate: float
    beta2: float
    weight_decay: float
    schedule: str
    monitor: str
    patience: int | Literal["cycle"] | None
    precision: str
    is_scaled: bool

    @property
    def cycle_ends(self) -> list[int]:
        """The epochs after which the learning rate is nearest to 0, if it is that several times."""
        return [round(time * self.epochs) for time in CYCLE_ENDS.get(self.schedule, ())]

    def epochs_kept(self, best: int, last: int) -> tuple[int, int]:
        """Return after how many epochs a network is kept that learns from all rows.

        After as many as were best for the one that it follows, and at the next end of a cycle of
        the learning rate; where that is none, twice after the first. The mean of both is as good as
        two networks (benchmarks/RESULTS.md).

        Args:
            best: the best epoch of the one that it follows.
            last: that one's last epoch, beyond which there is no end.
        """
        return best, next((end for end in self.cycle_ends if best < end <= last), best)


def choose_recipe(config: Config, *, rows: int, numbers: int, labels: int) -> Recipe:
    """Return the recipe of a config, its `auto` values chosen.

    Args:
        config: names the recipe, and every value that is not to be `auto`.
        rows: of training, in the largest fold, without the validation rows.
        numbers: how many features are numbers.
        labels: L.

    Raises:
        ConfigError: an embedding of numbers is asked for, and no feature is a number.
    """
    model, training = config.model, config.training
    embedding, is_plain = model.numeric_embedding, model.recipe == "plain"
    if not numbers and embedding not in {"auto", "none"}:
        raise ConfigError(
            f"model.numeric_embedding: {embedding}: no feature is a number",
            hint="leave model.numeric_embedding out",
        )
    given = model.model_dump() | training.model_dump()
    chosen = {key: given[key] for key in GIVEN if given[key] != "auto" or key == "precision"}
    size = chosen.get("batch_size", _choose_batch_size(rows, is_plain=is_plain))
    recipe = _plain(size, numbers) if is_plain else _tabular(size, rows, numbers, labels)
    if model.members != "auto" or model.sharing != "auto":
        is_independent = model.sharing == "none" or (model.sharing == "auto" and is_plain)
        usual = recipe.networks if is_independent else recipe.heads
        members = usual if model.members == "auto" else model.members
        heads, networks = (1, members) if is_independent else (members, 1)
        chosen |= {"heads": heads, "networks": networks, "all_binned": 0, "followers": 0}
    elif training.folds is not None:  # whose networks are averaged already
        chosen |= {"networks": 1, "all_binned": 0, "followers": 0}
    elif training.refit and recipe.networks == NETWORKS[0][1]:
        binned = FOLLOWERS if recipe.all_binned else 0  # those that follow the second
        chosen |= {"networks": REFITTED, "followers": FOLLOWERS, "all_binned": binned}
    if embedding != "auto":
        bins = PLAIN_BINS if is_plain else BINS
        chosen["bins"] = bins if embedding in {"piecewise_linear", "both"} else 0
        chosen |= {"bin_share": 0.0, "all_binned": 0}
        chosen["frequencies"] = FREQUENCIES if embedding in {"periodic", "both"} else []
    return dataclasses.replace(recipe, **chosen)


def _tabular(batch_size: int, rows: int, numbers: int, labels: int) -> Recipe:
    batches = max(math.ceil(rows / batch_size), 1)
    epochs = round(STEPS_PER_CUBE_ROOT * math.cbrt(rows) / batches)
    heads = max(min(HEADS, MOST_CELLS // labels), 1)
    networks = [number for most, number in NETWORKS if rows <= most] if heads == HEADS else []
    return Recipe(
        hidden=[128, 128],
        activation="silu",
        dropout=0.15,
        bins=BINS if numbers <= MOST_EMBEDDED else 0,
        bin_share=MOSTLY_ONE_VALUE,
        bin_outputs=BIN_OUTPUTS,
        bin_power=BIN_POWER,
        frequencies=FREQUENCIES if numbers <= MOST_EMBEDDED else [],
        heads=heads,
        leading_heads=LEADING_HEADS,
        networks=max(networks, default=1),
        all_binned=max(networks, default=1) // 2 if 0 < numbers <= MOST_EMBEDDED else 0,
        binned_frequencies=FREQUENCIES if numbers <= FEW_NUMBERS else [],
        followers=0,
        epochs=min(max(epochs, FEWEST_EPOCHS), MOST_EPOCHS),
        batch_size=batch_size,
        learning_rate=0.04,
        beta2=0.95,
        weight_decay=0.02,
        schedule="coslog4",
        monitor=automatic_monitor("tabular", labels),
        patience="cycle",
        precision="auto",
        is_scaled=True,
    )


def automatic_monitor(recipe: str, labels: int) -> str:
    """Return what `auto` means for training.monitor with a recipe and so many labels."""
    if recipe == "plain":
        return "average_precision"
    return "calibrated_log_loss" if labels <= MOST_CALIBRATED else "log_loss"


def _plain(batch_size: int, numbers: int) -> Recipe:
    return Recipe(
        hidden=[256, 256],
        activation="relu",
        dropout=0.1,
        bins=PLAIN_BINS if numbers <= MOST_EMBEDDED else 0,
        bin_share=0.0,
        bin_outputs=0,
        bin_power=1.0,
        frequencies=[],
        heads=1,
        leading_heads=1,
        networks=1,
        all_binned=0,
        binned_frequencies=[],
        followers=0,
        epochs=100,
        batch_size=batch_size,
        learning_rate=0.001,
        beta2=0.999,
        weight_decay=0.0001,
        schedule="cosine",
        monitor=automatic_monitor("plain", 0),
        patience=15,
        precision="auto",
        is_scaled=False,
    )


def _choose_batch_size(rows: int, *, is_plain: bool) -> int:
    """Return the rows of a step: of `plain` the power of two that makes BATCHES_PER_EPOCH or so."""
    if not is_plain:
        return next(size for most, size in TABULAR_BATCHES if rows <= most)
    power = 1 << round(math.log2(max(rows / BATCHES_PER_EPOCH, 1)))
    return min(max(power, SMALLEST_BATCH), LARGEST_BATCH)
