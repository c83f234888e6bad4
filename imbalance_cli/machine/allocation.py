"""The memory of large arrays, which are made and freed over and over."""

from __future__ import annotations

import ctypes
import sys

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # of malloc.h
LARGEST_KEPT, MOST_KEPT = 2**25, 2**28  # bytes


def keep_freed_memory(largest: int = LARGEST_KEPT) -> None:
    """Let the C library keep large blocks that are freed, on Linux with glibc.

    A step of training and a block of rows that is counted free and take the same megabytes every
    time; given back to the system, they cost a page fault for every 4 KB, which is a sixth of the
    step, and half of the count.

    Args:
        largest: bytes of a block that is kept; glibc before 2.35 knows no more than LARGEST_KEPT.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        if not mallopt(MMAP_THRESHOLD, largest):
            mallopt(MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(TRIM_THRESHOLD, MOST_KEPT)
