"""Features on disk: what was written comes back and leaves nothing, and blocks are shuffled."""

from __future__ import annotations

import errno
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imbalance_cli.errors import OutputError
from imbalance_cli.features import FeatureRows, FeatureScan, fit_preprocessing
from imbalance_cli.readers import Table, open_source, read_table
from imbalance_cli.rows.shuffling import ShuffledBlocks
from imbalance_cli.rows.stored_features import NumberedRows, StoredFeatures, store_features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FLOATS = (0.0, -0.0, 1.0, -7.0, 127.0, 128.0, 0.5, 0.1, 65504.0, 1e30, float("inf"), float("nan"))
FLAGS = (0.0, 1.0, -1.0)
CODES = (0, 1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**62)
CONTINUOUS = 3  # features of `make_rows`
CARDINALITIES = [1000, 9]


def make_rows(count: int) -> NumberedRows:
    """Return rows whose first code is their number."""
    random = np.random.default_rng(0)
    numeric = random.normal(size=(count, CONTINUOUS + 2)).astype(np.float32)
    numeric[:, CONTINUOUS:] = random.integers(-1, 2, (count, 2))
    codes = np.column_stack([np.arange(count), random.integers(0, 9, count)])
    return NumberedRows(numeric, codes, np.arange(count))


def batches_of(rows: NumberedRows, step: int = 100) -> Iterator[FeatureRows]:
    """Yield some rows at a time."""
    for first in range(0, len(rows), step):
        part = slice(first, first + step)
        yield FeatureRows(rows.numeric[part], rows.codes[part])


def store(folder: Path, rows: NumberedRows) -> StoredFeatures:
    """Store rows of `make_rows`."""
    return store_features(
        folder, batches_of(rows), continuous=CONTINUOUS, cardinalities=CARDINALITIES
    )


def assert_same(rows: NumberedRows, wanted: NumberedRows) -> None:
    """Both hold the same bits."""
    for name in ("numeric", "codes"):
        ours, theirs = getattr(rows, name), getattr(wanted, name)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert ours.tobytes() == np.ascontiguousarray(theirs).tobytes()
    np.testing.assert_array_equal(rows.numbers, wanted.numbers)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.integers(1, 12), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_what_was_written_comes_back(
    tmp_path: Path, data: st.DataObject, count: int, continuous: int, flags: int, codes: int
) -> None:
    def draw(values: tuple[float, ...], width: int, dtype: type[Any]) -> NDArray[Any]:
        cells = st.lists(st.sampled_from(values), min_size=count * width, max_size=count * width)
        return np.array(data.draw(cells), dtype).reshape(count, width)

    numeric = [draw(FLOATS, continuous, np.float32), draw(FLAGS, flags, np.float32)]
    rows = NumberedRows(np.hstack(numeric), draw(CODES, codes, np.int64), np.arange(count))
    stored = store_features(
        tmp_path,
        batches_of(rows, data.draw(st.integers(1, 12))),
        continuous=continuous,
        cardinalities=(rows.codes.max(axis=0) + 1).tolist(),
    )
    assert (len(stored), stored.width) == (count, continuous + flags)
    numbers = st.lists(st.integers(0, count - 1))
    for chosen in (np.arange(count), np.array(data.draw(numbers), np.intp)):
        assert_same(stored.take(chosen), rows[chosen])
    stored.release()
    assert_same(stored.take(np.arange(count)), rows)


@pytest.mark.parametrize(("codes", "bytes_of_codes"), [(256, 1), (257, 2), (65536, 2), (65537, 4)])
def test_flags_take_a_byte_and_codes_what_they_need(
    tmp_path: Path, codes: int, bytes_of_codes: int
) -> None:
    rows = FeatureRows(np.zeros((10, 5), np.float32), np.full((10, 2), codes - 1))
    stored = store_features(tmp_path, [rows], continuous=3, cardinalities=[2, codes])
    assert stored.size == 10 * (3 * 4 + 2 * 1 + 2 * bytes_of_codes)


def test_values_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for numeric, code in ((0.5, 0), (300.0, 0), (0.0, 256)):
        rows = FeatureRows(np.full((1, 1), numeric, np.float32), np.full((1, 1), code))
        with pytest.raises(ValueError, match="values that no"):
            store_features(tmp_path, [rows], continuous=0, cardinalities=[200])


