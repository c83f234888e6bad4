"""Tensor datasets: .npy, .npz, .pt and .safetensors, held to numpy's and torch's own reading."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import os
import struct
import sys
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.torch import save_file

from imbalance_cli.errors import LabelError, SourceError
from imbalance_cli.labels import LabelCounts, count_labels
from imbalance_cli.readers import arrays as module
from imbalance_cli.readers import open_source
from imbalance_cli.readers.arrays import ArraySource
from imbalance_cli.readers.source import tally_batches, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from conftest import WriteFile

    from imbalance_cli.readers.source import Tally

KEYED = ["npz", "pt", "safetensors"]


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    match path.suffix:
        case ".npz":
            np.savez(path, **arrays)  # type: ignore[arg-type]  # no key is allow_pickle
        case ".pt":
            torch.save({key: torch.from_numpy(array) for key, array in arrays.items()}, path)
        case ".safetensors":
            save_file(
                {k: torch.from_numpy(np.array(a, order="C")) for k, a in arrays.items()}, path
            )


def read(source: ArraySource, columns: list[str] | None = None) -> pl.DataFrame:
    return pl.concat(batch.frame for batch in source.batches(columns or source.columns))


@pytest.mark.parametrize("kind", KEYED)
@pytest.mark.parametrize("keys", ["features targets", "X Y", "x labels", "data target", "a label"])
@pytest.mark.parametrize("width", [1, 3])
def test_the_array_of_targets_holds_the_labels(
    tmp_path: Path, kind: str, keys: str, width: int
) -> None:
    features, targets = keys.split()
    path = tmp_path / f"a.{kind}"
    cells = np.tile([[1, 0, 0], [0, 0, 1]], (10, 1))[:, :width]
    save(path, {features: np.ones((20, 2), np.float32), targets: cells})
    names = [targets] if width == 1 else [f"{targets}_{i}" for i in range(width)]
    expected = [
        LabelCounts(name, positives, 20 - positives)
        for name, positives in zip(names, cells.sum(axis=0).tolist(), strict=True)
    ]
    assert count_labels(open_source(str(path))).labels == expected


def test_a_column_called_y_comes_before_the_array_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save(path, {"y": np.array([0, 1]), "labels": np.array([1, 1])})
    assert count_labels(open_source(str(path))).labels == [LabelCounts("y", 1, 1)]


@pytest.mark.parametrize("kind", KEYED)
@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 4)])
def test_features_and_targets_by_key(
    tmp_path: Path, kind: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 7)
    random = np.random.default_rng(0)
    features, targets = random.normal(size=(50, 3)), random.integers(0, 2, shape)
    path = tmp_path / f"t.{kind}"
    save(path, {"X": features, "targets": targets})
    source = ArraySource(str(path), kind)
    names = ["targets"] if len(shape) == 1 or shape[1] == 1 else [f"targets_{i}" for i in range(4)]
    assert source.keys == {"X": ["X_0", "X_1", "X_2"], "targets": names}
    assert source.own_labels == ()
    assert source.rows == 50
    assert source.columns == ["X_0", "X_1", "X_2", *names]
    frame = read(source)
    np.testing.assert_array_equal(frame[:, :3].to_numpy(), features)
    np.testing.assert_array_equal(frame[:, 3:].to_numpy(), targets.reshape(50, -1))
    mixed = read(source, [names[-1], "X_2", "X_0"])
    assert mixed.columns == [names[-1], "X_2", "X_0"]
    np.testing.assert_array_equal(mixed[:, 1:].to_numpy(), features[:, [2, 0]])
    places = [batch.place(1) for batch in source.batches(names)]
    assert places[:3] == ["row 2", "row 9", "row 16"]
    assert [c.positives for c in count_labels(source, names).labels] == (
        targets.reshape(50, -1).sum(axis=0).tolist()
    )


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    dtype=st.sampled_from(["bool", "i1", "u1", "i8", "u8", ">i4", "f2", ">f4", "f8"]),
    kind=st.sampled_from(["npy", "npz", "npz compressed", "pt", "safetensors"]),
    order=st.sampled_from(["C", "F"]),
)
def test_what_is_saved_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    dtype: str,
    kind: str,
    order: Literal["C", "F"],
) -> None:
    shape = st.one_of(
        st.tuples(st.integers(1, 30)), st.tuples(st.integers(1, 30), st.integers(1, 4))
    )
    array = np.asarray(data.draw(hnp.arrays(np.dtype(dtype), shape)), order=order)
    form = kind.removesuffix(" compressed")
    path = tmp_path_factory.mktemp("arrays") / f"t.{form}"
    native = array.astype(array.dtype.newbyteorder("="))
    if kind == "npy":
        np.save(path, array)
    elif kind == "npz compressed":
        np.savez_compressed(path, k=array)
    else:
        save(path, {"k": array if kind == "npz" else native})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH_ROWS", 7)
        source = ArraySource(str(path), form)
        frame = read(source)
        np.testing.assert_array_equal(frame.to_numpy().reshape(array.shape), native)
        if native.dtype.itemsize > 2 or native.dtype.kind != "f":
            assert frame[:, 0].to_numpy().dtype == native.dtype
        fast = source.tally(source.columns)
        batches = source.batches(source.columns)
        as_texts = (dataclasses.replace(batch, frame=texts(batch.frame)) for batch in batches)
        slow = tally_batches(as_texts, source.columns)
        if not slow.overflow:
            assert _unsigned(fast) == _unsigned(slow)


def _unsigned(tally: Tally) -> dict[str, dict[str, tuple[int, str]]]:
    """Return counts and places by column and text, with -0.0 as 0.0."""
    result: dict[str, dict[str, tuple[int, str]]] = {}
    for name, column in tally.columns.items():
        texts = result.setdefault(name, {})
        for text, count in column.counts.items():
            plain = "0.0" if text == "-0.0" else text
            seen = texts.get(plain)
            places = [column.places[text], *([seen[1]] if seen else [])]
            first = min(places, key=lambda place: int(place.split()[1]))
            texts[plain] = (count + (seen[0] if seen else 0), first)
    return result


def test_bfloat16_and_its_missing_cells(tmp_path: Path) -> None:
    tensor = torch.tensor([[1.5, float("nan")], [-2.0, 1.0]], dtype=torch.bfloat16)
    torch.save({"k": tensor}, tmp_path / "t.pt")
    save_file({"k": tensor}, tmp_path / "t.safetensors")
    for kind in ("pt", "safetensors"):
        source = ArraySource(str(tmp_path / f"t.{kind}"), kind)
        np.testing.assert_array_equal(read(source).to_numpy(), tensor.float().numpy())
        assert count_labels(source, ["k_1"]).labels == [LabelCounts("k_1", 1, 0, 1)]


@pytest.mark.parametrize("kind", KEYED)
def test_integers_beyond_floats_stay_exact(tmp_path: Path, kind: str) -> None:
    values = np.array([[2**53 + 1, -(2**63)], [2**63 - 1, 3]])
    save(tmp_path / f"t.{kind}", {"k": values})
    assert read(ArraySource(str(tmp_path / f"t.{kind}"), kind)).rows() == [
        (2**53 + 1, -(2**63)),
        (2**63 - 1, 3),
    ]


def test_an_archive_of_an_array_in_the_order_of_fortran(tmp_path: Path) -> None:
    values = np.asarray(np.arange(12).reshape(4, 3), order="F")
    np.savez(tmp_path / "t.npz", k=values)
    np.testing.assert_array_equal(read(ArraySource(str(tmp_path / "t.npz"), "npz")), values)


def test_a_bare_array_has_the_key_y(tmp_path: Path) -> None:
    for shape, columns in (((5,), ["y"]), ((5, 1), ["y"]), ((5, 2), ["y_0", "y_1"])):
        np.save(tmp_path / "t.npy", np.zeros(shape))
        torch.save(torch.zeros(shape), tmp_path / "t.pt")
        for kind in ("npy", "pt"):
            source = ArraySource(str(tmp_path / f"t.{kind}"), kind)
            assert source.columns == columns
            assert source.keys == {"y": columns}


@pytest.mark.parametrize("make", [tuple, list])
def test_a_pair_of_tensors(tmp_path: Path, make: Callable[[list[torch.Tensor]], object]) -> None:
    torch.save(make([torch.zeros(3, 2), torch.ones(3)]), tmp_path / "t.pt")
    assert ArraySource(str(tmp_path / "t.pt"), "pt").keys == {"X": ["X_0", "X_1"], "y": ["y"]}


def test_a_pt_file_of_the_old_format(tmp_path: Path) -> None:
    tensors = {"y": torch.tensor([1, 0, 1])}
    torch.save(tensors, tmp_path / "t.pt", _use_new_zipfile_serialization=False)
    assert read(ArraySource(str(tmp_path / "t.pt"), "pt"))["y"].to_list() == [1, 0, 1]


def test_a_tensor_that_requires_a_gradient(tmp_path: Path) -> None:
    torch.save({"y": torch.ones(3, requires_grad=True)}, tmp_path / "t.pt")
    assert read(ArraySource(str(tmp_path / "t.pt"), "pt"))["y"].to_list() == [1, 1, 1]


class Malicious:
    """Makes a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_malicious_pickle_is_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    objects = np.array([Malicious(made)], dtype=object)
    for new in (True, False):
        torch.save(
            {"y": Malicious(made)}, tmp_path / f"{new}.pt", _use_new_zipfile_serialization=new
        )
    np.save(tmp_path / "t.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "t.npz", y=objects)
    for file, problem in {
        "True.pt": "not a .pt file of nothing but tensors",
        "False.pt": "not a .pt file of nothing but tensors",
        "t.npy": "not a .npy file that can be read",
        "t.npz": "an array of object, where numbers are needed",
    }.items():
        with pytest.raises(SourceError) as caught:
            ArraySource(str(tmp_path / file), file.rpartition(".")[2])
        assert problem in caught.value.message
        assert not made.exists()
    np.load(tmp_path / "t.npy", allow_pickle=True)
    assert made.exists()  # it does what it says where it is run


@pytest.mark.parametrize("kind", KEYED)
def test_arrays_that_are_no_table(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    rows = np.zeros((3, 2))
    for arrays, problem in (
        ({"X": rows, "y": np.zeros(4)}, "'X' has the shape (3, 2) and 'y' (4,)"),
        ({"X": rows, "X_1": np.zeros(3)}, "'X' and 'X_1' both have a column 'X_1'"),
        ({"X": np.zeros((3, 2, 2)), "y": np.zeros(3)}, "'X': an array of shape (3, 2, 2), where"),
        ({"X": np.zeros((0, 2)), "y": np.zeros(0)}, "'X': no rows"),
        ({"X": np.zeros((3, 0)), "y": np.zeros(3)}, "'X': an array of shape (3, 0), where"),
        ({"X": rows, "t": np.array(1.0)}, "'t': an array of shape (), where"),
        ({}, "no arrays"),
    ):
        save(path, arrays)
        with pytest.raises(SourceError) as caught:
            ArraySource(str(path), kind)
        assert caught.value.message.startswith(f"{path}: {problem}")


def test_types_that_are_no_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=np.zeros(2), t=np.array(["a", "b"]))
    np.savez(tmp_path / "d.npz", t=np.array(["2020-01-01"], "M8[D]"))
    np.savez(tmp_path / "l.npz", t=np.zeros(2, np.longdouble))
    np.savez(tmp_path / "s.npz", t=np.zeros(2, [("a", "i4")]))
    torch.save({"t": torch.zeros(2, dtype=torch.complex64)}, tmp_path / "c.pt")
    torch.save({"t": torch.eye(2).to_sparse()}, tmp_path / "s.pt")
    save_file({"t": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "f.safetensors")
    for file, kind in {
        "t.npz": "<U1",
        "d.npz": "datetime64[D]",
        "l.npz": str(np.dtype(np.longdouble)),
        "s.npz": "[('a', '<i4')]",
        "c.pt": "complex64",
        "s.pt": "sparse_coo float32",
        "f.safetensors": "F8_E4M3",
    }.items():
        with pytest.raises(SourceError) as caught:
            ArraySource(str(tmp_path / file), file.rpartition(".")[2])
        assert f"'t': an array of {kind}, where numbers" in caught.value.message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"a": {"b": torch.zeros(2)}}, "'a' holds a dict, where a tensor by a name is read"),
        ({0: torch.zeros(2)}, "0 holds a Tensor, where a tensor by a name is read"),
        ((torch.zeros(2), 5), "'y' holds a int, where a tensor"),
        ([torch.zeros(2)] * 3, "holds a list, not tensors"),
        ("text", "holds a str, not tensors"),
    ],
)
def test_pt_files_of_other_things(tmp_path: Path, content: object, problem: str) -> None:
    torch.save(content, tmp_path / "t.pt")
    with pytest.raises(SourceError) as caught:
        ArraySource(str(tmp_path / "t.pt"), "pt")
    assert caught.value.message.startswith(f"{tmp_path / 't.pt'}: {problem}")


