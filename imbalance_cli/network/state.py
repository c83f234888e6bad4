"""What training goes on from: tensors by name, and as the bytes of a safetensors file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

State = dict[str, torch.Tensor]


def below(state: State, start: str) -> State:
    """Return what has names that begin so, by the rest of their names."""
    return {
        name.removeprefix(start): tensor for name, tensor in state.items() if name.startswith(start)
    }


def pack(document: Mapping[str, Any]) -> torch.Tensor:
    """Return plain data as a tensor of bytes."""
    return torch.frombuffer(bytearray(json.dumps(document).encode()), dtype=torch.uint8)


def unpack(tensor: torch.Tensor) -> Any:  # noqa: ANN401  plain data of any form
    """Return the plain data that `pack` was given."""
    return json.loads(tensor.numpy().tobytes())


def to_bytes(state: State) -> bytes:
    """Return tensors as the content of a safetensors file."""
    # clones, since tensors that share memory are refused
    on_host = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in state.items()
    }
    return safetensors.torch.save(on_host)
