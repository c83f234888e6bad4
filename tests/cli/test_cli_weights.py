"""`imbtrain weights`: streams, formats, exit codes, and every kind of bad input."""

from __future__ import annotations

import errno
import fcntl
import gzip
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_type_hints

import numpy as np
import polars as pl
import pytest
import zstandard

from imbalance_cli.cli import console
from imbalance_cli.cli.weights import weights as command
from imbalance_cli.weighting.files import BINARY_FORMATS, FORMATS

if TYPE_CHECKING:
    from conftest import CompareGolden, RunCommand, WriteFile

HERE = Path(__file__).parents[1]
IMBTRAIN = [sys.executable, "-m", "imbalance_cli.cli.app"]
TABLE = "y_a,y_b,x\n1,0,u\n0,,v\n0,0,w\n1,0,x\n0,1,y\n"
COUNTS_CSV = (
    "label,positives,negatives,missing,prevalence,pos_weight\n"
    "y_a,2,3,0,0.4,1.5\n"
    "y_b,1,3,1,0.25,3.0\n"
)


ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
COLOURS = re.compile(r"\x1b\[(\d+;)*([349][0-7]|38|48)[;m]")


def run_on_terminal(*arguments: str, **environment: str) -> str:
    """Run the command with stdout on a terminal of 80 columns, and return what it shows."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    variables = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "NO_COLOR"}}
    process = subprocess.Popen(
        [*IMBTRAIN, *arguments],
        stdout=child,
        stderr=subprocess.DEVNULL,
        env=variables | {"TERM": "xterm-256color"} | environment,
    )
    os.close(child)
    shown = bytearray()
    try:
        while piece := os.read(parent, 4096):
            shown += piece
    except OSError as error:  # how Linux says that the other end is closed
        if error.errno != errno.EIO:
            raise
    finally:
        os.close(parent)
    assert process.wait() == 0
    return shown.decode()


def test_a_pipe_gets_csv(imbtrain: RunCommand, write: WriteFile) -> None:
    done = imbtrain("weights", write("a.csv", TABLE))
    assert (done.code, done.out.decode(), done.err) == (0, COUNTS_CSV, "")


def test_a_terminal_gets_a_table(write: WriteFile) -> None:
    shown = run_on_terminal("weights", write("a.csv", TABLE))
    assert "pos_weight" in shown
    assert "\u2588" in shown
    assert "label,positives" not in shown
    assert all(len(line) <= 80 for line in ESCAPES.sub("", shown).splitlines())


def test_no_color_is_obeyed_on_a_terminal(write: WriteFile) -> None:
    shown = run_on_terminal("weights", write("a.csv", TABLE), NO_COLOR="1")
    assert not COLOURS.search(shown)


def test_no_escape_codes_in_a_pipe(imbtrain: RunCommand, write: WriteFile) -> None:
    for chosen in ("table", "csv", "json", "yaml"):
        done = imbtrain("weights", write("a.csv", TABLE), "--format", chosen)
        assert b"\x1b" not in done.out
    assert "\x1b" not in imbtrain("weights", "no.csv").err


@pytest.mark.parametrize("file_format", ["table", "csv", "json", "yaml"])
def test_golden_output(
    imbtrain: RunCommand,
    golden: CompareGolden,
    monkeypatch: pytest.MonkeyPatch,
    file_format: str,
) -> None:
    monkeypatch.chdir(HERE / "golden")
    monkeypatch.setenv("COLUMNS", "80")
    done = imbtrain("weights", "source.csv", "--format", file_format)
    assert done.code == 0
    golden(f"weights.{file_format.replace('table', 'txt')}", done.out)
    golden("weights.stderr", done.err.encode())


def test_a_table_of_huge_counts_and_long_names_keeps_every_digit(
    imbtrain: RunCommand, write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    label = "y_a_label_with_a_long_name_[bold]:smile:"
    entry = {"label": label, "positives": 12_345_678_901, "negatives": 98_765_432_109, "missing": 7}
    path = write("c.json", json.dumps({"rows": 111_111_111_017, "labels": [entry]}))
    shown = imbtrain("weights", "--merge", path, "--format", "table").out.decode()
    assert "12,345,678,901" in shown
    assert "98,765,432,109" in shown
    assert "+2.08" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "\u2026" not in shown


@pytest.mark.parametrize(
    ("columns", "headings"),
    [
        ("30", "label positives weight"),
        ("60", "label positives negatives prevalence weight shift"),
        ("80", "label positives negatives missing prevalence weight shift"),
    ],
)
def test_a_narrow_table_keeps_the_label_and_the_weight(
    imbtrain: RunCommand,
    write: WriteFile,
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
    headings: str,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = imbtrain("weights", write("a.csv", TABLE), "--format", "table").out.decode()
    assert headings in [" ".join(line.split()) for line in shown.splitlines()]
    assert max(map(len, shown.splitlines())) <= int(columns)


def test_stdin_is_read_as_csv(write: WriteFile) -> None:
    for rows in (TABLE, "y_a,x\n" + "1,a\n0,b\n" * 30_000):
        done = subprocess.run(
            [*IMBTRAIN, "weights", "-", "--format", "json"],
            input=rows.encode(),
            capture_output=True,
            check=True,
        )
        same = subprocess.run(
            [*IMBTRAIN, "weights", write("a.csv", rows), "--format", "json"],
            capture_output=True,
            check=True,
        )
        document = json.loads(done.stdout)
        assert document["source"] == "stdin"
        assert document["labels"] == json.loads(same.stdout)["labels"]


def test_options_reach_the_weights(imbtrain: RunCommand, write: WriteFile) -> None:
    path = write("a.csv", "spam\n" + "s\n" * 4 + "h\n" * 36)

    def weight(*options: str) -> float:
        done = imbtrain(
            "weights", path, "--labels", "spam", "--positive", "s", "--format", "json", *options
        )
        return float(json.loads(done.out)["labels"][0]["pos_weight"])

    assert weight() == 9
    assert weight("--strategy", "sqrt") == 3
    assert weight("--strategy", "balanced") == 9
    assert weight("--strategy", "none") == 1
    assert weight("--strategy", "effective", "--beta", "0") == 1
    assert weight("--strategy", "effective") == pytest.approx(9, rel=1e-2)
    assert weight("--cap", "5") == 5
    assert weight("--smoothing", "4") == 5


def test_sums_of_weights_that_are_whole_look_so(imbtrain: RunCommand, write: WriteFile) -> None:
    path = write("a.csv", "y,w\n1,0.5\n1,1.5\n0,0.25\n0,3.75\n,2\n")
    options = ("--labels", "y", "--sample-weight", "w")
    done = imbtrain("weights", path, *options, "--format", "csv")
    assert done.out.splitlines()[1].startswith(b"y,2,4,2,")
    path = write("b.csv", "y,w\n1,0.5\n0,0.25\n0,4\n")
    done = imbtrain("weights", path, *options, "--format", "json")
    assert b'"positives": 0.5, "negatives": 4.25, "missing": 0,' in b" ".join(done.out.split())


def test_several_sources_are_counted_as_one(imbtrain: RunCommand, write: WriteFile) -> None:
    first, second = write("a.csv", TABLE), write("b.csv.gz", gzip.compress(TABLE.encode()))
    document = json.loads(imbtrain("weights", first, second, "--format", "json").out)
    assert document["source"] == [first, second]
    assert document["rows"] == 10
    assert [entry["positives"] for entry in document["labels"]] == [4, 2]


def test_merged_parts_equal_the_whole(imbtrain: RunCommand, write: WriteFile) -> None:
    header, *rows = TABLE.splitlines(keepends=True)
    whole = imbtrain("weights", write("whole.csv", TABLE)).out
    parts = []
    for i, part in enumerate((rows[:2], rows[2:3], rows[3:])):
        path = write(f"part{i}.csv", header + "".join(part))
        parts.append(write(f"{i}.json", imbtrain("weights", path, "--format", "json").out))
    assert imbtrain("weights", "--merge", *parts).out == whole
    assert imbtrain("weights", *parts, "--merge", "--format", "csv").out == whole
    done = imbtrain("weights", "--merge", parts[0], "--labels", "y_a")
    assert done.code == 2
    assert done.err.startswith("error: --merge adds counts as they are, so --labels says nothing")


def test_merging_other_labels_names_both_files(imbtrain: RunCommand, write: WriteFile) -> None:
    parts = []
    for name in ("y_a", "y_b"):
        path = write("t.csv", f"{name}\n1\n0\n")
        parts.append(write(f"{name}.json", imbtrain("weights", path, "--format", "json").out))
    done = imbtrain("weights", "--merge", *parts)
    assert (done.code, done.out) == (2, b"")
    problem = f"{parts[1]}: no label 'y_a', which {parts[0]} has"
    assert done.err.startswith(f"error: {problem} [IMB204]\n")


def test_one_sided_labels_are_warned_of(imbtrain: RunCommand, write: WriteFile) -> None:
    done = imbtrain("weights", write("a.csv", "y_a,y_b\n0,1\n0,1\n"))
    assert done.code == 0
    assert done.err.splitlines() == [
        "warning: label 'y_a' has no positives: its weight is 1 [IMB121]",
        "warning: label 'y_b' has no negatives: its weight is 1 [IMB121]",
    ]
    assert [line.split(",")[-1] for line in done.out.decode().splitlines()[1:]] == ["1.0", "1.0"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_suffix_of_the_output_picks_the_format(
    imbtrain: RunCommand, write: WriteFile, tmp_path: Path, file_format: str
) -> None:
    path = write("a.csv", TABLE)
    output = tmp_path / f"w.{file_format}"
    done = imbtrain("weights", path, "-o", output)
    assert (done.code, done.out, done.err) == (0, b"", "")
    assert output.read_bytes() == imbtrain("weights", path, "--format", file_format).out
    other = tmp_path / "w.csv"
    imbtrain("weights", path, "--format", file_format, "-o", other)
    assert other.read_bytes() == output.read_bytes()


def test_an_output_is_replaced_whole_with_usual_rights(
    imbtrain: RunCommand, write: WriteFile, tmp_path: Path
) -> None:
    path, output = write("a.csv", TABLE), tmp_path / "w.csv"
    output.write_text("old")
    link = tmp_path / "link.csv"
    link.symlink_to(output)
    assert imbtrain("weights", path, "-o", link).code == 0
    assert link.is_symlink()
    assert output.read_text() == COUNTS_CSV
    umask = os.umask(0)
    os.umask(umask)
    assert output.stat().st_mode & 0o777 == 0o666 & ~umask


def test_an_output_that_is_a_pipe_is_written_to(
    imbtrain: RunCommand, write: WriteFile, tmp_path: Path
) -> None:
    output, got = tmp_path / "pipe.csv", []
    os.mkfifo(output)
    reader = threading.Thread(target=lambda: got.append(output.read_text()))
    reader.start()
    assert imbtrain("weights", write("a.csv", TABLE), "-o", output).code == 0
    reader.join()
    assert got == [COUNTS_CSV]
    assert output.is_fifo()


def test_outputs_that_cannot_be_written_leave_nothing(
    imbtrain: RunCommand, write: WriteFile, tmp_path: Path
) -> None:
    path = write("a.csv", TABLE)
    (tmp_path / "d.csv").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for output, problem in (
        (tmp_path / "d.csv", "cannot be written: Is a directory"),
        (tmp_path / "no" / "w.csv", "cannot be written: No such file or directory"),
        (Path(path) / "w.csv", "cannot be written: Not a directory"),
        (tmp_path / "w.txt", "the suffix '.txt' names no format"),
        (tmp_path / "w", "the suffix '' names no format"),
    ):
        done = imbtrain("weights", path, "-o", output)
        assert (done.code, done.out) == (2, b"")
        assert done.err.splitlines()[0] == f"error: {output}: {problem} [IMB212]"
    done = imbtrain("weights", path, "--format", "table", "-o", tmp_path / "w.csv")
    assert done.err.startswith(
        f"error: {tmp_path / 'w.csv'}: a table is drawn on stdout only [IMB212]\n"
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    output = tmp_path / "w.csv"
    output.write_text("old")
    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        console.write_result(b"new", output)
    assert [p.name for p in tmp_path.iterdir()] == ["w.csv"]
    assert output.read_text() == "old"


@pytest.mark.parametrize("file_format", BINARY_FORMATS)
def test_binary_on_a_terminal_is_refused(
    imbtrain: RunCommand, write: WriteFile, monkeypatch: pytest.MonkeyPatch, file_format: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = imbtrain("weights", write("a.csv", TABLE), "--format", file_format)
    assert (done.code, done.out) == (2, b"")
    assert done.err == (
        f"error: --format {file_format} is binary, and stdout is a terminal [IMB212]\n"
        f"hint: -o weights.{file_format}, or redirect stdout\n"
    )


def test_the_command_offers_every_format() -> None:
    literal = get_args(get_type_hints(command)["output_format"])[0]
    assert list(get_args(literal)) == ["table", *FORMATS]


BAD_FILES: dict[str, tuple[str, bytes, str, str]] = {
    "empty": ("a.csv", b"", "the file is empty", ""),
    "header only": ("a.csv", b"y,x\n", "a header and no rows", ""),
    "short row": ("a.csv", b"y,x\n1,2\n1\n", "line 3: 1 cell where the header has 2", "quote"),
    "long row": ("a.csv", b"y,x\n1,2,3\n", "line 2: 3 cells where the header has 2", "quote"),
    "duplicate": ("a.csv", b"y,y\n1,2\n", "line 1: two columns are called 'y'", "rename"),
    "three values": ("a.csv", b"y\n1\n0\n2\n", "line 4: column 'y': '2' is not", "--positive"),
    "tsv with commas": ("a.tsv", b"y,x\n1,2\n", "line 1: one column, 'y,x'", "delimiter"),
    "latin1": ("a.csv", b"y,x\n1,\xe9\n", "line 2: not UTF-8: byte 0xe9", "iconv"),
    "no label": ("a.csv", b"a,b\n1,7\n", "the columns are a, b", "--labels NAME"),
    "unclosed quote": ("a.csv", b'y\n"1\n0\n', "line 2: a quote that never closes", '("")'),
    "broken gzip": ("a.csv.gz", b"y\n1\n", "it begins with b'y\\n1\\n', not as", "without .gz"),
    "cut gzip": ("a.csv.gz", gzip.compress(b"y\n1\n")[:-9], "ends too early", "download it again"),
    "cut zstd": ("a.csv.zst", zstandard.compress(b"y\n1\n")[:-1], "ends too early", "download"),
    "parquet": ("a.parquet", b"y\n1\n", "not a Parquet file", ""),
    "npy": ("a.npy", b"y\n1\n", "not a .npy file that can be read", "copy, download or write it"),
    "suffix": ("a.docx", b"y\n1\n", "neither the suffix '.docx' nor the first bytes", "parquet"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_input_exits_2_with_one_line_and_writes_nothing(
    imbtrain: RunCommand, write: WriteFile, tmp_path: Path, case: str
) -> None:
    name, content, problem, hint = BAD_FILES[case]
    path, output = write(name, content), tmp_path / "w.csv"
    for arguments in ([], ["-o", str(output)]):
        done = imbtrain("weights", path, *arguments)
        assert (done.code, done.out) == (2, b"")
        error, *hints = done.err.splitlines()
        assert error.startswith(f"error: {path}: ")
        assert problem in error
        assert len(hints) == bool(hint)
        assert all(line.startswith("hint: ") and hint in line for line in hints)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("case", ["empty", "header only", "short row", "three values", "latin1"])
def test_bad_input_on_stdin_names_stdin(
    imbtrain: RunCommand, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    _, content, problem, _ = BAD_FILES[case]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    done = imbtrain("weights", "-")
    assert (done.code, done.out) == (2, b"")
    assert done.err.startswith("error: stdin: ")
    assert problem in done.err


def test_bad_arguments_exit_2_with_one_line(imbtrain: RunCommand, write: WriteFile) -> None:
    path = write("a.csv", TABLE)
    for arguments, problem in (
        ([], "Missing argument 'SOURCE'."),
        ([path, "--strategy", "ratios"], "'ratios' is not one of 'ratio', 'sqrt'"),
        ([path, "--cap", "many"], "'many' is not a valid float"),
        ([path, "--cap", "-1"], "cap must be a finite number above 0, not -1.0"),
        ([path, "--smoothing", "-2"], "smoothing must be a finite number from 0 up, not -2.0"),
        ([path, "--beta", "0.9"], "--beta 0.9 goes with --strategy effective, not ratio"),
        ([path, "--strategy", "effective", "--beta", "1"], "beta must be at least 0 and below 1"),
        ([path, "--format", "xml"], "'xml' is not one of 'table', 'csv'"),
        ([path, "--labels", "y_c"], "no column 'y_c'; the columns are y_a, y_b, x"),
        ([path, "--lables", "y_a"], "No such option: --lables"),
        ([path + "x"], f"{path}x: "),
        ([str(Path(path).parent)], "is a directory, and no Parquet file is in it"),
        (["--merge", path], "line 1: not JSON"),
    ):
        done = imbtrain("weights", *arguments)
        assert (done.code, done.out) == (2, b"")
        error, *hints = done.err.splitlines()
        assert error.startswith("error: ")
        assert problem in error
        assert len(hints) <= 1


def test_the_source_may_be_any_format(imbtrain: RunCommand, tmp_path: Path) -> None:
    values = np.array([[1, 0], [0, 0], [1, 1], [0, 0]])
    frame = pl.DataFrame(values, schema=["y_0", "y_1"], orient="row")
    frame.write_csv(tmp_path / "a.csv")
    frame.write_csv(tmp_path / "a.tsv", separator="\t")
    frame.write_parquet(tmp_path / "a.parquet")
    np.save(tmp_path / "a.npy", values)
    content = (tmp_path / "a.csv").read_bytes()
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(content))
    (tmp_path / "b.csv.zst").write_bytes(zstandard.compress(content))
    (tmp_path / "b.tsv.gz").write_bytes(gzip.compress(content.replace(b",", b"\t")))
    outputs = {imbtrain("weights", path).out for path in tmp_path.iterdir()}
    assert len(outputs) == 1
    assert b"y_0,2,2,0,0.5,1.0\ny_1,1,3,0,0.25,3.0\n" in outputs.pop()


LISTS_MODULES = """
import sys
from imbalance_cli.cli.app import main
code = main(sys.argv[1:])
sys.stderr.write(",".join(sorted({name.split(".")[0] for name in sys.modules})))
sys.exit(code)
"""


def modules_after(*arguments: str) -> set[str]:
    """Run a command in a fresh process and return the top-level modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", LISTS_MODULES, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split(","))


