"""Looking at a source before anything is trained on it."""

from imbalance_cli.inspection.columns import Column
from imbalance_cli.inspection.inspecting import inspect_source
from imbalance_cli.inspection.pairs import LabelPair
from imbalance_cli.inspection.proposing import propose_config
from imbalance_cli.inspection.results import Finding, Inspection, LabelCandidate

__all__ = [
    "Column",
    "Finding",
    "Inspection",
    "LabelCandidate",
    "LabelPair",
    "inspect_source",
    "propose_config",
]
