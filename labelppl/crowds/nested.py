"""The nested Dawid-Skene model and one sweep of its Gibbs sampler, conjugate throughout.

    pi ~ Dir(1);   p(l = k | y = k, j) = c_jk;   p(l /= k | y = k, j) = (1 - c_jk) D_j[k, l]
    c_jk ~ Beta(s1 r_j + a_k, s1 (1 - r_j) + b_k)      r_j ~ Beta(s0 m, s0 (1 - m))
    D_j[k, .] ~ Dir(alpha_k.)                           alpha_kl ~ Gamma(1, (K - 1) / 2)
    s1 ~ Gamma(10, .03) from 20 upwards    a_k, b_k ~ Gamma(1, 1)    s0 ~ Gamma(2, .4)    m ~ Beta(3, 1)

(Gamma by shape and rate.) r_j is the rater's ability, shared by all classes; s1, learned from the crowd, says how far the
rates of one rater in different classes lie together. A rater with few votes, or a class that a rater hardly saw, so
borrows from the rest, and a rater who is worse at one class is still believed after enough votes.

A sweep draws the true classes y given c and D (one sparse product), then the parameters with c and D summed out by
Chinese-restaurant tables (`tables`), then c, D and pi. Sources: Dawid and Skene (1979); Paun et al., TACL 6 (2018), for
shrinking raters to the crowd; Teh et al. (2006) for the tables.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import lgamma, log
from typing import NamedTuple

import numpy as np

from ..arrays import Floats, Ints
from .gibbs_run import Pace
from .seen_votes import SeenVotes, right_and_wrong
from .strengths import gamma_from, log_gamma, log_slips, tally
from .tables import Guests, minus_log_beta

#: Shape, rate and lower end of s1; shape and rate of s0; parameters of m: see above.
EVENNESS, LEAST_EVENNESS, LIKENESS, LEVEL = (10.0, 0.03), 20.0, (2.0, 0.4), (3.0, 1.0)
#: Shape and rate of a_k and b_k; shape of alpha, whose rate is (K - 1) / 2.
SHIFT, SLIP_SHAPE = (1.0, 1.0), 1.0
#: Widths of the random walks on logarithms, of which each step draws one.
WALK_WIDTHS = np.array([0.1, 0.4, 1.5])
#: Such steps of s0 and m for each of the abilities, and of the strengths of alpha.
LEVEL_STEPS = 8
#: Probabilities are kept this far from 0 and 1, and strengths from 0: smaller ones underflow in the transforms.
EDGE, LEAST_STRENGTH, ABILITY_EDGE = 1e-9, 1e-4, 1e-9


@dataclass(frozen=True)
class Crowd:
    """Parameters of the nested model at one draw; K classes, J raters.

    prevalence (K,) pi; level m; likeness s0; ability (J,) r; evenness s1; shift (K, 2) a and b; right (J, K) c; slip_prior
    (K, K - 1) alpha and slips (J, K, K - 1) D of the wrong answers in their order, both empty for two classes.
    """

    prevalence: Floats
    level: float
    likeness: float
    ability: Floats
    evenness: float
    shift: Floats
    right: Floats
    slip_prior: Floats
    slips: Floats

    @property
    def confusion(self) -> Floats:
        """(raters, classes, answers)."""
        j, k = self.right.shape
        out: Floats = np.zeros((j, k, k))
        wrong = ~np.eye(k, dtype=bool)
        share = self.slips if k > 2 else np.ones((j, k, 1))
        out[:, wrong] = ((1 - self.right)[..., None] * share).reshape(j, -1)
        at = np.arange(k)
        out[:, at, at] = self.right
        return out

    @property
    def shared(self) -> Floats:
        """What the raters share, in one vector: m, s0, s1, a, b, alpha; on the log scale where positive."""
        positive = [self.likeness, self.evenness, *self.shift.ravel(), *self.slip_prior.ravel()]
        return np.array([self.level, *np.log(positive)])

    def draw(self, rng: np.random.Generator, counts: Floats, pace: Pace) -> Crowd:
        """Everything but pi, given the votes' counts; what the raters share at its ``pace``, then the rates."""
        crowd = self
        if pace.times:
            seen = SeenVotes.of(counts)
            for _ in range(pace.times):
                crowd = draw_strengths(rng, crowd, seen, pace.steps)
        return draw_rates(rng, crowd, counts)

    @classmethod
    def start(cls, raters: int, classes: int) -> Crowd:
        """Where chains start: raters alike and right in three of four answers."""
        k = classes
        wrong = k - 1
        return cls(
            prevalence=np.full(k, 1 / k),
            level=0.75,
            likeness=8.0,
            ability=np.full(raters, 0.75),
            evenness=100.0,
            shift=np.full((k, 2), 0.5),
            right=np.full((raters, k), 0.75),
            slip_prior=np.full((k, wrong), 2.0 / wrong) if k > 2 else np.empty((k, 0)),
            slips=np.full((raters, k, wrong), 1 / wrong) if k > 2 else np.empty((raters, k, 0)),
        )