def test_npz_archives_with_other_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("notes.txt", "x")
    with pytest.raises(SourceError, match=r"t\.npz: not a \.npz file that can be read"):
        ArraySource(str(tmp_path / "t.npz"), "npz")


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.array(["0", "1"]), "an array of <U1, where numbers are needed"),
        (np.array([1j]), "an array of complex128, where numbers are needed"),
        (np.array(1), "an array of shape (), where (rows,) or (rows, columns) is read"),
        (np.zeros((2, 2, 2)), "an array of shape (2, 2, 2), where"),
        (np.zeros(0), "no rows"),
        (np.zeros((3, 0)), "an array of shape (3, 0), where"),
    ],
)
def test_bare_arrays_that_are_no_table(tmp_path: Path, array: np.ndarray, problem: str) -> None:
    path = tmp_path / "t.npy"
    np.save(path, array)
    with pytest.raises(SourceError) as caught:
        ArraySource(str(path), "npy")
    assert caught.value.message.startswith(f"{path}: {problem}")


def test_an_archive_called_npy(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", y=np.zeros(3))
    (tmp_path / "t.npz").rename(tmp_path / "t.npy")
    with pytest.raises(SourceError, match=r"not a \.npy file .* got b'PK"):
        ArraySource(str(tmp_path / "t.npy"), "npy")


def test_archive_members_with_other_headers(tmp_path: Path) -> None:
    data = io.BytesIO()
    np.lib.format.write_array(data, np.arange(5), version=(2, 0))
    for name, content in (("t.npz", data.getvalue()), ("short.npz", data.getvalue()[:-8])):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("y.npy", content)
    assert read(ArraySource(str(tmp_path / "t.npz"), "npz"))["y"].to_list() == [0, 1, 2, 3, 4]
    with pytest.raises(SourceError, match="'y': after row 0: cannot be read: not as many bytes"):
        read(ArraySource(str(tmp_path / "short.npz"), "npz"))


def test_arrays_from_stdin_and_compressed(
    tmp_path: Path, write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "t.npy", np.arange(4))
    content = (tmp_path / "t.npy").read_bytes()
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    for name, shown in (("-", "stdin"), (write("t.npy.gz", gzip.compress(content)), None)):
        source = ArraySource(name, "npy")
        assert source.name == (shown or name)
        assert read(source)["y"].to_list() == [0, 1, 2, 3]
        del source
        assert not list(folder.iterdir())
    with pytest.raises(SourceError, match=r"u\.npy\.gz: not a \.npy file"):
        ArraySource(write("u.npy.gz", gzip.compress(b"y\n1\n")), "npy")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("kind", ["npy", *KEYED])
def test_files_of_another_kind(tmp_path: Path, kind: str) -> None:
    cut = tmp_path / f"t.{kind}"
    for content in (b"y\n1\n", b"\x93NUMPY", b"\x93NUMPY\x09\0\1\0{", bytes(100)):
        cut.write_bytes(content)
        with pytest.raises(SourceError, match=rf"t\.{kind}: not a "):
            ArraySource(str(cut), kind)
    cut.write_bytes(b"")
    with pytest.raises(SourceError, match="is empty"):
        ArraySource(str(cut), kind)
    with pytest.raises(SourceError, match="no such file"):
        ArraySource(str(tmp_path / f"none.{kind}"), kind)


@pytest.mark.parametrize("kind", ["npy", *KEYED, "old pt"])
def test_files_that_are_cut_off(tmp_path: Path, kind: str) -> None:
    suffix = kind.removeprefix("old ")
    whole, cut = tmp_path / f"w.{suffix}", tmp_path / f"t.{suffix}"
    match kind:
        case "npy":
            np.save(whole, np.zeros(1000))
        case "old pt":
            tensors = {"k": torch.zeros(1000)}
            torch.save(tensors, whole, _use_new_zipfile_serialization=False)
        case _:
            save(whole, {"k": np.zeros(1000)})
    content = whole.read_bytes()
    for size in (20, 700, len(content) // 2, len(content) - 30):
        cut.write_bytes(content[:size])
        with pytest.raises(SourceError, match=rf"t\.{suffix}: not a \.{suffix} file ") as caught:
            ArraySource(str(cut), suffix)
        assert f"{size:,} bytes" in caught.value.message
        assert caught.value.hint == "copy, download or write it again if it is cut off or damaged"


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_a_header_that_never_ends(tmp_path: Path, kind: str) -> None:
    np.save(tmp_path / "t.npy", np.zeros(3))
    content = (tmp_path / "t.npy").read_bytes().replace(b"}", b" ")
    path = tmp_path / f"u.{kind}"
    if kind == "npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("y.npy", content)
    with pytest.raises(SourceError, match="not a "):
        ArraySource(str(path), kind)


@pytest.mark.filterwarnings("ignore::UserWarning")  # the libraries warn of old versions
@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["npy", *KEYED]))
def test_damaged_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kind: str
) -> None:
    path = tmp_path_factory.mktemp("arrays") / f"t.{kind}"
    if kind == "npy":
        np.save(path, np.zeros((20, 2)))
    else:
        save(path, {"X": np.zeros((20, 2)), "y": np.zeros(20)})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(SourceError):
        source = ArraySource(str(path), kind)
        assert read(source).height == source.rows


