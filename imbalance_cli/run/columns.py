"""The columns that a run needs, known without torch, which takes seconds to load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imbalance_cli.errors import FeatureError, nearest
from imbalance_cli.run.directory import not_as_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def list_features(run: Path, document: Mapping[str, Any]) -> list[str]:
    """Return the feature columns of a run by what its run.json holds.

    Raises:
        RunError: it does not hold what a run does.
    """
    try:
        features = document["features"]
        return [feature["column"] for feature in (*features["numeric"], *features["categorical"])]
    except (KeyError, TypeError) as error:
        raise not_as_run(run, error) from error


def require_features(features: Sequence[str], columns: Sequence[str], name: str) -> None:
    """Raise if a feature column is not among the columns of a source.

    Args:
        features: that are needed.
        columns: that are there.
        name: of the source.

    Raises:
        FeatureError: it names every missing one.
    """
    known = frozenset(columns)
    missing = [column for column in features if column not in known]
    if missing:
        shown = ", ".join(repr(column) for column in missing)
        raise FeatureError(
            f"{name}: without the feature column{'s' if len(missing) > 1 else ''} {shown}",
            hint=nearest(missing[0], columns),
        )
