"""Labelled rows, split into parts, and batches of them in memory or on disk."""
