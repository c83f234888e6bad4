"""The config: typed sections, read from YAML and checked as a whole."""

from imbalance_cli.config.candidates import (
    BASELINE,
    DEFAULT_STRATEGIES,
    STRATEGIES,
    list_candidates,
    list_sizes,
    refuse_unfoldable,
)
from imbalance_cli.config.loading import load_config
from imbalance_cli.config.refusals import refuse_contradictions, refuse_few_replicates
from imbalance_cli.config.sections import (
    Config,
    DataSection,
    SplitSection,
    ThresholdsSection,
    WeightingSection,
)
from imbalance_cli.config.values import DEVICES, MONITORS
from imbalance_cli.config.weighting import asks_for_weights, resolve_weighting
from imbalance_cli.losses.registry import BOOSTED_TREES, compared_losses

__all__ = [
    "BASELINE",
    "BOOSTED_TREES",
    "DEFAULT_STRATEGIES",
    "DEVICES",
    "MONITORS",
    "STRATEGIES",
    "Config",
    "DataSection",
    "SplitSection",
    "ThresholdsSection",
    "WeightingSection",
    "asks_for_weights",
    "compared_losses",
    "list_candidates",
    "list_sizes",
    "load_config",
    "refuse_contradictions",
    "refuse_few_replicates",
    "refuse_unfoldable",
    "resolve_weighting",
]
