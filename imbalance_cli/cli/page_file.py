"""Where `report --output` may write a page: nothing but another page is ever replaced."""

from __future__ import annotations

from pathlib import Path

from imbalance_cli.errors import ConfigError, explain_write

ENDINGS = (".html", ".htm")
GENERATOR = b'<meta name="generator" content="imbtrain '  # in the head of every page
HEAD = 4096  # bytes that hold it


def check_page_file(output: Path | None) -> None:
    """Raise unless a page may be written to a file; a device or a named pipe takes any content.

    Raises:
        ConfigError: the name is not that of a page, or the file is part of a run, or holds
            something else.
        OutputError: what is there cannot be read, and so is not replaced.
    """
    if output is None or (output.exists() and not output.is_file()):
        return  # to write to a directory fails by itself
    if output == Path("-"):
        raise ConfigError("-o -: the page goes to a file", hint="as -o report.html")
    _refuse_run(output)
    if output.suffix.lower() not in ENDINGS:
        raise ConfigError(
            f"{output}: the page is HTML, and its name should end in .html or .htm",
            hint=f"as -o {output.with_suffix('.html')}" if output.name else "as -o report.html",
        )
    if output.exists() and not _may_be_replaced(output):
        raise ConfigError(
            f"{output} is there, and is no page of imbtrain", hint="another name, or delete it"
        )


def _refuse_run(output: Path) -> None:
    """Raise for a file in a run directory or among its plots, but for the page of the run."""
    from imbalance_cli.run.directory import PLOTS, REPORT, RUN

    place = output.resolve()
    folder = place.parent.parent if place.parent.name == PLOTS else place.parent
    if (folder / RUN).exists() and place != folder / REPORT:
        raise ConfigError(
            f"{output}: a run directory holds nothing but the run",
            hint=f"a file elsewhere, or {REPORT} in it, the page of the run",
        )


def _may_be_replaced(path: Path) -> bool:
    with explain_write(path), path.open("rb") as file:
        head = file.read(HEAD)
    return not head or GENERATOR in head
