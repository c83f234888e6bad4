"""Every warning and error has a code that docs/warnings.md explains."""

from __future__ import annotations

import ast
import inspect
import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

from small_runs import run_command

from imbalance_cli import errors
from imbalance_cli.codes import ERRORS, WARNINGS, Warned, code_of, with_code

if TYPE_CHECKING:
    from conftest import WriteFile

ROOT = Path(__file__).parents[1]


def test_each_error_has_a_code_of_its_own() -> None:
    classes = {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.ImbtrainError) and kind is not errors.ImbtrainError
    }
    assert classes.keys() == ERRORS.keys()
    codes = [*WARNINGS, *(code for code, _ in ERRORS.values())]
    assert len(codes) == len(set(codes))


def test_each_code_of_a_warning_is_used_and_each_that_is_used_is_known() -> None:
    used = set()
    for path in (ROOT / "imbalance_cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Warned":
                code = node.args[0]
                assert isinstance(code, ast.Constant)
                used.add(code.value)
    assert used == WARNINGS.keys()


def test_a_sentence_with_a_code_is_the_sentence() -> None:
    warned = Warned("IMB101", "a sentence")
    assert warned == "a sentence"
    assert json.loads(json.dumps([warned])) == ["a sentence"]
    assert (code_of(warned), code_of("a sentence")) == ("IMB101", None)
    assert with_code(warned, code_of(warned)) == "a sentence [IMB101]"
    assert with_code("a sentence", None) == "a sentence"
    assert pickle.loads(pickle.dumps(str(warned))) == "a sentence"  # noqa: S301  our own bytes


def test_lines_end_with_the_code_and_events_have_it(write: WriteFile) -> None:
    path = write("t.csv", "y,x\n1,0\n1,1\n")
    lines = run_command("weights", path, "--labels", "y").err.splitlines()
    assert lines[0].startswith("warning: label 'y' has no negatives")
    assert lines[0].endswith("[IMB121]")
    failed = run_command("weights", path, "--labels", "z")
    assert failed.err.splitlines()[0].endswith("[IMB204]")
    failed = run_command("fit", "nothing.yaml", "--log-format", "json")
    event = json.loads(failed.err.splitlines()[-1])
    assert (event["event"], event["code"], event["exit_code"]) == ("error", "IMB201", 2)
