"""The run directory: what `fit` leaves behind, written whole or not at all, and read with care.

Nothing in it is a pickle. run.json holds the checksum of every other file that a run is read
from, and one of itself.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbalance_cli.errors import OutputError, RunError, explain_write
from imbalance_cli.yaml_text import parse_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import torch

    from imbalance_cli.config import Config

FORMAT_VERSION = 5
CONFIG, MODEL, RUN, CHECKPOINT = "config.yaml", "model.safetensors", "run.json", "checkpoint"
METRICS_JSON, METRICS_CSV, HISTORY = "metrics.json", "metrics.csv", "history.csv"
PREDICTIONS = "predictions.parquet"
REPORT, MODEL_CARD, PLOTS = "report.html", "model_card.md", "plots"  # drawn from the others
COMPARISON_JSON, COMPARISON_CSV = "comparison.json", "comparison.csv"
EXPLANATION = "explanation.json"  # what `explain` found by the run's own rows
ONNX = "model.onnx"
SEARCH, BEST = "search.json", "best.yaml"
CANDIDATES, STUDY = "candidates.jsonl", "search.sqlite"  # what an unfinished search goes on from
ESTIMATOR = "estimator.json"  # the classes that labels were made of, where an estimator was saved
WRITER = ".writer"  # holds the number of the process that writes the run, while it does
NEXT = ".next"  # the run that replaces a finished one, until it is whole
ENTRIES = frozenset(
    {
        *(CONFIG, MODEL, RUN, CHECKPOINT, HISTORY, PREDICTIONS, WRITER, NEXT),
        *(METRICS_JSON, METRICS_CSV, COMPARISON_JSON, COMPARISON_CSV, REPORT, MODEL_CARD, PLOTS),
        *(EXPLANATION, ESTIMATOR, ONNX),
        *(SEARCH, BEST, CANDIDATES, STUDY, f"{STUDY}-journal"),
    }
)
NEEDED = (CONFIG, MODEL)  # a run can be used without its other files, but not with changed ones
PARTIAL = ".partial"
MAKES = {
    "model": "imbtrain fit CONFIG --run-dir makes one",
    "comparison": "imbtrain compare CONFIG --run-dir makes one",
    "search": "imbtrain search CONFIG --minutes 10 --run-dir makes one",
}
"""The kinds of runs, and what to do for one."""
REOPENED = ("search",)  # kinds whose finished runs --resume goes on with
TO_MODEL = {
    "comparison": "imbtrain fit --from-compare {} --choose NAME makes a model of it",
    "search": "imbtrain fit --from-search {} makes a model of it",
}


def default_directory(config: Config, kind: str = "") -> Path:
    """Return where a run goes: output.directory / output.name, or a name with the time.

    Args:
        config: names it.
        kind: stands in a name with the time, if it is not a plain run.
    """
    if config.output.name is not None:
        return Path(config.output.directory) / config.output.name
    source = config.data.train[0]
    stem = "stdin" if source == "-" else Path(source).name.partition(".")[0]
    plain = "".join(character for character in stem if character not in "*?[]") or "run"
    now = dt.datetime.now().astimezone()
    stamp = f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03}"
    name = "-".join(part for part in (plain, kind, stamp) if part)
    return Path(config.output.directory) / name


class RunDirectory:
    """A run directory being written. Nothing is touched before `start`.

    Args:
        path: where; parents are made.
        overwrite: whether a run that is there may be replaced, once this one is whole; anything
            else never is.
        resume: whether an unfinished run that is there is gone on with.
        kind: of the run; a finished one of `REOPENED` is gone on with as well.

    Raises:
        OutputError: something is there already, or nothing can be written there.
    """

    def __init__(
        self,
        path: Path,
        *,
        overwrite: bool = False,
        resume: bool = False,
        kind: str = "model",
    ) -> None:
        self.path = path
        self._overwrite, self._resume = overwrite, resume
        self._kind = kind
        self._checksums: dict[str, str] = {}
        with explain_write(path):
            is_whole = (path / NEXT / RUN).is_file()
            if resume and is_whole and _living_writer(path) is None:  # killed on its last way
                _put_in_place(path)
            _check_place(path, kind, overwrite=overwrite, resume=resume)
        is_next = _holds_next(path) if resume else (path / RUN).exists()
        self.place = path / NEXT if is_next else path

    def start(self, kept: Collection[str] = ()) -> None:
        """Make the directory, and take away what an unfinished run left there.

        Of a run that is gone on with, the checkpoints and the history stay.

        Args:
            kept: names of other files that stay of such a run.

        Raises:
            OutputError: it cannot be written.
        """
        with explain_write(self.path):
            # again: reading took its time
            _check_place(self.path, self._kind, overwrite=self._overwrite, resume=self._resume)
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / WRITER).write_text(f"{os.getpid()}\n")
            self.place.mkdir(exist_ok=True)
            (self.place / CHECKPOINT).mkdir(exist_ok=True)
            going_on = {HISTORY, *kept} if self._resume else set()
            _clear(self.place, kept={WRITER, CHECKPOINT, *going_on})
            if not self._resume:
                _clear(self.place / CHECKPOINT)

    def write(self, name: str, content: bytes) -> None:
        """Write a file under a temporary name, then rename it.

        Raises:
            OutputError: it cannot be written.
        """
        write_whole(self.place / name, content)
        self._checksums[name] = _sha256(content)

    def write_parts(self, name: str, write: Callable[[Path], None], height: int) -> None:
        """Write a Parquet file out of parts that are written into a folder, in the order of names.

        Args:
            name: of the file.
            write: is given the folder.
            height: rows of a part, which are then written, and later read, at a time.

        Raises:
            OutputError: it cannot be written.
        """
        target = self.place / name
        temporary = target.with_name(f".{target.name}{PARTIAL}")
        with (
            explain_write(target),
            tempfile.TemporaryDirectory(PARTIAL, f".{target.name}.", self.place) as folder,
        ):
            import polars as pl  # noqa: PLC0415  as in `write_tensors`

            write(Path(folder))
            parts = pl.scan_parquet(sorted(Path(folder).iterdir()))
            parts.sink_parquet(temporary, row_group_size=height)
            temporary.replace(target)
        with target.open("rb") as file:
            self._checksums[name] = hashlib.file_digest(file, "sha256").hexdigest()

    def write_tensors(self, name: str, tensors: dict[str, torch.Tensor]) -> None:
        """Write tensors as safetensors."""
        from imbalance_cli.network.state import to_bytes  # noqa: PLC0415  imports torch

        self.write(name, to_bytes(tensors))

    def write_json(self, name: str, document: dict[str, Any]) -> None:
        """Write plain data as JSON; NaN and infinity are refused, as JSON does."""
        self.write(name, _to_json(document))

    def append_lines(self, name: str, lines: Sequence[str]) -> None:
        """Append lines to a file that grows, such as the history.

        They are one write, so that who reads it meanwhile sees whole lines; of more than a page
        the system may show the first pages before the others.

        Raises:
            OutputError: it cannot be written.
        """
        target = self.place / name
        content = "".join(f"{line}\n" for line in lines).encode()
        # a buffer that holds them all is written in one call, when the file is closed
        with explain_write(target), target.open("ab", buffering=len(content) + 1) as file:
            file.write(content)

    def finish(self, document: dict[str, Any], kind: str = "model") -> None:
        """Write run.json, which makes the directory a run of a kind, in place of any before it."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        for name in (HISTORY, CANDIDATES):  # which grew
            if (self.place / name).exists():
                self._checksums[name] = _sha256(_read(self.place / name))
        files = [name for name in self._checksums if name in ENTRIES]
        whole = {
            "format_version": FORMAT_VERSION,
            "kind": kind,
            "created": now,
            **document,
            "checksums": {name: self._checksums[name] for name in sorted(files)},
        }
        self.write_json(RUN, whole | {"checksum": _sha256(_to_json(whole))})
        with explain_write(self.path):
            shutil.rmtree(self.place / CHECKPOINT)
            if self.place != self.path:
                _put_in_place(self.path)
                self.place = self.path  # where a page that is drawn later belongs
            (self.path / WRITER).unlink(missing_ok=True)


