"""The error boundary: exit codes, streams, and what a closed pipe does."""

from __future__ import annotations

import errno
import importlib
import io
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from small_runs import run_command

import imbalance_cli.labels
from imbalance_cli import __version__
from imbalance_cli.cli.app import app, main

if TYPE_CHECKING:
    from conftest import RunCommand, WriteFile

IMBTRAIN = [sys.executable, "-m", "imbalance_cli"]


def test_version_and_help(imbtrain: RunCommand) -> None:
    done = imbtrain("--version")
    assert (done.code, done.out.decode(), done.err) == (0, f"imbtrain {__version__}\n", "")
    for arguments in ((), ("--help",), ("-h",)):
        done = imbtrain(*arguments)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(b"Usage: imbtrain [OPTIONS] COMMAND")
    assert imbtrain("weights", "--help").out.startswith(b"Usage: imbtrain weights [OPTIONS]")


def test_the_package_runs_as_the_command_does(imbtrain: RunCommand, write: WriteFile) -> None:
    path = write("a.csv", "y\n1\n0\n")
    for arguments in (["--help"], ["weights", "--help"], ["weights", path], ["weights", "b.csv"]):
        done = subprocess.run(
            [sys.executable, "-m", "imbalance_cli", *arguments], capture_output=True, check=False
        )
        ours = imbtrain(*arguments)
        assert (done.returncode, done.stdout, done.stderr.decode()) == (
            ours.code,
            ours.out,
            ours.err,
        )


def test_help_of_a_command_by_its_name(imbtrain: RunCommand) -> None:
    assert imbtrain("help").out == imbtrain("--help").out
    assert imbtrain("help", "fit").out == imbtrain("fit", "--help").out
    _, commands = imbtrain("help").out.decode().split("Commands:")
    assert "..." not in commands  # no summary is cut


def test_a_wrong_argument_points_to_the_help(imbtrain: RunCommand) -> None:
    for arguments, error, hint in (
        (["wieghts"], "No such command 'wieghts'.", "imbtrain --help"),
        (["--verbose"], "No such option: --verbose", "imbtrain --help"),
        (["weights", "a.csv", "--smooth"], "--smooth", "imbtrain weights --help"),
        (["report", "runs/a", "--sort"], "--sort", "imbtrain report --help"),
    ):
        done = imbtrain(*arguments)
        lines = done.err.splitlines()
        assert (done.code, done.out) == (2, b"")
        assert lines[0].startswith("error: ")
        assert error in lines[0]
        assert lines[1:] == [f"hint: {hint}"]


@pytest.mark.parametrize(
    "fault", [ZeroDivisionError("by\nnought"), EOFError("gone"), OSError(5, "io")]
)
def test_a_fault_of_ours_exits_1_with_a_traceback(
    imbtrain: RunCommand, write: WriteFile, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*_arguments: object) -> None:
        raise fault

    monkeypatch.setattr(imbalance_cli.labels, "count_sources", fail)
    done = imbtrain("weights", write("a.csv", "y\n1\n"))
    lines = done.err.splitlines()
    assert (done.code, done.out) == (1, b"")
    assert "Traceback (most recent call last):" in lines
    assert lines[-2].startswith(
        f"error: a fault of imbtrain {__version__}: {type(fault).__name__}: "
    )
    assert lines[-1] == "hint: please report it with the traceback"


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    ],
)  # fmt: skip
def test_too_little_memory_is_said_in_one_line(
    imbtrain: RunCommand,
    write: WriteFile,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    *,
    debug: bool,
) -> None:
    def fail(*_arguments: object) -> None:
        raise fault

    monkeypatch.setattr(imbalance_cli.labels, "count_sources", fail)
    done = imbtrain("weights", write("a.csv", "y\n1\n"), *(["--debug"] if debug else []))
    assert (done.code, done.out) == (2, b"")
    assert ("Traceback" in done.err) is debug
    assert done.err.splitlines()[-2:] == [
        "error: the memory does not suffice",
        "hint: a smaller training.batch_size, fewer model.members, or fewer rows",
    ]