def draw_rates(rng: np.random.Generator, crowd: Crowd, counts: Floats) -> Crowd:
    """c and D given everything else, the votes' counts (raters, classes, answers) too: Beta and Dirichlet."""
    right, wrong = right_and_wrong(counts)
    a, b = _strengths(crowd)
    c = rng.beta(a + right, b + wrong.sum(2))
    slips = crowd.slips
    if crowd.slip_prior.size:
        drawn = rng.standard_gamma(crowd.slip_prior + wrong) + EDGE
        slips = drawn / drawn.sum(2, keepdims=True)
    return replace(crowd, right=np.clip(c, EDGE, 1 - EDGE), slips=slips)


class Tables(NamedTuple):
    """Tables of one draw: those that belong to a rater's ability, right and wrong (J, K); all right and wrong ones (J, K);

    rate (J, K): what the summed-out rates add to the rate of a strength.
    """

    of_right: Ints
    of_wrong: Ints
    right: Ints
    wrong: Ints
    rate: Floats


def draw_tables(rng: np.random.Generator, crowd: Crowd, seen: SeenVotes) -> Tables:
    """The tables of c given the strengths; each belongs to s1 r or s1 (1 - r), or to a_k or b_k."""
    a, b = _strengths(crowd)
    right, wrong = seen.right.tables(rng, a), seen.missed.tables(rng, b)
    ability = crowd.ability[:, None]
    of_right = rng.binomial(right, np.minimum(crowd.evenness * ability / a, 1))
    of_wrong = rng.binomial(wrong, np.minimum(crowd.evenness * (1 - ability) / b, 1))
    rate = minus_log_beta(rng, a + b, seen.right.number + seen.missed.number)
    return Tables(of_right, of_wrong, right, wrong, rate)


def draw_ability(rng: np.random.Generator, crowd: Crowd, tables: Tables) -> Crowd:
    """r given the tables, m and s0."""
    up = crowd.likeness * crowd.level + tables.of_right.sum(1)
    down = crowd.likeness * (1 - crowd.level) + tables.of_wrong.sum(1)
    return replace(crowd, ability=np.clip(rng.beta(up, down), ABILITY_EDGE, 1 - ABILITY_EDGE))


