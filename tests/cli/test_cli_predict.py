"""`imbtrain predict`: a row a row, in order, whatever the columns' order, with flat memory."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from small_runs import (
    LABELS,
    fit_run,
    make_columns,
    refuse,
    run_command,
    succeed,
    to_csv,
    write_csv,
)

from imbalance_cli.cli.rows import open_rows
from imbalance_cli.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from small_runs import FittedRun

OUTPUT = [f"{label}_{kind}" for label in LABELS for kind in ("probability", "decision")]
FEATURES = ["amount", "age", "colour", "city"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 100 rows with features only, and an id."""
    columns = make_columns(100, seed=4)
    kept = {name: columns[name] for name in FEATURES} | {"id": [f"r{i}" for i in range(100)]}
    return write_csv(tmp_path_factory.mktemp("rows") / "rows.csv", kept)


def predict(run: FittedRun, source: object, *options: object) -> pl.DataFrame:
    """Return what predict writes on stdout."""
    return pl.read_csv(succeed("predict", run.path, source, *options).out)


def test_100_rows_in_100_rows_out_in_order(multi_run: FittedRun, rows: Path) -> None:
    outcome = succeed("predict", multi_run.path, rows, "--keep", "id")
    frame = pl.read_csv(outcome.out)
    assert outcome.err == ""
    assert frame.columns == ["id", *OUTPUT]
    assert frame["id"].to_list() == [f"r{i}" for i in range(100)]
    for label in LABELS:
        assert frame[f"{label}_probability"].is_between(0, 1).all()
        assert set(frame[f"{label}_decision"].to_list()) <= {0, 1}


def test_rows_one_at_a_time_give_exactly_the_same(multi_run: FittedRun, rows: Path) -> None:
    header, *lines = rows.read_text().splitlines()
    whole = succeed("predict", multi_run.path, rows).text.splitlines()[1:]
    for line, wanted in list(zip(lines, whole, strict=True))[:12]:
        single = succeed("predict", multi_run.path, "-", stdin=f"{header}\n{line}\n".encode())
        assert single.text.splitlines()[1:] == [wanted]


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_rows_of_a_pipe_are_answered_as_they_come(
    is_interrupted: bool,  # noqa: FBT001  a parameter of pytest
    multi_run: FittedRun,
    rows: Path,
) -> None:
    header, *lines = rows.read_bytes().splitlines(keepends=True)
    whole = succeed("predict", multi_run.path, rows).out.splitlines(keepends=True)
    command = [sys.executable, "-m", "imbalance_cli", "predict", str(multi_run.path), "-"]
    times = 1 + 64 * 2**10 // len(b"".join(lines))  # the first 64 KB are looked at together
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  no threads here
    ) as process:
        given, answered = process.stdin, process.stdout
        assert given
        assert answered
        given.write(b"".join([header, *lines * times]))
        given.flush()
        assert [answered.readline() for _ in whole] == whole
        for _ in range(times - 1):
            assert [answered.readline() for _ in lines] == whole[1:]
        for line, wanted in list(zip(lines, whole[1:], strict=True))[:2]:
            given.write(line)
            given.flush()
            assert answered.readline() == wanted
        if is_interrupted:  # while it waits for more, with polars loaded, which hooks SIGINT
            process.send_signal(signal.SIGINT)
        else:
            given.close()
        assert answered.read() == b""
        assert process.wait() == (130 if is_interrupted else 0)


def test_order_of_rows_does_not_matter(multi_run: FittedRun, rows: Path) -> None:
    header, *lines = rows.read_text().splitlines()
    turned = "\n".join([header, *reversed(lines)]).encode()
    outcome = succeed("predict", multi_run.path, "-", stdin=turned)
    whole = succeed("predict", multi_run.path, rows).text.splitlines()[1:]
    assert outcome.text.splitlines()[1:] == whole[::-1]


def test_columns_in_any_order_and_extra_ones(multi_run: FittedRun, tmp_path: Path) -> None:
    columns = make_columns(50)
    wanted = predict(multi_run, write_csv(tmp_path / "a.csv", columns))
    shuffled = {"note": ["x"] * 50} | {name: columns[name] for name in reversed(columns)}
    assert predict(multi_run, write_csv(tmp_path / "b.csv", shuffled)).equals(wanted)


