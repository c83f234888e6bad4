"""Stub."""
def predict() -> None:
    """stub"""
