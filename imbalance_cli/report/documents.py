"""An evaluation as the CSV and JSON that commands print and runs hold."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imbalance_cli.evaluation import Evaluation


def to_json(evaluation: Evaluation, run: str) -> bytes:
    """Return {"run", "splits": {part: {...}}}; what is undefined is null."""
    document = {"run": run, "splits": {evaluation.part: evaluation.to_dict()}}
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def to_csv(evaluation: Evaluation) -> bytes:
    """Return one row a label; what is undefined is blank."""
    text = io.StringIO()
    rows = evaluation.flat_rows()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
