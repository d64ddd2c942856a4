"""What may be said about calibration, in graded words.

The smooth calibration error is weighed against its own null draws, labels drawn from the forecasts:

    p = (1 + #{smECE_b ≥ smECE}) / (B + 1)

    p ≥ .1       no evidence of miscalibration     .001 ≤ p < .01   strong evidence
    .05 … .1     weak evidence                     p < .001         very strong evidence
    .01 … .05    moderate evidence

Hosmer–Lemeshow and the consistency band of the reliability curve describe the same thing in other ways;
where one of them is two grades away it is said. Nothing is ever "calibrated": an absence of evidence
comes with the error that the cases cannot exclude. Null draws are independent, so with several cases
per group p is too small, which is said too.
"""

from __future__ import annotations

from bisect import bisect_right

from scipy.stats import binom

from .bootstrap import Interval
from .hosmer_lemeshow import HOSMER_LEMESHOW
from .metric import Metric
from .null_band import null_of
from .pairs import default_quantity
from .reliability import Reliability, reliability
from .scored import Scored
from .smece import SMECE

GRADES = ("very strong", "strong", "moderate", "weak", "no")
LIMITS = (0.001, 0.01, 0.05, 0.1)
"""The usual marks of a p-value; at a mark the weaker word is used."""
GRADES_APART = 2
"""Two measures that differ by this many grades are said to disagree."""
FEW_TO_TELL = 100
"""Below this many labelled cases a weak or absent finding is called what it is: too few cases."""


def grade(p: float) -> int:
    """Return the position in `GRADES` of a p-value."""
    return bisect_right(LIMITS, p)


def _p_of_smece(scored: Scored) -> float:
    draws = scored.once(null_of).smece_draws
    value = SMECE.value(scored)
    assert value is not None
    return float((1 + (draws >= value - 1e-12).sum()) / (len(draws) + 1))


SMECE_P = Metric(
    "smece_p",
    "Calibration p",
    "how often calibrated forecasts show as large a smooth calibration error",
    "none",
    needs=("labels",),
    value=_p_of_smece,
    interval=None,
)


def _curve(scored: Scored) -> Reliability:
    return reliability(
        scored.probs, scored.labels, bins=scored.settings.bins, seed=scored.settings.seed
    )


def outside(curve: Reliability) -> tuple[list[float], float]:
    """Return the mean forecasts of the bins outside their band, and how unlikely so many are."""
    out = (curve.frequency < curve.lo) | (curve.frequency > curve.hi)
    count = int(out.sum())
    p = float(binom.sf(count - 1, len(out), 1 - curve.level))
    return [float(f) for f in curve.forecast[out]], p


def verdict(scored: Scored, interval: Interval | None) -> str:
    """Return the sentences on the calibration of labelled cases; `interval` is that of smECE."""
    error = SMECE.value(scored)
    assert error is not None
    p = SMECE_P.value(scored)
    assert p is not None
    own = grade(p)
    cases, chance = len(scored), _p_in_words(p)
    size = f"{error:.3f}" + ("" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]")
    if own == len(GRADES) - 1:
        bound = "" if interval is None else (
            f"; errors up to {interval[1]:.3f} cannot be excluded with {cases} cases"
        )  # fmt: skip
        said = [
            f"No evidence of miscalibration (smooth calibration error {size}, {chance}){bound}."
        ]
    else:
        said = [
            f"{GRADES[own].capitalize()} evidence of miscalibration: smooth calibration error {size}, "
            f"{chance}."
        ]
    if cases < FEW_TO_TELL and own >= GRADES.index("weak"):
        borderline = "Borderline; " if GRADES[own] == "weak" else ""
        said.append(f"{borderline}{cases} cases cannot tell.")
    said += _others(scored, own)
    if not scored.independent:
        said.append(
            "Cases of one group are not independent; these p-values take them to be, and are too small."
        )
    return " ".join(said)


def _others(scored: Scored, own: int) -> list[str]:
    """Sentences on Hosmer–Lemeshow and the band where they disagree."""
    said = []
    hl = next(metric for metric in HOSMER_LEMESHOW if metric.key == "hl_p").value(scored)
    if hl is not None and abs(grade(hl) - own) >= GRADES_APART:
        said.append(f"Hosmer–Lemeshow shows {GRADES[grade(hl)]} evidence ({_p_in_words(hl)}).")
    places, p = outside(scored.once(_curve))
    if abs(grade(p) - own) >= GRADES_APART:
        what = {"positive": f"a probability of {scored.classes[1]}", "top": "a confidence"}
        where = ", ".join(f"{place:.2f}" for place in places)
        near = f", near {what[default_quantity(len(scored.classes))]} of {where}" if places else ""
        said.append(f"The reliability curve shows {GRADES[grade(p)]} evidence{near}.")
    return said


def _p_in_words(p: float) -> str:
    return f"p = {p:.2g}" if p >= LIMITS[0] else f"p below {LIMITS[0]:g}"