def write_drawings(
    path: Path, page: bytes, card: bytes, plots: Iterable[tuple[str, bytes]]
) -> Path:
    """Write the page, the card and the plots of a run anew, and return the page's path.

    They have no checksum: they are made of what has, and can be made again.

    Args:
        path: of the run directory.
        page: the content of REPORT.
        card: the content of MODEL_CARD.
        plots: names and contents of files in PLOTS; others that are there are deleted.

    Raises:
        OutputError: they cannot be written.
    """
    folder = path / PLOTS
    with explain_write(folder):
        folder.mkdir(exist_ok=True)
        before = {entry.name for entry in folder.iterdir()}
    written = set()
    for name, content in plots:
        write_whole(folder / name, content)
        written.add(name)
    with explain_write(folder):
        for name in before - written:
            (folder / name).unlink(missing_ok=True)
    write_whole(path / MODEL_CARD, card)
    write_whole(path / REPORT, page)
    return path / REPORT


def load_run(path: Path, kind: str = "model") -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Read a run.

    Args:
        path: its directory.
        kind: what it must be of.

    Returns:
        The document in run.json and the tensors of the model.

    Raises:
        RunError: it is no run, unfinished, of another kind or format version, or was changed.
    """
    import safetensors.torch  # noqa: PLC0415  run.json alone is read without torch

    document = read_document(path, kind)
    contents = {}
    for name, checksum in document["checksums"].items():
        if name in NEEDED or (path / name).exists():
            contents[name] = _read_whole(path / name, checksum)
    return document, safetensors.torch.load(contents[MODEL])


def read_settings(path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a run as plain data, which loads nothing that checks a config.

    Args:
        path: of the run directory.
        document: what its run.json holds.

    Raises:
        RunError: it cannot be read, or was changed.
    """
    content = _read_whole(path / CONFIG, document["checksums"][CONFIG])
    return parse_mapping(content.decode(), str(path / CONFIG))[0]


