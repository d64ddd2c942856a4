"""Laplace posterior of the student's last layer around the MAP of step 2.

    N(theta*, (H + 2 lambda F)^-1),   H = sum_i J_i^T W_i J_i,   W_i = diag(q_i) - q_i q_i^T

over the labelled training cases: the prior N(theta_p, (2 lambda F)^-1) of step 2, F = I without
Fisher weights, times the likelihood's generalised Gauss-Newton approximation (a sum, not a mean;
MacKay 1992), which for the last linear layer is the exact Hessian. theta_p moves the mode, not the
curvature. With phi what enters the layer, J_i = I x [phi_i; 1]^T. Where the matrix would be too
large, its Kronecker approximation (sum_i W_i / m) x sum_i phi_i phi_i^T takes its place (Ritter et
al. 2018).

Assumptions: the other layers are known exactly, normalisation statistics are frozen, and the
weights kept are the mode (step 2 keeps its best validation epoch, which is near it).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..students.logits import class_logits
from ..students.pooling import Pool, case_features
from ..students.weight_posterior import Full, Kronecker, WeightPosterior, last_linear
from ..training.held import EVALUATION_BATCH
from ..training.source import Source
from ..training.weight_prior import WeightPrior
from .function_prior import StepTwoPrior

MOST_WEIGHTS = 4096


class LastLayer(NamedTuple):
    """posterior: or None. note: its structure (`full`, `kronecker`), or why there is none."""

    posterior: WeightPosterior | None
    note: str


def last_layer_posterior(
    network: nn.Module,
    head: str,
    source: Source,
    hard: Tensor,
    prior: StepTwoPrior,
    pool: Pool = "mean",
) -> LastLayer:
    """network: after step 2. head, pool: of its spec. source, hard: its training cases, (cases,) int64,
    -1 = unlabelled. prior: of step 2.
    """
    if head == "dirichlet":
        return LastLayer(None, "the student's Dirichlet head is its own uncertainty")
    if pool == "attention":
        return LastLayer(None, "attention: how much an image counts hangs on the last layer too")
    layer = last_linear(network)
    if layer is None:
        return LastLayer(None, "the student's last layer is not linear")
    if not isinstance(prior, WeightPrior):
        return LastLayer(None, "the prior is on predictions, which gives the weights no posterior")
    if math.isinf(prior.lam):
        return LastLayer(None, "lambda is infinite: the posterior is the point theta_p")
    if prior.lam == 0:
        return LastLayer(None, "lambda is 0: under a flat prior the posterior is improper")
    precision = _prior_precision(network, layer, prior)
    if precision is None:
        return LastLayer(None, "the weight prior leaves the last layer free: improper posterior")
    full = precision.numel() <= MOST_WEIGHTS
    if not full and prior.fisher is not None:
        return LastLayer(None, f"the last layer has over {MOST_WEIGHTS} weights and Fisher weights")
    c, d = precision.shape
    curvature, gram = _curvature(network, layer, source, hard, full)
    if full:
        matrix = curvature.reshape(c * d, c * d)
        matrix.diagonal().add_(precision.flatten())
        root, failed = torch.linalg.cholesky_ex(matrix)
        if int(failed):
            return LastLayer(None, f"lambda = {prior.lam:g} is too small for a proper posterior")
        return LastLayer(Full(root.float().contiguous()), "full")
    a, inputs = torch.linalg.eigh(gram)
    b, outputs = torch.linalg.eigh(curvature)
    parts = (inputs, a.clamp_min(0), outputs, b.clamp_min(0), torch.tensor([2 * prior.lam]))
    return LastLayer(Kronecker(*(part.float().contiguous() for part in parts)), "kronecker")


def _curvature(
    network: nn.Module, layer: nn.Linear, source: Source, hard: Tensor, full: bool
) -> tuple[Tensor, Tensor]:
    """H (outputs, d, outputs, d), or the mean of W (outputs, outputs); and the sum of phi phi^T."""
    seen = (hard >= 0).nonzero().squeeze(1).cpu()
    network.eval()
    device = next(network.parameters()).device
    place = device if device.type == "cuda" else torch.device("cpu")  # others lack float64
    c, d = layer.out_features, layer.in_features + (layer.bias is not None)
    wide = {"dtype": torch.float64, "device": place}
    curvature = torch.zeros((c, d, c, d) if full else (c, c), **wide)
    gram = torch.zeros((d, d), **wide)
    rows = torch.arange(len(seen)).split(EVALUATION_BATCH)
    with torch.no_grad():
        for x in source.take(seen).batches(rows, device):
            output, features = case_features(network, layer, x)
            q = class_logits(output.to(place).double()).softmax(1)
            w = (torch.diag_embed(q) - q[:, :, None] * q[:, None, :])[:, -c:, -c:]
            phi = features.to(place).double()
            if layer.bias is not None:
                phi = torch.cat([phi, phi.new_ones(len(phi), 1)], 1)
            if full:
                for k in range(c):
                    for j in range(c):
                        curvature[k, :, j] += (phi * w[:, k, j, None]).T @ phi
            else:
                gram += phi.T @ phi
                curvature += w.sum(0) / len(seen)
    return curvature.cpu(), gram.cpu()


def _prior_precision(network: nn.Module, layer: nn.Linear, prior: WeightPrior) -> Tensor | None:
    """2 lambda F of the layer, (outputs, inputs + bias) float64; None where it is free."""
    names = {id(p): name for name, p in network.named_parameters()}
    columns = []
    for parameter in (layer.weight, layer.bias):
        if parameter is None:
            continue
        name = names[id(parameter)]
        if name not in prior.penalised:
            return None
        fisher = None if prior.fisher is None else prior.fisher[name]
        value = torch.ones_like(parameter) if fisher is None else fisher
        columns.append(value.detach().cpu().double().reshape(len(layer.weight), -1))
    precision = 2 * prior.lam * torch.cat(columns, 1)
    return precision if bool((precision > 0).all()) else None
