"""The README's commands, config and Python run as they are written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language that no tool wrote."""
    by_hand = re.sub(r"<!-- \[\[\[cog.*?\[\[\[end\]\]\] -->", "", README, flags=re.DOTALL)
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", by_hand, flags=re.DOTALL | re.MULTILINE)
    return [block for its_language, block in fenced if its_language == language]


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line as a person types it."""
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("data", "configs"):
        (folder / name).symlink_to(ROOT / name)
    random = np.random.default_rng(0)
    labels = pl.DataFrame({name: random.random(500) < 0.2 for name in ("tag_a", "tag_b")})
    labels = labels.cast(pl.Int8)
    for name in ("labels.csv", "part1.csv", "part2.csv", "big.csv"):
        labels.write_csv(folder / name)
    subprocess.run(["gzip", "big.csv"], cwd=folder, check=True)
    flights = pl.read_csv(ROOT / "data" / "flights.csv").head(200)
    flights.write_csv(folder / "more.csv")
    flights.drop("cancelled").with_row_index("id").write_csv(folder / "new.csv")
    return folder


def commands() -> list[str]:
    """Return the command lines of the README, in order."""
    lines = [line.split("  #")[0].rstrip() for block in blocks("") for line in block.splitlines()]
    starts = ("imbtrain ", "zcat ", "cat ")
    return [line for line in lines if line.startswith(starts)]


def _quickly(command: str) -> str:
    """Return a command that trains less, in the run directory that later ones name."""
    quick = " --set training.epochs=2 --set report.bootstrap=10 --set model.hidden=[8]"
    if command.startswith("imbtrain compare"):
        where = " --run-dir runs/compared --overwrite" if "quickstart" in command else ""
    elif command.startswith("imbtrain fit") and "--from-compare" not in command:
        is_named = "quickstart" not in command or "--run-dir" in command
        where = "" if is_named else " --run-dir runs/quickstart --overwrite"
    else:
        return command
    program, pipe, rest = command.partition(" |")
    return program + where + quick + pipe + rest


def test_every_command_of_the_readme_runs(workplace: Path) -> None:
    (workplace / "config.yaml").write_text(blocks("yaml")[0])
    assert len(commands()) >= 12
    for command in commands():
        if "jq" in command and not shutil.which("jq"):
            continue
        done = shell(_quickly(command), workplace)
        assert done.returncode == 0, f"{command}: {done.stderr}"


def test_python_of_the_readme_runs(workplace: Path) -> None:
    done = shell("imbtrain weights labels.csv --labels 'tag_*' -o pos_weight.pt", workplace)
    assert done.returncode == 0, done.stderr
    for program in blocks("python"):
        # rows of later days, which the README's program evaluates on purpose, are warned of
        warnings = ("-W", "error", "-W", "default:frame")
        subprocess.run([sys.executable, *warnings, "-c", program], cwd=workplace, check=True)


def test_error_of_the_readme_is_the_real_one(workplace: Path) -> None:
    (shown,) = (block for block in blocks("") if block.startswith("$ imbtrain"))
    command, error, hint = shown.splitlines()
    done = shell(command.removeprefix("$ "), workplace)
    assert done.returncode == 2
    assert done.stderr.startswith(error.removesuffix("..."))
    assert hint in done.stderr.splitlines()
