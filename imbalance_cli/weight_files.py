"""Weights as bytes of a file format, and back: csv, json, yaml, npy, safetensors, pt.

None of the writers loads torch: the .pt archive (a zip of a pickle and the raw numbers) is
written as torch.save writes it, and torch.load(weights_only=True) reads it.
"""

from __future__ import annotations

import csv
import io
import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from imbalance_cli.errors import WeightsError
from imbalance_cli.labels import Counts, LabelCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imbalance_cli.pos_weight import PosWeights

COLUMNS = ("label", "positives", "negatives", "missing", "prevalence", "pos_weight")


def encode(weights: PosWeights, file_format: str) -> bytes:
    """Return the weights in one of FORMATS."""
    return FORMATS[file_format](weights)


def rows(weights: PosWeights) -> list[dict[str, Any]]:
    """Return one mapping a label, with COLUMNS as keys; an unknown prevalence is None."""
    return [
        {
            "label": counts.label,
            "positives": counts.positives,
            "negatives": counts.negatives,
            "missing": counts.missing,
            "prevalence": counts.prevalence,
            "pos_weight": label.pos_weight,
        }
        for label in weights.labels
        for counts in [label.counts]
    ]


def _csv(weights: PosWeights) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(weights))
    return text.getvalue().encode()


def _json(weights: PosWeights) -> bytes:
    document = {
        "source": weights.source,
        "rows": weights.rows,
        "strategy": weights.strategy.name,
        "labels": rows(weights),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _yaml(weights: PosWeights) -> bytes:
    import yaml

    document = {
        "source": weights.source,
        "rows": weights.rows,
        "strategy": weights.strategy.name,
        "labels": _names(weights),
        "pos_weight": [label.pos_weight for label in weights.labels],
    }
    return cast("bytes", yaml.safe_dump(document, sort_keys=False, encoding="utf-8"))


def _npy(weights: PosWeights) -> bytes:
    import numpy as np

    content = io.BytesIO()
    np.save(content, np.array(_values(weights), np.float32), allow_pickle=False)
    return content.getvalue()


def _safetensors(weights: PosWeights) -> bytes:
    import numpy as np
    from safetensors.numpy import save

    tensors = {"pos_weight": np.array(_values(weights), np.float32)}
    return cast("bytes", save(tensors, metadata={"labels": json.dumps(_names(weights))}))


def _pt(weights: PosWeights) -> bytes:
    values = _values(weights)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, data in (
            ("data.pkl", _torch_pickle(len(values), _names(weights))),
            ("byteorder", b"little"),
            ("data/0", struct.pack(f"<{len(values)}f", *values)),
            ("version", b"3\n"),
        ):
            archive.writestr(zipfile.ZipInfo(f"pos_weight/{name}"), data)
    return content.getvalue()


def _torch_pickle(length: int, labels: Sequence[str]) -> bytes:
    """Return {"pos_weight": a float32 tensor (length,), "labels": names} as torch pickles it.

    The tensor is a call of torch._utils._rebuild_tensor_v2(storage, offset, size, stride,
    requires_grad, backward_hooks); the storage is a persistent id that names data/0.
    """

    def text(value: str) -> bytes:
        encoded = value.encode()
        return pickle.BINUNICODE + struct.pack("<I", len(encoded)) + encoded

    def integer(value: int) -> bytes:
        return pickle.BININT + struct.pack("<i", value)

    def name(module: str, attribute: str) -> bytes:
        return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()

    def group(*items: bytes) -> bytes:
        return pickle.MARK + b"".join(items) + pickle.TUPLE

    storage = group(
        text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), integer(length)
    )
    hooks = name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
    tensor = (
        name("torch._utils", "_rebuild_tensor_v2")
        + group(
            storage + pickle.BINPERSID,
            integer(0),
            group(integer(length)),
            group(integer(1)),
            pickle.NEWFALSE,
            hooks,
        )
        + pickle.REDUCE
    )
    names = pickle.EMPTY_LIST + pickle.MARK + b"".join(map(text, labels)) + pickle.APPENDS
    items = text("pos_weight") + tensor + text("labels") + names
    return (
        pickle.PROTO
        + b"\x02"
        + pickle.EMPTY_DICT
        + pickle.MARK
        + items
        + pickle.SETITEMS
        + pickle.STOP
    )


