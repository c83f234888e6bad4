"""What makes held-out numbers too good: rows in two parts, and features that tell the label."""

from imbalance_cli.leaks.duplicates import Duplicates, count_duplicates, hash_rows
from imbalance_cli.leaks.sampling import most_rows
from imbalance_cli.leaks.scanning import Findings, Leak, LeakScan, Strength, find_leaks

__all__ = [
    "Duplicates",
    "Findings",
    "Leak",
    "LeakScan",
    "Strength",
    "count_duplicates",
    "find_leaks",
    "hash_rows",
    "most_rows",
]
