"""Results as the CSV and JSON that commands print and runs hold."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imbalance_cli.evaluation import Evaluation


def to_json(evaluation: Evaluation, run: str) -> bytes:
    """Return {"run", "splits": {part: {...}}}; what is undefined is null."""
    return encode_document({"run": run, "splits": {evaluation.part: evaluation.to_dict()}})


def to_csv(evaluation: Evaluation) -> bytes:
    """Return one row a label; what is undefined is blank."""
    return encode_rows(evaluation.flat_rows())


def encode_document(document: Mapping[str, Any]) -> bytes:
    """Return plain data as JSON; NaN and infinity, which JSON has not, raise ValueError."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def encode_rows(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows of the same keys as CSV; None is blank."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
