"""Layers of networks side by side: torch's layers, one after the other, are the reference."""

from __future__ import annotations

import pytest
import torch

from imbalance_cli.network.layers import HeadScales, MemberLinear


def draw(layer: MemberLinear | HeadScales, members: int) -> None:
    for member in range(members):
        layer.draw(member, torch.Generator().manual_seed(member))


def test_heads_start_with_signs_and_one_head_with_ones() -> None:
    heads = HeadScales(2, 4, 50)
    draw(heads, 2)
    scales = heads.weight.detach()
    assert set(scales.flatten().tolist()) == {-1.0, 1.0}
    assert abs(scales.mean()) < 0.25
    assert len(torch.unique(scales, dim=0)) == 8
    single = HeadScales(2, 1, 50)
    draw(single, 2)
    assert torch.equal(single.weight, torch.ones(2, 50))


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("leading", [(), (1,)])
def test_linear_layers_are_those_of_torch(members: int, leading: tuple[int, ...]) -> None:
    """With rows that all members share, (B, F)."""
    layers = MemberLinear(members, 5, 4)
    draw(layers, members)
    rows = torch.randn(*leading, 11, 5, generator=torch.Generator().manual_seed(0))
    outputs = layers(rows).reshape(members, 11, 4)
    gradient = torch.randn(members, 11, 4, generator=torch.Generator().manual_seed(1))
    torch.autograd.backward(outputs, gradient)
    for member in range(members):
        layer = torch.nn.Linear(5, 4)
        layer.load_state_dict(
            {"weight": layers.weight[member].detach(), "bias": layers.bias[member].detach()}
        )
        wanted = layer(rows.reshape(11, 5))
        torch.testing.assert_close(outputs[member], wanted)
        torch.autograd.backward(wanted, gradient[member])
        assert layers.weight.grad is not None
        assert layers.bias.grad is not None
        torch.testing.assert_close(layers.weight.grad[member], layer.weight.grad)
        torch.testing.assert_close(layers.bias.grad[member], layer.bias.grad)


def test_linear_layers_take_rows_of_each_member() -> None:
    layers = MemberLinear(3, 5, 4)
    draw(layers, 3)
    rows = torch.randn(3, 11, 5, generator=torch.Generator().manual_seed(0))
    outputs = layers(rows)
    for member in range(3):
        weight, bias = layers.weight[member], layers.bias[member]
        wanted = torch.nn.functional.linear(rows[member], weight, bias)
        torch.testing.assert_close(outputs[member], wanted)


@pytest.mark.parametrize("layer", [MemberLinear(3, 5, 4), HeadScales(3, 2, 5)])
def test_gradients_by_the_rows_are_those_of_autograd(layer: MemberLinear | HeadScales) -> None:
    """Those of the parameters, too."""
    draw(layer, 3)
    rows = torch.randn(3, 11, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    outputs = layer(rows)
    gradient = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1))
    torch.autograd.backward(outputs, gradient)
    wanted = {name: parameter.grad for name, parameter in layer.named_parameters()}
    with torch.no_grad():
        ours, pull = layer.vjp(rows.detach())
        by_rows = pull(gradient.clone())
    assert torch.equal(ours, outputs)
    torch.testing.assert_close(by_rows, rows.grad)
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not wanted[name]
        torch.testing.assert_close(parameter.grad, wanted[name])