def recorded_files(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the files that a run was made of, as `fingerprint_files` has them; none of frames."""
    files: Sequence[Mapping[str, Any]] = (document["data"] or {}).get("files", ())
    return files


def read_document(path: Path, kind: str = "model") -> dict[str, Any]:
    """Return what run.json holds; the files that it has checksums of are not read.

    Args:
        path: of the run directory.
        kind: what it must be of.

    Raises:
        RunError: it is no run, unfinished, of another kind or format version, or was changed.
    """
    if not path.exists():
        raise RunError(f"{path}: no such run directory")
    if not (path / RUN).is_file():
        if (path / CHECKPOINT).is_dir() or (path / NEXT).is_dir():
            command = {"model": "fit", "comparison": "compare", "search": "search"}[kind]
            raise RunError(
                f"{path}: the run was not finished: there is no {RUN}",
                hint=f"imbtrain {command} CONFIG --run-dir {path} --resume goes on with it",
            )
        raise RunError(f"{path}: not a run directory: there is no {RUN}", hint=MAKES[kind])
    document = _read_document(path / RUN)
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        raise RunError(
            f"{path / RUN}: format version {version}, and this imbtrain reads {FORMAT_VERSION}",
            hint=MAKES[kind],
        )
    if not _is_as_written(document):
        raise _changed(path / RUN)
    if document["kind"] != kind:
        raise RunError(
            f"{path}: is a {document['kind']}, and a {kind} is needed",
            hint=TO_MODEL.get(document["kind"], MAKES[kind]).format(path),
        )
    return document


def read_file(path: Path, name: str) -> bytes:
    """Return the content of a file of a run.

    Args:
        path: of the run directory.
        name: of the file.

    Raises:
        RunError: it is not there, or cannot be read.
    """
    if not (path / name).exists():
        raise RunError(f"{path}: there is no {name}", hint=MAKES["model"])
    return _read(path / name)


def write_whole(target: Path, content: bytes, *, lasting: bool = False) -> None:
    """Write a file under a temporary name, then rename it.

    Args:
        target: the file.
        content: all of it.
        lasting: whether it must be on the disk before this returns.

    Raises:
        OutputError: it cannot be written.
    """
    temporary = target.with_name(f".{target.name}{PARTIAL}")
    with explain_write(target):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)  # of a full disk, which it would keep full
            raise
        temporary.replace(target)


def _clear(folder: Path, kept: Collection[str] = ()) -> None:
    """Delete all that a folder holds but some names."""
    for entry in folder.iterdir():
        if entry.name in kept:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _put_in_place(path: Path) -> None:
    """Put a run that is whole in the place of the one before it.

    The old run.json goes first and the new one comes last, and what is killed between can be done
    again.
    """
    new = _read_document(path / NEXT / RUN)["checksums"]
    (path / RUN).unlink(missing_ok=True)
    _clear(path, kept={NEXT, WRITER, *new})
    for entry in sorted((path / NEXT).iterdir(), key=lambda entry: entry.name == RUN):
        entry.replace(path / entry.name)
    (path / NEXT).rmdir()
    (path / WRITER).unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise unless a directory is there, or can be made, and written to.

    Raises:
        OutputError: a file is in the way, or it belongs to someone else.
    """
    above = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not above.is_dir():
        raise OutputError(f"{path}: cannot be written: {above} is a file")
    if not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: cannot be written: {above} is not yours to write to")


def _is_partial(name: str) -> bool:
    """Return whether it is what a writer that was killed left of an entry."""
    return name.endswith(PARTIAL) and any(name.startswith(f".{entry}.") for entry in ENTRIES)


def _check_place(path: Path, kind: str, *, overwrite: bool, resume: bool) -> None:
    """Raise unless a run of a kind can go there."""
    check_writable(path)
    if not path.exists():
        return
    names = {entry.name for entry in path.iterdir()}
    if not names:
        return
    if not names & {RUN, CHECKPOINT, WRITER}:
        raise OutputError(f"{path}: is there already and is not a run", hint="another --run-dir")
    strange = sorted(name for name in names - ENTRIES if not _is_partial(name))
    if strange:
        raise OutputError(
            f"{path}: holds {strange[0]!r}, which is no part of a run", hint="another --run-dir"
        )
    writer = _living_writer(path)
    if writer is not None:
        raise OutputError(
            f"{path}: process {writer} is writing a run there", hint="another --run-dir"
        )
    if RUN not in names and not (overwrite or resume):
        raise OutputError(
            f"{path}: holds an unfinished run already",
            hint="--resume goes on with it, --overwrite replaces it; or another --run-dir",
        )
    is_reopened = (
        kind in REOPENED and RUN in names and _read_document(path / RUN).get("kind") == kind
    )
    if RUN in names and not (overwrite or (resume and (is_reopened or _holds_next(path)))):
        begun = "--resume goes on with the one that was to replace it, " * _holds_next(path)
        begun = "--resume goes on with it, " if is_reopened else begun
        raise OutputError(
            f"{path}: holds a {'finished ' * resume}run already",
            hint=f"{begun}--overwrite replaces it; or another --run-dir",
        )


def _holds_next(path: Path) -> bool:
    """Return whether the run that was to replace a finished one is there, unfinished."""
    return (path / NEXT / CHECKPOINT).is_dir()


def _living_writer(path: Path) -> int | None:
    """Return the process that is writing a run, or None if there is none or it is dead."""
    try:
        process = int((path / WRITER).read_text())
        os.kill(process, 0)  # signal 0 only asks whether the process is there
    except (OSError, ValueError, OverflowError):
        return None
    return None if process == os.getpid() else process


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RunError(f"{path}: a JSON object is needed, not a {type(document).__name__}")
    return document


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error


def not_as_run(path: Path, error: Exception) -> RunError:
    """Return the error of a run.json that holds something else than a run does.

    Args:
        path: of the run directory.
        error: what reading it ended in.
    """
    return RunError(
        f"{path / RUN}: does not hold what a run does: {type(error).__name__}: {error}",
        hint="copy the run again, or make it again",
    )


def _read_whole(path: Path, checksum: str) -> bytes:
    """Return the content of a file that has its checksum."""
    content = _read(path)
    if _sha256(content) != checksum:
        raise _changed(path)
    return content


def _is_as_written(document: dict[str, Any]) -> bool:
    """Return whether run.json has the checksum that it states."""
    stated = {key: value for key, value in document.items() if key != "checksum"}
    try:
        return bool(document.get("checksum") == _sha256(_to_json(stated)))
    except ValueError:  # NaN or the like, which is never written
        return False


def _changed(path: Path) -> RunError:
    return RunError(
        f"{path}: was changed after the run was written: its checksum differs",
        hint="copy the run again, or make it again",
    )


def _to_json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
