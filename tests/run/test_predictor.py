"""A fitted model as it is used, and its way through run.json."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
import torch
from small_runs import LABELS

from imbalance_cli.errors import FeatureError
from imbalance_cli.losses.family import Loss, asymmetric, focal, stack_losses, weighted_bce
from imbalance_cli.network.model import Ensemble, build_model
from imbalance_cli.readers import open_source, read_table
from imbalance_cli.run.predictor import Predictor
from imbalance_cli.run.scored_rows import calibrate, mean_log_odds_by_row

if TYPE_CHECKING:
    from small_runs import FittedRun

    from imbalance_cli.readers import Table

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def predictor(multi_run: FittedRun) -> Predictor:
    """Load the run with three labels."""
    return Predictor.load(multi_run.path, CPU)


def score(predictor: Predictor, table: Table) -> torch.Tensor:
    """Return the probabilities of rows, (N, L)."""
    return calibrate(predictor.scores(table).log_odds(), predictor.calibration)


def test_document_holds_all_but_the_weights(predictor: Predictor, multi_run: FittedRun) -> None:
    document = json.loads(json.dumps(predictor.to_document()))
    saved = multi_run.document
    for entry in saved["labels"]:
        del entry["validation_positives"], entry["threshold_pooled"]
        del entry["threshold_shrinkage"], entry["threshold_reached"], entry["validation_counts"]
        del entry["threshold_interval"]
    assert document == {key: saved[key] for key in document}
    assert [entry["label"] for entry in document["labels"]] == LABELS


def test_loading_gives_the_same_probabilities(predictor: Predictor, multi_run: FittedRun) -> None:
    table = read_table([open_source(str(multi_run.table))], predictor.preprocessing.columns)
    probabilities = score(predictor, table)
    assert probabilities.shape == (600, 3)
    assert probabilities.dtype == torch.float64
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert torch.equal(score(Predictor.load(multi_run.path, CPU), table), probabilities)


def test_probabilities_undo_the_weights_and_calibrate(predictor: Predictor) -> None:
    logits = torch.linspace(-8, 8, 21)[:, None].expand(-1, 3)
    steps = predictor.calibration
    assert predictor.loss.pos_weight is not None
    log_odds = logits.double() - predictor.loss.pos_weight[0].double().log()
    wanted = torch.sigmoid(steps.slope * log_odds + steps.intercept)
    odds = mean_log_odds_by_row(logits[None], predictor.link_loss)
    given = calibrate(odds, predictor.calibration)
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-12)


def test_frame_has_two_columns_a_label(predictor: Predictor) -> None:
    threshold = predictor.thresholds
    probabilities = torch.stack([threshold, threshold - 1e-12, threshold + 1e-12])
    frame = predictor.frame(probabilities)
    assert frame.columns == predictor.output_columns
    assert frame.columns[:2] == ["y_often_probability", "y_often_decision"]
    assert frame["y_rare_probability"].to_list() == probabilities[:, 2].tolist()
    assert frame["y_rare_decision"].to_list() == [1, 0, 1]


def test_every_missing_column_is_named(predictor: Predictor) -> None:
    predictor.check_columns(["city", "zzz", "colour", "age", "amount"], "t.csv")
    with pytest.raises(FeatureError) as caught:
        predictor.check_columns(["Amount", "city"], "t.csv")
    assert caught.value.message == "t.csv: without the feature columns 'amount', 'age', 'colour'"
    assert caught.value.hint == "did you mean 'Amount'?"
    with pytest.raises(FeatureError, match=r"without the feature column 'age'$"):
        predictor.check_columns(["amount", "colour", "city"], "t.csv")


def make_logits(members: int, rows: int, labels: int) -> torch.Tensor:
    """Return logits (M, N, L), most of them where a link bends."""
    random = torch.Generator().manual_seed(members * rows * labels)
    return 6 * torch.randn(members, rows, labels, generator=random)


def make_losses(labels: int) -> dict[str, Loss]:
    """Return a loss of each kind of link, for as many labels."""
    weights = torch.linspace(0.5, 90, labels)
    return {
        "focal": focal(2.0, pos_weight=weights),
        "asymmetric": asymmetric(pos_weight=weights),
        "weighted_bce": weighted_bce(weights),
    }


@pytest.mark.parametrize("name", ["focal", "asymmetric", "weighted_bce"])
@pytest.mark.parametrize("labels", [1, 3, 50])
@pytest.mark.parametrize("members", [1, 4])
def test_log_odds_of_a_row_are_the_same_among_any_others(
    name: str, labels: int, members: int
) -> None:
    loss = stack_losses([make_losses(labels)[name]] * members, labels)
    logits = make_logits(members, 1500, labels)
    whole = mean_log_odds_by_row(logits, loss)
    assert whole.shape == (1500, labels)
    assert whole.isfinite().all()
    for rows in (1, 2, 3, 7, 15, 16, 17, 100, 1031, 1499):
        assert torch.equal(mean_log_odds_by_row(logits[:, :rows], loss), whole[:rows])
        assert torch.equal(mean_log_odds_by_row(logits[:, -rows:], loss), whole[-rows:])
    mixed = torch.randperm(1500, generator=torch.Generator().manual_seed(0))
    assert torch.equal(mean_log_odds_by_row(logits[:, mixed], loss), whole[mixed])


@pytest.mark.parametrize("labels", [1, 3, 50])
def test_log_odds_of_a_row_are_the_same_on_any_number_of_threads(labels: int) -> None:
    loss = stack_losses([make_losses(labels)["focal"]] * 4, labels)
    logits = make_logits(4, 1000, labels)
    threads = torch.get_num_threads()
    try:
        results = []
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            results.append(mean_log_odds_by_row(logits, loss))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize("labels", [701, 40_000])
def test_log_odds_of_more_labels_than_a_block_holds(labels: int) -> None:
    loss = stack_losses([focal()] * 3, labels)
    logits = make_logits(3, 5, labels)
    whole = mean_log_odds_by_row(logits, loss)
    assert torch.equal(mean_log_odds_by_row(logits[:, 3:4], loss), whole[3:4])


def test_no_rows_have_no_log_odds() -> None:
    loss = stack_losses([focal()] * 2, 3)
    assert mean_log_odds_by_row(torch.empty(2, 0, 3), loss).shape == (0, 3)


def test_log_odds_are_of_the_mean_probability() -> None:
    """Of weighted_bce a member's probability is sigmoid(z - log w), each with its own w."""
    weights = [torch.tensor([1.0, 5.0, 50.0]), torch.tensor([2.0, 0.5, 9.0])]
    loss = stack_losses([weighted_bce(w) for w in weights], 3)
    logits = make_logits(2, 50, 3)
    pairs = zip(logits.double(), weights, strict=True)
    mean = sum(torch.sigmoid(z - w.double().log()) for z, w in pairs) / 2
    assert isinstance(mean, torch.Tensor)
    torch.testing.assert_close(
        mean_log_odds_by_row(logits, loss), torch.logit(mean), rtol=1e-9, atol=1e-9
    )


