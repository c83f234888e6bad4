"""How numbers, dates and names are written in columns of text, where it is not the usual way."""

from imbalance_cli.notation.choosing import (
    NotationChoice,
    NotationSettings,
    choose_notations,
)
from imbalance_cli.notation.reading import Notation, apply_notations
from imbalance_cli.notation.scanning import NotationScan

__all__ = [
    "Notation",
    "NotationChoice",
    "NotationScan",
    "NotationSettings",
    "apply_notations",
    "choose_notations",
]
