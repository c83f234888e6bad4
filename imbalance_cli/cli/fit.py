"""Stub."""
def fit() -> None:
    """stub"""
