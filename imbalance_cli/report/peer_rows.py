"""The network and another kind of model as rows of a page's table."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report.comparison import show_signed
from imbalance_cli.report.wording import UNDEFINED, show_interval

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN = ("average_precision", "roc_auc", "f1", "log_loss", "ece")
HEADINGS = [
    ("Model", "the other kind is trained, calibrated and cut at thresholds on the same rows"),
    *((METRIC_SPECS[name].heading, METRIC_SPECS[name].meaning) for name in SHOWN),
    ("AP difference", "to the network, with its paired interval"),
    ("Seconds", "of processor time that training took"),
]


@dataclasses.dataclass(frozen=True)
class PeerRow:
    """A model: its name and its numbers, as shown."""

    name: str
    cells: list[str]


def list_peer_rows(peer: Mapping[str, Any]) -> list[PeerRow]:
    """Return the network and its peer, with the macro averages of each."""
    return [PeerRow(model["name"], _cells(model)) for model in peer["models"]]


def _cells(model: Mapping[str, Any]) -> list[str]:
    macro = model["macro"]
    values = [_show(macro[name]["value"], METRIC_SPECS[name].digits) for name in SHOWN]
    ranking = macro["average_precision"]
    difference = UNDEFINED
    if ranking["difference"] is not None:
        interval = show_interval(ranking["difference_low"], ranking["difference_high"])
        difference = show_signed(ranking["difference"], 3) + (f" ({interval})" if interval else "")
    return [*values, difference, _show(model["seconds"], 1)]


def _show(value: float | None, digits: int) -> str:
    return UNDEFINED if value is None else f"{value:,.{digits}f}"