@pytest.mark.parametrize("kind", ["npz", "pt"])
def test_an_archive_whose_end_tells_of_several_disks(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, 475, 0, 0)
    path.write_bytes(b"PK\3\4" + bytes(500) + struct.pack("<4sIQI", b"PK\6\7", 9, 0, 9) + end)
    with pytest.raises(SourceError, match=r"not a \.(npz|pt) "):
        ArraySource(str(path), kind)


def test_a_damaged_member_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, y=np.arange(5000))
    content = bytearray(path.read_bytes())
    content[20_000] ^= 255
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"'y': after row 0: cannot be read: Bad CRC-32"):
        read(ArraySource(str(path), "npz"))


def test_a_third_value_in_a_late_batch_names_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 7)
    np.save(tmp_path / "t.npy", np.array([0, 1] * 10 + [3] + [0, 1] * 10))
    with pytest.raises(LabelError, match="row 21: column 'y': '3' is not a binary label"):
        count_labels(ArraySource(str(tmp_path / "t.npy"), "npy"))


def test_counting_stops_where_a_column_is_no_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 20)
    np.save(tmp_path / "t.npy", np.arange(1000))
    assert ArraySource(str(tmp_path / "t.npy"), "npy").tally(["y"]).rows == 20


@pytest.mark.parametrize("kind", ["npz", "npz compressed", "safetensors", "pt", "npy"])
def test_memory_stays_flat(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 2**20)
    form = kind.removesuffix(" compressed")
    path = tmp_path / f"t.{form}"
    array = np.zeros((250_000, 16))
    if kind == "npy":
        np.save(path, array)
    elif kind == "npz compressed":
        np.savez_compressed(path, X=array)
    else:
        save(path, {"X": array})
    source = ArraySource(str(path), form)
    del array
    next(source.batches(source.columns))  # loads what is loaded once
    tracemalloc.start()
    rows = sum(batch.frame.height for batch in source.batches(source.columns))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 250_000
    assert peak < 12 * 2**20  # of 32 MB


def test_objects_and_sparse_matrices_say_what_to_do(tmp_path: Path) -> None:
    objects = np.array([1, None], dtype=object)
    np.save(tmp_path / "o.npy", objects)
    np.savez(tmp_path / "o.npz", x=objects)
    np.savez(tmp_path / "t.npz", x=np.array(["a"]))
    sp.save_npz(tmp_path / "s.npz", sp.csr_array(np.eye(3)))
    for name, hint in {
        "o.npy": "objects are never loaded",
        "o.npz": "objects are never loaded",
        "t.npz": "booleans or numbers",
        "s.npz": "dump_svmlight_file",
    }.items():
        with pytest.raises(SourceError) as caught:
            open_source(str(tmp_path / name))
        assert hint in str(caught.value.hint)