def draw_strengths(rng: np.random.Generator, crowd: Crowd, seen: SeenVotes, steps: int) -> Crowd:
    """s1, a, b, s0, m, r and alpha given the votes' counts, with c and D summed out; so many ``steps`` of s1, a and b."""
    tables = draw_tables(rng, crowd, seen)
    of_right, of_wrong, rate = tables.of_right, tables.of_wrong, tables.rate
    both = float(of_right.sum() + of_wrong.sum())
    evenness = gamma_from(rng, EVENNESS[0] + both, EVENNESS[1] + float(rate.sum()), LEAST_EVENNESS)
    of_class = np.stack([(tables.right - of_right).sum(0), (tables.wrong - of_wrong).sum(0)], 1)
    shift = rng.standard_gamma(SHIFT[0] + of_class) / (SHIFT[1] + rate.sum(0)[:, None])
    # One level up: the raters' abilities summed out given their tables.
    high, low = Guests(of_right.sum(1)), Guests(of_wrong.sum(1))
    up = high.tables(rng, np.array(crowd.likeness * crowd.level)).sum()
    down = low.tables(rng, np.array(crowd.likeness * (1 - crowd.level))).sum()
    spread = minus_log_beta(rng, np.array(crowd.likeness), high.number + low.number).sum()
    likeness = float(rng.gamma(LIKENESS[0] + up + down) / (LIKENESS[1] + spread))
    level = float(np.clip(rng.beta(LEVEL[0] + up, LEVEL[1] + down), ABILITY_EDGE, 1 - ABILITY_EDGE))
    slip_prior = crowd.slip_prior
    if slip_prior.size:
        opened = seen.wrong.tables(rng, slip_prior).sum(0)
        more = minus_log_beta(rng, slip_prior.sum(1), seen.missed.number).sum(0)
        rate_of = slip_prior.shape[1] / 2
        slip_prior = rng.standard_gamma(SLIP_SHAPE + opened) / (rate_of + more[:, None])
    crowd = replace(
        crowd,
        level=level,
        likeness=max(likeness, LEAST_STRENGTH),
        evenness=evenness,
        shift=np.maximum(shift, LEAST_STRENGTH),
        slip_prior=np.maximum(slip_prior, LEAST_STRENGTH),
    )
    return jump(rng, jump_slips(rng, draw_ability(rng, crowd, tables), seen), seen, steps)


def jump_slips(rng: np.random.Generator, crowd: Crowd, seen: SeenVotes) -> Crowd:
    """Metropolis steps of the strength of each alpha_k as a whole, D summed out: tables move it slowly where it is large."""
    if not crowd.slip_prior.size:
        return crowd
    missed, wrong = tally(seen.missed.number), tally(seen.wrong.number)
    law = SLIP_SHAPE, crowd.slip_prior.shape[1] / 2
    prior, here = crowd.slip_prior, log_slips(crowd.slip_prior, missed, wrong)
    for width in rng.choice(WALK_WIDTHS, LEVEL_STEPS):
        step = width * rng.standard_normal(len(prior))
        moved = np.maximum(prior * np.exp(step)[:, None], LEAST_STRENGTH)
        there = log_slips(moved, missed, wrong)
        gain = (log_gamma(moved, law) - log_gamma(prior, law)).sum(1) + there - here
        taken = np.log(rng.random(len(gain))) < gain
        prior, here = np.where(taken[:, None], moved, prior), np.where(taken, there, here)
    return replace(crowd, slip_prior=prior)


def jump(rng: np.random.Generator, crowd: Crowd, seen: SeenVotes, steps: int) -> Crowd:
    """Metropolis steps of s1 and of a and b, on their logarithms, then of r, s0 and m; c is summed out.

    Tables move a strength slowly where it is large against the counts, which is where the prior decides; a random walk
    whose width is itself drawn does not.
    """
    here = seen.log_evidence(*_strengths(crowd))
    for _ in range(steps):
        crowd, here = _jump_evenness(rng, crowd, seen, here)
        crowd, here = _jump_shift(rng, crowd, seen, here)
    return _jump_ability(rng, crowd, seen, here.sum(1))


def _jump_evenness(
    rng: np.random.Generator, crowd: Crowd, seen: SeenVotes, here: Floats
) -> tuple[Crowd, Floats]:
    """One step of s1, and the log evidence (J, K) after it; here: before it."""
    evenness = crowd.evenness * float(np.exp(rng.choice(WALK_WIDTHS) * rng.standard_normal()))
    if evenness < LEAST_EVENNESS:
        return crowd, here
    moved = replace(crowd, evenness=evenness)
    there = seen.log_evidence(*_strengths(moved))
    gain = log_gamma(evenness, EVENNESS) - log_gamma(crowd.evenness, EVENNESS)
    taken = np.log(rng.random()) < gain + (there - here).sum()
    return (moved, there) if taken else (crowd, here)


