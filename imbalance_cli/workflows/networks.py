"""From a config and its rows to networks that are ready to be trained.

Shapes: M members, N rows, L labels.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbalance_cli import workflows  # a peer's modules are loaded where it is asked for
from imbalance_cli.errors import ConfigError, number_of, show_bytes
from imbalance_cli.labels.targets import dense_rows
from imbalance_cli.losses import family as losses
from imbalance_cli.losses.link import link
from imbalance_cli.losses.registry import LOSS_SPECS
from imbalance_cli.machine.device import available_memory
from imbalance_cli.network.model import (
    SCORING_ROWS,
    Ensemble,
    MultilayerPerceptron,
    Shape,
    build_model,
)
from imbalance_cli.network.recipes import HEADS, choose_recipe
from imbalance_cli.network.sampling import (
    rates_of_labels,
    rates_of_rows,
    shift_of_sums,
    sum_weights,
)
from imbalance_cli.network.training import Member
from imbalance_cli.weighting.files import read_pos_weight
from imbalance_cli.weighting.pos_weight import Strategy, weigh
from imbalance_cli.workflows.observing import Origin
from imbalance_cli.workflows.preparing import count_targets, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imbalance_cli.config import Config
    from imbalance_cli.labels import Counts
    from imbalance_cli.labels.targets import Targets
    from imbalance_cli.network.recipes import Recipe
    from imbalance_cli.workflows.observing import Observer
    from imbalance_cli.workflows.preparing import Prepared

BINNED_ROWS = 100_000  # of stored rows, the most that the edges of bins are quantiles of
COPIES = 5  # of every parameter while it trains: itself, gradient, two moments of Adam, the best
BYTES = 4  # of a float32
KEPT_OF_A_LAYER = 4  # its output before and after activation and dropout, and their gradient
LIGHTEST, HEAVIEST = 1e-9, 1e9  # weights past which the other side's gradient is lost in rounding


@dataclasses.dataclass(frozen=True)
class Networks:
    """The members of one model, and where each came from.

    Attributes:
        members: (M,) what each learns from.
        origins: (M,) where each came from.
        starts: (M, L) the logits each starts at.
    """

    members: list[Member]
    origins: list[Origin]
    starts: torch.Tensor

    @property
    def folds(self) -> list[int]:
        """(M,) the number of each member's fold."""
        return [origin.fold for origin in self.origins]


def prepare_networks(
    config: Config, observer: Observer, scratch: Path
) -> tuple[Prepared, Recipe, Networks, Ensemble]:
    """Return the rows that a config names, and networks that are ready to be trained on them.

    Args:
        config: its weighting resolved.
        observer: receives warnings and the progress.
        scratch: a folder for rows larger than memory.

    Raises:
        ImbtrainError: the config or the data cannot be used.
    """
    prepared = prepare(config, observer, folds=config.training.folds, scratch=scratch)
    if config.report.peer is not None:
        workflows.refuse_peer(config, prepared)
    source = config.weighting.from_
    given = None if source is None else read_pos_weight(source, prepared.labels)
    recipe = recipe_of(config, prepared)
    networks = plan_networks(config, recipe, prepared, given=given)
    model = start_model(recipe, prepared, [networks], config.training.seed)
    return prepared, recipe, networks, model


