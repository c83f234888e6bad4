"""What to do with a run next: commands with its own names, ready for a shell."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from imbalance_cli.readers.urls import is_url
from imbalance_cli.report.decisions import QUALITIES
from imbalance_cli.report.provenance import data_of
from imbalance_cli.report.wording import show_share
from imbalance_cli.yaml_text import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imbalance_cli.report.contents import RunReport

LOW_RECALL = 0.8  # under which a threshold that finds more is worth a look
WANTED_RECALL = 0.9


@dataclasses.dataclass(frozen=True)
class Step:
    """A command, and what it is for.

    Attributes:
        aim: in a few words.
        command: quoted for a shell.
        note: what to know about it, or nothing.
    """

    aim: str
    command: str
    note: str = ""


def list_steps(report: RunReport) -> list[Step]:
    """Return what can be done with a run, the first thing first."""
    return [*_use(report), *_try_others(report)]


def _use(report: RunReport) -> Iterator[Step]:
    data = report.settings["data"]
    is_known, source = has_files(report), name_source(report)
    yield Step(
        "Decide rows",
        _join("predict", report.run, source, end=" > scored.csv"),
        "gives each row a probability and a decision per label; put your new rows in place of "
        f"{source}",
    )
    files = [file["path"] for file in data_of(report).get("files", ())]
    targets = [
        name for name in data["labels"] if (name if is_url(name) else str(Path(name))) in files
    ]
    beside = ["--targets", targets[0]] if targets else []
    yield Step(
        "Measure it on other labelled rows",
        _join("evaluate", report.run, source, *beside),
        "gives these numbers for them" + (", in place of the rows it knows" if is_known else ""),
    )
    if report.settings["thresholds"]["objective"] != "cost":
        yield Step(
            "A missed positive costs more than a false alarm",
            _join("evaluate", report.run, source, *beside, "--cost", "1:20"),
            "decides where the expected cost is least, without training; predict has it too",
        )
    if report.explanation is None and not beside:
        is_own = is_known and report.evaluation.part == "test"
        yield Step(
            "Which columns do its answers rest on?",
            _join("explain", report.run, *([] if is_own else [source])),
            "what is lost without each; --row N says why a row has its probability",
        )
    yield Step(
        "Serve it where there is no imbtrain",
        _join("export", report.run),
        "one ONNX file, from raw columns to decisions",
    )


def _try_others(report: RunReport) -> Iterator[Step]:
    """Yield trainings that the findings suggest, where the data can be read again."""
    if not has_files(report):
        return
    others = list(_list_others(report))
    for step, _ in others:
        yield step
    yield Step(
        "Other losses, weights and boosted trees",
        _join("compare", f"{report.run}/config.yaml", "--run-dir", f"{report.run}-compared"),
        "trains them on the same folds, and says which differences are more than chance",
    )
    for _, other in others[:1]:
        yield Step(
            "Two runs side by side",
            _join("report", report.run, other),
            "the differences, with intervals",
        )


def _list_others(report: RunReport) -> Iterator[tuple[Step, str]]:
    """Yield the command of each other run, and where it goes; the comparable ones first."""
    recall = report.evaluation.macro["recall"]
    objective = report.settings["thresholds"]["objective"]
    if recall is not None and recall < LOW_RECALL and objective in QUALITIES:
        settings = {"thresholds.objective": "precision_at_recall"}
        settings |= {"thresholds.target": f"{WANTED_RECALL:g}"}
        yield _fit(
            report,
            "Find more of the positives",
            settings,
            "recall",
            f"{show_share(recall)} are found now; this chooses thresholds for a recall of "
            f"{WANTED_RECALL:g}, at the best precision that leaves",
        )
    seed = {"training.seed": str(report.settings["training"]["seed"] + 1)}
    yield _fit(report, "What is chance in training", seed, "again", "the same with another seed")
    column = _find_day(report)
    if column is not None:
        yield _fit(
            report,
            "Is it as good on days it has not seen?",
            {"data.group": quote(column)},
            "unseen",
            f"the split puts rows of one {column} into training and test alike; with this each is "
            "in one part alone",
        )


def _fit(
    report: RunReport, aim: str, settings: Mapping[str, str], name: str, note: str
) -> tuple[Step, str]:
    other = f"{report.run}-{name}"
    changes = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = _join("fit", f"{report.run}/config.yaml", *changes, "--run-dir", other)
    return Step(aim, command, note), other


def has_files(report: RunReport) -> bool:
    """Return whether a run was made of files, and neither of stdin nor of frames of Python."""
    is_known = bool(data_of(report).get("files"))
    return is_known and not {"-", "frame"} & set(report.settings["data"]["train"])


def name_source(report: RunReport) -> str:
    """Return a table that commands can be tried on: of the test rows, or the one trained on."""
    data = report.settings["data"]
    return str((data["test"] or data["train"])[0]) if has_files(report) else "new.csv"


def _find_day(report: RunReport) -> str | None:
    """Return a column of dates whose rows were split without regard to it."""
    data = report.settings["data"]
    if any(data[key] is not None for key in ("group", "time", "part", "valid", "test")):
        return None
    dates: Sequence[str] = [
        feature["column"]
        for feature in report.document["features"]["numeric"]
        if feature["kind"] == "date"
    ]
    return next(iter(dates), None)


def _join(command: str, *arguments: str, end: str = "") -> str:
    return shlex.join(["imbtrain", command, *arguments]) + end
