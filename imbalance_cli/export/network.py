"""The second stage of the graph: the networks, from features to logits.

Shapes: M networks of one shape, K heads of each, N rows, V continuous numbers, B of them with bins,
T bins, Q frequencies, E outputs of a number or category, C embedded columns, D inputs of the first
layer, H units, L labels.

Numbers are embedded with the number as the first axis and all networks side by side, (V, N, M * E):
one product for all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from imbalance_cli.network.layers import SELU

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from imbalance_cli.export.graph import Graph, Value
    from imbalance_cli.export.preprocessing import Features
    from imbalance_cli.network.embeddings import (
        Categories,
        LearnedBins,
        Periodic,
        PiecewiseLinear,
    )
    from imbalance_cli.network.layers import MemberLinear
    from imbalance_cli.network.model import MultilayerPerceptron

    Array = NDArray[np.float32]


def add_networks(
    graph: Graph, features: Features, model: MultilayerPerceptron, dtype: np.dtype[Any]
) -> Value:
    """Add networks of one shape and return their logits, (M * K, N, L)."""
    members, heads = model.members, model.shape.heads
    rows = _add_inputs(graph, features, model, dtype)
    if model.scale is not None:
        scales = _array(model.scale.weight).reshape(members, 1, heads, -1)
        rows = (rows.unsqueeze(2) * scales).reshape(members, -1, scales.shape[-1])
    if model.hidden:
        hidden = [_add_hidden(rows, model, member) for member in range(members)]
        rows = graph.concatenate(hidden, 0)
    if heads > 1:
        units = model.output.weight.shape[-1]
        rows = rows.reshape(members, -1, heads, units).transpose(0, 2, 1, 3)
        rows = rows.reshape(members * heads, -1, units)
    return _add_linear(rows, model.output.weight, model.output.bias)


def _add_hidden(rows: Value, model: MultilayerPerceptron, member: int) -> Value:
    """Return the last hidden layer of one network, (1, N * K, H), of rows (M, N * K, D).

    ONNX Runtime lays a matrix out for its products once, and several in one tensor at every call.
    """
    rows = rows.take([member], 0, model.members)
    for each in model.hidden:
        layer = cast("MemberLinear", each)
        weight, bias = _array(layer.weight)[member], _array(layer.bias)[member]
        rows = _activate(rows @ weight.T + bias, model.shape.activation)
    return rows


def _add_linear(rows: Value, weight: torch.Tensor, bias: torch.Tensor) -> Value:
    """Return (M, N, out) of rows (M, N, in)."""
    return rows @ _array(weight).transpose(0, 2, 1) + _array(bias)[:, None]


def _add_inputs(
    graph: Graph, features: Features, model: MultilayerPerceptron, dtype: np.dtype[Any]
) -> Value:
    """Return the inputs of the first layer, (M, N, D)."""
    shared = [] if features.numeric is None else [features.numeric]
    own = []
    if features.continuous is not None:
        numbers = features.continuous.transpose(1, 0).unsqueeze(2)  # (V, N, 1)
        if model.bins is not None:
            binned = numbers.take(model.shape.binned, 0, model.shape.continuous)
            reach = _add_bins(binned, model.bins)
            if model.learned_bins is None:
                width = model.bins.edges.shape[0] * (model.bins.edges.shape[1] - 1)
                shared.append(reach.transpose(1, 0, 2).reshape(-1, width))
            else:
                own.append(_learn_bins(reach, model.learned_bins))
        if model.periodic is not None:
            own.append(_add_waves(numbers, model.periodic))
    if features.codes is not None and model.embedding is not None:
        own.append(_add_categories(graph, features.codes, model.embedding, dtype))
    if shared:  # those of all networks, once for each
        every = np.ones((model.members, 1, 1))
        own.insert(0, graph.concatenate(shared, 1) * every)
    return graph.concatenate(own, 2)


def _add_bins(numbers: Value, bins: PiecewiseLinear) -> Value:
    """Return how far numbers, (B, N, 1), reach into each bin, (B, N, T)."""
    edges = _array(bins.edges).astype(numbers.dtype)[:, None]
    low, width = edges[..., :-1], np.diff(edges)
    return ((numbers - low) / np.where(width > 0, width, np.inf)).clip(0.0, 1.0)


def _learn_bins(reach: Value, learned: LearnedBins) -> Value:
    """Return what each network learned of bins (B, N, T), (M, N, B * E)."""
    weight = _array(learned.weight)
    members, numbers, bins, _ = weight.shape
    side_by_side = weight.transpose(1, 2, 0, 3).reshape(numbers, bins, -1)
    return _join(reach @ side_by_side, _array(learned.bias), members)


def _add_waves(numbers: Value, periodic: Periodic) -> Value:
    """Return what each network makes of the cosines of numbers, (M, N, V * E)."""
    weight = _array(periodic.weight)
    members, height, waves, width = weight.shape
    frequency, phase = (
        _array(each).transpose(1, 0, 2).reshape(height, 1, -1)
        for each in (periodic.frequency, periodic.phase)
    )
    # torch multiplies and adds in one instruction: rounded once
    angles = numbers.cast(np.float64) * frequency + phase
    own = np.zeros((height, members * waves, members * width), np.float32)
    for member in range(members):
        rows = slice(member * waves, (member + 1) * waves)
        own[:, rows, member * width : (member + 1) * width] = weight[member]
    cosines = angles.cast(numbers.dtype).apply("Cos")
    return _join(cosines @ own, _array(periodic.bias), members)


def _join(outputs: Value, bias: Array, members: int) -> Value:
    """Return (M, N, V * E) of outputs (V, N, M * E) and their biases (M, V, E)."""
    height, width = bias.shape[1:]
    biased = outputs + bias.transpose(1, 0, 2).reshape(height, 1, -1)
    apart = biased.reshape(height, -1, members, width).transpose(2, 1, 0, 3)
    return apart.reshape(members, -1, height * width)


def _add_categories(
    graph: Graph, codes: Value, categories: Categories, dtype: np.dtype[Any]
) -> Value:
    """Return each network's vectors of codes (N, C), (M, N, C * E)."""
    table = _array(categories.weight)
    members, _, width = table.shape
    columns = len(categories.offsets)
    cells = graph.constant(table.transpose(1, 0, 2), dtype)
    found = graph.add("Gather", cells, codes, dtype=dtype, axis=0)  # (N, C, M, E)
    return found.transpose(2, 0, 1, 3).reshape(members, -1, columns * width)


def _activate(rows: Value, name: str) -> Value:
    """Return what an activation of network/layers.py makes of rows."""
    if name == "relu":
        return rows.apply("Relu")
    if name == "silu":
        return rows * rows.apply("Sigmoid")
    if name == "gelu":
        return rows * 0.5 * ((rows * math.sqrt(0.5)).apply("Erf") + 1.0)
    alpha, scale = SELU
    return (rows.at_least(0.0) + (rows.at_most(0.0).apply("Exp") - 1.0) * alpha) * scale


def _array(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array
