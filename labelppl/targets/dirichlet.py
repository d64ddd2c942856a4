"""A Dirichlet student: distils the posterior of the label, not its mean alone.

The student's logits z are read as a Dirichlet with concentrations a = exp(z), a0 = sum_k a_k. Its
mean a / a0 = softmax(z) is the prediction, as for any other student; its spread is what the label
model does not know, so that one output separates ambiguity from ignorance: epistemic MI = sum_k
p_k [psi(a_k + 1) - psi(a0 + 1) - ln p_k], p = a / a0.

The draws have the mean p̄ and a concentration that matches their disagreement: b0 = (K - 1) / EPKL,
exact for Dirichlet draws (EPKL: expected pairwise KL), or (K - 1) / (2 MKL), approximate.

decoupled (default): -sum_k p̄_k ln p_k + weight h(ln a0 - ln b0), h Huber's function: the mean is
    learned as any student learns it, the concentration by a regression of its own. Of proxy, the
    concentration's part is one in b0, hundreds, and in endd a smaller concentration makes good an
    error of the mean: the student's ignorance then takes after its ambiguity (docs/measured.md).
proxy: KL(Dir(a) || Dir(b)) / b0, b = b0 p̄ + offset, the reverse KL. Up to a constant this is
    -sum_k p̄_k (psi(a_k) - psi(a0)) - H[Dir(a)] / b0 for offset = 1 (Ryabinin, Malinin & Gales
    2021, arXiv 2105.06987); with offset = 0 its minimiser's mean is p̄ itself (smoothed as below).
endd: -[ln G(a0) - sum_k ln G(a_k) + sum_k (a_k - 1) m_k], m_k = mean_s ln p_sk: the likelihood of
    the draws (Malinin et al. 2020, arXiv 1905.00076), which needs no more of them than m. Draws
    are smoothed, p <- (1 - smoothing) p + smoothing / K, since one zero would make m infinite.
    Tempering (`temperature` > 1 at the start, down to 1 at half the epochs) applies to draws and
    logits alike. Cases with certain labels have by far the steepest losses, which is why it is
    not the default.

Without draws, the posterior mean of log p(Y|Z) is all that is needed (MKL, not EPKL, then).
Target rows: decoupled [p̄, b0], proxy [b, b0] (K + 1 columns); endd m (K columns).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from .base import Target, Validation, check, promote
from .target_data import TargetData, require

CEILING = 1e4  # of b0: draws that agree to the last digit would make it infinite
_FLOOR = 1e-6  # of a drawn probability, before its logarithm


class Dirichlet(Target):
    """loss and match as above; weight > 0 (decoupled); offset >= 0 (proxy); smoothing in (0, 1)
    (proxy, endd); temperature >= 1 (endd).

    Learns from every case, labelled or not. The student needs one output per class.
    """

    name = "dirichlet"
    needs_full_head = True
    head = "dirichlet"

    def __init__(
        self,
        loss: Literal["decoupled", "proxy", "endd"] = "decoupled",
        match: Literal["epkl", "mkl"] = "epkl",
        weight: float = 0.1,
        offset: float = 0.0,
        smoothing: float = 1e-4,
        temperature: float = 1.0,
    ) -> None:
        kinds = ("decoupled", "proxy", "endd")
        check(loss in kinds, self.name, "loss", loss, "'decoupled', 'proxy' or 'endd'")
        check(match in ("epkl", "mkl"), self.name, "match", match, "'epkl' or 'mkl'")
        check(weight > 0, self.name, "weight", weight, "a number > 0")
        check(offset >= 0, self.name, "offset", offset, "a number >= 0")
        check(0 < smoothing < 1, self.name, "smoothing", smoothing, "a number in (0, 1)")
        check(temperature >= 1, self.name, "temperature", temperature, "a number >= 1")
        self.kind = loss
        self.match = match
        self.weight = weight
        self.offset = offset
        self.smoothing = smoothing
        self.hottest = temperature
        self.temperature = temperature if loss == "endd" else 1.0

    def usable(self, evidence: TargetData) -> Tensor:
        return torch.ones_like(evidence.hard, dtype=torch.bool)

    def start(self, evidence: TargetData) -> Tensor:
        self._evidence = evidence
        if evidence.draws is None:
            require(evidence, "mean_log", self.name)
            check(self.temperature == 1, self.name, "temperature", self.temperature, "1, no draws")
        if self.kind == "endd":
            return self._mean_log()
        soft, draws = evidence.soft, evidence.draws
        if draws is not None:
            b0 = dirichlet_concentration(draws, evidence.log_weights, self.match)[:, None]
            mean = mean_over_draws(draws, evidence.log_weights) if soft is None else soft.double()
        else:
            mean = require(evidence, "soft", self.name).double()
            floored = require(evidence, "mean_log", self.name).double().clamp(min=math.log(_FLOOR))
            spread = 2 * (torch.xlogy(mean, mean) - mean * floored).sum(1)
            b0 = _from_spread(spread, evidence.classes)[:, None]
        if self.kind == "decoupled":
            return torch.cat([mean, b0], 1)
        mean = (1 - self.smoothing) * mean + self.smoothing / evidence.classes
        return torch.cat([b0 * mean + self.offset, b0], 1)

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        z = promote(logits).double() / self.temperature
        target = target.to(z)
        if self.kind == "endd":
            a = z.exp()
            return -(log_normaliser(a) + ((a - 1) * target).sum(1))
        b, b0 = target[:, :-1], target[:, -1]
        if self.kind == "proxy":
            return dirichlet_kl(z.exp(), b) / b0
        spread = huber_loss(z.logsumexp(1), b0.log(), reduction="none")
        return -(b * z.log_softmax(1)).sum(1) + self.weight * spread

    def end_epoch(self, epoch: int, epochs: int, validation: Validation | None) -> Tensor | None:
        if self.kind != "endd" or self.hottest == 1:
            return None
        cooled = min(2 * (epoch + 1) / epochs, 1.0)
        self.temperature = self.hottest + (1 - self.hottest) * cooled
        return self._mean_log()

    def state_dict(self) -> dict[str, Tensor]:
        return {"temperature": torch.tensor(self.temperature, dtype=torch.float64)}

    def load_state_dict(self, state: dict[str, Tensor]) -> Tensor | None:
        self.temperature = float(state["temperature"])
        return self._mean_log() if self.kind == "endd" else None

    def _mean_log(self) -> Tensor:
        """Mean log probability of the tempered, smoothed draws (cases, classes)."""
        draws, k = self._evidence.draws, self._evidence.classes
        if draws is None:
            p = require(self._evidence, "mean_log", self.name).double().exp()
            return ((1 - self.smoothing) * p + self.smoothing / k).log()
        p = (draws.double().clamp(min=_FLOOR).log() / self.temperature).softmax(-1)
        p = (1 - self.smoothing) * p + self.smoothing / k
        return mean_over_draws(p.log(), self._evidence.log_weights)


def mean_over_draws(values: Tensor, log_weights: Tensor | None) -> Tensor:
    """Weighted mean over draws of (draws, cases, classes): (cases, classes), float64."""
    if log_weights is None:
        return values.double().mean(0)
    weights = log_weights.double().softmax(0)
    weights = weights.reshape(*weights.shape, *[1] * (values.ndim - weights.ndim))
    return (weights * values.double()).sum(0)


def dirichlet_concentration(
    draws: Tensor, log_weights: Tensor | None = None, match: Literal["epkl", "mkl"] = "epkl"
) -> Tensor:
    """The Dirichlet concentration a0 that matches the disagreement of posterior draws.

    a0 = (K - 1) / EPKL (expected pairwise KL) or (K - 1) / (2 MKL), at most `CEILING`.

    Args:
        draws: Draws of p(Y|Z), (draws, cases, classes); floored at 1e-6.
        log_weights: Log weights of the draws where they differ, (draws,) or (draws, cases).
        match: ``epkl``, exact for Dirichlet draws, or ``mkl``, approximate.

    Returns:
        Concentrations (cases,), in pseudo-counts.

    Examples:
        >>> draws = torch.tensor([[[0.8, 0.2]], [[0.6, 0.4]]])
        >>> round(dirichlet_concentration(draws).item(), 2)
        20.39
    """
    p = draws.double().clamp(min=_FLOOR)
    p = p / p.sum(-1, keepdim=True)
    mean, mean_log = mean_over_draws(p, log_weights), mean_over_draws(p.log(), log_weights)
    if match == "epkl":
        spread = (mean_over_draws(p * p.log(), log_weights) - mean * mean_log).sum(1)
    else:
        spread = 2 * (mean * (mean.log() - mean_log)).sum(1)
    return _from_spread(spread, p.shape[-1])


def _from_spread(spread: Tensor, classes: int) -> Tensor:
    return ((classes - 1) / spread.clamp(min=1e-300)).clamp(max=CEILING)


def epistemic(logits: Tensor) -> Tensor:
    """What the label model does not know: the mutual information of a Dirichlet student's answer.

    MI = sum_k p_k [psi(a_k + 1) - psi(a0 + 1) - ln p_k], with a = exp(logits), a0 = sum_k a_k and p = a / a0.

    Args:
        logits: Log concentrations, (cases, classes).

    Returns:
        Mutual information (cases,), in nats.

    Examples:
        >>> few, many = torch.tensor([1.0, 1.0]).log(), torch.tensor([50.0, 50.0]).log()
        >>> [round(mi, 3) for mi in epistemic(torch.stack([few, many])).tolist()]
        [0.193, 0.005]
    """
    a = promote(logits).double().exp()
    a0 = a.sum(1, keepdim=True)
    p = a / a0
    gain = torch.special.digamma(a + 1) - torch.special.digamma(a0 + 1) - torch.log(p)
    return torch.where(p > 0, p * gain, 0).sum(1)


def log_normaliser(a: Tensor) -> Tensor:
    """ln G(a0) - sum_k ln G(a_k) per case (cases,), for concentrations (cases, classes)."""
    return torch.lgamma(a.sum(1)) - torch.lgamma(a).sum(1)


def dirichlet_kl(a: Tensor, b: Tensor) -> Tensor:
    """KL(Dir(a) || Dir(b)) per case (cases,), for concentrations (cases, classes)."""
    mean_log = torch.special.digamma(a) - torch.special.digamma(a.sum(1, keepdim=True))
    return log_normaliser(a) - log_normaliser(b) + ((a - b) * mean_log).sum(1)