FORMATS: dict[str, Callable[[PosWeights], bytes]] = {
    "csv": _csv,
    "json": _json,
    "yaml": _yaml,
    "npy": _npy,
    "safetensors": _safetensors,
    "pt": _pt,
}
BINARY_FORMATS = ("npy", "safetensors", "pt")


def read_counts(name: str) -> Counts:
    """Read the counts in a JSON file that `imbtrain weights --format json` wrote.

    Args:
        name: a path, or "-" for stdin.

    Raises:
        WeightsError: it is missing or no such file.
    """
    document = _parse_json(_read(name).decode(errors="replace"), name)
    try:
        labels = []
        for entry in document["labels"]:
            values = [entry[key] for key in ("positives", "negatives", "missing")]
            if not isinstance(entry["label"], str) or not all(_is_count(v) for v in values):
                raise WeightsError(f"{name}: counts must be whole numbers from 0 up, not {values}")
            labels.append(LabelCounts(entry["label"], *values))
        if not _is_count(document["rows"]):
            raise WeightsError(f"{name}: rows must be a whole number, not {document['rows']!r}")
        return Counts(document["rows"], labels)
    except (KeyError, TypeError) as error:
        raise WeightsError(
            f"{name}: not counts: {error} is missing or of the wrong type",
            hint="imbtrain weights PART --format json writes such a file",
        ) from error


def read_pos_weight(name: str, labels: Sequence[str]) -> list[float]:
    """Read one weight a label from a file that `imbtrain weights` wrote, in the labels' order.

    Args:
        name: a path with the suffix of one of FORMATS, or "-" for JSON on stdin.
        labels: the labels of the data; .npy has no names, so there the order must be theirs.

    Raises:
        WeightsError: the file is missing, holds no weights, or its labels are others.
    """
    suffix = "json" if name == "-" else Path(name).suffix.lstrip(".").replace("yml", "yaml")
    if suffix not in FORMATS:
        raise WeightsError(f"{name}: weights are read from {', '.join(FORMATS)} files")
    try:
        names, values = _load(_read(name), suffix, name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{name}: not a weights file: {error}") from error
    if names is None:
        if len(values) != len(labels):
            raise WeightsError(f"{name}: {len(values)} weights for {len(labels)} labels")
        names = list(labels)
    differing = sorted(set(names) ^ set(labels))
    if differing:
        where = "file" if differing[0] in names else "data"
        raise WeightsError(f"{name}: label {differing[0]!r} is only in the {where}")
    by_name = dict(zip(names, values, strict=True))
    bad = [label for label in labels if not 0 < by_name[label] < float("inf")]
    if bad:
        raise WeightsError(f"{name}: the weight of {bad[0]!r} is {by_name[bad[0]]}, not above 0")
    return [by_name[label] for label in labels]


def _load(content: bytes, suffix: str, name: str) -> tuple[list[str] | None, list[float]]:
    match suffix:
        case "npy":
            import numpy as np

            values = np.load(io.BytesIO(content), allow_pickle=False).ravel().tolist()
            return None, [float(value) for value in values]
        case "safetensors":
            from safetensors.numpy import load

            header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
            names = json.loads(header["__metadata__"]["labels"])
            return names, load(content)["pos_weight"].tolist()
        case "pt":
            import torch

            try:
                document = torch.load(io.BytesIO(content), weights_only=True)
            except (RuntimeError, pickle.UnpicklingError) as error:
                raise WeightsError(f"{name}: not a weights file: {error}") from error
            return document["labels"], document["pos_weight"].tolist()
        case "yaml":
            import yaml

            try:
                document = yaml.safe_load(content)
            except yaml.YAMLError as error:
                raise WeightsError(f"{name}: not YAML: {error}") from error
            return document["labels"], [float(value) for value in document["pos_weight"]]
        case "csv":
            entries: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(content.decode())))
        case _:
            entries = _parse_json(content.decode(), name)["labels"]
    return [e["label"] for e in entries], [float(e["pos_weight"]) for e in entries]


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise WeightsError(f"{name}: cannot be read: {error.strerror}") from error


def _parse_json(text: str, name: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise WeightsError(f"{name}: line {error.lineno}: not JSON: {error.msg}") from error
    if not isinstance(document, dict):
        raise WeightsError(f"{name}: a JSON object is needed, not {type(document).__name__}")
    return document


def _names(weights: PosWeights) -> list[str]:
    return [label.counts.label for label in weights.labels]


def _values(weights: PosWeights) -> list[float]:
    return [label.pos_weight for label in weights.labels]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
