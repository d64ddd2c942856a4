"""Laplace evidence of lambda, for the student linearised at theta_p.

f(x; theta) = f(x; theta_p) + J(x) delta, delta ~ N(0, I / (2 lambda)). In function space u = J delta
has covariance C = J J^T / (2 lambda), and with the mode u* of log p(y | f_p + u) - u^T C^-1 u / 2

    log Z = log p(y | f_p + u*) - u*^T C^-1 u* / 2 - log det(I + V^T C V) / 2,    W = V V^T,

W being minus the Hessian of the log likelihood in the outputs. By Sylvester's identity this is
MacKay's (1992) -[log det(H + 2 lambda I) - p log 2 lambda] / 2 with H = J^T W J, at the cost of a
matrix of cases, not of weights. The mode is Newton's (Rasmussen and Williams 2006, algorithm 3.1).

Assumptions: the linearisation, and that the hard labels are new; the soft labels behind theta_p
have mostly seen them, so this evidence is reported beside the held-out NLL and chooses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, unfold

from ..students.logits import class_logits
from ..students.pooling import case_logits
from ..training.source import Source

MOST_OUTPUTS = 1500
MOST_BYTES = 4 * 2**30
GRADIENT_ROWS = 16
NEWTON_STEPS = 100


@dataclass(frozen=True)
class _Layer:
    module: nn.Module
    kernel: bool


def log_evidence(
    network: nn.Module, source: Source, hard: Tensor, grid: Sequence[float]
) -> tuple[float, ...] | None:
    """log Z in nats for each lambda of `grid`: network at theta_p, hard (cases,) int64 >= 0.

    lambda = inf gives log p(y | theta_p), lambda = 0 minus infinity (a flat prior has no evidence).
    None where it would not be exact or affordable: parameters in other layers than linear and
    plain convolutional ones, or too many cases times outputs.
    """
    network.eval()
    layers = _layers(network)
    if layers is None:
        return None
    device = next(network.parameters()).device
    with torch.inference_mode():
        first = torch.arange(min(1, len(source)))
        outputs = network(next(iter(source.batches([first], device)))).shape[1]
    kernels = sum(p.numel() for layer in layers if layer.kernel for p in layer.module.parameters())
    size = len(source) * outputs
    if size > MOST_OUTPUTS or 4 * kernels * size > MOST_BYTES:
        return None
    centre, gram = _gram(network, layers, source, device)
    return tuple(_laplace(centre, hard.cpu(), gram, lam) for lam in grid)


def _layers(network: nn.Module) -> list[_Layer] | None:
    layers = []
    for module in network.modules():
        if not any(True for _ in module.parameters(recurse=False)):
            continue
        plain = (
            isinstance(module, nn.Conv2d) and module.groups == 1 and module.padding_mode == "zeros"
        )
        if not plain and not isinstance(module, nn.Linear):
            return None
        if isinstance(module, nn.Conv2d) and isinstance(module.padding, str):
            return None
        layers.append(_Layer(module, plain))
    return layers


def _gram(
    network: nn.Module, layers: list[_Layer], source: Source, device: torch.device
) -> tuple[Tensor, Tensor]:
    """f_p (cases, outputs) and J J^T (cases * outputs, cases * outputs), float64 on the CPU.

    A linear layer's gradient is an outer product, so its share is the product of two small Gram
    matrices; a convolution's per-case gradients are formed.
    """
    centres: list[Tensor] = []
    inputs: dict[int, Tensor] = {}
    slopes: dict[int, Tensor] = {}
    rows = torch.arange(len(source)).split(GRADIENT_ROWS)
    for at, x in zip(rows, source.batches(rows, device), strict=True):
        out, seen = _traced(network, layers, x)
        centres.append(out.detach())
        after = [y for _, y in seen]
        gradients = [
            torch.autograd.grad(out[:, j].sum(), after, retain_graph=True)
            for j in range(out.shape[1])
        ]
        for i, (layer, (a, _)) in enumerate(zip(layers, seen, strict=True)):
            g = torch.stack([per_output[i] for per_output in gradients], 1)
            if layer.kernel:
                g = _kernel_gradients(layer.module, a, g)
            else:
                _put(inputs, i, at, a.detach(), len(source))
            _put(slopes, i, at, g, len(source))
    centre = torch.cat(centres)
    total = torch.zeros(2 * (centre.numel(),), dtype=torch.float64, device=device)
    for i, layer in enumerate(layers):
        g = slopes.pop(i).flatten(0, 1)
        share = (g @ g.T).double()
        if not layer.kernel:
            a = inputs[i].repeat_interleave(centre.shape[1], 0)
            bias = 0.0 if layer.module.bias is None else 1.0
            share = share * ((a @ a.T).double() + bias)
        total += share
    return centre.double().cpu(), total.cpu()


def _put(whole: dict[int, Tensor], i: int, at: Tensor, part: Tensor, cases: int) -> None:
    """The cases `at` of layer i, written where they stay: gathered chunks would need twice the memory."""
    if i not in whole:
        whole[i] = part.new_empty((cases, *part.shape[1:]))
    whole[i][at] = part


def _traced(
    network: nn.Module, layers: list[_Layer], x: Tensor
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """The outputs, and what went into and came out of each layer."""
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep(module: nn.Module, inputs: tuple[Any, ...], made: Tensor) -> None:
        seen[module] = (inputs[0], made)

    handles = [layer.module.register_forward_hook(keep) for layer in layers]
    try:
        out = network(x)
    finally:
        for handle in handles:
            handle.remove()
    return out, [seen[layer.module] for layer in layers]


def _kernel_gradients(module: nn.Module, a: Tensor, g: Tensor) -> Tensor:
    """Per case and output, the gradient in a convolution's weights and bias, (cases, outputs, p)."""
    assert isinstance(module, nn.Conv2d)
    patches = unfold(a.detach(), module.kernel_size, module.dilation, module.padding, module.stride)
    weight = torch.einsum("nocl,npl->nocp", g.flatten(3), patches).flatten(2)
    if module.bias is None:
        return weight
    return torch.cat([weight, g.sum((3, 4))], 2)