@pytest.mark.skipif(sys.platform != "linux", reason="only there files without a name are listed")
def test_nothing_is_left_of_features_that_are_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "runs"
    stored = store(folder, make_rows(20))
    assert not list(folder.iterdir())
    assert str(folder) in Path("/proc/self/maps").read_text()
    del stored
    assert str(folder) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("error", [RuntimeError("the source went away"), KeyboardInterrupt()])
def test_writing_that_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def broken() -> Iterator[FeatureRows]:
        yield from batches_of(make_rows(30))
        raise error

    with pytest.raises(type(error)):
        store_features(tmp_path, broken(), continuous=CONTINUOUS, cardinalities=CARDINALITIES)
    assert not list(tmp_path.iterdir())


def test_a_full_disk(tmp_path: Path) -> None:
    def fill() -> Iterator[FeatureRows]:
        yield from batches_of(make_rows(30))
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="cannot be written: No space left") as caught:
        store_features(tmp_path, fill(), continuous=CONTINUOUS, cardinalities=CARDINALITIES)
    assert "make room there, or name a --run-dir on another disk" in str(caught.value.hint)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written") as caught:
        store(tmp_path / "file", make_rows(5))
    assert "another disk" not in str(caught.value.hint)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredFeatures, NumberedRows]:
    rows = make_rows(1000)
    return store(tmp_path_factory.mktemp("rows"), rows), rows


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    chosen=st.sets(st.integers(0, 999), max_size=200),
    size=st.integers(1, 90),
    block=st.integers(1, 60),
    mixed=st.integers(1, 5),
)
def test_each_chosen_row_comes_once_an_epoch(
    thousand: tuple[StoredFeatures, NumberedRows],
    chosen: set[int],
    size: int,
    block: int,
    mixed: int,
) -> None:
    features, rows = thousand
    numbers = np.array(sorted(chosen), np.intp)
    batches = ShuffledBlocks(
        features, numbers, size, np.random.default_rng(0), block=block, mixed=mixed
    )
    for _ in range(2):
        got = list(batches)
        assert len(got) == len(batches) == -(-len(numbers) // size)
        assert {len(batch) for batch in got} == {
            len(part) for part in np.array_split(numbers, max(len(got), 1)) if len(part)
        }
        seen = [int(number) for batch in got for number in batch.codes[:, 0]]
        assert sorted(seen) == numbers.tolist()
        for batch in got:
            assert_same(batch, rows[batch.codes[:, 0]])


def test_rows_in_their_order(thousand: tuple[StoredFeatures, NumberedRows]) -> None:
    features, rows = thousand
    numbers = np.arange(3, 990, 2, dtype=np.int32)
    got = list(features.blocks(numbers, 100))
    assert [len(batch) for batch in got] == [100, 100, 100, 100, 94]
    for first, batch in enumerate(got):
        assert_same(batch, rows[numbers[100 * first : 100 * first + 100].astype(np.intp)])
    shuffled = ShuffledBlocks(features, numbers, 64, np.random.default_rng(0), block=16, mixed=2)
    assert sorted(np.concatenate([batch.codes[:, 0] for batch in shuffled])) == numbers.tolist()


def test_two_passes_over_a_file_give_what_is_fitted_in_memory(tmp_path: Path) -> None:
    """One pass fits, a second writes; every row is the one that a table in memory gives."""
    random, path = np.random.default_rng(0), tmp_path / "rows.csv"
    frame = pl.DataFrame(
        {
            "x": random.normal(size=5000).round(3),
            "many": [f"w{i}" for i in random.integers(0, 40, 5000)],
            "few": [["a", "b", None][i] for i in random.integers(0, 3, 5000)],
            "y": random.integers(0, 2, 5000),
        }
    )
    frame.write_csv(path)
    table = read_table([open_source(str(path))], frame.columns)
    learned = random.random(5000) < 0.7
    wanted = fit_preprocessing(table, ["x", "many", "few"], np.flatnonzero(learned))

    def batches() -> Iterator[tuple[slice, Table]]:
        for first in range(0, 5000, 700):
            part = slice(first, min(first + 700, 5000))
            yield part, Table(str(path), table.frame[part], str)

    scan = FeatureScan(["x", "many", "few"])
    for part, batch in batches():
        scan.add(batch, learned[part])
    fitted = scan.finish()
    assert fitted == wanted

    stored = store_features(
        tmp_path,
        (fitted.transform(batch) for _, batch in batches()),
        continuous=fitted.continuous,
        cardinalities=fitted.cardinalities,
    )
    whole = wanted.transform(table)
    got = stored.take(np.arange(5000))
    assert np.array_equal(got.numeric, whole.numeric)
    assert np.array_equal(got.codes, whole.codes)
    assert fitted.continuous == 1
    assert whole.numeric.shape[1] > 1


def order_of(features: StoredFeatures, seed: int, epochs: int = 1) -> list[int]:
    """Return the row numbers of some epochs."""
    random = np.random.default_rng(seed)
    batches = ShuffledBlocks(features, np.arange(1000), 50, random, block=20, mixed=4)
    return [int(i) for _ in range(epochs) for batch in batches for i in batch.codes[:, 0]]


def test_the_order_follows_from_the_seed(thousand: tuple[StoredFeatures, NumberedRows]) -> None:
    features, _ = thousand
    two = order_of(features, 0, epochs=2)
    assert two == order_of(features, 0, epochs=2)
    assert two[:1000] != two[1000:]
    assert two[:1000] != order_of(features, 1)
    # an epoch that was left early has drawn as much as a whole one
    random = np.random.default_rng(0)
    batches = ShuffledBlocks(features, np.arange(1000), 50, random, block=20, mixed=4)
    next(iter(batches))
    assert [int(i) for batch in batches for i in batch.codes[:, 0]] == two[1000:]


def test_batches_are_well_mixed(thousand: tuple[StoredFeatures, NumberedRows]) -> None:
    order = np.array(order_of(thousand[0], 3))
    spread = [part.std() for part in np.array_split(order, 20)]
    assert np.mean(spread) > 0.6 * np.arange(1000).std()
    assert abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.3


def prefetching() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "prefetch"]


