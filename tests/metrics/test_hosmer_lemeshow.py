import itertools

import numpy as np
import pytest
from scipy.stats import chi2

from labelppl.errors import InputError
from labelppl.metrics.hosmer_lemeshow import hosmer_lemeshow, statistic_replicates


def decile_sample(binary) -> tuple[np.ndarray, np.ndarray]:
    forecast = np.repeat(np.arange(5, 100, 10) / 100, 10)
    observed = [1, 2, 3, 3, 5, 6, 6, 8, 8, 10]
    labels = np.concatenate([np.repeat([1, 0], [o, 10 - o]) for o in observed])
    return binary(forecast), labels


# docs/methods.md §5: O = (1, 2, 3, 3, 5, 6, 6, 8, 8, 10), n = 10, p̄ = .05 … .95.
def test_statistic_and_degrees_of_freedom(binary) -> None:
    probs, labels = decile_sample(binary)
    held_out = hosmer_lemeshow(probs, labels)
    assert held_out.statistic == pytest.approx(2.13326, abs=5e-6)
    assert held_out.dof == 10
    assert held_out.p_chi2 == pytest.approx(chi2.sf(2.13326, 10), abs=1e-6)
    # 999 draws: a p-value near 1 is known to ±.01.
    assert held_out.p_value == pytest.approx(held_out.p_chi2, abs=0.02)
    assert hosmer_lemeshow(probs, labels, fitted=True).p_value == pytest.approx(
        chi2.sf(2.13326, 8), abs=1e-6
    )
    assert hosmer_lemeshow(probs, labels, fitted=True).dof == 8
    assert held_out.observed[:, 1].tolist() == [1, 2, 3, 3, 5, 6, 6, 8, 8, 10]


def test_five_percent_cut_offs_of_the_published_tables() -> None:
    assert chi2.isf(0.05, 8) == pytest.approx(15.507, abs=5e-4)
    assert chi2.isf(0.05, 10) == pytest.approx(18.307, abs=5e-4)


def test_equal_forecasts_stay_together_and_fewer_groups_form(binary) -> None:
    probs, labels = binary(np.repeat([0.1, 0.9], [50, 50])), np.tile([0, 1], 50)
    result = hosmer_lemeshow(probs, labels)
    assert result.dof == 2
    expected = (25 - 5) ** 2 / (50 * 0.1 * 0.9) * 2
    assert result.statistic == pytest.approx(expected)
    with pytest.raises(InputError, match="2 groups form"):
        hosmer_lemeshow(probs, labels, fitted=True)


def test_certain_and_wrong_is_enormous_not_infinite(binary) -> None:
    result = hosmer_lemeshow(binary([0.0, 0.0, 1.0, 1.0]), [0, 1, 1, 1])
    assert np.isfinite(result.statistic)
    assert result.statistic > 1e9
    # As small as 999 simulated labellings can say.
    assert result.p_value == pytest.approx(1 / 1000)
    assert result.p_chi2 == 0.0


@pytest.mark.parametrize("classes", [2, 3])
def test_calibrated_forecasts_follow_the_chi_square(calibrated, classes: int) -> None:
    results = [
        hosmer_lemeshow(*calibrated(300, classes, seed=s, scale=0.7), groups=5, draws=199)
        for s in range(300)
    ]
    dof = 5 * (classes - 1)
    assert {r.dof for r in results} == {dof}
    mean = np.mean([r.statistic for r in results])
    assert mean == pytest.approx(dof, abs=4 * np.sqrt(2 * dof / 300))
    rejected = np.mean([r.p_value <= 0.05 for r in results])
    assert rejected == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 300))


THREE = np.array(
    [
        [0.7, 0.2, 0.1],
        [0.6, 0.3, 0.1],
        [0.8, 0.1, 0.1],
        [0.3, 0.4, 0.3],
        [0.2, 0.5, 0.3],
        [0.1, 0.3, 0.6],
    ]
)


@pytest.mark.parametrize(
    ("labels", "statistic", "p_chi2"),
    [
        ([0, 1, 0, 2, 1, 1], 1.76282, 0.77928),
        ([1, 1, 2, 0, 0, 2], 11.83487, 0.01862),
        ([2, 2, 1, 0, 0, 0], 24.59908, 6.1e-5),
    ],
)
def test_exact_covariance_of_three_classes(labels, statistic: float, p_chi2: float) -> None:
    result = hosmer_lemeshow(THREE, labels, groups=2)
    assert result.statistic == pytest.approx(statistic, abs=5e-6)
    assert result.dof == 4
    assert result.p_chi2 == pytest.approx(p_chi2, rel=0.01)


def test_the_expected_statistic_is_the_degrees_of_freedom_exactly() -> None:
    """Over all 729 labellings, each with its probability; and the simulated p is the enumerated one."""
    every = np.array(list(itertools.product(range(3), repeat=6)))
    chance = np.prod(THREE[np.arange(6), every], axis=1)
    values = np.array([hosmer_lemeshow(THREE, y, groups=2, draws=1).statistic for y in every])
    assert chance @ values == pytest.approx(4.0, abs=1e-9)
    result = hosmer_lemeshow(THREE, [0, 1, 0, 2, 1, 1], groups=2, draws=9999)
    exact = chance[values >= result.statistic - 1e-9].sum()
    assert exact == pytest.approx(0.86518, abs=5e-6)
    assert result.p_value == pytest.approx(exact, abs=4 * np.sqrt(0.865 * 0.135 / 9999))


def test_variance_within_a_group_is_that_of_its_own_cases(binary) -> None:
    """Forecasts .1, .3, .5, .9 in one group: V = Σ p(1 − p) = .64, where n p̄(1 − p̄) is .99."""
    p = np.array([0.1, 0.3, 0.5, 0.9])
    result = hosmer_lemeshow(binary(p), [0, 1, 1, 1], groups=1)
    assert result.statistic == pytest.approx((3 - 1.8) ** 2 / 0.64)


def test_expected_counts_and_the_sparse_mark(binary) -> None:
    """An expected count of exactly 5 is not sparse, one just below is."""
    held = hosmer_lemeshow(binary(np.full(10, 0.5)), np.arange(10) % 2, groups=1)
    assert held.expected.tolist() == [[5.0, 5.0]]
    assert held.sparse == 0
    assert hosmer_lemeshow(binary(np.full(10, 0.4999)), np.arange(10) % 2, groups=1).sparse == 1


def test_replicates_equal_the_weighted_table(calibrated) -> None:
    probs, labels = calibrated(100)
    one = statistic_replicates(probs, labels, np.ones((1, 100)))
    twice = statistic_replicates(probs, labels, np.full((1, 100), 2.0))
    assert one[0] == pytest.approx(hosmer_lemeshow(probs, labels).statistic, abs=1e-9)
    assert twice[0] == pytest.approx(2 * one[0])