@pytest.mark.parametrize(
    "fault",
    [
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        ImportError("libx.so: cannot open shared object file: Cannot allocate memory"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        UserWarning("Polars binary is missing!"),
    ],
)
@pytest.mark.parametrize("limit", [None, 700_000_000])
def test_too_little_memory_for_the_libraries(
    imbtrain: RunCommand,
    write: WriteFile,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    limit: int | None,
) -> None:
    def fail(*_arguments: object) -> None:
        raise ImportError("of a module") from fault

    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit or unlimited, unlimited))
    monkeypatch.setattr(imbalance_cli.labels, "count_sources", fail)
    done = imbtrain("weights", write("a.csv", "y\n1\n"))
    assert (done.code, done.out) == (2, b"")
    raised = "hint: raise the limit of this shell, 700 MB (ulimit -v)"
    assert done.err.splitlines() == [
        "error: the memory does not suffice to load the libraries",
        raised if limit else "hint: run it where more memory is free",
    ]


def test_a_limit_that_the_libraries_do_not_fit_into(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x,y\n" + "1,0\n2,1\n" * 50)
    config = tmp_path / "c.yaml"
    config.write_text(f"data: {{train: {table}}}\n")
    command = ["bash", "-c", f"ulimit -v 250000 && exec {shlex.join(IMBTRAIN)} fit {config}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    *_, error, hint = done.stderr.splitlines()
    assert error == "error: the memory does not suffice to load the libraries"
    assert hint == "hint: raise the limit of this shell, 256 MB (ulimit -v)"


@pytest.mark.parametrize("fault", [MemoryError, SystemError])
@pytest.mark.parametrize("limit", [None, 700_000_000])
def test_a_module_that_does_not_fit(
    imbtrain: RunCommand,
    write: WriteFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: type[Exception],
    limit: int | None,
) -> None:
    (tmp_path / "large_module.py").write_text(f"raise {fault.__name__}\n")
    monkeypatch.syspath_prepend(tmp_path)

    def load(*_arguments: object) -> None:
        importlib.import_module("large_module")

    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit or unlimited, unlimited))
    monkeypatch.setattr(imbalance_cli.labels, "count_sources", load)
    done = imbtrain("weights", write("a.csv", "y\n1\n"))
    is_memory = fault is MemoryError or limit is not None
    assert done.code == (2 if is_memory else 1)
    assert ("error: the memory does not suffice to load the libraries" in done.err) is is_memory


def test_a_limit_is_named_where_memory_runs_out(
    imbtrain: RunCommand, write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise MemoryError

    limits = {resource.RLIMIT_AS: resource.RLIM_INFINITY, resource.RLIMIT_DATA: 2_000_000_000}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limits[which], 0))
    monkeypatch.setattr(imbalance_cli.labels, "count_sources", fail)
    done = imbtrain("weights", write("a.csv", "y\n1\n"))
    assert done.err.splitlines()[-1].startswith(
        "hint: raise the limit of this shell, 2,000 MB (ulimit -d); or a smaller training."
    )


def test_an_interrupt_exits_130(
    imbtrain: RunCommand, write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(imbalance_cli.labels, "count_sources", interrupt)
    done = imbtrain("weights", write("a.csv", "y\n1\n"))
    assert (done.code, done.out, done.err.strip()) == (130, b"", "error: interrupted")
    monkeypatch.setattr(sys.modules["imbalance_cli.cli.app"], "app", interrupt)
    assert imbtrain("weights").code == 130


def test_an_interrupt_signal_exits_130() -> None:
    process = subprocess.Popen(
        [*IMBTRAIN, "weights", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(b"y,x\n" + b"1,2\n" * 50_000)  # more than a pipe holds: it is reading
    process.stdin.flush()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err.decode().strip()) == (130, b"", "error: interrupted")


def test_an_interrupt_while_the_command_is_imported() -> None:
    """No traceback shows, whatever module is half loaded."""
    program = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from imbalance_cli.__main__ import main\n"
        "sys.exit(main())\n"
    )
    command = [sys.executable, "-c", program, "--version"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"error: interrupted\n")


def test_an_interrupt_that_an_import_swallows_is_one_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "swallowing.py").write_text(
        "import os, signal\n"
        "from imbalance_cli.cli import app\n"
        "def import_it(*_, **__):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    except KeyboardInterrupt:\n"
        "        raise ImportError('half a module') from None\n"
        "app.app = import_it\n"
        "code = app.main(['weights', 'x.csv'])\n"
        "if 'TWICE' in os.environ:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "raise SystemExit(code)\n"
    )
    for more in ({}, {"TWICE": "1"}):
        done = subprocess.run(
            [sys.executable, tmp_path / "swallowing.py"],
            env=os.environ | more,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr.decode()) == (130, "error: interrupted\n")


