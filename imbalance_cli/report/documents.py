"""Evaluations as the CSV and JSON that commands print and runs hold."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from imbalance_cli.decisions.untuned import Untuned
from imbalance_cli.evaluation import (
    INTERVALS,
    WITH_INTERVAL,
    Estimate,
    Evaluation,
    Interval,
    LabelEvaluation,
    Levels,
    SliceEvaluation,
    Slices,
)
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.encoding import encode_document, encode_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

PEER = ("name", "conclusion", "thresholds", "models")


def to_json(
    evaluation: Evaluation,
    run: str,
    peer: Mapping[str, Any] | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> bytes:
    """Return {"run", "splits": {part: {...}}}; undefined is null.

    There are "peer" and "given_thresholds" too, where there are any.
    """
    document: dict[str, Any] = {"run": run, "splits": {evaluation.part: evaluation.to_dict()}}
    document |= {} if peer is None else {"peer": peer}
    return encode_document(document | ({"given_thresholds": thresholds} if thresholds else {}))


def from_json(content: bytes) -> Evaluation:
    """Return the evaluation that `to_json` was given.

    Raises:
        KeyError, TypeError, ValueError: it is no such document.
    """
    [(part, document)] = json.loads(content)["splits"].items()
    labels = [_read_label(label) for label in document.pop("labels")]
    levels = Levels(document.pop("top_k"), document.pop("at_precision"))
    for key in INTERVALS:
        document[key] = {name: Interval(**ends) for name, ends in document.get(key, {}).items()}
    if "slices" in document:
        groups = [SliceEvaluation.of_document(group) for group in document["slices"]["groups"]]
        document["slices"] = Slices(document["slices"]["looks"], groups)
    return Evaluation(part=part, labels=labels, levels=levels, **document)


def peer_from_json(content: bytes) -> dict[str, Any] | None:
    """Return the peer that `to_json` was given.

    Raises:
        KeyError, TypeError, ValueError: it is no such document.
    """
    peer = json.loads(content).get("peer")
    return None if peer is None else {key: peer[key] for key in PEER}


def _read_label(label: dict[str, Any]) -> LabelEvaluation:
    intervals = label.pop("intervals")
    metrics = {}
    for name in METRIC_SPECS:
        value = label.pop(name)
        value = value["value"] if name in WITH_INTERVAL else value
        metrics[name] = Estimate(value, **intervals.get(name, {}))
    ends = label.pop("threshold_interval", None)
    untuned = Untuned(
        **{field.name: label.pop(field.name) for field in dataclasses.fields(Untuned)}
    )
    return LabelEvaluation(
        **label,
        metrics=metrics,
        untuned=untuned,
        threshold_interval=None if ends is None else Interval(**ends),
    )


def to_csv(evaluation: Evaluation) -> bytes:
    """Return one row a label, then one a label of a group; what is undefined is blank."""
    rows = evaluation.flat_rows()
    if evaluation.slices is not None:
        rows += [group.to_row() for group in evaluation.slices.groups]
        blank = {column: None for row in rows for column in row}
        rows = [blank | row for row in rows]
    return encode_rows(rows)
