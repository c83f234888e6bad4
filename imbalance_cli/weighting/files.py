"""Weights as bytes of a file format, and back: csv, json, yaml, npy, safetensors, pt.

None of the writers loads torch: the .pt archive (a zip of a pickle and the raw numbers) is
written as torch.save writes it, and torch.load(weights_only=True) reads it.
"""

from __future__ import annotations

import collections
import csv
import io
import json
import math
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from imbalance_cli.errors import WeightsError
from imbalance_cli.labels import Counts, LabelCounts, list_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from imbalance_cli.weighting.pos_weight import PosWeights

Weights: TypeAlias = "tuple[list[str] | None, list[float]]"
"""Label names, where the format has them, and one weight a label."""

EXACT = 2**53
SIDES = ("positives", "negatives", "missing")
COLUMNS = ("label", *SIDES, "prevalence", "pos_weight")


def encode(weights: PosWeights, file_format: str) -> bytes:
    """Return the weights in one of FORMATS."""
    return FORMATS[file_format](weights)


def rows(weights: PosWeights) -> list[dict[str, Any]]:
    """Return one mapping a label, with COLUMNS as keys; an unknown prevalence is None."""
    return [
        {
            "label": counts.label,
            **{side: _whole(getattr(counts, side)) for side in SIDES},
            "prevalence": counts.prevalence,
            "pos_weight": label.pos_weight,
        }
        for label in weights.labels
        for counts in [label.counts]
    ]


def _whole(count: float) -> float:
    """Return a sum of weights as a whole number where it is one that floats tell from the next."""
    return int(count) if count < EXACT and float(count).is_integer() else count


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
    return yaml.safe_dump(document, sort_keys=False, encoding="utf-8")


def _npy(weights: PosWeights) -> bytes:
    import numpy as np

    content = io.BytesIO()
    np.save(content, np.array(_values(weights), np.float32), allow_pickle=False)
    return content.getvalue()


def _safetensors(weights: PosWeights) -> bytes:
    import numpy as np
    from safetensors.numpy import save

    tensors = {"pos_weight": np.array(_values(weights), np.float32)}
    return save(tensors, metadata={"labels": json.dumps(_names(weights))})


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
        rows = _count(document["rows"], name)
        labels = [
            LabelCounts(str(entry["label"]), *(_count(entry[side], name) for side in SIDES))
            for entry in document["labels"]
        ]
    except (KeyError, TypeError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise WeightsError(
            f"{name}: not counts: {problem}",
            hint="imbtrain weights PART --format json writes such a file",
        ) from error
    if not labels:
        raise WeightsError(f"{name}: not counts: no labels")
    _refuse_twice([counts.label for counts in labels], name)
    for counts in labels:
        cells = counts.positives + counts.negatives + counts.missing
        if cells != rows:
            raise WeightsError(
                f"{name}: label {counts.label!r} has {cells} positives, negatives and missing "
                f"cells in {rows} rows",
                hint="the file was changed, or counted with weights; count its part again",
            )
    return Counts(rows, labels)


def read_pos_weight(name: str, labels: Sequence[str]) -> list[float]:
    """Read one weight a label from a file that `imbtrain weights` wrote, in the labels' order.

    Args:
        name: a path with the suffix of one of FORMATS, or "-" for JSON on stdin.
        labels: the labels of the data; .npy has no names, so there the order must be theirs.

    Raises:
        WeightsError: the file is missing, holds no weights, or its labels are others.
    """
    file_format = "json" if name == "-" else format_of(Path(name))
    if file_format not in READERS:
        raise WeightsError(f"{name}: weights are read from {', '.join(READERS)} files")
    content = _read(name)
    try:
        names, values = READERS[file_format](content)
    except Exception as error:  # every format's library has its own errors for a broken file
        raise WeightsError(f"{name}: not weights as {file_format}: {error}") from error
    names = list(labels) if names is None else names
    if len(values) != len(names):
        raise WeightsError(f"{name}: {len(values)} weights for {len(names)} labels")
    _refuse_twice(names, name)
    differing = [
        f"{_name(only)} only in the {where}"
        for where, only in (
            ("file", sorted(set(names) - set(labels))),
            ("data", sorted(set(labels) - set(names))),
        )
        if only
    ]
    if differing:
        raise WeightsError(
            f"{name}: {'; '.join(differing)}",
            hint="imbtrain weights makes a file for these labels",
        )
    by_name = dict(zip(names, values, strict=True))
    for label, weight in by_name.items():
        if not 0 < weight < math.inf:
            raise WeightsError(
                f"{name}: the weight of {label!r} is {weight}, not a finite number above 0"
            )
    return [by_name[label] for label in labels]


def format_of(path: Path) -> str:
    """Return the format that a path's suffix names, in FORMATS or not."""
    return path.suffix.lower().lstrip(".").replace("yml", "yaml")


def _load_csv(content: bytes) -> Weights:
    return _columns(csv.DictReader(io.StringIO(content.decode(), newline="")))


def _load_json(content: bytes) -> Weights:
    return _columns(json.loads(content)["labels"])


def _columns(entries: Iterable[Mapping[str, Any]]) -> Weights:
    pairs = [(entry["label"], float(entry["pos_weight"])) for entry in entries]
    return [label for label, _ in pairs], [weight for _, weight in pairs]


def _load_yaml(content: bytes) -> Weights:
    import yaml

    document = yaml.safe_load(content)
    return document["labels"], [float(weight) for weight in document["pos_weight"]]


def _load_npy(content: bytes) -> Weights:
    import numpy as np

    values = np.load(io.BytesIO(content), allow_pickle=False)
    return None, [float(weight) for weight in values.ravel()]


def _load_safetensors(content: bytes) -> Weights:
    from safetensors.numpy import load

    weights = load(content)["pos_weight"].tolist()
    header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
    return json.loads(header["__metadata__"]["labels"]), weights


def _load_pt(content: bytes) -> Weights:
    import torch

    document = torch.load(io.BytesIO(content), weights_only=True)
    return document["labels"], document["pos_weight"].tolist()


READERS: dict[str, Callable[[bytes], Weights]] = {
    "csv": _load_csv,
    "json": _load_json,
    "yaml": _load_yaml,
    "npy": _load_npy,
    "safetensors": _load_safetensors,
    "pt": _load_pt,
}


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
    except RecursionError as error:
        raise WeightsError(f"{name}: nested too deeply") from error
    if not isinstance(document, dict):
        raise WeightsError(f"{name}: a JSON object is needed, not {type(document).__name__}")
    return document


def _refuse_twice(labels: Sequence[str], name: str) -> None:
    twice = [label for label, count in collections.Counter(labels).items() if count > 1]
    if twice:
        raise WeightsError(f"{name}: label {twice[0]!r} is there twice")


def _count(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise WeightsError(f"{name}: a count must be a whole number from 0 up, not {value!r}")
    return value


def _names(weights: PosWeights) -> list[str]:
    return [label.counts.label for label in weights.labels]


def _values(weights: PosWeights) -> list[float]:
    return [label.pos_weight for label in weights.labels]


def _name(labels: Sequence[str]) -> str:
    shown = list_names(map(repr, labels), most=5)
    return f"label {shown} is" if len(labels) == 1 else f"labels {shown} are"
