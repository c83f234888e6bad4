"""From a config and rows to networks: their losses, weights, seeds and starts, and their memory."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from small_runs import LABELS, Silent, load_sections, make_columns, write_csv

from imbalance_cli.errors import ConfigError
from imbalance_cli.labels.targets import as_targets
from imbalance_cli.losses.link import inverse_link
from imbalance_cli.network.embeddings import CATEGORY_WIDTH, PERIODIC_WIDTH
from imbalance_cli.network.model import SCORING_ROWS, build_model, score_rows
from imbalance_cli.network.recipes import FREQUENCIES
from imbalance_cli.network.sampling import balanced_rates
from imbalance_cli.workflows import networks
from imbalance_cli.workflows.networks import (
    Networks,
    make_loss,
    plan_networks,
    recipe_of,
    refuse_too_many,
    start_model,
)
from imbalance_cli.workflows.preparing import Prepared, count_targets, prepare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imbalance_cli.config import Config
    from imbalance_cli.losses.family import Loss
    from imbalance_cli.network.model import MultilayerPerceptron

POSITIVES, KNOWN = [40, 10, 4], [200, 190, 180]  # of each label's 200 rows


@pytest.fixture(scope="module")
def targets() -> torch.Tensor:
    """Return targets (200, 3) with so many positives and known cells."""
    columns = []
    for number, (positives, known) in enumerate(zip(POSITIVES, KNOWN, strict=True)):
        cells = [1.0] * positives + [0.0] * (known - positives) + [math.nan] * (200 - known)
        columns.append(np.random.default_rng(number).permutation(cells))
    return torch.tensor(np.array(columns).T, dtype=torch.float32)


def loss_of(
    folder: Path,
    targets: torch.Tensor,
    *,
    given: list[float] | None = None,
    **sections: Mapping[str, object],
) -> dict[str, list[float]]:
    """Return the parameters of the loss that sections ask for, each as three numbers."""
    config = load_sections(folder, "t.csv", **sections)
    counts = count_targets(as_targets(targets.numpy()), LABELS)
    rates = balanced_rates(targets) if config.training.sampler == "balanced" else None
    loss = make_loss(config, counts, as_targets(targets.numpy()), rates=rates, given=given)
    return {name: value.expand(3).tolist() for name, value in loss.parameters().items()}


def ratio(positives: int, known: int) -> float:
    """Return negatives over positives."""
    return (known - positives) / positives


RATIOS = [ratio(p, n) for p, n in zip(POSITIVES, KNOWN, strict=True)]
EFFECTIVE = [(1 - 0.99 ** (n - p)) / (1 - 0.99**p) for p, n in zip(POSITIVES, KNOWN, strict=True)]
LOG_ODDS = [math.log((p + 0.5) / (n - p + 0.5)) for p, n in zip(POSITIVES, KNOWN, strict=True)]
FOCUS = {"gamma_positive": [2.0] * 3, "gamma_negative": [2.0] * 3}
ASYMMETRIC = {"gamma_positive": [1.0] * 3, "gamma_negative": [4.0] * 3, "margin": [0.05] * 3}


@pytest.mark.parametrize(
    ("loss", "weighting", "wanted"),
    [
        ({"name": "bce"}, {}, {}),
        ({"name": "weighted_bce"}, {}, {"pos_weight": RATIOS}),
        ({"name": "weighted_bce"}, {"strategy": "none"}, {"pos_weight": [1.0] * 3}),
        (
            {"name": "weighted_bce"},
            {"strategy": "sqrt"},
            {"pos_weight": [value**0.5 for value in RATIOS]},
        ),
        ({"name": "weighted_bce"}, {"cap": 5.0}, {"pos_weight": [4.0, 5.0, 5.0]}),
        ({"name": "focal"}, {}, FOCUS),
        ({"name": "focal"}, {"strategy": "balanced"}, FOCUS | {"pos_weight": RATIOS}),
        (
            {"name": "focal", "gamma": 0.5, "alpha": 0.2},
            {},
            {
                "gamma_positive": [0.5] * 3,
                "gamma_negative": [0.5] * 3,
                "pos_weight": [0.25] * 3,
                "factor": [0.8] * 3,
            },
        ),
        ({"name": "class_balanced"}, {"beta": 0.99}, FOCUS | {"pos_weight": EFFECTIVE}),
        ({"name": "asymmetric"}, {}, ASYMMETRIC),
        ({"name": "asymmetric"}, {"strategy": "ratio"}, ASYMMETRIC | {"pos_weight": RATIOS}),
        (
            {"name": "asymmetric", "margin": 0.0, "gamma_positive": 0.0, "gamma_negative": 1.0},
            {},
            {"gamma_positive": [0.0] * 3, "gamma_negative": [1.0] * 3},
        ),
        ({"name": "logit_adjusted"}, {}, {"offset": LOG_ODDS}),
        ({"name": "logit_adjusted", "tau": 2.0}, {}, {"offset": [2 * b for b in LOG_ODDS]}),
        (
            {"name": "logit_adjusted"},
            {"strategy": "ratio", "allow_double_counting": True},
            {"offset": LOG_ODDS, "pos_weight": RATIOS},
        ),
    ],
)
def test_loss_that_a_config_asks_for(
    tmp_path: Path,
    targets: torch.Tensor,
    loss: dict[str, object],
    weighting: dict[str, object],
    wanted: dict[str, list[float]],
) -> None:
    parameters = loss_of(tmp_path, targets, loss=loss, weighting=weighting)
    assert set(parameters) == set(wanted)
    for name, values in wanted.items():
        assert parameters[name] == pytest.approx(values, rel=1e-5)


def test_distribution_balanced_loss_knows_the_shift_of_its_own_weights(
    tmp_path: Path, targets: torch.Tensor
) -> None:
    parameters = loss_of(tmp_path, targets, loss={"name": "distribution_balanced", "gamma": 1.0})
    odds = [math.log(p / (n - p)) for p, n in zip(POSITIVES, KNOWN, strict=True)]
    assert parameters["offset"] == pytest.approx([0.05 * b for b in odds], rel=1e-5)
    assert parameters["rarity"] == pytest.approx([1 / p for p in POSITIVES], rel=1e-6)
    assert parameters["negative_scale"] == [2.0] * 3
    assert parameters["gamma_positive"] == parameters["gamma_negative"] == [1.0] * 3
    for label in range(3):
        weights: dict[float, list[float]] = {0.0: [], 1.0: []}
        for row in targets.tolist():
            if math.isnan(row[label]):
                continue
            drawn = sum(1 / p for p, cell in zip(POSITIVES, row, strict=True) if cell == 1)
            share = 1 / POSITIVES[label] / drawn if drawn else math.inf
            weights[row[label]].append(0.1 + 1 / (1 + math.exp(-10 * (min(share, 99) - 0.2))))
        shift = float(np.mean(weights[1.0])) / float(np.mean(weights[0.0]))
        assert parameters["prior_shift"][label] == pytest.approx(shift, rel=1e-5)


@pytest.mark.parametrize("name", ["bce", "focal", "asymmetric", "weighted_bce"])
def test_sampler_is_undone_by_the_link(tmp_path: Path, targets: torch.Tensor, name: str) -> None:
    """Of one label without missing cells both classes are drawn alike often: odds times ratio."""
    one = targets[:, :1]
    config = load_sections(
        tmp_path,
        "t.csv",
        loss={"name": name},
        training={"sampler": "balanced"},
        weighting={"allow_double_counting": True},
    )
    counts = count_targets(as_targets(one.numpy()), LABELS[:1])
    cells = as_targets(one.numpy())
    loss = make_loss(config, counts, cells, rates=balanced_rates(one), given=None)
    assert loss.prior_shift is not None
    assert loss.prior_shift.tolist() == pytest.approx([RATIOS[0]])


def test_sampler_of_several_labels_shifts_each_by_what_it_draws(
    tmp_path: Path, targets: torch.Tensor
) -> None:
    parameters = loss_of(tmp_path, targets, loss={"name": "bce"}, training={"sampler": "balanced"})
    rates = []
    for row in targets.tolist():
        mine = [min(r, 50.0) for r, cell in zip(RATIOS, row, strict=True) if cell == 1]
        rates.append(max([1.0, *mine]))
    for label in range(3):
        column = targets[:, label].tolist()
        means = [
            np.mean([rate for rate, cell in zip(rates, column, strict=True) if cell == side])
            for side in (1.0, 0.0)
        ]
        shift = float(means[0] / means[1])
        assert parameters["prior_shift"][label] == pytest.approx(shift, rel=1e-6)


@pytest.mark.parametrize("name", ["weighted_bce", "focal", "asymmetric"])
def test_given_weights_are_taken_as_they_are(
    tmp_path: Path, targets: torch.Tensor, name: str
) -> None:
    parameters = loss_of(
        tmp_path,
        targets,
        given=[1.0, 2.5, 9.0],
        loss={"name": name},
        weighting={"from": "w.json"},
    )
    assert parameters["pos_weight"] == [1.0, 2.5, 9.0]


@pytest.mark.parametrize("name", ["weighted_bce", "class_balanced", "logit_adjusted"])
@pytest.mark.parametrize("cell", [0.0, 1.0, math.nan])
def test_label_that_cannot_be_learned_has_finite_parameters(
    tmp_path: Path, targets: torch.Tensor, name: str, cell: float
) -> None:
    one_sided = targets.clone()
    one_sided[:, 1] = cell
    for loss in (name, "distribution_balanced"):
        parameters = loss_of(tmp_path, one_sided, loss={"name": loss})
        assert all(math.isfinite(value) for values in parameters.values() for value in values)
        assert all(weight == 1.0 for weight in parameters.get("pos_weight", [0, 1.0])[1:2])


# plans


def prepare_table(
    folder: Path, columns: Mapping[str, list[str]], **sections: Mapping[str, object]
) -> tuple[Config, Prepared]:
    """Write a table, and prepare it by sections."""
    config = load_sections(folder, write_csv(folder / "t.csv", columns), **sections)
    return config, prepare(config, Silent(), folds=config.training.folds)


def plan(config: Config, prepared: Prepared, name: str | None = None) -> Networks:
    """Plan by the recipe of the config."""
    return plan_networks(config, recipe_of(config, prepared), prepared, candidate=name)


def start(config: Config, prepared: Prepared, plans: Sequence[Networks]) -> MultilayerPerceptron:
    """Build by the recipe of the config, where all networks have one shape."""
    recipe = recipe_of(config, prepared)
    (model,) = start_model(recipe, prepared, plans, config.training.seed).parts()
    return model


def test_members_of_every_fold_have_the_same_seeds_and_its_rows(tmp_path: Path) -> None:
    training = {"folds": 3, "seed": 7, "sampler": "balanced"}
    config, prepared = prepare_table(
        tmp_path,
        make_columns(300),
        training=training,
        model={"members": 2, "sharing": "none"},
        loss={"name": "bce"},
    )
    planned = plan(config, prepared, name="plain")
    assert planned.folds == [0, 0, 1, 1, 2, 2]
    assert [member.seed for member in planned.members] == [7, 8] * 3
    assert [member.name for member in planned.members][:3] == [
        "plain, fold 1, seed 7",
        "plain, fold 1, seed 8",
        "plain, fold 2, seed 7",
    ]
    for member, number in zip(planned.members, planned.folds, strict=True):
        fold = prepared.folds[number]
        assert np.array_equal(member.train.numpy(), fold.train)
        assert np.array_equal(member.valid.numpy(), fold.valid)
        assert member.rates is not None
        assert torch.equal(
            member.rates,
            balanced_rates(torch.from_numpy(prepared.targets.take(fold.train).dense())),
        )
    assert planned.starts.shape == (6, 3)


@pytest.mark.parametrize("folds", [None, 3])
def test_members_on_a_trunk_are_one_network_per_fold(tmp_path: Path, folds: int | None) -> None:
    config, prepared = prepare_table(
        tmp_path, make_columns(300), model={"members": 5}, training={"folds": folds}
    )
    planned = plan(config, prepared)
    assert planned.folds == list(range(folds or 1))
    assert [member.name for member in planned.members] == (
        [""] if folds is None else ["fold 1", "fold 2", "fold 3"]
    )
    model = start(config, prepared, [planned])
    assert (model.members, model.shape.heads) == (folds or 1, 5)
    for number, start_of_fold in enumerate(planned.starts):
        for head in range(5 * number, 5 * number + 5):
            torch.testing.assert_close(model.output.bias[head].detach(), start_of_fold.float())


@pytest.mark.parametrize("recipe", ["tabular", "plain"])
@pytest.mark.parametrize("embedding", ["auto", "none", "piecewise_linear", "periodic", "both"])
def test_networks_are_built_by_the_recipe(tmp_path: Path, recipe: str, embedding: str) -> None:
    model = {"recipe": recipe, "numeric_embedding": embedding}
    config, prepared = prepare_table(tmp_path, make_columns(300), model=model)
    chosen = recipe_of(config, prepared)
    built = start(config, prepared, [plan(config, prepared)])
    assert built.members == chosen.networks
    shape = built.shape
    # no number of these rows is mostly one value
    every = range(shape.continuous if chosen.bins and not chosen.bin_share else 0)
    assert shape.binned == list(every)
    assert shape.bins == (chosen.bins if shape.binned else 0)
    assert (shape.heads, shape.frequencies) == (chosen.heads, chosen.frequencies)
    assert shape.is_scaled == chosen.is_scaled
    assert (shape.hidden, shape.activation) == (chosen.hidden, chosen.activation)
    assert shape.dropout == pytest.approx(chosen.dropout)
    if built.bins is not None:
        numbers = prepared.rows.take(torch.from_numpy(prepared.folds[0].train)).numeric
        assert torch.equal(built.bins.edges[:, 0], numbers[:, : shape.continuous].amin(dim=0))


def test_networks_that_choose_the_epochs_have_fewer_heads_and_others_bins(tmp_path: Path) -> None:
    model = {"sharing": "auto", "hidden": [4]}
    config, prepared = prepare_table(tmp_path, make_columns(300), model=model)
    recipe = recipe_of(config, prepared)
    planned = plan(config, prepared)
    built = start_model(recipe, prepared, [planned], config.training.seed)
    few, usual = recipe.leading_heads, recipe.heads
    assert few < usual
    assert [part.members for part in built.parts()] == [1, 2, 1, 2]
    assert built.heads == [few, usual, usual] * 2
    continuous = built.shape.continuous
    for binned in (FREQUENCIES, []):
        other = dataclasses.replace(recipe, binned_frequencies=binned)
        *waves, bins = [part.shape for part in start_model(other, prepared, [planned], 0).parts()]
        assert all((shape.binned, shape.frequencies) == ([], FREQUENCIES) for shape in waves)
        assert (bins.binned, bins.frequencies) == (list(range(continuous)), binned)
    rows = prepared.rows.take(torch.arange(20))
    together = torch.split(score_rows(built, rows, "float32"), built.heads)
    for number, network in enumerate(built.alone()):
        assert torch.equal(together[number], score_rows(network, rows, "float32"))
        assert torch.equal(built.member(number).output.weight, network.output.weight)
    # of three neighbours two are the same network, which follows the other and is kept twice
    seeds = [member.seed - config.training.seed for member in planned.members]
    assert seeds == [0, 1, 1, 3, 4, 4]
    assert [part.members for part in built.part(2, 4).parts()] == [1, 1]
    for name, value in built.part(2, 4).named_parameters():  # of the same memory
        value.data.zero_()
        assert name.startswith("models.")
    assert not built.member(2).output.weight.any()
    assert built.member(4).output.weight.any()


def test_a_table_without_numbers_has_no_embedding_of_them(tmp_path: Path) -> None:
    columns = {name: make_columns(300)[name] for name in ("colour", "city", *LABELS)}
    for recipe in ("tabular", "plain"):
        config, prepared = prepare_table(tmp_path, columns, model={"recipe": recipe})
        built = start(config, prepared, [plan(config, prepared)])
        assert (built.shape.bins, built.shape.frequencies) == (0, [])
        config, prepared = prepare_table(tmp_path, columns, model={"numeric_embedding": "periodic"})
        with pytest.raises(ConfigError, match="no feature is a number"):
            recipe_of(config, prepared)


def test_one_plain_member_has_no_name_and_no_rates(tmp_path: Path) -> None:
    config, prepared = prepare_table(tmp_path, make_columns(300))
    planned = plan(config, prepared)
    [member] = planned.members
    assert member.name == ""
    assert member.rates is None
    assert planned.folds == [0]
    assert np.array_equal(prepared.folds[0].held_out, prepared.data.split.valid)
    assert not prepared.is_cross_fitted


@pytest.mark.parametrize(
    "loss", ["bce", "weighted_bce", "focal", "class_balanced", "asymmetric", "logit_adjusted"]
)
@pytest.mark.parametrize("sampler", ["shuffle", "balanced"])
def test_networks_start_where_their_probability_is_the_prevalence(
    tmp_path: Path, loss: str, sampler: str
) -> None:
    config, prepared = prepare_table(
        tmp_path,
        make_columns(300),
        loss={"name": loss},
        training={"sampler": sampler, "folds": 2},
        weighting={"allow_double_counting": True},
    )
    planned = plan(config, prepared)
    for member, own_start in zip(planned.members, planned.starts, strict=True):
        cells = prepared.data.targets.take(member.train.numpy()).dense()
        positives, known = (cells == 1).sum(axis=0), (~np.isnan(cells)).sum(axis=0)
        wanted = torch.from_numpy((positives + 0.5) / (known + 1))
        torch.testing.assert_close(inverse_link(own_start, member.loss), wanted, rtol=1e-4, atol=0)


def weights_by_hand(prepared: Prepared) -> list[list[float]]:
    """Return negatives over positives of the training rows of each fold."""
    weights = []
    for fold in prepared.folds:
        cells = prepared.data.targets.take(fold.train).dense()
        weights.append(((cells == 0).sum(axis=0) / (cells == 1).sum(axis=0)).tolist())
    return weights


def test_weights_of_a_fold_are_of_its_training_rows_alone(tmp_path: Path) -> None:
    config, prepared = prepare_table(tmp_path, make_columns(300), training={"folds": 3})
    weights = [pos_weight(member.loss) for member in plan(config, prepared).members]
    for mine, wanted in zip(weights, weights_by_hand(prepared), strict=True):
        assert mine == pytest.approx(wanted, rel=1e-6)
    assert len({tuple(mine) for mine in weights}) > 1
    for number, fold in enumerate(prepared.folds):
        cells = prepared.targets.dense()
        others = np.append(fold.valid, fold.held_out)
        cells[others] = 1 - cells[others]
        turned = dataclasses.replace(prepared, targets=as_targets(cells))
        again = plan(config, turned).members
        assert pos_weight(again[number].loss) == weights[number]
        assert any(pos_weight(m.loss) != w for m, w in zip(again, weights, strict=True))


def pos_weight(loss: Loss) -> list[float]:
    """Return the weights of a loss that has some."""
    assert loss.pos_weight is not None
    weights: list[float] = loss.pos_weight.tolist()
    return weights


@pytest.mark.parametrize("sharing", ["trunk", "none"])
def test_label_that_cannot_be_learned_scores_its_start(tmp_path: Path, sharing: str) -> None:
    columns = make_columns(300) | {"y_rare": ["0"] * 300}
    model_of = {"members": 2, "sharing": sharing}
    config, prepared = prepare_table(tmp_path, columns, model=model_of)
    assert prepared.learnable == [True, True, False]
    assert prepared.rows.columns(slice(2, 3)).isnan().all()
    model = start(config, prepared, [plan(config, prepared)])
    assert (model.output.weight[:, 2] == 0).all()
    assert (model.output.weight[:, :2] != 0).any()
    assert len(model.output.weight) == 2
    rows = prepared.rows.take(torch.arange(300))
    logits = model.eval()(rows.numeric, rows.codes)
    assert (logits[:, :, 2] == model.output.bias[0, 2]).all()


@pytest.mark.parametrize(("sharing", "networks"), [("trunk", 2), ("none", 4)])
def test_several_models_are_built_side_by_side(tmp_path: Path, sharing: str, networks: int) -> None:
    model = {"members": 2, "sharing": sharing}
    config, prepared = prepare_table(tmp_path, make_columns(300), model=model)
    one = plan(config, prepared)
    both = start(config, prepared, [one, one])
    alone = start(config, prepared, [one])
    assert both.members == networks
    for name, parameter in both.named_parameters():
        mine = dict(alone.named_parameters())[name]
        assert torch.equal(parameter, torch.cat([mine, mine]))


# memory


def need(config: Config, prepared: Prepared) -> int:
    """Return the bytes that one network takes while it trains."""
    recipe = recipe_of(config, prepared)
    model = build_model(networks._shape(recipe, prepared), [0], plan(config, prepared).starts[:1])
    return 4 * 5 * sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("folds", "models"), [(None, 1), (3, 1), (3, 4)])
@pytest.mark.parametrize(
    "model_of", [{"recipe": "plain", "sharing": "auto"}, {"sharing": "none", "members": 1}]
)
def test_more_networks_than_the_memory_holds_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folds: int | None,
    models: int,
    model_of: dict[str, object],
) -> None:
    config, prepared = prepare_table(
        tmp_path, make_columns(300), training={"folds": folds}, model=model_of
    )
    each = need(config, prepared) * (folds or 1) * models
    rows = SCORING_ROWS  # which is more than a batch here
    shape = networks._shape(recipe_of(config, prepared), prepared)
    per_number = (shape.bin_outputs or shape.bins) + (PERIODIC_WIDTH if shape.frequencies else 0)
    inputs = shape.numeric + shape.continuous * per_number
    inputs += CATEGORY_WIDTH * len(shape.cardinalities)
    batch = rows * (inputs + sum(shape.hidden) + shape.labels) * 4 * 4

    def fill(members: int, free: int) -> Any:  # noqa: ANN401  an error or nothing
        monkeypatch.setattr(networks, "available_memory", lambda _device: free + batch)
        model = config.model.model_copy(update={"members": members})
        changed = config.model_copy(update={"model": model})
        refuse_too_many(recipe_of(changed, prepared), prepared, models)

    fill(5, 5 * each)
    with pytest.raises(ConfigError, match=r"^model\.members: ") as caught:
        fill(5, 5 * each - 1)
    assert str(caught.value.hint).endswith(" 4 would fit")
    with pytest.raises(ConfigError) as caught:
        fill(10**8, 5 * each)
    assert str(caught.value.hint).endswith(" 5 would fit")
    total = 10**8 * (folds or 1) * models
    assert caught.value.message.startswith(f"model.members: {total:,} networks of ")
    assert f"training takes {10**8 * each / 1e12:,.1f} TB, and " in caught.value.message
    with pytest.raises(ConfigError) as caught:
        fill(1, each - 1)
    alone = (folds or 1) * models == 1
    assert ("or fewer features" if alone else "fewer folds or candidates") in str(caught.value.hint)


@pytest.mark.parametrize(
    ("sharing", "seen", "hint"),
    [
        ("none", "100,000,000 networks", " would fit"),
        ("trunk", "1 network", "fewer model.members"),
    ],
)
def test_planning_asks_for_the_memory_before_it_takes_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sharing: str, seen: str, hint: str
) -> None:
    model = {"members": 10**8, "sharing": sharing}
    config, prepared = prepare_table(tmp_path, make_columns(300), model=model)
    monkeypatch.setattr(networks, "available_memory", lambda _device: 10**9)
    with pytest.raises(ConfigError, match=rf"model\.members: {seen} of ") as caught:
        plan(config, prepared)
    assert hint in (caught.value.hint or "")


def test_a_batch_is_kept_for_each_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one network on the CPU, whose batches need more than its parameters."""
    bytes_of = []
    for heads, key in ((2, "training.batch_size"), (8, "model.members")):
        config, prepared = prepare_table(tmp_path, make_columns(300), model={"members": heads})
        recipe = recipe_of(config, prepared)
        shape = networks._shape(recipe, prepared)
        bytes_of.append(networks._bytes_of_a_batch(recipe, prepared, shape))
        needed = need(config, prepared) + bytes_of[-1]
        with monkeypatch.context() as patch:
            patch.setattr(networks, "available_memory", lambda _device, free=needed: free)
            refuse_too_many(recipe, prepared, models=1)
            patch.setattr(networks, "available_memory", lambda _device, free=needed - 1: free)
            with pytest.raises(ConfigError, match=f"^{key}: 1 network of "):
                refuse_too_many(recipe, prepared, models=1)
    assert bytes_of[1] == 4 * bytes_of[0]


@pytest.mark.parametrize(
    ("sections", "given", "says"),
    [
        ({"weighting": {"cap": 1e-300}}, None, "pos weight for label 'y_often' is 0: nothing"),
        ({}, [1.0, 1e300, 1.0], "pos weight for label 'y_some' is inf: nothing"),
        ({"loss": {"name": "focal", "alpha": 1e-300}}, None, "is 0: nothing"),
        ({"weighting": {"cap": 1e-40}}, None, "is 9.99995e-41: nothing can be learned"),
        ({}, [1.0, 1.0, 1e12], "pos weight for label 'y_rare' is 1e+12: nothing"),
        ({"loss": {"name": "asymmetric", "margin": 0.999999999}}, None, "margin for label"),
    ],
)
def test_numbers_that_float32_makes_unusable_are_refused(
    tmp_path: Path,
    targets: torch.Tensor,
    sections: dict[str, dict[str, object]],
    given: list[float] | None,
    says: str,
) -> None:
    with pytest.raises(ConfigError) as caught:
        loss_of(tmp_path, targets, given=given, **sections)
    assert says in caught.value.message
    assert "nearer to 1" in (caught.value.hint or "")
