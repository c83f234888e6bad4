"""The run directory: written whole or not at all, replaced with care, read with care."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from small_runs import refuse

from imbalance_cli.errors import OutputError, RunError
from imbalance_cli.run import directory as artifacts
from imbalance_cli.run.directory import (
    CHECKPOINT,
    CONFIG,
    MODEL,
    RUN,
    RunDirectory,
    load_run,
    write_whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from small_runs import FittedRun


def make_run(path: Path, *, overwrite: bool = False) -> RunDirectory:
    """Write a finished run."""
    run = RunDirectory(path, overwrite=overwrite)
    run.start()
    run.write(CONFIG, b"data: {train: a.csv}\n")
    run.write_tensors(MODEL, {"weight": torch.ones(2, 3)})
    run.finish({"labels": ["é"]})
    return run


def test_what_is_written_is_read(tmp_path: Path) -> None:
    make_run(tmp_path / "deep" / "run")
    document, tensors = load_run(tmp_path / "deep" / "run")
    assert document["labels"] == ["é"]
    assert document["format_version"] == 5
    assert list(tensors) == ["weight"]
    assert torch.equal(tensors["weight"], torch.ones(2, 3))


def test_nothing_is_made_before_start(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    names = [path.relative_to(run.path).as_posix() for path in run.path.rglob("*")]
    assert sorted(names) == [CONFIG, MODEL, RUN]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run")

    def fill_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fill_disk)
    with pytest.raises(OutputError, match=r"config\.yaml: cannot be written: No space left"):
        write_whole(run.path / CONFIG, b"x" * 100_000, lasting=True)
    assert (run.path / CONFIG).read_bytes() == b"data: {train: a.csv}\n"
    assert not list(run.path.glob(".*"))  # which would keep the disk full


def test_lines_are_appended(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    run.append_lines("history.csv", ["a,b"])
    run.append_lines("history.csv", ["1,2"])
    assert (run.path / "history.csv").read_text() == "a,b\n1,2\n"
    (run.path / "metrics.csv").mkdir()
    with pytest.raises(OutputError, match=r"metrics\.csv: cannot be written: Is a directory"):
        run.append_lines("metrics.csv", ["x"])


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        make_run(tmp_path / "run").write_json("metrics.json", {"f1": float("nan")})


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    make_run(tmp_path / "run")
    load_run(tmp_path / "run")


def test_a_run_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "run"
    make_run(path)
    (path / "metrics.json").write_bytes(b"{}")
    with pytest.raises(OutputError, match="holds a run already") as caught:
        RunDirectory(path)
    assert "--overwrite" in (caught.value.hint or "")
    assert (path / "metrics.json").exists()
    new = make_run(path, overwrite=True)
    assert not (path / "metrics.json").exists()
    new.write("report.html", b"drawn afterwards")
    assert (path / "report.html").exists()


def test_an_unfinished_run_is_replaced_only_when_asked(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.start()
    (run.path / f".{MODEL}.partial").touch()
    (
        run.path / f".{artifacts.PREDICTIONS}.k3.partial"
    ).mkdir()  # parts of a file, as write_parts has
    with pytest.raises(OutputError, match="holds an unfinished run already"):
        RunDirectory(run.path)
    make_run(run.path, overwrite=True)


def test_a_run_that_is_being_written_is_never_touched(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert not (run.path / artifacts.WRITER).exists()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as writer:
        (run.path / artifacts.WRITER).write_text(f"{writer.pid}\n")
        with pytest.raises(OutputError, match=f"process {writer.pid} is writing a run there"):
            RunDirectory(run.path, overwrite=True)
        writer.kill()
    make_run(run.path, overwrite=True)  # a dead process writes no more


def test_a_run_behind_a_link_is_replaced(tmp_path: Path) -> None:
    make_run(tmp_path / "there")
    (tmp_path / "link").symlink_to("there")
    make_run(tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    load_run(tmp_path / "there")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("names", [["notes.txt"], [CONFIG], [".git/"], ["runs/"]])
def test_what_is_no_run_is_never_touched(
    tmp_path: Path, names: list[str], *, overwrite: bool
) -> None:
    for name in names:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    with pytest.raises(OutputError, match="is there already and is not a run"):
        RunDirectory(tmp_path, overwrite=overwrite)
    assert len(list(tmp_path.iterdir())) == len(names)


def test_a_run_with_something_else_in_it_is_never_touched(tmp_path: Path) -> None:
    path = tmp_path / "run"
    make_run(path)
    (path / "notes.txt").touch()
    with pytest.raises(OutputError, match=r"holds 'notes\.txt', which is no part of a run"):
        RunDirectory(path, overwrite=True)
    assert (path / RUN).exists()


def test_what_appears_while_data_is_read_is_seen(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").touch()
    with pytest.raises(OutputError, match="is not a run"):
        run.start()
    assert (tmp_path / "run" / "thesis.tex").exists()


def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run" / "deep"):
        with pytest.raises(OutputError, match=f"cannot be written: {tmp_path}/file is a file"):
            RunDirectory(path)
    with pytest.raises(OutputError, match="cannot be written: File name too long"):
        RunDirectory(tmp_path / ("x" * 300))
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(OutputError, match=f"{tmp_path} is not yours to write to"):
        RunDirectory(tmp_path / "run")


def test_a_place_that_fails_at_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(tmp_path / "run")

    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(OutputError, match="run: cannot be written: Read-only file system"):
        run.start()


def edit(document: dict[str, Any], **changes: object) -> bytes:
    """Return run.json with changes, as someone with an editor would leave it."""
    return json.dumps(document | changes, indent=2).encode()


CHANGES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    (MODEL, lambda content: content[:-1] + b"\x01", "its checksum differs"),
    (MODEL, lambda _content: b"", "its checksum differs"),
    (CONFIG, lambda content: content + b"# seen\n", "its checksum differs"),
    (artifacts.METRICS_JSON, lambda content: content + b" ", "its checksum differs"),
    (artifacts.METRICS_CSV, lambda content: content + b"\n", "its checksum differs"),
    (artifacts.HISTORY, lambda content: content + b"9,9\n", "its checksum differs"),
    (artifacts.PREDICTIONS, lambda content: content[1:], "its checksum differs"),
    (RUN, lambda content: edit(json.loads(content), members=99), "its checksum differs"),
    (RUN, lambda content: edit(json.loads(content), checksum=None), "its checksum differs"),
    (RUN, lambda content: edit(json.loads(content), members=float("nan")), "checksum differs"),
    (RUN, lambda content: edit(json.loads(content), precision="\ud800"), "its checksum differs"),
    (RUN, lambda content: edit(json.loads(content), format_version=1), "format version 1, and"),
    (RUN, lambda content: edit(json.loads(content), format_version=6), "format version 6, and"),
    (RUN, lambda _content: b"{}", "format version None, and this imbtrain reads 5"),
    (RUN, lambda content: content[:100], "not JSON"),
    (RUN, lambda _content: b"\xff\xfe", "not JSON"),
    (RUN, lambda _content: b"[]", "a JSON object is needed, not a list"),
]


@pytest.mark.parametrize(("name", "change", "message"), CHANGES)
def test_a_changed_run_is_refused(
    single_run: FittedRun,
    tmp_path: Path,
    name: str,
    change: Callable[[bytes], bytes],
    message: str,
) -> None:
    path = shutil.copytree(single_run.path, tmp_path / "run")
    load_run(path)
    (path / name).write_bytes(change((path / name).read_bytes()))
    with pytest.raises(RunError) as caught:
        load_run(path)
    assert caught.value.message.startswith(f"{path / name}: ")
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("key", "value"),
    [("labels", 3), ("labels", [{}]), ("networks", None), ("features", []), ("networks", [])],
)
def test_a_whole_run_json_of_wrong_types(
    single_run: FittedRun, tmp_path: Path, key: str, value: object
) -> None:
    path = shutil.copytree(single_run.path, tmp_path / "run")
    document = json.loads((path / RUN).read_text())
    del document["checksum"]
    document[key] = value
    content = artifacts._to_json(document)
    document["checksum"] = artifacts._sha256(content)
    (path / RUN).write_bytes(artifacts._to_json(document))
    refuse("predict", path, single_run.table, says=f"{path / RUN}: does not hold what a run does")


def test_a_run_json_that_is_nested_too_deeply(single_run: FittedRun, tmp_path: Path) -> None:
    path = shutil.copytree(single_run.path, tmp_path / "run")
    (path / RUN).write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    refuse("predict", path, single_run.table, says=f"{path / RUN}: not JSON: maximum recursion")


def test_other_files_may_be_away(single_run: FittedRun, tmp_path: Path) -> None:
    path = shutil.copytree(single_run.path, tmp_path / "run")
    (path / artifacts.METRICS_JSON).unlink()
    load_run(path)


def test_what_is_no_run(single_run: FittedRun, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run directory"):
        load_run(tmp_path / "none")
    with pytest.raises(RunError, match=r"not a run directory: there is no run\.json"):
        load_run(tmp_path)
    with pytest.raises(RunError, match=r"not a run directory: there is no run\.json"):
        load_run(single_run.table)
    path = shutil.copytree(single_run.path, tmp_path / "run")
    (path / MODEL).unlink()
    with pytest.raises(RunError, match=r"model\.safetensors: cannot be read: No such file"):
        load_run(path)
    (path / RUN).unlink()
    (path / CHECKPOINT).mkdir()
    with pytest.raises(RunError, match=r"the run was not finished: there is no run\.json"):
        load_run(path)