def test_debug_shows_the_traceback(imbtrain: RunCommand) -> None:
    plain, debug = imbtrain("weights", "no.csv"), imbtrain("weights", "no.csv", "--debug")
    assert "Traceback" not in plain.err
    assert "Traceback" in debug.err
    assert debug.err.splitlines()[-1] == plain.err.splitlines()[-1]
    assert (plain.code, debug.code) == (2, 2)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["weights", "{}"], ["weights", "{}", "--format", "table"]]
)
def test_a_reader_that_leaves_early_ends_it_quietly(write: WriteFile, arguments: list[str]) -> None:
    columns = ",".join(f"y_{i}" for i in range(5000))  # more output than a pipe holds
    path = write("a.csv", f"{columns}\n{','.join(['1'] * 5000)}\n{','.join(['0'] * 5000)}\n")
    process = subprocess.Popen(
        [*IMBTRAIN, *[argument.format(path) for argument in arguments]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), error) == (0, b"")


def test_a_pipe_closed_before_anything_is_written(write: WriteFile) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*IMBTRAIN, "weights", write("a.csv", "y\n1\n0\n")],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def run_in_shell(command: str, path: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command with its streams as a shell sets them."""
    return subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m imbalance_cli.cli.app weights {command}', sys.executable, path],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110  a mark
def test_a_full_disk_is_said_in_one_line(write: WriteFile) -> None:
    done = run_in_shell('"$1" > /dev/full', write("a.csv", "y\n1\n0\n"))
    assert done.returncode == 2
    assert done.stderr == "error: stdout: cannot be written: No space left on device [IMB212]\n"
    command = shlex.join([*IMBTRAIN, "--help"])
    done = subprocess.run(
        ["sh", "-c", f"{command} > /dev/full"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "error: stdout: cannot be written: No space left on device [IMB212]\n"


def test_closed_streams_are_said_in_one_line(write: WriteFile) -> None:
    path = write("a.csv", "y\n1\n0\n")
    done = run_in_shell('"$1" >&-', path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: stdout is closed")
    done = run_in_shell("- <&-", path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: stdin is closed [IMB202]")


def test_a_command_may_return_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["imbalance_cli.cli.app"], "app", lambda **_: 2)
    assert main(["weights"]) == 2


def test_every_command_is_registered() -> None:
    names = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert {"weights", "fit", "compare", "search", "evaluate", "predict", "stability"} <= names


def test_no_stdout_at_all(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["--version"]) == 2
    assert capsys.readouterr().err.startswith("error: stdout is closed\n")


class Full(io.TextIOWrapper):
    """A stdout that takes nothing more."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("wb"))
        self.fails = True

    def flush(self) -> None:
        """Fail, until the file behind is another one."""
        if self.fails:
            self.fails = False
            raise BrokenPipeError


@pytest.mark.parametrize("pipe_error", [BrokenPipeError(), SystemExit(1)])
def test_a_closed_pipe_is_pointed_at_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipe_error: BaseException
) -> None:
    def leave(**_: object) -> None:
        raise pipe_error

    monkeypatch.setattr(sys.modules["imbalance_cli.cli.app"], "app", leave)
    with Full(tmp_path / "out") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["weights"]) == 0
        assert sys.stdout is stdout
        os.write(stdout.fileno(), b"nobody reads this")
        monkeypatch.undo()
    assert (tmp_path / "out").read_bytes() == b""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "1000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, None),
    ],
)
def test_threads_that_wait_sleep_soon_unless_somebody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str | None
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert main(["--version"]) == 0
    assert os.environ.get("GOMP_SPINCOUNT") == expected


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_an_encoding_lacks_is_replaced(encoding: str) -> None:
    data = str(Path(__file__).parents[2] / "data" / "flights.csv")
    command = [sys.executable, "-m", "imbalance_cli", "weights", data, "--labels", "cancelled"]
    done = subprocess.run(
        [*command, "--format", "table"],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    assert b"5.05 % ??????" in done.stdout
    assert not done.stderr


def test_names_cannot_write_to_the_terminal(write: WriteFile) -> None:
    path = write("t.csv", "y\x1b[31m,z\x07\n1,2\n1,1\n")
    table = run_command("weights", path, "--labels", "y*", "--format", "table")
    failed = run_command("weights", path, "--labels", "a")
    for text in (table.text, table.err, failed.err):
        assert "\x1b" not in text
        assert "\x07" not in text
    assert "y\\x1b[31m" in table.text
    assert "y\\x1b[31m" in table.err
    assert "z\\x07" in failed.err
