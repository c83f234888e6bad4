"""What a search tries, which candidates go on, and how much of the gain is selection."""

from imbalance_cli.searching.halving import Halving
from imbalance_cli.searching.portfolio import PORTFOLIO
from imbalance_cli.searching.results import SearchResult, Selection, Tried, estimate_selection
from imbalance_cli.searching.space import Space

__all__ = [
    "PORTFOLIO",
    "Halving",
    "SearchResult",
    "Selection",
    "Space",
    "Tried",
    "estimate_selection",
]
