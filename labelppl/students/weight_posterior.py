"""What a Gaussian posterior of the last layer's weights says about p(Y|X).

The posterior (made by `labelppl.distillation.last_layer`) has the student's weights as its mean; with
the features phi(x) that enter the last layer, the outputs are z(x) ~ N(z*, V(x)),
V_kl = [phi; 1]^T Sigma_kl [phi; 1]. Then

    two classes:  p = sigmoid(d / sqrt(1 + pi v / 8)),  d, v of the difference of the logits
                  (MacKay 1992; z = 2, v = 4 gives .77684, the exact integral is .77520)
    more:         the mean of softmax(z) over 512 quasi-random draws

and epistemic = H(E p) - E H(p), the mutual information between label and weights in nats.
Assumptions: all other layers are known exactly, and the posterior of the last one is Gaussian. Its
width follows lambda, which is chosen for held-out NLL: its quantiles are no interval of p(Y|X), which
`interval` measures on held-out cases instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError
from .prediction import Spread

LEVEL_POINTS = 512
LOGIT_NUMBERS = 4_000_000


@dataclass(frozen=True, eq=False)
class Full:
    """cholesky: (weights, weights) float32, lower; times its transpose it is the precision.

    The weights of one output after the other, its bias behind them.
    """

    cholesky: Tensor

    def covariance(self, features: Tensor, outputs: int) -> Tensor:
        """V (cases, outputs, outputs) float64 of features (cases, inputs)."""
        root = self.cholesky.double()
        phi = _with_bias(features, len(root) // outputs)
        one = torch.eye(outputs, dtype=torch.float64)
        slopes = torch.einsum("kl,ni->likn", one, phi).reshape(len(root), -1)
        half = torch.linalg.solve_triangular(root, slopes, upper=False)
        half = half.reshape(len(root), outputs, len(phi))
        return torch.einsum("pkn,pln->nkl", half, half)


@dataclass(frozen=True, eq=False)
class Kronecker:
    """The precision (Q_b diag(b) Q_b^T) x (Q_a diag(a) Q_a^T) + prior I.

    inputs, input_values: Q_a and a, of the features. outputs, output_values: Q_b and b. prior: (1,).
    """

    inputs: Tensor
    input_values: Tensor
    outputs: Tensor
    output_values: Tensor
    prior: Tensor

    def covariance(self, features: Tensor, outputs: int) -> Tensor:
        """V (cases, outputs, outputs) float64 of features (cases, inputs)."""
        phi = _with_bias(features, len(self.inputs))
        squared = (phi @ self.inputs.double()).square()
        a, b = self.input_values.double(), self.output_values.double()
        along = squared @ (1 / (a[:, None] * b + self.prior.double()))
        axes = self.outputs.double()
        return torch.einsum("kj,nj,lj->nkl", axes, along, axes)


WeightPosterior = Full | Kronecker


def last_linear(network: nn.Module) -> nn.Linear | None:
    """The layer whose outputs are the logits, where it is linear."""
    layers = [m for m in network.modules() if not any(True for _ in m.children())]
    holding = [m for m in layers if any(True for _ in m.parameters())]
    return holding[-1] if holding and isinstance(holding[-1], nn.Linear) else None


def with_features(network: nn.Module, layer: nn.Linear, images: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs (batch, outputs) of the network, and what entered `layer`, (batch, inputs)."""
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        output = network(images)
    finally:
        handle.remove()
    return output, seen[-1]


def spread(logits: Tensor, covariance: Tensor) -> Spread:
    """From class logits (cases, classes), prevalence included, and V of the network's outputs.

    V may be (cases, 1, 1) for two classes: of the single neuron.
    """
    if logits.shape[1] == 2:
        d = logits[:, 1] - logits[:, 0]
        v = covariance[:, -1, -1]
        if covariance.shape[1] == 2:
            v = v + covariance[:, 0, 0] - 2 * covariance[:, 0, 1]
        return _two(d, v)
    size = max(1, LOGIT_NUMBERS // (LEVEL_POINTS * logits.shape[1]))
    parts = [_more(*some) for some in zip(logits.split(size), covariance.split(size), strict=True)]
    return Spread(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def probit(d: Tensor, v: Tensor) -> Tensor:
    """E sigmoid(z) of z ~ N(d, v), nearly."""
    return torch.sigmoid(d / (1 + math.pi * v / 8).sqrt())


def standard_normal_levels() -> Tensor:
    """Quantiles (LEVEL_POINTS,) of N(0, 1) at evenly spaced levels."""
    levels = (torch.arange(LEVEL_POINTS, dtype=torch.float64) + 0.5) / LEVEL_POINTS
    return torch.special.ndtri(levels)


def standard_normal_points(dimensions: int) -> Tensor:
    """Quasi-random points (LEVEL_POINTS, dimensions) of N(0, I), always the same."""
    engine = torch.quasirandom.SobolEngine(dimensions, scramble=True, seed=0)
    uniform = engine.draw(LEVEL_POINTS, dtype=torch.float64)
    return torch.special.ndtri(uniform.clamp(1e-9, 1 - 1e-9))


def to_tensors(posterior: WeightPosterior) -> dict[str, Tensor]:
    """What a file keeps of it."""
    return dict(vars(posterior))


def from_tensors(tensors: dict[str, Tensor]) -> WeightPosterior:
    """The inverse of `to_tensors`. Raises InputError where they are not a posterior."""
    for kind in (Full, Kronecker):
        if set(tensors) == set(kind.__dataclass_fields__):
            return kind(**tensors)
    raise InputError(f"laplace: got tensors {sorted(tensors)}, which are no posterior of ours")


def _two(d: Tensor, v: Tensor) -> Spread:
    draws = torch.sigmoid(d + v.sqrt() * standard_normal_levels()[:, None])
    epistemic = _mutual_information(torch.stack([1 - draws, draws], 2))
    one = probit(d, v)
    return Spread(torch.stack([1 - one, one], 1).numpy(), epistemic.numpy())


def _more(logits: Tensor, covariance: Tensor) -> Spread:
    k = logits.shape[1]
    normal = standard_normal_points(k)
    # Rounding of nearly equal rows must not end the factorisation.
    jitter = 1e-10 * covariance.diagonal(dim1=1, dim2=2).mean(1) + 1e-24
    root = torch.linalg.cholesky(
        covariance + jitter[:, None, None] * torch.eye(k, dtype=torch.float64)
    )
    draws = (logits + torch.einsum("nkl,sl->snk", root, normal)).softmax(2)
    return Spread(draws.mean(0).numpy(), _mutual_information(draws).numpy())


def _mutual_information(draws: Tensor) -> Tensor:
    """(draws, cases, classes) -> (cases,)."""

    def entropy(p: Tensor) -> Tensor:
        return torch.special.entr(p).sum(-1)

    return (entropy(draws.mean(0)) - entropy(draws).mean(0)).clamp_min(0)


def _with_bias(features: Tensor, width: int) -> Tensor:
    """A constant feature behind the others where the layer has a bias; float64 on the CPU."""
    phi = features.detach().double().cpu()
    if phi.shape[1] == width:
        return phi
    return torch.cat([phi, torch.ones(len(phi), 1, dtype=torch.float64)], 1)