def plan_networks(
    config: Config,
    recipe: Recipe,
    prepared: Prepared,
    *,
    given: Sequence[float] | None = None,
    candidate: str | None = None,
) -> Networks:
    """Return the networks of each fold, each with its own seed and its fold's own weights.

    Args:
        config: of the loss, the weights, the sampler and the seed.
        recipe: says how many networks a fold has.
        prepared: the rows.
        given: (L,) weights from a file, instead of the config's strategy.
        candidate: the name of the model, where it is one of several.

    Raises:
        ConfigError: they do not fit the memory; it says how many would.
    """
    refuse_too_many(recipe, prepared, models=1)
    members, origins, starts = [], [], []
    for number, (train, valid) in enumerate(prepared.fold_rows):
        first = _plan_network(config, prepared, prepared.folds[number].train, given)
        plans = [(train, *first)]
        if recipe.followers:
            both = np.concatenate([prepared.folds[number].train, prepared.folds[number].valid])
            second = torch.cat([train, valid]), *_plan_network(config, prepared, both, given)
            plans += [second] * recipe.followers
        for index in range(recipe.networks):
            rows, loss, rates, start = plans[index % len(plans)]
            # those that follow the same are one network
            seed = config.training.seed + index - max(index % len(plans) - 1, 0)
            parts = [candidate or "", f"fold {number + 1}" if prepared.is_cross_fitted else ""]
            parts += [f"seed {seed}"] if recipe.networks > 1 else []
            shown = ", ".join(part for part in parts if part)
            follows = rows is not train
            members.append(Member(rows, valid, loss, seed, rates, shown, follows))
            origins.append(Origin(candidate, number, seed))
            starts.append(start)
    return Networks(members, origins, torch.stack(starts))


def _plan_network(
    config: Config, prepared: Prepared, rows: NDArray[np.intp], given: Sequence[float] | None
) -> tuple[losses.Loss, torch.Tensor | None, torch.Tensor]:
    """Return the loss of networks that learn from rows, the rates of drawing, and first logits."""
    own, weights = prepared.targets.take(rows), prepared.weights_of(rows)
    counts = count_targets(own, prepared.labels, None if weights is None else weights.numpy())
    rates = _draw_rates(own, weights) if config.training.sampler == "balanced" else None
    loss = make_loss(config, counts, own, rates=rates, given=given, weights=weights)
    if weights is not None:
        counts = _in_rows(counts, own, weights)
    return loss, rates, link(_prevalence(counts), loss)


def recipe_of(config: Config, prepared: Prepared) -> Recipe:
    """Return the recipe of a config for these rows."""
    rows = max(len(fold.train) for fold in prepared.folds)
    return choose_recipe(
        config,
        rows=rows,
        numbers=prepared.preprocessing.continuous,
        labels=len(prepared.labels),
    )


def _draw_rates(targets: Targets, weights: torch.Tensor | None) -> torch.Tensor:
    """Return how often each row is drawn, (N,), as `balanced_rates` does."""
    positives, negatives, _ = torch.from_numpy(
        targets.counts(None if weights is None else weights.numpy())
    )
    rates = rates_of_labels(positives, negatives)
    parts = [
        rates_of_rows(torch.from_numpy(cells), rates, None if weights is None else weights[rows])
        for rows, cells in dense_rows(targets)
    ]
    return torch.cat(parts)


def make_loss(
    config: Config,
    counts: Counts,
    targets: Targets,
    *,
    rates: torch.Tensor | None,
    given: Sequence[float] | None,
    weights: torch.Tensor | None = None,
) -> losses.Loss:
    """Return the loss that a config asks for.

    Args:
        config: of the loss and the weights.
        counts: of the training rows.
        targets: of the training rows, (N, L).
        rates: how often each is drawn, (N,); None for alike.
        given: (L,) weights from a file, instead of the config's strategy.
        weights: of the rows, (N,), or of cells, (N, L).
    """
    pos_weight = None
    if given is not None:
        pos_weight = torch.tensor(given)
    elif config.weighting.gives_weights or LOSS_SPECS[config.loss.name].weights == "always":
        w = config.weighting
        weighted = weigh(counts, Strategy(w.strategy, w.cap, w.smoothing, w.beta), "train")
        pos_weight = torch.tensor([label.pos_weight for label in weighted.labels])
    if weights is not None:  # what follows adds to counts, and so needs them in rows
        counts = _in_rows(counts, targets, weights)
    loss = _choose_loss(config, counts, pos_weight)
    _refuse_unusable(loss, counts)
    if rates is None and loss.rarity is None:
        return loss
    sums = torch.zeros((4, len(counts.labels)), dtype=torch.float64)
    for rows, cells in dense_rows(targets):
        own = torch.from_numpy(cells)
        drawn = torch.ones(1, 1) if rates is None else rates[rows, None]
        if loss.rarity is not None:
            drawn = drawn * losses.cell_weights(own, loss.rarity)
        sums += sum_weights(own, drawn, None if weights is None else weights[rows])
    return dataclasses.replace(loss, prior_shift=shift_of_sums(sums))


