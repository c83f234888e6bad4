"""What makes held-out numbers too good: rows in two parts, and features that tell the label."""

from imbalance_cli.leaks.duplicates import (
    Duplicates,
    count_straddling_duplicates,
    count_straddling_hashes,
    hash_rows,
)
from imbalance_cli.leaks.sampling import most_rows
from imbalance_cli.leaks.scanning import Findings, Leak, LeakScan, Strength, find_leaks

__all__ = [
    "Duplicates",
    "Findings",
    "Leak",
    "LeakScan",
    "Strength",
    "count_straddling_duplicates",
    "count_straddling_hashes",
    "find_leaks",
    "hash_rows",
    "most_rows",
]
