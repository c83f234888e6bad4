"""Files behind URLs, each fetched once into a temporary file, which is read as any other file is.

So whatever holds of files holds of URLs: several passes see the same bytes, and errors name a line.
"""

from __future__ import annotations

import atexit
import contextlib
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from imbalance_cli.errors import SourceError
from imbalance_cli.progress import Stage, tell_reading
from imbalance_cli.readers.downloads import (
    explain_failure,
    explain_silence,
    open_store,
    patience_for,
    read_store,
    read_web,
)
from imbalance_cli.readers.urls import WEB, scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imbalance_cli.readers.downloads import Heard

LONGEST_NAME = 100  # characters of a temporary file's name
Made = TypeVar("Made")

_files: dict[str, Path] = {}  # by the name of the URL
_names: dict[Path, str] = {}  # of those files
_lists: dict[str, list[str]] = {}  # by the glob or directory; all passes are over the same files


def local_file(name: str) -> Path:
    """Return the path of a file: its name, or where what a URL stands for was fetched to.

    Args:
        name: of a source, as of `name_url`.

    Raises:
        DependencyError: the package that reads the URL is not installed.
        SourceError: it is not there, may not be read, or its server does not answer.
    """
    scheme = scheme_of(name)
    if scheme is None:
        return Path(name)
    if name not in _files:
        import shutil
        import tempfile

        folder = Path(tempfile.mkdtemp(prefix="imbtrain-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = folder / (
            re.sub(r"[^\w.-]", "_", name.rpartition("/")[2])[-LONGEST_NAME:] or "table"
        )
        read = read_web if scheme in WEB else read_store
        _hear(name, lambda heard: read(name, path, heard))
        size = path.stat().st_size
        tell_reading.get()(Stage(f"fetching {name}", size, size, "bytes"))
        _files[name], _names[path] = path, name
    return _files[name]


def name_of(path: Path) -> str:
    """Return the name of a source that is read from a file: of one that was fetched its URL."""
    return _names.get(path, str(path))


def forget_fetched() -> None:
    """Have every URL fetched again when it is next read."""
    for path in _files.values():
        path.unlink(missing_ok=True)
    _files.clear()
    _lists.clear()


def list_files(name: str) -> list[str]:
    """Return the files of a store that a glob matches, or that are below a name that ends in /.

    Raises:
        DependencyError: as of `local_file`.
        SourceError: as of `local_file`, or there is none.
    """
    if name in _lists:
        return _lists[name]

    def find(_: Heard) -> list[str]:
        store = open_store(name)
        if name.endswith("/"):
            return list(store.find(name))
        found = store.glob(name, detail=True)
        folders = [path for path, about in found.items() if about["type"] == "directory"]
        return [*(found.keys() - folders), *(file for path in folders for file in store.find(path))]

    files = sorted(f"{scheme_of(name)}://{path}" for path in set(_hear(name, find)))
    if not files:
        raise SourceError(f"{name}: no file {'is below it' if name.endswith('/') else 'matches'}")
    _lists[name] = files
    return files


def _hear(name: str, work: Callable[[Heard], Made]) -> Made:
    """Return what work in a thread comes to, as long as something is heard of it.

    No library has one limit for all that can keep it waiting: names of servers, connections,
    credentials, tries again. So the thread is left alone once it has been silent for too long.

    Raises:
        ImbtrainError: in place of whatever the work raised.
    """
    import queue

    news: queue.SimpleQueue[Stage | Exception | tuple[Made]] = queue.SimpleQueue()

    def heard(done: int, total: int | None) -> None:
        if done != total:  # `local_file` says when all of it has come
            news.put(Stage(f"fetching {name}", done, total, "bytes"))

    def run() -> None:
        try:
            news.put((work(heard),))
        except Exception as error:  # noqa: BLE001  raised again by who waits
            news.put(error)

    with _logged() as logged:
        threading.Thread(target=run, daemon=True).start()
        while True:
            try:
                last = news.get(timeout=patience_for(name))
            except queue.Empty:
                problem, hint = explain_silence(name, *logged[-1:])
                raise SourceError(f"{name}: {problem}", hint=hint) from None
            if isinstance(last, Stage):
                tell_reading.get()(last)
            elif isinstance(last, Exception):
                raise explain_failure(name, last) from last
            else:
                return last[0]


@contextlib.contextmanager
def _logged() -> Iterator[list[str]]:
    """Keep the first lines of what libraries warn of, which else is written to stderr."""
    import logging

    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(  # type: ignore[method-assign]
        record.getMessage().partition("\n")[0]
    )
    logging.getLogger().addHandler(handler)
    try:
        yield lines
    finally:
        logging.getLogger().removeHandler(handler)