SLOW_MODULES = {"torch", "pandas", "matplotlib", "sklearn", "scipy", "pydantic"}


def test_weights_never_loads_torch_pandas_or_matplotlib(write: WriteFile, tmp_path: Path) -> None:
    small, big = write("a.csv", TABLE), write("b.csv", "y,x\n" + "1,ab\n0,cd\n" * 20_000)
    pl.DataFrame({"y": [0, 1]}).write_parquet(tmp_path / "c.parquet")
    assert not modules_after("--version") & (SLOW_MODULES | {"numpy", "polars", "rich", "yaml"})
    assert not modules_after("weights", small) & (SLOW_MODULES | {"numpy", "polars", "yaml"})
    assert not modules_after("weights", big) & (SLOW_MODULES | {"polars"})
    assert not modules_after("weights", str(tmp_path / "c.parquet")) & SLOW_MODULES
    for name in FORMATS:
        output = str(tmp_path / f"w.{name}")
        assert not modules_after("weights", small, "-o", output) & SLOW_MODULES
    assert not modules_after("weights", small, "--format", "table") & SLOW_MODULES


SHOWS_PEAK = """
import sys
from pathlib import Path
from imbalance_cli.cli.app import main
from imbalance_cli.readers import delimited
delimited.COUNTED_BLOCK = 2**18  # so that a file of modest size has many blocks
code = main(sys.argv[1:])
status = Path("/proc/self/status").read_text()
sys.stderr.write(status.split("VmHWM:")[1].split()[0])
sys.exit(code)
"""


