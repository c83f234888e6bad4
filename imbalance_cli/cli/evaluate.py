"""Stub."""
def evaluate() -> None:
    """stub"""
