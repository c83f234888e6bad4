"""Plain data as JSON and CSV, without torch: what inspects a table draws by it too."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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
