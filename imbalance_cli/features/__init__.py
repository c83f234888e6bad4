"""Features: preprocessing that is fitted on training rows, a batch at a time, and saved as data."""

from __future__ import annotations

from imbalance_cli.features.drift import Drift, FeatureCounts, FeatureDrift, LabelDrift
from imbalance_cli.features.fitting import FeatureScan, fit_preprocessing
from imbalance_cli.features.kinds import FIRST_CATEGORY, MISSING, OTHER
from imbalance_cli.features.preprocessing import (
    CategoricalFeature,
    FeaturePlaces,
    FeatureRows,
    NumericFeature,
    Preprocessing,
    describe_missing_words,
)

__all__ = [
    "FIRST_CATEGORY",
    "MISSING",
    "OTHER",
    "CategoricalFeature",
    "Drift",
    "FeatureCounts",
    "FeatureDrift",
    "FeaturePlaces",
    "FeatureRows",
    "FeatureScan",
    "LabelDrift",
    "NumericFeature",
    "Preprocessing",
    "describe_missing_words",
    "fit_preprocessing",
]