def _jump_shift(
    rng: np.random.Generator, crowd: Crowd, seen: SeenVotes, here: Floats
) -> tuple[Crowd, Floats]:
    """The same of a_k and b_k, each class for itself."""
    step = np.exp(rng.choice(WALK_WIDTHS) * rng.standard_normal(crowd.shift.shape))
    shift = np.maximum(crowd.shift * step, LEAST_STRENGTH)
    there = seen.log_evidence(*_strengths(replace(crowd, shift=shift)))
    gain = (log_gamma(shift, SHIFT) - log_gamma(crowd.shift, SHIFT)).sum(1)
    taken = np.log(rng.random(len(gain))) < gain + (there - here).sum(0)
    moved = replace(crowd, shift=np.where(taken[:, None], shift, crowd.shift))
    return moved, np.where(taken, there, here)


def _jump_ability(rng: np.random.Generator, crowd: Crowd, seen: SeenVotes, here: Floats) -> Crowd:
    """The same of each r on its log-odds, then of s0 and m given all r, which costs nothing and is done several times.

    here: (J,) the log evidence of each rater's answers.
    """
    odds = np.log(crowd.ability) - np.log1p(-crowd.ability)
    odds = odds + rng.choice(WALK_WIDTHS) * rng.standard_normal(len(odds))
    ability = 1 / (1 + np.exp(-odds))
    up, down = crowd.likeness * crowd.level, crowd.likeness * (1 - crowd.level)
    # r^up (1 - r)^down is the prior's density of the log-odds.
    gain = up * np.log(ability / crowd.ability) + down * np.log((1 - ability) / (1 - crowd.ability))
    gain = gain + seen.log_evidence(*_strengths(replace(crowd, ability=ability))).sum(1) - here
    inside = (ability > ABILITY_EDGE) & (ability < 1 - ABILITY_EDGE)
    taken = inside & (np.log(rng.random(len(gain))) < gain)
    r = np.where(taken, ability, crowd.ability)
    sums = len(r), float(np.log(r).sum()), float(np.log1p(-r).sum())
    likeness, level = crowd.likeness, crowd.level
    last = _log_level(likeness, level, sums)
    for width in rng.choice(WALK_WIDTHS, LEVEL_STEPS):
        step = width * rng.standard_normal(2)
        s0 = likeness * float(np.exp(step[0]))
        m = 1 / (1 + (1 - level) / level * float(np.exp(-step[1])))
        if s0 < LEAST_STRENGTH or not ABILITY_EDGE < m < 1 - ABILITY_EDGE:
            continue
        there = _log_level(s0, m, sums)
        if np.log(rng.random()) < there - last:
            likeness, level, last = s0, m, there
    return replace(crowd, ability=r, likeness=likeness, level=level)


def _log_level(likeness: float, level: float, sums: tuple[int, float, float]) -> float:
    """Log density of (log s0, logit m) given all r; sums: how many r, and the sums of log r and log (1 - r)."""
    a, b = likeness * level, likeness * (1 - level)
    raters, log_r, log_not_r = sums
    evidence = raters * (lgamma(a + b) - lgamma(a) - lgamma(b)) + a * log_r + b * log_not_r
    prior = LEVEL[0] * log(level) + LEVEL[1] * log(1 - level) + float(log_gamma(likeness, LIKENESS))
    return evidence + prior


def _strengths(crowd: Crowd) -> tuple[Floats, Floats]:
    """Beta parameters (raters, classes) of c."""
    r = crowd.ability[:, None]
    return crowd.evenness * r + crowd.shift[:, 0], crowd.evenness * (1 - r) + crowd.shift[:, 1]
