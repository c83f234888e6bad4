"""The commands, configs and Python of the README and the pages of docs/ run as they are written."""

from __future__ import annotations

import ast
import contextlib
import itertools
import json
import re
import runpy
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from config_data import write_flights
from small_runs import Outcome, run_command

from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.label_columns import PLAIN_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = {path.name: path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
QUICK = "".join(
    f" --set {setting}"
    for setting in (
        *("training.epochs=2", "report.bootstrap=10"),
        *("model.hidden=[8]", "model.members=1"),
    )
)
EVERY = 12  # rows of the data one is trained on
LONGEST_README = 200  # lines


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a language that no tool wrote."""
    text = PAGES[page].read_text()
    by_hand = re.sub(r"<!-- \[\[\[cog.*?\[\[\[end\]\]\] -->", "", text, flags=re.DOTALL)
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", by_hand, flags=re.DOTALL | re.MULTILINE)
    return [block for its_language, block in fenced if its_language == language]


def run(command: str, folder: Path) -> Outcome:
    """Run a command line as a shell does, but for imbtrain, which runs in this process."""
    outcome = Outcome(0, b"", "")
    for is_pipe, words in itertools.groupby(shlex.split(command), "|".__eq__):
        if not is_pipe and outcome.code == 0:
            outcome = _run_program([*words], folder, stdin=outcome.out)
    return outcome


def _run_program(words: list[str], folder: Path, stdin: bytes) -> Outcome:
    files = {}
    for sign in {">", "2>"} & set(words):
        at = words.index(sign)
        files[sign] = folder / words[at + 1]
        del words[at : at + 2]
    if words[0] == "imbtrain":
        with contextlib.chdir(folder):
            outcome = run_command(*words[1:], stdin=stdin)
    else:
        done = subprocess.run(words, cwd=folder, input=stdin, capture_output=True, check=False)
        outcome = Outcome(done.returncode, done.stdout, done.stderr.decode())
    for sign, file in files.items():
        file.write_bytes(outcome.out if sign == ">" else outcome.err.encode())
    return outcome


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the commands name, and a run."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "configs").symlink_to(ROOT / "configs")
    shutil.copytree(ROOT / "data", folder / "data")
    write_flights(folder / "data", EVERY)
    random = np.random.default_rng(0)
    labels = pl.DataFrame({name: random.random(500) < 0.2 for name in ("tag_a", "tag_b")})
    labels = labels.cast(pl.Int8)
    for name in ("labels.csv", "part1.csv", "part2.csv", "big.csv"):
        labels.write_csv(folder / name)
    subprocess.run(["gzip", "big.csv"], cwd=folder, check=True)
    flights = pl.read_csv(ROOT / "data" / "flights.csv").head(200)
    flights.write_csv(folder / "more.csv")
    flights.drop("cancelled").with_row_index("id").write_csv(folder / "new.csv")
    (folder / "config.yaml").write_text(blocks("README.md", "yaml")[0])
    for command in (
        f"imbtrain fit configs/quickstart.yaml --run-dir runs/quickstart{QUICK}",
        "imbtrain weights labels.csv --labels 'tag_*' -o pos_weight.pt",
    ):
        outcome = run(command, folder)
        assert outcome.code == 0, outcome.err
    shutil.copytree(folder / "runs" / "quickstart", folder / "runs" / "flights")
    return folder


def commands(page: str) -> list[str]:
    """Return the command lines of a page, in order."""
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    starts = ("imbtrain ", "zcat ", "cat ")
    return [line.split("  #")[0].rstrip() for line in lines if line.startswith(starts)]


def _quickly(command: str) -> str:
    """Return a command that trains less, in the run directory that later ones name."""
    command = command.replace("| imbtrain fit -", f"| imbtrain fit -{QUICK}")
    if command.startswith("imbtrain compare"):
        where = " --run-dir runs/compared --overwrite" if "quickstart" in command else ""
    elif command.startswith("imbtrain search"):
        where = " --run-dir runs/searched --overwrite"
        where *= "--run-dir" not in command
    elif command.startswith("imbtrain fit") and "--from-" not in command:
        is_named = "quickstart" not in command or "--run-dir" in command
        where = "" if is_named else " --run-dir runs/quickstart"
        where += "" if "--resume" in command or "--overwrite" in command else " --overwrite"
    else:
        return command
    program, pipe, rest = command.partition(" |")
    return program + where + QUICK + pipe + rest


@pytest.mark.parametrize("page", PAGES)
def test_every_command_runs(page: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imbalance_cli.losses.stability.STEPS", 5)
    # a search then ends with the portfolio, whatever its minutes
    monkeypatch.setattr("imbalance_cli.workflows.searching.is_optuna_installed", lambda: False)
    for command in commands(page):
        if "jq" in command and not shutil.which("jq"):
            continue
        outcome = run(_quickly(command), workplace)
        assert outcome.code == 0, f"{command}: {outcome.err}"


def test_the_pages_show_how_to_do_it() -> None:
    assert sum(len(commands(page)) for page in PAGES) >= 40
    assert len(PAGES["README.md"].read_text().splitlines()) <= LONGEST_README


@pytest.fixture
def _metrics_stay() -> Iterator[None]:
    """Take out the metric that a page registers."""
    before = dict(METRIC_SPECS)
    yield
    METRIC_SPECS.clear()
    METRIC_SPECS.update(before)


# rows of later days, which one program evaluates on purpose, are warned of
@pytest.mark.filterwarnings("default:frame", "default:rows")
@pytest.mark.usefixtures("_metrics_stay")
@pytest.mark.parametrize("page", PAGES)
def test_python_runs(page: str, workplace: Path) -> None:
    for program in blocks(page, "python"):
        as_few_rows = re.sub(r"\d+_000", lambda rows: str(int(rows[0]) // EVERY), program)
        (workplace / "shown.py").write_text(as_few_rows)
        with contextlib.chdir(workplace):
            runpy.run_path("shown.py", run_name="__main__")


def test_the_notebook_runs_and_shows_tables(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run its cells as a notebook does, which shows the value of a last expression."""
    notebook = json.loads((ROOT / "docs" / "notebook.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in cells] == [[] for _ in cells]  # none are kept
    (workplace / "docs").mkdir()
    monkeypatch.chdir(workplace / "docs")
    names: dict[str, Any] = {}
    tables = []
    for cell in cells:
        body = ast.parse(re.sub(r"epochs=\d", "epochs=1", "".join(cell["source"]))).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), "notebook", "exec"), names)  # noqa: S102  our own
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), "notebook", "eval"), names)  # noqa: S307
            tables.append(shown._repr_html_())
    report = "AP ECE Threshold"
    rows, explained = "cancelled_probability", "row 0, carrier Shuffled AP"
    heads = ["pos_weight", report, report, report, rows, explained]
    for table, expected in zip(tables, heads, strict=True):
        text = re.sub(r"<[^>]*>", " ", table)
        assert set(expected.split()) <= set(text.split())


