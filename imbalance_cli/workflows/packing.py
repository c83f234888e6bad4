"""What is known of streamed rows beside their features, to and from plain data and arrays.

Shapes: N rows, L labels.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from imbalance_cli.features import Preprocessing
from imbalance_cli.labels.targets import DenseTargets, SparseTargets
from imbalance_cli.leaks import Duplicates, Leak
from imbalance_cli.readers import Table
from imbalance_cli.rows.labelled import LabelledTable, Roles
from imbalance_cli.splits import PARTS, Split
from imbalance_cli.workflows.scanning import Scan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from imbalance_cli.labels.targets import Targets

    Document = dict[str, Any]
    Arrays = Mapping[str, NDArray[Any]]

NO_PART = len(PARTS)


def pack(roles: Roles, data: LabelledTable, scan: Scan) -> tuple[Document, Arrays]:
    """Return a document and arrays that `unpack` makes the same of, but for how sources open."""
    parts = np.full(len(data.targets), NO_PART, np.int8)
    for number, rows in enumerate(data.split.rows_of_parts().values()):
        parts[rows] = number
    arrays = {"parts": parts, **_pack_targets(data.targets)}
    if data.groups is not None:
        arrays["groups"] = data.groups
    if data.weights is not None:
        arrays["sample_weights"] = data.weights
    document = {
        "roles": dataclasses.asdict(roles),
        "name": data.table.name,
        "labels": data.labels,
        "strategy": data.split.strategy,
        "sources": data.sources,
        "remarks": data.remarks,
        "notes": data.notes,
        "preprocessing": scan.preprocessing.to_dict(),
        "dropped": scan.preprocessing.dropped,
        "ids": scan.preprocessing.ids,
        "missing_words": scan.preprocessing.missing_words,
        "duplicates": dataclasses.asdict(scan.duplicates),
        "leaks": [dataclasses.asdict(leak) for leak in scan.leaks],
        "shifts": scan.shifts,
        "labels_scanned": scan.labels,
    }
    return document, arrays


def unpack(document: Document, arrays: Arrays) -> tuple[Roles, LabelledTable, Scan]:
    """Return what `pack` was given; the table has a name alone."""
    data = LabelledTable(
        table=Table(document["name"], pl.DataFrame(), str),
        labels=document["labels"],
        targets=_unpack_targets(arrays),
        split=Split(
            document["strategy"],
            *(np.flatnonzero(arrays["parts"] == number) for number in range(len(PARTS))),
        ),
        sources=document["sources"],
        groups=arrays.get("groups"),
        weights=arrays.get("sample_weights"),
        remarks=document["remarks"],
        notes=document["notes"],
    )
    fitted = Preprocessing.from_dict(document["preprocessing"])
    scan = Scan(
        preprocessing=dataclasses.replace(
            fitted, **{key: document[key] for key in ("dropped", "ids", "missing_words")}
        ),
        duplicates=Duplicates(**document["duplicates"]),
        leaks=[Leak(**leak) for leak in document["leaks"]],
        shifts=document["shifts"],
        labels=document["labels_scanned"],
    )
    return Roles(**document["roles"]), data, scan


def _pack_targets(targets: Targets) -> dict[str, NDArray[Any]]:
    if isinstance(targets, SparseTargets):
        return {
            "target_starts": targets.ones.indptr,
            "target_labels": targets.ones.indices,
            "known_rows": targets.rows,
            "known_labels": targets.labels,
        }
    assert isinstance(targets, DenseTargets)  # noqa: S101  there are these two
    return {"targets": targets.cells}


def _unpack_targets(arrays: Arrays) -> Targets:
    if "targets" in arrays:
        return DenseTargets(arrays["targets"])
    labels, starts = arrays["target_labels"], arrays["target_starts"]
    shape = len(arrays["known_rows"]), len(arrays["known_labels"])
    ones = sp.csr_array((np.ones(len(labels), np.int8), labels, starts), shape=shape)
    return SparseTargets(ones, arrays["known_rows"], arrays["known_labels"])