def test_members_that_are_all_but_certain_keep_their_digits() -> None:
    loss = stack_losses([Loss()] * 2, 1)
    far = torch.tensor([[[80.0], [-80.0]], [[80.0], [-80.0]]])
    assert mean_log_odds_by_row(far, loss)[:, 0].tolist() == [80.0, -80.0]


def test_each_head_has_the_loss_of_its_network(predictor: Predictor) -> None:
    """Networks may have more heads than others."""
    losses = [weighted_bce(torch.tensor([m + 1.0] * 3)) for m in range(4)]
    shape = dataclasses.replace(predictor.model.shape, heads=1)
    model = Ensemble(
        [
            build_model(dataclasses.replace(shape, heads=2), [0, 1]),
            build_model(dataclasses.replace(shape, heads=3), [2]),
            build_model(shape, [3]),
        ]
    )
    of_four = dataclasses.replace(predictor, model=model, loss=stack_losses(losses, 3))
    for chosen, weights in (
        (of_four, [1, 1, 2, 2, 3, 3, 3, 4]),
        (of_four.keep_members([2, 0]), [3, 3, 3, 1, 1]),
        (of_four.keep_members([1, 3]), [2, 2, 4]),
    ):
        assert chosen.link_loss.pos_weight is not None
        assert chosen.link_loss.pos_weight[:, 0, 0].tolist() == weights
        assert chosen.loss.gamma_positive is None
        assert sum(chosen.model.heads) == len(weights)


def test_scores_are_read_plainly_where_the_loss_is_not_undone(predictor: Predictor) -> None:
    plain = dataclasses.replace(predictor, undo_loss=False)
    logits = make_logits(1, 20, 3)
    plainly, undone = (mean_log_odds_by_row(logits, p.link_loss) for p in (plain, predictor))
    torch.testing.assert_close(plainly, logits[0].double())
    assert not torch.equal(undone, plainly)


@pytest.mark.parametrize("name", ["focal", "asymmetric", "weighted_bce"])
def test_document_and_tensors_make_the_predictor_again(predictor: Predictor, name: str) -> None:
    loss = stack_losses([make_losses(3)[name]], 3)
    given = dataclasses.replace(predictor, loss=loss, undo_loss=False, precision="bfloat16")
    document = json.loads(json.dumps(given.to_document()))
    again = Predictor.from_document(document, given.tensors(), CPU)
    assert again.to_document() == given.to_document()
    assert set(again.loss.parameters()) == set(loss.parameters())
    for key, value in again.tensors().items():
        assert torch.equal(value, given.tensors()[key])


def test_pos_weight_without_one_is_1(predictor: Predictor) -> None:
    plain = dataclasses.replace(predictor, loss=Loss())
    assert [entry["pos_weight"] for entry in plain.to_document()["labels"]] == [[1.0]] * 3
