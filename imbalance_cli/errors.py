"""The errors the library raises; only cli/ turns them into text and exit codes.

ImbtrainError            something the user gave cannot be used (exit code 2)
├── ConfigError          the YAML, a key in it, or a --set
├── SourceError          a file, stream or array that cannot be read as a table
│   └── NoRowsError      it is a table with no rows
├── LabelError           which columns are labels, or what their cells hold
├── WeightsError         a strategy's parameters, or a weights file
├── SplitError           parts that cannot be cut as asked
├── FeatureError         a column that cannot be made into a feature
├── TrainingError        training that cannot start, or that diverged
├── EvaluationError      predictions and labels that no number can be made of
├── RunError             a run directory that cannot be read
├── ExportError          a run that no ONNX file can stand for
├── OutputError          a place that cannot be written to
└── DependencyError      an option or a source whose extra is not installed

Every message says what is wrong, where, and the value seen; the hint says what to do.
"""

from __future__ import annotations

import contextlib
import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST_SHOWN = 60  # characters of a cell in an error


class ImbtrainError(Exception):
    """What the user gave cannot be used.

    Args:
        message: what is wrong, where, and the value seen, on one line.
        hint: what to do about it, where we know.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(ImbtrainError):
    """The YAML, a key in it, or a --set cannot be used."""


class SourceError(ImbtrainError):
    """A file, stream or array cannot be read as a table."""


class NoRowsError(SourceError):
    """A table has columns and no rows."""


class LabelError(ImbtrainError):
    """No label column was found, or a label cell is not binary."""


class WeightsError(ImbtrainError):
    """A weighting strategy or a weights file cannot be used."""


class SplitError(ImbtrainError):
    """The rows cannot be cut into the parts asked for."""


class FeatureError(ImbtrainError):
    """A column cannot be made into a feature."""


class TrainingError(ImbtrainError):
    """Training cannot start, or diverged."""


class EvaluationError(ImbtrainError):
    """Predictions are no probabilities, or not of the rows that the labels are of."""


class DriftError(ImbtrainError):
    """Rows are unlike those of training, and that was not to be."""


class RunError(ImbtrainError):
    """A run directory is missing, incomplete, changed or of another format version."""


class ExportError(ImbtrainError):
    """A run cannot be an ONNX file, or one that was made gives other numbers than the run."""


class OutputError(ImbtrainError):
    """A file or directory cannot be written."""


class DependencyError(ImbtrainError):
    """An option needs a package of an extra that is not installed.

    Args:
        option: that needs it, or a source that does.
        extra: of imbtrain.
        package: of the extra; None where it has the same name.
    """

    def __init__(self, option: str, extra: str, package: str | None = None) -> None:
        super().__init__(
            f"{option} needs {package or extra}, which is not installed",
            hint=f"pip install 'imbtrain[{extra}]'",
        )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return "did you mean ...?" for the known name closest to `name`, or None if none is."""
    names = list(known)
    in_other_case = [other for other in names if other.casefold() == name.casefold() != ""]
    matches = in_other_case or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else None


def escape_name(name: str) -> str:
    """Return a name or a sentence on one line, what cannot be printed as an escape."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in name
    )


def shorten(text: str, longest: int) -> str:
    """Return the text, its end replaced by ... where it is longer than `longest`."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def number_of(count: int, one: str, many: str | None = None) -> str:
    """Return "1 class", "2,000 classes"; several are called `many`, or `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def show_percent(share: float) -> str:
    """Return 0.0505 as "5.05 %", with three digits at most."""
    return f"{100 * share:.3g} %"


def show_bytes(count: float) -> str:
    """Return 1_530_000 as "1.5 MB", in the largest unit of which there is one."""
    units = {"TB": 1e12, "GB": 1e9, "MB": 1e6}
    unit, size = next(((u, s) for u, s in units.items() if count >= s), ("kB", 1e3))
    return f"{count / size:,.1f} {unit}"


def show_cell(cell: object) -> str:
    """Return a cell as an error shows it, short however much the cell holds."""
    if isinstance(cell, str):
        return repr(shorten(cell, LONGEST_SHOWN))
    return shorten(repr(cell), LONGEST_SHOWN)


@contextlib.contextmanager
def explain_write(target: object) -> Iterator[None]:
    """Turn a failed write into an OutputError; a reader that went away stays what it is.

    Args:
        target: what is written to, for the error.

    Raises:
        OutputError: an OSError was raised inside.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