def _in_rows(counts: Counts, targets: Targets, weights: torch.Tensor) -> Counts:
    """Return weighted counts, scaled to as many rows, or to as many known cells of each label."""
    if weights.ndim == 1:
        return counts.scaled([len(weights) / float(weights.sum())] * len(counts.labels))
    known = targets.counts()[:2].sum(axis=0)
    masses = [label.positives + label.negatives for label in counts.labels]
    return counts.scaled([cells / (mass or 1.0) for cells, mass in zip(known, masses, strict=True)])


def _choose_loss(config: Config, counts: Counts, pos_weight: torch.Tensor | None) -> losses.Loss:
    positives = torch.tensor([float(label.positives) for label in counts.labels])
    known = torch.tensor([float(label.positives + label.negatives) for label in counts.labels])
    spec = LOSS_SPECS[config.loss.name]
    loss: losses.Loss = spec.build(losses, config.loss, positives.double(), known.double())
    if pos_weight is not None and loss.pos_weight is not None:
        pos_weight = loss.pos_weight * pos_weight
    return loss if pos_weight is None else dataclasses.replace(loss, pos_weight=pos_weight)


def _refuse_unusable(loss: losses.Loss, counts: Counts) -> None:
    """Raise for numbers that are in range, and with which nothing can be learned in float32."""
    labels = [label.label for label in counts.labels]
    for name, value in loss.to(torch.float32).parameters().items():
        wrong = ~value.isfinite()
        if name in ("pos_weight", "factor"):
            wrong |= (value < LIGHTEST) | (value > HEAVIEST)
        elif name == "margin":
            wrong |= value >= 1
        if wrong.any():
            first = int(wrong.expand(len(labels)).int().argmax())
            seen = float(value.expand(len(labels))[first])
            raise ConfigError(
                f"the loss's {name.replace('_', ' ')} for label {labels[first]!r} is {seen:g}: "
                "nothing can be learned with it in float32",
                hint="numbers nearer to 1 in weighting and loss, or in the file of weights",
            )


def _prevalence(counts: Counts) -> torch.Tensor:
    """Return each label's share of positives, (L,) float64, never 0 or 1."""
    positives = torch.tensor([float(label.positives) for label in counts.labels])
    known = torch.tensor([float(label.positives + label.negatives) for label in counts.labels])
    return (positives.double() + 0.5) / (known.double() + 1.0)


def start_model(
    recipe: Recipe, prepared: Prepared, networks: Sequence[Networks], seed: int
) -> Ensemble:
    """Build the networks; their scores stand for each label's prevalence before they learn.

    Args:
        recipe: says what they are made of.
        prepared: the rows.
        networks: all that the model is of.
        seed: of which stored rows the bins are quantiles of.
    """
    numbers = _training_numbers(prepared, seed) if recipe.bins else torch.empty(0, 0)
    binned = [
        feature
        for feature, column in enumerate(numbers.T)
        if column.unique(return_counts=True)[1].max() >= recipe.bin_share * len(column)
    ]
    members = [member for plan in networks for member in plan.members]
    starts = torch.cat([plan.starts for plan in networks])
    usual = _shape(recipe, prepared, binned)
    leading = dataclasses.replace(usual, heads=recipe.leading_heads)
    shapes = [leading if recipe.followers and not m.follows else usual for m in members]
    if recipe.all_binned:
        every = _shape(recipe, prepared)
        all_binned = dataclasses.replace(every, frequencies=recipe.binned_frequencies)
        shapes[-recipe.all_binned :] = [all_binned] * recipe.all_binned
    parts = []
    for shape, numbered in itertools.groupby(range(len(members)), key=shapes.__getitem__):
        own = list(numbered)
        model = build_model(shape, [members[m].seed for m in own], starts[own])
        if model.bins is not None:
            model.bins.fit(numbers[:, shape.binned], recipe.bin_power)
        with torch.no_grad():
            model.output.weight[:, ~torch.tensor(prepared.learnable)] = 0
        parts.append(model)
    return Ensemble(parts).to(prepared.device)