def _laplace(centre: Tensor, hard: Tensor, gram: Tensor, lam: float) -> float:
    cases, outputs = centre.shape

    def terms(alpha: Tensor) -> tuple[float, Tensor, Tensor]:
        """The log posterior, its likelihood's gradient and V at u = C alpha."""
        logits = class_logits(centre + (cov @ alpha).reshape(cases, outputs))
        log_q = logits.log_softmax(1)
        q = log_q.exp()
        value = log_q.gather(1, hard[:, None]).sum() - alpha @ cov @ alpha / 2
        residual = (one_hot(hard, logits.shape[1]).double() - q)[:, -outputs:].flatten()
        root = q.sqrt()
        blocks = torch.diag_embed(root) - q[:, :, None] * root[:, None, :]
        return float(value), residual, blocks[:, -outputs:]

    zero = torch.zeros(cases * outputs, dtype=torch.float64)
    if math.isinf(lam) or lam == 0:
        cov = torch.zeros_like(gram)
        return terms(zero)[0] if lam else -math.inf
    cov = gram / (2 * lam)
    alpha, (value, residual, blocks) = zero, terms(zero)
    for _ in range(NEWTON_STEPS):
        root = torch.block_diag(*blocks)
        hessian = root @ root.T
        wanted = hessian @ (cov @ alpha) + residual
        step = (
            torch.linalg.solve(torch.eye(len(cov), dtype=torch.float64) + hessian @ cov, wanted)
            - alpha
        )
        before, length = value, 1.0
        while length > 1e-6:
            tried = terms(alpha + length * step)
            if tried[0] >= before:
                alpha, (value, residual, blocks) = alpha + length * step, tried
                break
            length /= 2
        if value - before < 1e-9:
            break
    root = torch.block_diag(*blocks)
    inner = torch.eye(root.shape[1], dtype=torch.float64) + root.T @ cov @ root
    return value - float(torch.linalg.slogdet(inner)[1]) / 2


def gradients(
    network: nn.Module, source: Source, hard: Tensor, device: torch.device
) -> Iterator[dict[str, Tensor]]:
    """Per case, the gradient of log q(y) by parameter name: for `prior.diagonal_fisher`."""
    network.eval()
    names, parameters = zip(*network.named_parameters(), strict=True)
    rows = torch.arange(len(source)).split(1)
    for x, y in zip(source.batches(rows, device), hard.split(1), strict=True):
        log_q = case_logits(network, x).log_softmax(1)[0, int(y)]
        yield dict(zip(names, torch.autograd.grad(log_q, parameters), strict=True))