@pytest.mark.parametrize("page", PAGES)
def test_configs_are_valid(page: str, workplace: Path) -> None:
    for config in blocks(page, "yaml"):
        (workplace / "shown.yaml").write_text(config)
        outcome = run(f"imbtrain fit shown.yaml --run-dir runs/shown --overwrite{QUICK}", workplace)
        assert outcome.code == 0, outcome.err


def test_the_error_is_the_real_one(workplace: Path) -> None:
    (shown,) = (block for block in blocks("pipelines.md", "") if block.startswith("$ imbtrain"))
    command, error, hint = shown.splitlines()
    outcome = run(command.removeprefix("$ "), workplace)
    assert outcome.code == 2
    assert outcome.err.startswith(error.removesuffix("..."))
    assert hint in outcome.err.splitlines()


def anchors(text: str) -> set[str]:
    """Return what the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return set(plain)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = PAGES[page]
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith(("http:", "https:")):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.exists(), target
        assert not anchor or anchor in anchors(place.read_text()), target


def test_every_page_is_in_the_site() -> None:
    nav = (ROOT / "mkdocs.yml").read_text().partition("nav:")[2].split()
    assert sorted(name for name in nav if name != "-") == sorted(set(PAGES) - {"README.md"})


def test_the_map_names_what_is_there() -> None:
    text = PAGES["architecture.md"].read_text()
    package = ROOT / "imbalance_cli"
    named = re.findall(r"`(?:imbalance_cli/)?([a-z_]+/(?:[a-z_]+\.py)?|[a-z_]+\.py)`", text)
    assert len(named) > 40
    assert [path for path in named if not (package / path).exists()] == []
    rooms = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    assert rooms == {path.removesuffix("/") for path in named if path.endswith("/")}


def test_glossary_explains_every_column_of_a_report() -> None:
    text = PAGES["glossary.md"].read_text()
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    explained = {
        column.strip(): (heading, meaning.strip())
        for column, heading, meaning in (row for row in rows if len(row) == 3)
    }
    for spec in METRIC_SPECS.values():
        column = spec.column.replace("\n", " ")
        assert explained[column] == (spec.heading, spec.meaning)
    for plain in PLAIN_COLUMNS.values():
        assert plain.heading.replace("\n", " ") in explained
