"""What a page says to do next: commands that run as they stand."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from report_data import make_report
from small_runs import succeed

from imbalance_cli.report.next_steps import list_steps
from imbalance_cli.report.run_page import to_html
from imbalance_cli.workflows.reporting import read_report

if TYPE_CHECKING:
    from small_runs import FittedRun

    from imbalance_cli.report.contents import RunReport


def commands_of(report: RunReport) -> list[list[str]]:
    """Return the words of each command."""
    return [shlex.split(step.command) for step in list_steps(report)]


def change(report: RunReport, section: str, **keys: Any) -> RunReport:  # noqa: ANN401
    """Return a report of another config."""
    settings = {**report.settings, section: report.settings[section] | keys}
    return dataclasses.replace(report, settings=settings)


def with_recall(report: RunReport, recall: float) -> RunReport:
    """Return a report of a run that finds another share of the positives."""
    macro = report.evaluation.macro | {"recall": recall}
    evaluation = dataclasses.replace(report.evaluation, macro=macro)
    return dataclasses.replace(report, evaluation=evaluation)


def test_commands_run_as_they_stand(
    single_run: FittedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(single_run.path, "my run")
    commands = commands_of(with_recall(read_report(Path("my run")), 0.5))
    assert [command[1] for command in commands] == [
        *("predict", "evaluate", "evaluate", "explain", "export"),
        *("fit", "fit", "compare", "report"),
    ]
    for words in commands:
        assert words.pop(0) == "imbtrain"
        if words[-2:-1] == [">"]:
            del words[-2:]
        if words[0] == "compare":
            words += ["--losses", "focal", "--folds", "2"]  # for the sake of time
        succeed(*words, *(["--set", "training.epochs=1"] if words[0] in {"fit", "compare"} else []))
    assert {"my run-recall", "my run-again", "my run-compared"} <= {
        p.name for p in tmp_path.iterdir()
    }


def test_page_has_the_commands_quoted_and_escaped() -> None:
    report = dataclasses.replace(make_report(["y"]), run="runs/it's <b>")
    page = to_html(report).decode()
    assert (
        "<code>imbtrain predict &#39;runs/it&#39;&#34;&#39;&#34;&#39;s &lt;b&gt;&#39; made_up.csv "
        "&gt; scored.csv</code>"
    ) in page


def test_dates_that_the_split_ignored_suggest_unseen_days() -> None:
    report = make_report(["y"])
    [words] = [words for words in commands_of(report) if "data.group=day" in words]
    assert words[:3] == ["imbtrain", "fit", "runs/made_up/config.yaml"]
    for key, value in {"group": "who", "time": "day", "test": ["other.csv"]}.items():
        assert not [
            w
            for w in commands_of(change(report, "data", **{key: value}))
            if "fit" in w and "data.group=day" in w
        ]


def test_other_thresholds_are_suggested_where_many_positives_are_missed() -> None:
    report = make_report(["y"])

    def suggested(recall: float, objective: str) -> bool:
        words = commands_of(with_recall(change(report, "thresholds", objective=objective), recall))
        return any("thresholds.objective=precision_at_recall" in command for command in words)

    assert suggested(0.5, "f1")
    assert not suggested(0.85, "f1")
    assert not suggested(0.5, "cost")
    assert not suggested(0.5, "recall_at_precision")


def test_costs_are_suggested_unless_they_decide_already() -> None:
    report = make_report(["y"])
    assert any("--cost" in words for words in commands_of(report))
    by_cost = change(report, "thresholds", objective="cost")
    assert not any("--cost" in words for words in commands_of(by_cost))


@pytest.mark.parametrize("train", ["-", "frame"])
def test_rows_that_are_in_no_file_are_not_trained_on_again(train: str) -> None:
    report = change(make_report(["y"]), "data", train=[train])
    report.document["data"]["files"] = []
    commands = commands_of(report)
    assert {words[1] for words in commands} == {"predict", "evaluate", "explain", "export"}
    assert all("new.csv" in words for words in commands if words[1] != "export")


def test_given_test_rows_and_a_file_of_labels_are_named() -> None:
    report = change(
        make_report(["y"]), "data", train=["x.npy"], test=["test rows.npz"], labels=["t.npy"]
    )
    report.document["data"]["files"] = [
        {"path": p, "bytes": 1, "sha256": "0"} for p in ("x.npy", "t.npy")
    ]
    predict, evaluate, *_ = commands_of(report)
    assert predict[3] == "test rows.npz"
    assert evaluate[3:] == ["test rows.npz", "--targets", "t.npy"]
