"""Fixtures that many tests share."""

from __future__ import annotations

import dataclasses
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import hypothesis
import pytest
import typer.main
from small_runs import multi_run, single_run  # noqa: F401  fixtures

from imbalance_cli.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Iterator

hypothesis.settings.register_profile("no clock", deadline=None)  # machines are busy now and then
hypothesis.settings.load_profile("no clock")

GOLDEN = Path(__file__).parent / "golden"


@dataclasses.dataclass(frozen=True)
class Done:
    """What a command left behind: its exit code and both streams."""

    code: int
    out: bytes
    err: str


class RunCommand(Protocol):
    """Runs `imbtrain` inside this process."""

    def __call__(self, *arguments: str | Path) -> Done:
        """Return what the command left behind."""
        ...


class WriteFile(Protocol):
    """Writes a file into the test's own directory."""

    def __call__(self, name: str, content: str | bytes) -> str:
        """Return the path of the file."""
        ...


class CompareGolden(Protocol):
    """Compares bytes with a file in tests/golden."""

    def __call__(self, name: str, content: bytes) -> None:
        """Assert that they are equal; with IMBTRAIN_GOLDEN=write, make them so."""
        ...


@pytest.fixture(scope="session", autouse=True)
def _commands_are_built_once() -> Iterator[None]:
    """Keep what Typer makes of the commands' functions, at every call of the command anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture
def imbtrain(capfdbinary: pytest.CaptureFixture[bytes]) -> RunCommand:
    """Run `imbtrain` inside this process."""

    def run(*arguments: str | Path) -> Done:
        capfdbinary.readouterr()
        code = main([str(argument) for argument in arguments])
        streams = capfdbinary.readouterr()
        return Done(code, streams.out, streams.err.decode())

    return run


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Write a file into the test's own directory."""

    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


@pytest.fixture
def golden() -> CompareGolden:
    """Compare bytes with a file in tests/golden."""

    def compare(name: str, content: bytes) -> None:
        path = GOLDEN / name
        if os.environ.get("IMBTRAIN_GOLDEN") == "write":
            path.write_bytes(content)
        assert content.decode() == path.read_bytes().decode()

    return compare
