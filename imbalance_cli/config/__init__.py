"""The config: typed sections, read from YAML and checked as a whole."""

from imbalance_cli.config.loading import load_config
from imbalance_cli.config.sections import (
    DEVICES,
    MONITORS,
    Config,
    DataSection,
    SplitSection,
    ThresholdsSection,
    TrainingSection,
    WeightingSection,
)

__all__ = [
    "DEVICES",
    "MONITORS",
    "Config",
    "DataSection",
    "SplitSection",
    "ThresholdsSection",
    "TrainingSection",
    "WeightingSection",
    "load_config",
]
