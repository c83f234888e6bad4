"""The cache of rows: what was written comes back, damage is noticed, and blocks are shuffled."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imbalance_cli.errors import OutputError
from imbalance_cli.features import FeatureScan, fit_preprocessing
from imbalance_cli.readers import Table, open_source, read_table
from imbalance_cli.rows.cache import (
    Contents,
    ModelRows,
    RowCache,
    ShuffledBlocks,
    cache_key,
    cached_rows,
    look_at_sources,
    open_cache,
    write_cache,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FLOATS = (0.0, -0.0, 1.0, -7.0, 127.0, 128.0, 0.5, 0.1, 65504.0, 1e30, float("inf"), float("nan"))
CODES = (0, 1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**62)


def make_rows(count: int, *, seed: int = 0, features: int = 5) -> ModelRows:
    """Return rows whose first code is their number."""
    random = np.random.default_rng(seed)
    numeric = random.normal(size=(count, features)).astype(np.float32)
    numeric[:, 3:] = random.integers(0, 2, (count, features - 3))
    codes = np.column_stack([np.arange(count), random.integers(0, 9, count)])
    return ModelRows(numeric, codes, np.arange(count))


def contents_of(batches: Iterable[ModelRows]) -> Contents:
    return Contents({}, {}, batches)


def make_cache(directory: Path, rows: ModelRows, *, step: int = 100) -> RowCache:
    """Write rows in batches, and open them."""
    batches = (rows[i : i + step] for i in range(0, len(rows), step))
    write_cache(directory, "key", contents_of(batches))
    cache = open_cache(directory, "key")
    assert cache is not None
    return cache


def assert_same(rows: ModelRows, wanted: ModelRows) -> None:
    """Both hold the same bits."""
    for name in ("numeric", "codes"):
        ours, theirs = getattr(rows, name), getattr(wanted, name)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert ours.tobytes() == np.ascontiguousarray(theirs).tobytes()
    np.testing.assert_array_equal(rows.numbers, wanted.numbers)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.integers(1, 12), st.integers(0, 3), st.integers(0, 3))
def test_what_was_written_comes_back(
    tmp_path: Path, data: st.DataObject, count: int, features: int, codes: int
) -> None:
    def draw(values: tuple[float, ...], width: int, dtype: type[Any]) -> NDArray[Any]:
        cells = st.lists(st.sampled_from(values), min_size=count * width, max_size=count * width)
        return np.array(data.draw(cells), dtype).reshape(count, width)

    rows = ModelRows(
        draw(FLOATS, features, np.float32),
        draw(CODES, codes, np.int64),
        np.arange(count),
    )
    with make_cache(tmp_path / "cache", rows, step=data.draw(st.integers(1, 12))) as cache:
        numbers = st.lists(st.integers(0, count - 1))
        for chosen in (np.arange(count), np.array(data.draw(numbers), np.intp)):
            assert_same(cache.select(chosen), rows[chosen])
        cache.release()
        assert_same(cache.select(np.arange(count)), rows)
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache"]


def test_columns_have_the_smallest_exact_type(tmp_path: Path) -> None:
    rows = make_rows(300)
    rows.numeric[:, 2] = np.float16(0.5)
    rows.numeric[299, 4] = 0.25
    with make_cache(tmp_path / "cache", rows) as cache:
        found = {(file.section, file.dtype): file.columns for file in cache.files}
        assert found == {
            ("numeric", "float32"): [0, 1],
            ("numeric", "float16"): [2, 4],
            ("numeric", "int8"): [3],
            ("codes", "uint16"): [0],
            ("codes", "uint8"): [1],
        }
        assert cache.row_bytes == 2 * 4 + 2 * 2 + 1 + 2 + 1
        assert_same(cache.select(np.arange(300)), rows)


def test_a_cache_is_written_once(tmp_path: Path) -> None:
    rows = make_rows(20)
    calls: list[int] = []

    def make() -> Contents:
        calls.append(1)
        return contents_of([rows])

    for key in ("a", "a", "b", "b", "a"):
        with cached_rows(tmp_path / "deep" / "cache", key, make) as cache:
            assert len(cache) == 20
            assert_same(cache.select(np.arange(20)), rows)
    assert len(calls) == 3


def files_of(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())


@pytest.mark.parametrize("damage", ["flip", "cut", "longer", "remove", "empty"])
def test_a_damaged_cache_is_written_again(tmp_path: Path, damage: str) -> None:
    rows, directory = make_rows(50), tmp_path / "cache"
    make_cache(directory, rows).close()
    for name in [file.name for file in files_of(directory)]:
        path = directory / name
        content = path.read_bytes()
        changed = bytearray(content)
        changed[len(changed) // 2] ^= 1
        match damage:
            case "flip":
                path.write_bytes(changed)
            case "cut":
                path.write_bytes(content[:-1])
            case "longer":
                path.write_bytes(content + b"\0")
            case "remove":
                path.unlink()
            case "empty":
                path.write_bytes(b"")
        assert open_cache(directory, "key") is None
        if damage == "remove" and name == "row_cache.json":
            path.write_bytes(b"{}")  # files without any manifest are nobody's to remove
        with cached_rows(directory, "key", lambda: contents_of([rows])) as cache:
            assert_same(cache.select(np.arange(50)), rows)


def test_any_change_of_the_manifest_is_noticed(tmp_path: Path) -> None:
    make_cache(tmp_path / "cache", make_rows(50)).close()
    path = tmp_path / "cache" / "row_cache.json"
    manifest = json.loads(path.read_bytes())
    changes: list[dict[str, Any]] = [
        {"rows": 25},
        {"files": manifest["files"][:-1]},
        {"widths": {}},
        {"key": "k"},
    ]
    for change in changes:
        path.write_text(json.dumps(manifest | change))
        assert open_cache(tmp_path / "cache", "key") is None
    path.write_text("[]")
    assert open_cache(tmp_path / "cache", "key") is None


def test_writing_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    rows = make_rows(50)
    make_cache(tmp_path / "cache", rows).close()

    def broken() -> Iterator[ModelRows]:
        yield make_rows(30, seed=1)
        raise RuntimeError("the source went away")

    with pytest.raises(RuntimeError, match="went away"):
        write_cache(tmp_path / "cache", "other", contents_of(broken()))
    with cached_rows(tmp_path / "cache", "key", lambda: contents_of(broken())) as cache:
        assert_same(cache.select(np.arange(50)), rows)
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache"]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    for pid in (2**22 + 1, os.getpid(), os.getppid()):
        (tmp_path / f".cache.{pid}.partial").mkdir()
    make_cache(tmp_path / "cache", make_rows(5)).close()
    left = {entry.name for entry in tmp_path.iterdir()}
    assert left == {"cache", f".cache.{os.getppid()}.partial"}


def test_no_other_files_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(OutputError, match="holds files, and no cache"):
        write_cache(tmp_path, "key", contents_of([make_rows(5)]))
    (tmp_path / "file").write_text("...")
    with pytest.raises(OutputError, match="is a file"):
        write_cache(tmp_path / "file", "key", contents_of([make_rows(5)]))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "thesis.tex"]


def test_rows_that_no_cache_holds(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no rows"):
        write_cache(tmp_path / "cache", "key", contents_of([]))
    with pytest.raises(ValueError, match="after others"):
        write_cache(
            tmp_path / "cache", "key", contents_of([make_rows(5), make_rows(5, features=6)])
        )
    assert not list(tmp_path.iterdir())


def test_the_key_follows_from_all_of_its_parts() -> None:
    one, other = {"path": "a", "sha256": "1"}, {"path": "a", "sha256": "2"}
    keys = {
        cache_key([one], preprocessing={"numeric": []}),
        cache_key([other], preprocessing={"numeric": []}),
        cache_key([one], preprocessing={"numeric": [1]}),
        cache_key([one, one], preprocessing={"numeric": []}),
        cache_key([one], preprocessing={"numeric": []}, version="1"),
    }
    assert len(keys) == 5
    assert cache_key([one], b=1, a=2) == cache_key([one], a=2, b=1)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RowCache, ModelRows]]:
    rows = make_rows(1000)
    with make_cache(tmp_path_factory.mktemp("rows") / "cache", rows) as cache:
        yield cache, rows


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
    thousand: tuple[RowCache, ModelRows], chosen: set[int], size: int, block: int, mixed: int
) -> None:
    cache, rows = thousand
    numbers = np.array(sorted(chosen), np.intp)
    batches = ShuffledBlocks(
        cache, numbers, size, np.random.default_rng(0), block=block, mixed=mixed
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


def test_rows_in_their_order(thousand: tuple[RowCache, ModelRows]) -> None:
    cache, rows = thousand
    numbers = np.arange(3, 990, 2, dtype=np.int32)
    got = list(cache.batches(numbers, 100))
    assert [len(batch) for batch in got] == [100, 100, 100, 100, 94]
    for first, batch in enumerate(got):
        assert_same(batch, rows[numbers[100 * first : 100 * first + 100].astype(np.intp)])
    shuffled = ShuffledBlocks(cache, numbers, 64, np.random.default_rng(0), block=16, mixed=2)
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

    def rows() -> Iterator[ModelRows]:
        for _, batch in batches():
            features = fitted.transform(batch)
            yield ModelRows(features.numeric, features.codes)

    identities = look_at_sources([path], tmp_path).identities()
    key = cache_key(identities, preprocessing=fitted.to_dict())
    with cached_rows(tmp_path / "cache", key, lambda: contents_of(rows())) as cache:
        whole = wanted.transform(table)
        got = cache.select(np.arange(5000))
        assert np.array_equal(got.numeric, whole.numeric)
        assert np.array_equal(got.codes, whole.codes)
        assert [file.dtype for file in cache.files] == ["float32", "int8", "uint8"]


def test_a_cache_that_the_disk_forgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imbalance_cli.rows.cache.reading.write_cache", lambda *_, **__: None)
    with pytest.raises(OutputError, match="cannot be read back"):
        cached_rows(tmp_path / "cache", "key", lambda: contents_of([]))


def order_of(cache: RowCache, seed: int, epochs: int = 1) -> list[int]:
    """Return the row numbers of some epochs."""
    random = np.random.default_rng(seed)
    batches = ShuffledBlocks(cache, np.arange(1000), 50, random, block=20, mixed=4)
    return [int(i) for _ in range(epochs) for batch in batches for i in batch.codes[:, 0]]


def test_the_order_follows_from_the_seed(thousand: tuple[RowCache, ModelRows]) -> None:
    cache, _ = thousand
    two = order_of(cache, 0, epochs=2)
    assert two == order_of(cache, 0, epochs=2)
    assert two[:1000] != two[1000:]
    assert two[:1000] != order_of(cache, 1)
    # an epoch that was left early has drawn as much as a whole one
    random = np.random.default_rng(0)
    batches = ShuffledBlocks(cache, np.arange(1000), 50, random, block=20, mixed=4)
    next(iter(batches))
    assert [int(i) for batch in batches for i in batch.codes[:, 0]] == two[1000:]


def test_batches_are_well_mixed(thousand: tuple[RowCache, ModelRows]) -> None:
    order = np.array(order_of(thousand[0], 3))
    spread = [part.std() for part in np.array_split(order, 20)]
    assert np.mean(spread) > 0.6 * np.arange(1000).std()
    assert abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.3


def prefetching() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "prefetch"]


def test_the_thread_ends_with_the_epoch(thousand: tuple[RowCache, ModelRows]) -> None:
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
    thousand: tuple[RowCache, ModelRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = thousand[0]
    calls: list[int] = []
    select = cache.select

    def fail_late(rows: NDArray[np.intp]) -> ModelRows:
        calls.append(len(rows))
        if len(calls) == 3:
            raise OSError("the disk went away")
        return select(rows)

    monkeypatch.setattr(cache, "select", fail_late)
    random = np.random.default_rng(0)
    batches = ShuffledBlocks(cache, np.arange(1000), 50, random, block=20, mixed=5)
    with pytest.raises(OSError, match="the disk went away"):
        list(batches)
    assert not prefetching()


def test_no_more_than_a_few_buffers_are_held(
    thousand: tuple[RowCache, ModelRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are given back after every buffer, and the thread waits for who learns from them."""
    cache = thousand[0]
    events: list[tuple[str, int]] = []
    select, release = cache.select, cache.release

    def note_select(rows: NDArray[np.intp]) -> ModelRows:
        events.append(("select", len(rows)))
        return select(rows)

    def note_release() -> None:
        events.append(("release", 0))
        release()

    monkeypatch.setattr(cache, "select", note_select)
    monkeypatch.setattr(cache, "release", note_release)
    random = np.random.default_rng(0)
    batches = ShuffledBlocks(cache, np.arange(1000), 10, random, block=10, mixed=4)
    for number, batch in enumerate(batches, 1):
        assert len(batch) == 10
        selected = sum(rows for _, rows in events)
        assert selected - 10 * number <= 4 * 40
    assert max(rows for _, rows in events) <= 40
    assert [name for name, _ in events] == ["select", "release"] * (len(events) // 2)