def _training_numbers(prepared: Prepared, seed: int) -> torch.Tensor:
    """Return the numbers of the rows that any network learns from, (N, F); of stored rows some."""
    learned = prepared.folds[0].train
    if prepared.is_cross_fitted:
        learned = np.unique(np.concatenate([fold.train for fold in prepared.folds]))
    if prepared.rows.is_stored and len(learned) > BINNED_ROWS:
        random = np.random.default_rng(seed)
        learned = np.sort(random.choice(learned, BINNED_ROWS, replace=False, shuffle=False))
    rows = prepared.rows.part(torch.from_numpy(learned).to(prepared.device))
    # of blocks, since selected rows come with all their targets
    continuous = prepared.preprocessing.continuous
    blocks = rows.blocks(SCORING_ROWS)
    return torch.cat([block.numeric[:, :continuous] for block in blocks]).cpu()


def _shape(recipe: Recipe, prepared: Prepared, binned: Sequence[int] | None = None) -> Shape:
    """Return the shape of a network, of whose numbers some have bins, or None for all."""
    if binned is None:
        binned = range(prepared.preprocessing.continuous if recipe.bins else 0)
    preprocessing = prepared.preprocessing
    has_numbers = preprocessing.continuous > 0
    return Shape(
        numeric=prepared.rows.width,
        cardinalities=preprocessing.cardinalities,
        labels=len(prepared.labels),
        hidden=list(recipe.hidden),
        activation=recipe.activation,
        dropout=recipe.dropout,
        continuous=preprocessing.continuous,
        binned=list(binned),
        bins=recipe.bins if binned else 0,
        bin_outputs=recipe.bin_outputs,
        frequencies=list(recipe.frequencies) if has_numbers else [],
        heads=recipe.heads,
        is_scaled=recipe.is_scaled,
    )


def refuse_too_many(recipe: Recipe, prepared: Prepared, models: int) -> None:
    """Raise where the networks and all that training keeps of them do not fit the memory.

    Args:
        recipe: says how many networks a fold has.
        prepared: the folds and the rows.
        models: so many models have so many networks each.

    Raises:
        ConfigError: it says how many would fit.
    """
    with torch.device("meta"):
        network = MultilayerPerceptron(_shape(recipe, prepared))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    free = available_memory(prepared.device)
    each = parameters * BYTES * COPIES
    folds = len(prepared.folds)
    members = recipe.networks * folds * models
    batch = _bytes_of_a_batch(recipe, prepared, network.shape)
    if prepared.device.type == "cpu":  # where members take turns
        room = max(free - batch, 0)
    else:
        each += batch
        room = free
    if members * each <= room:
        return
    needed = members * each + free - room
    fitting = room // each
    if most := fitting // (folds * models):
        key, hint = "model.members", f"model.members (--seeds): at most {most:,} would fit"
    elif fitting:
        key, hint = "training.folds", f"fewer folds or candidates: {fitting:,} networks would fit"
    elif recipe.heads > HEADS:
        key, hint = "model.members", "fewer model.members"
    elif batch > members * each:
        key, hint = "training.batch_size", "a smaller training.batch_size, or fewer features"
    else:
        key, hint = "model.hidden", "narrower model.hidden, or fewer features"
    raise ConfigError(
        f"{key}: {number_of(members, 'network')} of {parameters:,} numbers: training takes "
        f"{show_bytes(needed)}, and {show_bytes(free)} of memory are free",
        hint=hint,
    )


def _bytes_of_a_batch(recipe: Recipe, prepared: Prepared, shape: Shape) -> int:
    """Return what the layers of one network keep of a batch until its backward pass."""
    rows = max(len(fold.train) for fold in prepared.folds)
    batch = max(min(recipe.batch_size, rows), shape.scoring_rows) * shape.heads
    widths = [shape.inputs, *shape.hidden, shape.labels]
    return batch * sum(widths) * BYTES * KEPT_OF_A_LAYER