def peak_megabytes(source: str, stdin: Path | None = None) -> float:
    """Return the most memory that counting a source took."""
    with (stdin or Path(source)).open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", SHOWS_PEAK, "weights", source],
            stdin=file,
            capture_output=True,
            check=True,
        )
    return int(done.stderr.splitlines()[-1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
@pytest.mark.parametrize(
    "kind", ["digits", "digits.gz", "digits on stdin", "text", "text on stdin"]
)
def test_memory_stays_flat_as_the_file_grows(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    labels = [",".join(row) for row in rng.integers(0, 2, (1000, 8)).astype(str).tolist()]
    names = ",".join(f"y_{i}" for i in range(8))
    if kind.startswith("digits"):
        header, lines = names, "\n".join(labels) + "\n"
    else:
        header = f"text,{names}"
        lines = "".join(f"some words {i:04},{row}\n" for i, row in enumerate(labels))
    if kind.startswith("text"):
        lines = lines.replace(",1", ",yes").replace(",0", ",no")
    peaks = []
    for megabytes in (8, 64):
        content = (header + "\n" + lines * (megabytes * 2**20 // len(lines))).encode()
        path = tmp_path / "a.csv"
        if kind.endswith(".gz"):
            path = tmp_path / "a.csv.gz"
            content = gzip.compress(content, 1)
        path.write_bytes(content)
        del content
        peaks.append(peak_megabytes("-", path) if "stdin" in kind else peak_megabytes(str(path)))
    assert peaks[1] - peaks[0] < 24, peaks


@pytest.mark.parametrize("encoding", ["binary", "one_vs_rest"])
def test_a_row_that_outweighs_the_others_is_told(
    imbtrain: RunCommand, write: WriteFile, encoding: str
) -> None:
    rows = "".join(f"{i % 4 == 0:d},{1e7 if i == 3 else 1}\n" for i in range(1_000))
    options = ("--labels", "y", "--encoding", encoding, "--sample-weight", "w")
    outcome = imbtrain("weights", write("a.csv", "y,w\n" + rows), *options)
    assert outcome.code == 0
    assert outcome.err == (
        "warning: column 'w': one row of 1,000 has 100 % of all sample weight (10,000,000): what "
        "is counted, learned and measured depends on that row [IMB114]\n"
    )
