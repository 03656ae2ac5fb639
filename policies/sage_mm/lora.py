"""A linear layer with a LoRA adapter as one step of the backward pass.

Written out operation by operation, the adapter's branch is as wide as the layer's output, and is
scaled, added and differentiated in passes over memory of their own. Here its two narrow products
are added inside the matrix multiplications, in both directions; what is kept for the backward pass
is the input and the narrow product. The numbers are those of peft, to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class _LoraLinear(torch.autograd.Function):
    """`x W^T + scale (x A^T) B^T` with a frozen W `(out, in)`, A `(r, in)`, B `(out, r)`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        narrow = flat @ a.T
        out = (flat @ weight.T).addmm_(narrow, b.T, alpha=scale)
        ctx.save_for_backward(flat, narrow, weight, a, b)
        ctx.scale, ctx.shape = scale, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        flat, narrow, weight, a, b = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1])
        back = (grad @ b).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight).addmm_(back, a).view(ctx.shape)
        return grad_x, None, back.T @ flat, (grad.T @ narrow).mul_(ctx.scale), None


class FusedLinear(Linear):
    """A peft layer that runs as above wherever it is the plain case; elsewhere as peft has it.

    Plain is one LoRA adapter in use, without dropout, bias or variant, and one dtype throughout.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return `(..., out)` for x `(..., in)`."""
        if args or kwargs or not _is_plain(self, x):
            out: Tensor = super().forward(x, *args, **kwargs)
            return out
        name = self.active_adapters[0]
        a, b = self.lora_A[name].weight, self.lora_B[name].weight
        apply: Any = _LoraLinear.apply
        fused: Tensor = apply(x, self.base_layer.weight, a, b, self.scaling[name])
        return fused


def fuse(layer: Any) -> None:
    """Make a linear layer of peft's a fused one, in place; layers of other kinds are left alone."""
    if type(layer) is Linear:
        layer.__class__ = FusedLinear


def _is_plain(layer: Linear, x: Tensor) -> bool:
    if layer.disable_adapters or layer.merged or len(layer.active_adapters) != 1:
        return False
    name, base = layer.active_adapters[0], layer.base_layer
    if name not in layer.lora_A or name in layer.lora_variant:
        return False
    a, b = layer.lora_A[name], layer.lora_B[name]
    return (
        type(base) is nn.Linear
        and base.bias is None
        and b.bias is None
        and isinstance(layer.lora_dropout[name], nn.Identity)
        and not base.weight.requires_grad
        and x.dtype == base.weight.dtype == a.weight.dtype == b.weight.dtype
        and not torch.is_autocast_enabled(x.device.type)
    )
