"""The `imbtrain` command: the list of its subcommands and the one error boundary."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from imbalance_cli import __version__
from imbalance_cli.cli.check import check
from imbalance_cli.cli.compare import compare
from imbalance_cli.cli.evaluate import evaluate
from imbalance_cli.cli.explain import explain
from imbalance_cli.cli.export import export
from imbalance_cli.cli.fit import fit
from imbalance_cli.cli.init import init
from imbalance_cli.cli.inspect import inspect
from imbalance_cli.cli.memory import explain_exhaustion, refuse_half_loaded_libraries
from imbalance_cli.cli.predict import predict
from imbalance_cli.cli.reading import tell_slow_reading
from imbalance_cli.cli.report import report
from imbalance_cli.cli.schema import schema
from imbalance_cli.cli.search import search
from imbalance_cli.cli.stability import stability
from imbalance_cli.cli.weights import weights
from imbalance_cli.codes import ERRORS, with_code
from imbalance_cli.errors import ImbtrainError, escape_name, shorten
from imbalance_cli.progress import tell_reading

if TYPE_CHECKING:
    from collections.abc import Sequence

UTF_8 = frozenset({"utf-8", "utf8"})
DONE, OUR_FAULT, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT)
LONGEST_MESSAGE = 4_000  # characters, whatever the names of columns are

app = typer.Typer(
    name="imbtrain",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    weights,
    inspect,
    init,
    check,
    fit,
    compare,
    search,
    report,
    evaluate,
    predict,
    explain,
    export,
    stability,
    schema,
):
    # the whole first line, which Typer would cut
    app.command(short_help=str(_command.__doc__).partition("\n")[0])(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imbtrain {__version__}")
        raise typer.Exit


@app.callback()
def imbtrain(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Positive weights, a trained model and per-label numbers for rare positives.

    imbtrain help COMMAND shows what a command takes. Results go to stdout; progress, warnings and
    errors to stderr. Exit codes: 0 done, 2 what was given is wrong, 1 a fault of imbtrain,
    130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if given[0] == "help":
        given = [*given[1:], "--help"]
    if sys.stdout is None:
        closed = _Failure("stdout is closed", "redirect it to a file", WRONG_INPUT)
        return _fail(closed, given)
    streams = sys.stdout, sys.stderr
    _let_threads_sleep()
    interrupts = _Interrupts()
    refuse_half_loaded_libraries()
    telling = tell_reading.set(tell_slow_reading(given, as_json=_asks_for_json(given)))
    try:
        for stream in streams:
            if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() not in UTF_8:
                stream.reconfigure(errors="replace")  # what it lacks; results are bytes
        code = app(args=given, prog_name="imbtrain", standalone_mode=False, obj=given)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # Typer exits on a broken pipe, with wrapped streams
        sys.stdout, sys.stderr = streams
        _drop_unwritten()
        return DONE
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001  the boundary: whatever is left is our fault
        _drop_unwritten()
        if not interrupts.seen:
            return _fail(_explain(error, given), given)
        code = INTERRUPTED  # a library that was being imported turned it into an error of its own
    finally:
        interrupts.release()
        tell_reading.reset(telling)
    if code == INTERRUPTED:  # also Typer's word for a KeyboardInterrupt
        return _fail(_Failure("interrupted", None, INTERRUPTED), given)
    return code if isinstance(code, int) else DONE


def _let_threads_sleep() -> None:
    """Have torch's threads, which are yet to be started, sleep where they wait for each other.

    GNU OpenMP lets them spin for milliseconds, which where other programs run is longer than the
    work they share: a step of training took ten times as long there. A setting of the
    environment is kept.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


class _Interrupts:
    """Watches for Ctrl-C and SIGTERM: one ends the command, a second this process at once."""

    def __init__(self) -> None:
        self.seen = False
        self._before = {
            number: before
            for number in (signal.SIGINT, signal.SIGTERM)
            if threading.current_thread() is threading.main_thread()  # which alone may set handlers
            and (before := signal.getsignal(number)) in (signal.default_int_handler, signal.SIG_DFL)
        }
        for number in self._before:
            signal.signal(number, self._interrupt)

    def release(self) -> None:
        """Leave both to Python again, unless one came: the next one may come at exit."""
        if not self.seen:
            for number, before in self._before.items():
                signal.signal(number, before)

    def _interrupt(self, *_: object) -> None:
        if self.seen:
            os._exit(INTERRUPTED)
        self.seen = True
        raise KeyboardInterrupt


class _Failure(NamedTuple):
    """What is said of a failure; `error` is set where its traceback is shown."""

    message: str
    hint: str | None
    exit_code: int
    error: Exception | None = None
    code: str | None = None


def _explain(error: Exception, given: Sequence[str]) -> _Failure:
    shown = error if "--debug" in given else None
    match error:
        case ImbtrainError():
            code, _ = ERRORS[type(error).__name__]
            return _Failure(error.message, error.hint, WRONG_INPUT, shown, code)
        case typer.TyperException():
            hint = f"{_command_path(error, given)} --help"
            return _Failure(error.format_message(), hint, WRONG_INPUT)
        case typer.Abort() if isinstance(error.__cause__, Exception):  # Typer makes an EOFError one
            return _explain(error.__cause__, given)
        case OSError(errno=number) if number in UNWRITABLE and error.filename is None:
            problem = f"stdout: cannot be written: {error.strerror}"
            return _Failure(problem, None, WRONG_INPUT, shown, "IMB212")
        case _ if exhaustion := explain_exhaustion(error):
            return _Failure(*exhaustion, WRONG_INPUT, shown)
        case _:
            problem = f"a fault of imbtrain {__version__}: {type(error).__name__}: {error}"
            return _Failure(problem, "please report it with the traceback", OUR_FAULT, error)


def _command_path(error: typer.TyperException, given: Sequence[str]) -> str:
    """Return the command that an error is of, which not every error of Typer knows itself."""
    context = getattr(error, "ctx", None)
    if context:
        return str(context.command_path)
    commands = {getattr(command.callback, "__name__", "") for command in app.registered_commands}
    return f"imbtrain {given[0]}" if given[0] in commands else "imbtrain"


def _fail(failure: _Failure, given: Sequence[str]) -> int:
    """Write an error as lines, or as one event where the log was asked for as JSON."""
    from imbalance_cli.readers.urls import hide_credentials

    message = hide_credentials(shorten(" ".join(failure.message.split()), LONGEST_MESSAGE))
    shown = "" if failure.error is None else "".join(traceback.format_exception(failure.error))
    shown = hide_credentials(shown)
    if _asks_for_json(given):
        from imbalance_cli.cli.events import write_event

        extra = {"traceback": shown} if shown else {}
        write_event(
            "error",
            message=message,
            hint=failure.hint,
            code=failure.code,
            exit_code=failure.exit_code,
            **extra,
        )
        return failure.exit_code
    sys.stderr.write(f"{shown}error: {with_code(escape_name(message), failure.code)}\n")
    if failure.hint:
        sys.stderr.write(f"hint: {escape_name(failure.hint)}\n")
    return failure.exit_code


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks for the log as JSON, also one with mistakes in it."""
    values = [
        after if argument == "--log-format" else argument.removeprefix("--log-format=")
        for argument, after in zip(arguments, [*arguments[1:], ""], strict=True)
        if argument == "--log-format" or argument.startswith("--log-format=")
    ]
    return values[-1:] == ["json"]


def _drop_unwritten() -> None:
    """Point stdout at nothing if it takes no more, so that Python does not fail on it at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


if __name__ == "__main__":
    sys.exit(main())
