"""net_benefit and conformal."""

import numpy as np
import pytest

from labelppl.calibration.conformal import fit_conformal
from labelppl.errors import InputError
from labelppl.metrics.net_benefit import net_benefit


# docs/methods.md §5: TP 30, FP 20, n 200, t .2 gives .125; treat-all at prevalence .25 gives .0625.
def test_net_benefit_and_treat_all(binary) -> None:
    p = np.repeat([0.9, 0.1, 0.9, 0.1], [30, 20, 20, 130])
    labels = np.repeat([1, 1, 0, 0], [30, 20, 20, 130])
    curve = net_benefit(binary(p), labels, [0.2])
    assert curve.model[0] == pytest.approx(0.125)
    assert curve.treat_all[0] == pytest.approx(0.0625)
    assert curve.prevalence == 0.25


def test_deployment_prevalence_reweights_both_rates(binary) -> None:
    p = np.repeat([0.9, 0.1, 0.9, 0.1], [30, 20, 20, 130])
    labels = np.repeat([1, 1, 0, 0], [30, 20, 20, 130])
    curve = net_benefit(binary(p), labels, [0.2, 0.5], prevalence=0.1)
    odds = np.array([0.25, 1.0])
    assert curve.model == pytest.approx(0.6 * 0.1 - 20 / 150 * 0.9 * odds)
    same = net_benefit(binary(p), labels, [0.2], prevalence=0.25)
    assert same.model == pytest.approx(net_benefit(binary(p), labels, [0.2]).model)


def test_acting_at_zero_is_treating_all(calibrated) -> None:
    probs, labels = calibrated(50)
    curve = net_benefit(probs, labels, 0.0)
    assert curve.model == pytest.approx(curve.treat_all)


def test_bad_thresholds_and_prevalence_are_refused(binary) -> None:
    with pytest.raises(InputError, match="thresholds"):
        net_benefit(binary([0.5]), [1], [1.0])
    with pytest.raises(InputError, match="prevalence"):
        net_benefit(binary([0.5]), [1], [0.5], prevalence=0.3)


def test_the_limit_is_the_stated_order_statistic(binary) -> None:
    scores = np.arange(1, 20) / 20
    fitted = fit_conformal(binary(1 - scores), np.ones(19, dtype=int), alpha=0.1)
    assert fitted.limit == pytest.approx([scores[17], scores[17]])
    nine = fit_conformal(binary(1 - scores[:9]), np.ones(9, dtype=int), alpha=0.1)
    assert nine.limit[0] == pytest.approx(scores[8])


def test_too_few_cases_promise_nothing(binary) -> None:
    fitted = fit_conformal(binary([0.9] * 8), np.ones(8, dtype=int), alpha=0.1)
    assert fitted.sets(binary([0.999])).all()


# docs/methods.md §5: coverage in [1 − α, 1 − α + 1/(n + 1)] without ties.
def test_coverage(calibrated) -> None:
    cases, alpha, covered, repeats = 39, 0.1, [], 400
    for seed in range(repeats):
        probs, labels = calibrated(cases + 100, classes=3, seed=seed)
        fitted = fit_conformal(probs[:cases], labels[:cases], alpha=alpha)
        sets = fitted.sets(probs[cases:])
        covered.append(sets[np.arange(100), labels[cases:]].mean())
    error = 4 * np.std(covered) / np.sqrt(repeats)
    assert 1 - alpha - error < np.mean(covered) < 1 - alpha + 1 / (cases + 1) + error


def test_class_conditional_coverage_holds_for_the_rare_class(binary) -> None:
    rare, whole = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        labels = (rng.random(900) < 0.1).astype(int)
        z = rng.normal(2.0 * labels - 1.0, 1.0)
        probs = binary(1 / (1 + np.exp(-(2 * z - 2.2))))
        up = labels[600:] == 1
        for by_class, out in ((True, rare), (False, whole)):
            fitted = fit_conformal(probs[:600], labels[:600], alpha=0.1, by_class=by_class)
            out.append(fitted.sets(probs[600:])[up, 1].mean())
    error = 4 * np.std(rare) / np.sqrt(150)
    assert np.mean(rare) > 0.9 - error
    assert np.mean(whole) < 0.8


def test_bad_alpha_is_refused(binary) -> None:
    with pytest.raises(InputError, match="alpha: got 1"):
        fit_conformal(binary([0.5]), [1], alpha=1.0)


@pytest.mark.parametrize("prevalence", [-0.5, 1.5])
def test_a_prevalence_is_a_share(binary, prevalence: float) -> None:
    with pytest.raises(InputError, match="prevalence"):
        net_benefit(binary([0.2, 0.7]), [0, 1], 0.5, prevalence=prevalence)
