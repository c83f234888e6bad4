"""Positive weights, a trained model and per-label numbers for data whose positives are rare."""

__version__ = "0.1.0"