def test_the_thread_ends_with_the_epoch(thousand: tuple[StoredFeatures, NumberedRows]) -> None:
    batches = ShuffledBlocks(
        thousand[0], np.arange(1000), 50, np.random.default_rng(0), block=20, mixed=2
    )
    epoch = iter(batches)
    next(epoch)
    assert prefetching()
    epoch.close()
    assert not prefetching()
    assert len(list(batches)) == 20
    assert not prefetching()
    iter(batches).close()  # never begun


def test_errors_of_the_thread_are_raised(
    thousand: tuple[StoredFeatures, NumberedRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    features = thousand[0]
    calls: list[int] = []
    take = features.take

    def fail_late(rows: NDArray[np.intp]) -> NumberedRows:
        calls.append(len(rows))
        if len(calls) == 3:
            raise OSError("the disk went away")
        return take(rows)

    monkeypatch.setattr(features, "take", fail_late)
    random = np.random.default_rng(0)
    batches = ShuffledBlocks(features, np.arange(1000), 50, random, block=20, mixed=5)
    with pytest.raises(OSError, match="the disk went away"):
        list(batches)
    assert not prefetching()


def test_no_more_than_a_few_buffers_are_held(
    thousand: tuple[StoredFeatures, NumberedRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are given back after every buffer, and the thread waits for who learns from them."""
    features = thousand[0]
    events: list[tuple[str, int]] = []
    take, release = features.take, features.release

    def note_take(rows: NDArray[np.intp]) -> NumberedRows:
        events.append(("take", len(rows)))
        return take(rows)

    def note_release() -> None:
        events.append(("release", 0))
        release()

    monkeypatch.setattr(features, "take", note_take)
    monkeypatch.setattr(features, "release", note_release)
    random = np.random.default_rng(0)
    batches = ShuffledBlocks(features, np.arange(1000), 10, random, block=10, mixed=4)
    for number, batch in enumerate(batches, 1):
        assert len(batch) == 10
        taken = sum(rows for _, rows in events)
        assert taken - 10 * number <= 4 * 40
    assert max(rows for _, rows in events) <= 40
    assert [name for name, _ in events] == ["take", "release"] * (len(events) // 2)