def test_missing_columns_are_all_named(multi_run: FittedRun, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", {"age": ["1"], "town": ["city01"], "amout": ["3"]})
    says = f"{table}: without the feature columns 'amount', 'colour', 'city'"
    refuse("predict", multi_run.path, table, says=says, hint="did you mean 'amout'?")


def test_keep_by_name_and_glob(multi_run: FittedRun, rows: Path) -> None:
    frame = predict(multi_run, rows, "--keep", "id", "--keep", "a*", "--keep", "age")
    assert frame.columns == ["id", "amount", "age", *OUTPUT]
    read = pl.read_csv(rows)
    assert frame["age"].to_list() == read["age"].to_list()
    refuse("predict", multi_run.path, rows, "--keep", "ag", says="no column 'ag'", hint="'age'")
    refuse("predict", multi_run.path, rows, "--keep", "z*", says="--keep: ")


def test_kept_columns_may_not_be_called_as_predictions_are(
    single_run: FittedRun, tmp_path: Path
) -> None:
    columns = make_columns(20) | {"y_often_probability": ["0.5"] * 20}
    table = write_csv(tmp_path / "t.csv", columns)
    says = "--keep: 'y_often_probability' is the name of a column of the predictions"
    refuse("predict", single_run.path, table, "--keep", "y_*", says=says)
    succeed("predict", single_run.path, table, "--keep", "y_often")


def test_keep_leaves_cells_as_they_are(single_run: FittedRun, tmp_path: Path) -> None:
    columns = make_columns(3) | {"code": ["007", '"a, b"', ""]}
    table = write_csv(tmp_path / "t.csv", columns)
    lines = succeed("predict", single_run.path, table, "--keep", "code").text.splitlines()
    assert [line.rsplit(",", 2)[0] for line in lines[1:]][:2] == ["007", '"a, b"']


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
def test_files_by_suffix(multi_run: FittedRun, rows: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    output.write_text("old")
    wanted = succeed("predict", multi_run.path, rows, "--keep", "id")
    outcome = succeed("predict", multi_run.path, rows, "--keep", "id", "-o", output)
    assert (outcome.out, outcome.err) == (b"", "")
    if suffix == ".parquet":
        frame = pl.read_parquet(output)
        assert frame.equals(pl.read_csv(wanted.out, schema_overrides=frame.schema))
    else:
        assert output.read_bytes() == wanted.out
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_output_through_a_link(single_run: FittedRun, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("there.csv")
    succeed("predict", single_run.path, rows, "-o", tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert len((tmp_path / "there.csv").read_text().splitlines()) == 101


@pytest.mark.parametrize("row_format", ["json", "ndjson"])
def test_rows_as_json(single_run: FittedRun, rows: Path, tmp_path: Path, row_format: str) -> None:
    wanted = pl.read_csv(succeed("predict", single_run.path, rows, "--keep", "id").out)
    shown = succeed("predict", single_run.path, rows, "--keep", "id", "--format", row_format).out
    read = io.BytesIO(shown)
    found = pl.read_json(read) if row_format == "json" else pl.read_ndjson(read)
    assert_frame_equal(found, wanted, check_dtypes=False)
    output = tmp_path / f"out.{row_format}"
    succeed("predict", single_run.path, rows, "--keep", "id", "-o", output)
    assert output.read_bytes() == shown
    header = rows.read_text().splitlines()[0]
    none = succeed("predict", single_run.path, "-", "--format", row_format, stdin=header.encode())
    assert none.text.split() == (["[", "]"] if row_format == "json" else [])


def test_parquet_is_no_text(single_run: FittedRun, rows: Path) -> None:
    arguments = ("predict", single_run.path, rows, "--format", "parquet")
    refuse(*arguments, says="Parquet is written to a file", hint="-o FILE.parquet")


def test_json_in_several_parts_is_one_list(tmp_path: Path) -> None:
    frames = [pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": []}, schema={"a": pl.Int64})]
    with open_rows(tmp_path / "out.json") as write:
        for frame in [*frames, frames[0]]:
            write(frame)
    assert json.loads((tmp_path / "out.json").read_text()) == [{"a": n} for n in (1, 2, 1, 2)]


@pytest.mark.parametrize(
    ("options", "threshold"),
    [
        (["--threshold", "0.9"], 0.9),
        (["--threshold", "y_*=0.01"], 0.01),
        (["--cost", "1:19"], 0.05),
        (["--cost", "1:19", "--threshold", "y_rare=0.3"], 0.3),
    ],
)
def test_decisions_by_other_thresholds(
    multi_run: FittedRun, rows: Path, options: list[str], threshold: float
) -> None:
    before, after = predict(multi_run, rows), predict(multi_run, rows, *options)
    label = LABELS[0] if "y_rare=0.3" not in options else "y_rare"
    assert_frame_equal(before.select(f"{label}_probability"), after.select(f"{label}_probability"))
    wanted = (after[f"{label}_probability"] >= threshold).cast(pl.Int64)
    assert after[f"{label}_decision"].to_list() == wanted.to_list()


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--threshold", "nope=0.5", "--threshold: no label 'nope'; the labels are "),
        ("--threshold", "1.5", "a probability from 0 to 1 is needed"),
        ("--threshold", "y=", "a probability from 0 to 1 is needed"),
        ("--threshold", "nan", "a probability from 0 to 1 is needed"),
        ("--cost", "0:1", "not two costs above 0"),
        ("--cost", "1", "not two costs above 0"),
        ("--cost", "1:inf", "not two costs above 0"),
        ("--cost", "inf:1", "not two costs above 0"),
    ],
)
def test_thresholds_that_cannot_be(
    single_run: FittedRun, rows: Path, option: str, value: str, says: str
) -> None:
    refuse("predict", single_run.path, rows, option, value, says=says)


def test_outputs_that_cannot_be(single_run: FittedRun, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "d.csv").mkdir()
    for output, says in (
        (tmp_path / "out.txt", "predictions are written as .csv, .ndjson, .jsonl, .json, .parquet"),
        (tmp_path / "out.csv.gz", "predictions are written as .csv"),
        (tmp_path / "d.csv", "is a directory"),
        (tmp_path / "none" / "out.csv", "cannot be written: No such file or directory"),
        (rows / "out.csv", "cannot be written: Not a directory"),
    ):
        refuse("predict", single_run.path, rows, "-o", output, says=f"{output}: {says}")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_bad_row_leaves_the_old_file(multi_run: FittedRun, tmp_path: Path, suffix: str) -> None:
    columns = make_columns(50) | {"age": ["30"] * 49 + ["old"]}
    table = write_csv(tmp_path / "t.csv", columns)
    output = tmp_path / f"out{suffix}"
    output.write_text("old")
    says = f"{table}: line 51: column 'age': 'old' is not a number, as it was in training"
    refuse("predict", multi_run.path, table, "-o", output, says=says)
    assert output.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([output.name, "t.csv"])
    refuse("predict", multi_run.path, "-", stdin=table.read_bytes(), says="stdin: line 51")


def test_what_training_never_saw(multi_run: FittedRun, rows: Path) -> None:
    header, first, *_ = rows.read_text().splitlines()
    cells = dict(zip(header.split(","), first.split(","), strict=True))
    for changes in (
        {"city": "Atlantis"},
        {"colour": ""},
        {"city": "NA"},
        {"age": ""},
        {"amount": ""},
        {"amount": "1e30"},
        dict.fromkeys(cells, ""),
    ):
        line = ",".join((cells | changes).values())
        outcome = succeed("predict", multi_run.path, "-", stdin=f"{header}\n{line}\n".encode())
        [frame] = pl.read_csv(outcome.out).iter_rows()
        assert all(0 <= value <= 1 for value in frame)


def test_typed_and_text_sources_agree(multi_run: FittedRun, rows: Path, tmp_path: Path) -> None:
    pl.read_csv(rows).write_parquet(tmp_path / "rows.parquet")
    assert predict(multi_run, tmp_path / "rows.parquet").equals(predict(multi_run, rows))


def test_infinite_features(multi_run: FittedRun, tmp_path: Path) -> None:
    columns = make_columns(5) | {"amount": ["1", "2", "-inf", "4", "5"]}
    table = write_csv(tmp_path / "t.csv", columns)
    refuse(
        "predict", multi_run.path, table, says=f"{table}: line 4: column 'amount': '-inf' is inf"
    )


def test_no_header_and_no_rows(multi_run: FittedRun) -> None:
    refuse("predict", multi_run.path, "-", stdin=b"", says="stdin")


def test_arguments(multi_run: FittedRun, rows: Path) -> None:
    refuse("predict", multi_run.path, says="Missing argument 'SOURCE'")
    refuse("predict", multi_run.path, rows, "--device", "tpu", says="'tpu' should be auto, cpu")
    refuse("predict", rows, rows, says="not a run directory")
    assert run_command("predict", "--help").code == 0


def measure(*arguments: object) -> int:
    """Return the peak memory in MB of a command that reads small blocks."""
    code = (
        "import resource, sys; from imbalance_cli.readers import delimited, typed;"
        "delimited.BLOCK = 2**20; typed.BATCH_ROWS = 2**15;"
        "from imbalance_cli.cli.app import main;"
        "code = main(sys.argv[1:]);"
        "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss));"
        "sys.exit(code)"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "2"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    return int(done.stderr.splitlines()[-1]) // 1024  # after the progress of a slow machine


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_memory_is_flat(single_run: FittedRun, tmp_path: Path, suffix: str) -> None:
    piece = pl.read_csv(to_csv(make_columns(2000)).encode())
    used = []
    for times in (50, 400):
        table, output = tmp_path / f"{times}.{suffix}", tmp_path / f"out.{suffix}"
        whole = pl.concat([piece] * times)
        if suffix == "csv":
            whole.write_csv(table)
        else:
            whole.write_parquet(table, row_group_size=20_000)
        used.append(measure("predict", single_run.path, table, "-o", output))
        scan = pl.scan_csv(output) if suffix == "csv" else pl.scan_parquet(output)
        assert scan.select(pl.len()).collect().item() == 2000 * times
    assert used[1] < used[0] + 60, used  # MB; the rows alone would take more


def test_a_reader_that_goes_away_ends_it_quietly(multi_run: FittedRun, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", make_columns(20_000))
    command = [
        sys.executable,
        "-m",
        "imbalance_cli.cli.app",
        "predict",
        str(multi_run.path),
        str(table),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"y_often_probability,")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


def test_full_disk(multi_run: FittedRun, rows: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "imbalance_cli.cli.app",
        "predict",
        str(multi_run.path),
        str(rows),
    ]
    with open("/dev/full", "wb") as full:  # noqa: PTH123  a device
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr == b"error: stdout: cannot be written: No space left on device [IMB212]\n"


def test_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_disk(*_arguments: object) -> None:
        raise pl.exceptions.ComputeError("disk full")

    frame = pl.DataFrame({"a": [1]})
    monkeypatch.setattr(pl.DataFrame, "write_parquet", fill_disk)
    output = tmp_path / "out.parquet"
    with (
        pytest.raises(OutputError, match=r"out\.parquet: cannot be written: disk full"),
        open_rows(output) as write,
    ):
        write(frame)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pipe_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.BytesIO):
        def write(self, _content: object) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Closed()))
    with pytest.raises(BrokenPipeError), open_rows(None) as write:
        write(pl.DataFrame({"a": [1]}))


def test_a_label_that_was_never_learned_is_blank(tmp_path: Path) -> None:
    columns = make_columns()
    never = columns | {"y_never": ["0"] * 400}
    run = fit_run(tmp_path, never)
    shown = predict(run, write_csv(tmp_path / "new.csv", columns))
    assert shown["y_never_probability"].null_count() == shown.height == 400
    assert shown["y_never_decision"].null_count() == 400
    assert shown["y_often_decision"].null_count() == 0


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_source_is_not_overwritten(multi_run: FittedRun, tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"rows.{suffix}"
    frame = pl.DataFrame({name: make_columns(5)[name] for name in FEATURES})
    frame.write_csv(source) if suffix == "csv" else frame.write_parquet(source)
    before = source.read_bytes()
    refuse("predict", multi_run.path, source, "-o", source, says="is the source itself")
    assert source.read_bytes() == before


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_no_rows_in_no_rows_out(
    single_run: FittedRun, rows: Path, tmp_path: Path, suffix: str
) -> None:
    empty = pl.read_csv(rows).clear()
    path, output = tmp_path / f"empty{suffix}", tmp_path / f"out{suffix}"
    empty.write_csv(path) if suffix == ".csv" else empty.write_parquet(path)
    names = ["id", "y_often_probability", "y_often_decision"]
    written = succeed("predict", single_run.path, path, "--keep", "id").text
    assert written == ",".join(names) + "\n"
    succeed("predict", single_run.path, path, "--keep", "id", "-o", output)
    frame = pl.read_csv(output) if suffix == ".csv" else pl.read_parquet(output)
    assert (frame.columns, frame.height) == (names, 0)
    refuse("evaluate", single_run.path, path)


def test_missing_columns_are_named_before_torch_is_loaded(
    multi_run: FittedRun, rows: Path, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text(rows.read_text().replace("colour", "color", 1))
    program = (
        "import sys; from imbalance_cli.cli.app import main; code = main()\n"
        "slow = {'torch', 'polars', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "sys.stderr.write(repr(slow)); sys.exit(code)"
    )
    command = [sys.executable, "-c", program, "predict", str(multi_run.path), str(table)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    first, hint, slow = done.stderr.splitlines()
    assert first == f"error: {table}: without the feature column 'colour' [IMB207]"
    assert hint == "hint: did you mean 'color'?"
    assert slow == "set()"


def test_a_run_of_another_dialect_knows_its_columns_early(tmp_path: Path) -> None:
    columns = make_columns(60)
    text = to_csv(columns).replace(",", "\t")
    folder = tmp_path / "run"
    table = tmp_path / "table.csv"
    table.write_text(f"a title\n{text}")
    settings = [
        "data.skip_lines=1",
        r"data.delimiter=\t",
        "training.epochs=1",
        "report.plots=false",
    ]
    changes = [part for setting in settings for part in ("--set", setting)]
    labels = ["--labels", "y_often", "--set", "data.exclude=[y_some, y_rare]"]
    succeed("fit", table, *labels, *changes, "--run-dir", folder, "--quiet")
    assert pl.read_csv(succeed("predict", folder, table).out).height == 60
    without = tmp_path / "without.csv"
    without.write_text(f"a title\n{text.replace('age', 'old', 1)}")
    refuse("predict", folder, without, says=f"{without}: without the feature column 'age'")
