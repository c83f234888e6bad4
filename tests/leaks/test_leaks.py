"""Leaks are found where an independent reference finds them, however the rows are cut."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from imbalance_cli.errors import FeatureError
from imbalance_cli.labels.targets import as_targets
from imbalance_cli.leaks import Leak, LeakScan, count_duplicates, find_leaks, hash_rows, sampling
from imbalance_cli.leaks.chance import LARGEST_CHANCE, LEAST, _log_pure
from imbalance_cli.leaks.judging import MOST_CATEGORIES
from imbalance_cli.leaks.sampling import RowSample
from imbalance_cli.readers import Table
from imbalance_cli.splits import Split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from numpy.typing import NDArray

ROWS = 60
POSITIVES = 20


def line_of(row: int) -> str:
    return f"a.csv: line {row + 2}"


def find(columns: dict[str, Any], targets: NDArray[np.float64]) -> list[Leak]:
    """Look at all rows, for labels called y0, y1, ..."""
    frame = pl.DataFrame(columns)
    labels = [f"y{label}" for label in range(targets.shape[1])]
    table = Table("a.csv", frame, line_of)
    return find_leaks(table, list(columns), labels, targets, np.arange(frame.height))


def one_label(rows: int = ROWS, positives: int = POSITIVES) -> NDArray[np.float64]:
    """Return targets (N, 1), positives first."""
    return (np.arange(rows) < positives).astype(float)[:, None]


# features that tell a label


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(("sign", "how"), [(1, "higher"), (-1, "lower")])
def test_a_value_that_ranks_perfectly(sign: int, how: str, *, as_text: bool) -> None:
    random = np.random.default_rng(0)
    targets = one_label()
    values = sign * (targets[:, 0] * 2 + random.random(ROWS))
    cells: list[Any] = [str(value) for value in values] if as_text else values.tolist()
    cells[0] = None
    noise = random.random(ROWS)
    assert find({"noise": noise, "x": cells}, targets) == [Leak("x", "y0", how)]


def test_a_tie_of_both_sides_is_no_leak() -> None:
    targets = one_label()
    values = targets[:, 0] + np.arange(ROWS) / 1000
    values[0] = values[POSITIVES:].max()
    assert not find({"x": values}, targets)


@settings(deadline=None, max_examples=150)
@given(
    rows=st.integers(1, 60),
    levels=st.integers(1, 60),
    seed=st.integers(0, 10_000),
    relation=st.sampled_from([0, 1, -1]),
    missing=st.sampled_from([0.0, 0.2]),
)
def test_values_against_roc_auc(
    rows: int, levels: int, seed: int, relation: int, missing: float
) -> None:
    """Against scikit-learn: found just where the area is 1 or 0, and the rows are enough."""
    random = np.random.default_rng(seed)
    values = random.integers(levels, size=rows).astype(float)
    target = (random.random(rows) < 0.4).astype(float)
    if relation:
        target = (relation * values > np.median(relation * values)).astype(float)
    values[random.random(rows) < missing] = np.nan
    target[random.random(rows) < missing] = np.nan
    known = ~np.isnan(values) & ~np.isnan(target)
    positives, negatives = int((target[known] == 1).sum()), int((target[known] == 0).sum())
    found = [leak.how for leak in find({"x": values}, target[:, None])]
    found = [how for how in found if how in {"higher", "lower"}]
    if min(positives, negatives) < LEAST:
        assert not found
        return
    area = round(float(roc_auc_score(target[known], values[known])), 9)
    enough = math.comb(positives + negatives, positives) * LARGEST_CHANCE > 2
    expected = {1.0: ["higher"], 0.0: ["lower"]}.get(area, []) if enough else []
    assert found == expected


@pytest.mark.parametrize(("side", "how"), [(1.0, "missing"), (0.0, "known")])
@pytest.mark.parametrize("cell", [1.5, "red", True])
def test_cells_that_are_missing_for_one_side_alone(side: float, how: str, cell: object) -> None:
    targets = one_label()
    cells = [None if target == side else cell for target in targets[:, 0]]
    assert find({"x": cells}, targets) == [Leak("x", "y0", how)]
    cells[0] = cell if side else None
    assert not find({"x": cells}, targets)


def test_dates_that_rank_perfectly() -> None:
    targets = one_label()
    days = [f"2024-{2 if target else 1:02}-{1 + row % 28:02}" for row, target in enumerate(targets)]
    assert find({"day": days}, targets) == [Leak("day", "y0", "higher")]
    typed = pl.Series("day", days).str.to_date()
    assert find({"day": typed}, targets) == [Leak("day", "y0", "higher")]


@settings(deadline=None, max_examples=100)
@given(
    rows=st.integers(1, 80),
    categories=st.integers(1, 30),
    seed=st.integers(0, 10_000),
    pure=st.booleans(),
)
def test_categories_against_a_group_by(
    rows: int, categories: int, seed: int, *, pure: bool
) -> None:
    random = np.random.default_rng(seed)
    codes = random.integers(categories, size=rows)
    sides = random.random(categories) < 0.3
    target = (sides[codes] if pure else random.random(rows) < 0.3).astype(float)
    target[random.random(rows) < 0.1] = np.nan
    texts = [f" c{code} " if code % 2 else f"c{code}" for code in codes]
    known = ~np.isnan(target)
    sets = [set(target[known & (codes == code)].tolist()) for code in range(categories)]
    found = find({"x": texts}, target[:, None])
    if any(len(values) > 1 for values in sets):
        assert not found
        return
    sizes = np.bincount(codes[known], minlength=categories)
    positives = int((target == 1).sum())
    log_chance = _log_pure(sizes, positives, int(known.sum()) - positives)
    expected = [Leak("x", "y0", "category")] if log_chance < np.log(LARGEST_CHANCE) else []
    assert found == expected


@settings(deadline=None, max_examples=100)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=9), data=st.data())
def test_the_bound_on_the_chance_of_pure_categories(sizes: list[int], data: st.DataObject) -> None:
    """Against counting the ways: sets of categories that hold just so many rows."""
    rows = sum(sizes)
    positives = data.draw(st.integers(0, rows))
    subsets = itertools.product([0, 1], repeat=len(sizes))
    ways = sum(int(np.dot(subset, sizes)) == positives for subset in subsets)
    bound = _log_pure(np.array(sizes), positives, rows - positives)
    assert bound <= 0
    if ways:
        assert np.exp(bound) >= min(ways / math.comb(rows, positives), 1) - 1e-9


def test_codes_that_tell_but_do_not_rank() -> None:
    targets = one_label(300, 100)
    codes = np.where(targets[:, 0] == 1, 2, np.arange(300) % 2 * 2 + 1)
    assert find({"x": codes}, targets) == [Leak("x", "y0", "category")]
    assert find({"x": codes.astype(str)}, targets) == [Leak("x", "y0", "category")]


def test_ids_are_no_leak() -> None:
    """Each in a row of its own, all are pure."""
    targets = np.tile([1.0, 0.0], 150)[:, None]
    assert not find({"x": [f"id{row}" for row in range(300)]}, targets)


def test_more_categories_than_are_kept() -> None:
    rows = 4 * MOST_CATEGORIES
    for kept in (MOST_CATEGORIES, MOST_CATEGORIES + 1):
        codes = np.arange(rows) % kept
        targets = (codes < kept // 2).astype(float)[:, None]
        found = find({"x": [f"c{code}" for code in codes]}, targets)
        assert bool(found) == (kept == MOST_CATEGORIES)


@pytest.mark.parametrize(
    ("rows", "positives", "is_found"),
    [
        (60, 4, False),
        (60, 56, False),
        (10, 5, False),
        (22, 11, False),
        (60, 5, True),
        (26, 13, True),
    ],
)
def test_rows_that_are_enough(rows: int, positives: int, *, is_found: bool) -> None:
    """At least five of each side, and a chance of at most one in a million."""
    targets = one_label(rows, positives)
    assert bool(find({"x": targets[:, 0]}, targets)) == is_found


def test_each_label_on_its_own() -> None:
    targets = np.column_stack([one_label()[:, 0], np.tile([1.0, 0.0], ROWS // 2)])
    targets[5:8, 0] = np.nan
    leaks = find({"b": targets[:, 1], "a": -targets[:, 0]}, targets)
    assert leaks == [Leak("b", "y1", "higher"), Leak("a", "y0", "lower")]
    assert leaks[0].describe() == (
        "'b' alone tells 'y1': it is higher for every positive than for any negative"
    )


def test_only_the_rows_named_are_looked_at() -> None:
    targets = one_label()
    values = targets[:, 0].copy()
    values[[0, -1]] = values[[-1, 0]]
    table = Table("a.csv", pl.DataFrame({"x": values}), line_of)
    assert not find_leaks(table, ["x"], ["y"], targets, np.arange(ROWS))
    inner = np.arange(1, ROWS - 1)
    assert find_leaks(table, ["x"], ["y"], targets, inner) == [Leak("x", "y", "higher")]


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows(rows: int) -> None:
    targets = np.ones((rows, 2))
    assert not find({"x": np.zeros(rows), "c": ["a"] * rows}, targets)


def test_all_missing() -> None:
    assert not find({"x": [None] * ROWS}, one_label())
    assert not find({"x": np.arange(ROWS)}, np.full((ROWS, 1), np.nan))


def test_lists_are_no_feature() -> None:
    with pytest.raises(FeatureError, match="column 'x' holds List") as caught:
        find({"x": [[1]] * ROWS}, one_label())
    assert caught.value.hint == "data.exclude: [x]"


def make_columns(targets: NDArray[np.float64], seed: int) -> dict[str, list[str | None]]:
    """Return columns of texts: leaks of each kind, noise, and numbers that end in a word."""
    random = np.random.default_rng(seed)
    rows = len(targets)
    target = targets[:, 0] == 1
    late = [str(2 * flag) for flag in target]
    late[-1] = "none"
    return {
        "leak": [
            str(flag + noise) for flag, noise in zip(target, random.random(rows), strict=True)
        ],
        "noise": [str(noise) for noise in random.random(rows)],
        "codes": [
            f"c{2 * code + flag}"
            for code, flag in zip(random.integers(4, size=rows), target, strict=True)
        ],
        "late": [*late],
        "blank": [None if flag else "x" for flag in target],
        "day": [
            f"20{10 + 5 * flag}-01-{day:02}"
            for flag, day in zip(target, random.integers(1, 28, rows), strict=True)
        ],
    }


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1000),
    cuts=st.lists(st.integers(0, 120), max_size=5),
    order=st.randoms(use_true_random=False),
)
def test_batches_find_what_one_scan_does(seed: int, cuts: list[int], order: Random) -> None:
    random = np.random.default_rng(seed)
    targets = (random.random((120, 2)) < 0.4).astype(float)
    targets[random.random((120, 2)) < 0.1] = np.nan
    columns = make_columns(targets, seed)
    frame, labels = pl.DataFrame(columns), ["y0", "y1"]
    whole = LeakScan(list(columns), labels)
    whole.add(frame, targets)
    assert {leak.column for leak in whole.findings().leaks} >= {"codes", "late"}
    edges = [0, *sorted(cuts), 120]
    batches = [np.arange(a, b) for a, b in itertools.pairwise(edges)]
    order.shuffle(batches)
    scan = LeakScan(list(columns), labels)
    for rows in batches:
        scan.add(frame[rows], targets[rows])
    assert scan.findings().leaks == whole.findings().leaks


# features that tell a good part of a label


def make_label(rows: int, positives: int) -> NDArray[np.float64]:
    """Return targets (N, 1) in an order by chance."""
    return np.random.default_rng(1).permutation(one_label(rows, positives))


def test_a_flag_of_positives_alone_is_a_leak_though_many_lack_it() -> None:
    targets = make_label(3_000, 150)
    flag = targets[:, 0] * (np.random.default_rng(0).random(3_000) < 0.6)
    raised = int(flag.sum())
    (leak,) = find({"refund": flag.astype(int)}, targets)
    assert leak == Leak("refund", "y0", "rule", "is 1", raised, raised, 150, 0.05)
    assert leak.describe() == (
        f"'refund' is 1 in {raised} rows, all of them among the 150 positives of 'y0' "
        "(prevalence 5 %)"
    )
    words = ["chargeback" if one else "none" for one in flag]
    (leak,) = find({"status": words}, targets)
    assert (leak.rule, leak.rows, leak.hits) == ("is 'chargeback'", raised, raised)
    amounts = np.where(flag == 1, np.random.default_rng(0).random(3_000) + 1, 0)
    (leak,) = find({"amount": amounts}, targets)
    assert leak.rule is not None
    assert leak.rule.startswith("is at least 1.0")
    ids = [f"r{row}" if one else None for row, one in enumerate(flag)]
    (leak,) = find({"refund_id": ids}, targets)
    assert leak.rule == "is known"
    (leak,) = find(
        {"shipped": [None if one else f"s{row}" for row, one in enumerate(flag)]}, targets
    )
    assert leak.rule == "is missing"


@pytest.mark.parametrize("kind", ["flag", "number", "codes"])
def test_a_copy_of_the_label_with_few_errors_is_a_leak(kind: str) -> None:
    random = np.random.default_rng(0)
    targets = make_label(5_000, 250)
    copy = targets[:, 0].astype(int)
    copy[random.permutation(5_000)[:10]] ^= 1
    column = {
        "flag": copy,
        "number": copy * 3 + random.random(5_000),
        "codes": [
            f"c{2 * code + flag}"
            for code, flag in zip(random.integers(9, size=5_000), copy, strict=True)
        ],
    }[kind]
    (leak,) = find({"x": column}, targets)
    assert leak.how == "rule"
    assert (leak.rows, leak.hits) == (int(copy.sum()), int((copy * targets[:, 0]).sum()))


def test_strong_features_and_rare_categories_are_no_leaks() -> None:
    """Values far out are all positive, and so is each of many values that a row or two have."""
    random = np.random.default_rng(0)
    targets = make_label(10_000, 500)
    columns = {
        "strong": 3 * targets[:, 0] + random.normal(size=10_000),
        "rare": [f"c{code}" for code in random.integers(3_000, size=10_000)],
        "fewer": [f"c{code}" for code in random.integers(900, size=10_000)],
    }
    assert roc_auc_score(targets[:, 0], columns["strong"]) > 0.95
    assert not find(columns, targets)


def test_a_common_label_is_not_told_by_any_rows() -> None:
    """Where 95 % are positive, so are the rows of any flag."""
    targets = 1 - make_label(10_000, 500)
    flags = np.random.default_rng(0).integers(2, size=(10_000, 2))
    assert not find({"a": flags[:, 0], "b": flags[:, 1].astype(str)}, targets)


@settings(deadline=None, max_examples=60)
@given(levels=st.integers(2, 500), seed=st.integers(0, 1_000), missing=st.sampled_from([0, 0.3]))
def test_the_average_precision_of_a_number_alone(levels: int, seed: int, missing: float) -> None:
    """Against scikit-learn, whose ranking has the missing cells last in both directions."""
    random = np.random.default_rng(seed)
    target = (random.random(300) < 0.2).astype(float)
    values = random.integers(levels, size=300) + levels * target * random.random(300)
    values[random.random(300) < missing] = np.nan
    target[random.random(300) < 0.1] = np.nan
    scan = LeakScan(["x"], ["y"])
    scan.add(pl.DataFrame({"x": values}), target[:, None])
    (found,) = scan.findings().strongest
    known = ~np.isnan(target)
    if found.how in {"higher", "lower"}:
        signed = (values if found.how == "higher" else -values)[known]
        ranking = np.where(np.isnan(signed), np.nanmin(signed) - 1, signed)
    elif found.how in {"missing", "known"}:
        ranking = np.isnan(values[known]) == (found.how == "missing")
    else:
        return
    expected = average_precision_score(target[known], ranking)
    assert found.average_precision == pytest.approx(expected)


def test_categories_by_chance_come_near_the_prevalence() -> None:
    random = np.random.default_rng(0)
    target = (random.random(20_000) < 0.2).astype(float)
    letters = np.array([f"c{code}" for code in range(900)])
    columns = {
        "rare": letters[random.integers(900, size=20_000)],
        "telling": letters[(7 * target + random.integers(9, size=20_000)).astype(int) % 13],
    }
    scan = LeakScan(list(columns), ["y"])
    scan.add(pl.DataFrame(columns), target[:, None])
    telling, rare = scan.findings().strongest
    assert (telling.column, telling.how) == ("telling", "category")
    rates = {code: target[columns["telling"] == code].mean() for code in set(columns["telling"])}
    expected = average_precision_score(target, [rates[code] for code in columns["telling"]])
    assert telling.average_precision == pytest.approx(expected, abs=0.01)
    assert rare.average_precision == pytest.approx(0.2, abs=0.02)


def test_the_strongest_features_of_each_label_come_first() -> None:
    random = np.random.default_rng(0)
    targets = np.hstack([make_label(1_000, 100), make_label(1_000, 50)[::-1], np.zeros((1_000, 1))])
    columns = {f"x{i}": i * targets[:, i % 2] + random.normal(size=1_000) for i in range(8)}
    scan = LeakScan(list(columns), ["a", "b", "nothing"])
    scan.add(pl.DataFrame(columns), targets)
    strongest = scan.findings().strongest
    assert [found.label for found in strongest] == ["a"] * 5 + ["b"] * 5
    assert [found.column for found in strongest][:3] == ["x6", "x4", "x2"]
    assert [found.column for found in strongest][5:8] == ["x7", "x5", "x3"]
    scores = [found.average_precision for found in strongest]
    assert scores[:5] == sorted(scores[:5], reverse=True)


@pytest.mark.parametrize("size", [1, 30, 1_000])
def test_of_many_rows_the_same_ones_are_kept_however_they_come(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MOST_ROWS", 100)
    frame = pl.DataFrame({"x": range(1_000)})
    targets = as_targets((np.arange(1_000) % 3 == 0).astype(float)[:, None])
    sample = RowSample(["x"])
    for first in range(0, 1_000, size):
        rows = slice(first, first + size)
        sample.add(frame[rows], targets.take(rows))
    kept = sample.rows(1)
    assert kept is not None
    assert kept[0]["x"].to_list() == np.sort(RowSample(["x"]).draw(1_000)).tolist()
    assert kept[1].dense()[:, 0].tolist() == [float(x % 3 == 0) for x in kept[0]["x"]]
    assert kept[0].height == 100
    assert 400 < float(kept[0]["x"].to_numpy().mean()) < 600


# rows with the same features in two parts


def split_at(rows: int, valid: int, test: int) -> Split:
    numbers = np.arange(rows)
    return Split("given", numbers[:valid], numbers[valid:test], numbers[test:])


@settings(deadline=None, max_examples=100)
@given(
    rows=st.integers(1, 60),
    levels=st.integers(1, 6),
    seed=st.integers(0, 1000),
    kind=st.sampled_from([pl.Int64, pl.Float64, pl.String]),
)
def test_duplicates_against_comparing_all_rows(
    rows: int, levels: int, seed: int, kind: type[pl.DataType]
) -> None:
    random = np.random.default_rng(seed)
    codes = random.integers(levels, size=(rows, 2)).tolist()
    frame = pl.DataFrame(codes, schema=["a", "b"], orient="row")
    frame = frame.with_columns(pl.when(pl.col("a") > 0).then(pl.col("a"))).cast(kind)
    targets = random.integers(2, size=(rows, 2)).astype(float)
    targets[random.random((rows, 2)) < 0.3] = np.nan
    split = split_at(rows, rows // 2, rows * 3 // 4)
    found = count_duplicates(hash_rows(frame, ["a", "b"]), split, targets)
    alike = [[one == other for other in codes] for one in codes]

    def has_twin(row: int, others: Sequence[int]) -> bool:
        return any(alike[row][other] for other in others if other != row)

    def disagrees(row: int) -> bool:
        values = targets[[other for other in range(rows) if alike[row][other]]]
        return bool(((values == 1).any(axis=0) & (values == 0).any(axis=0)).any())

    repeated = [row for row in range(rows) if has_twin(row, range(rows))]
    train = split.train.tolist()
    assert found.disagreeing == sum(disagrees(row) for row in repeated)
    assert found.straddling == {
        part: sum(has_twin(row, train) for row in split.rows_of_parts()[part].tolist())
        for part in ("valid", "test")
    }


def test_rows_of_no_part_count_for_nothing() -> None:
    hashes = np.array([1, 1, 1, 2], np.uint64)
    split = Split("given", np.array([0]), np.array([3]), np.array([], np.intp))
    found = count_duplicates(hashes, split, np.array([[1.0], [0], [0], [1]]))
    assert (found.straddling, found.disagreeing) == ({"valid": 0, "test": 0}, 0)


def test_no_rows() -> None:
    nothing = count_duplicates(np.empty(0, np.uint64), split_at(0, 0, 0), np.empty((0, 1)))
    assert (nothing.straddling, nothing.disagreeing) == ({"valid": 0, "test": 0}, 0)


def test_a_batch_of_as_many_rows_as_sides_of_labels_is_not_turned_over() -> None:
    random = np.random.default_rng(0)
    targets = (random.random((120, 2)) < 0.4).astype(float)
    columns = make_columns(targets, 0)
    whole, scan = LeakScan(list(columns), ["y0", "y1"]), LeakScan(list(columns), ["y0", "y1"])
    whole.add(pl.DataFrame(columns), targets)
    for first in range(0, 120, 4):  # two labels have four sides
        scan.add(pl.DataFrame(columns), targets, np.arange(first, first + 4))
    assert "codes" in {leak.column for leak in whole.findings().leaks}
    assert scan.findings().leaks == whole.findings().leaks
