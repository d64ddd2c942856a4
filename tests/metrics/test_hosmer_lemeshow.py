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
    assert held_out.p_value == pytest.approx(chi2.sf(2.13326, 10), abs=1e-6)
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
    assert result.p_value == 0.0


@pytest.mark.parametrize("classes", [2, 3])
def test_calibrated_forecasts_follow_the_chi_square(calibrated, classes: int) -> None:
    results = [
        hosmer_lemeshow(*calibrated(800, classes, seed=s, scale=0.7), groups=5) for s in range(300)
    ]
    dof = 5 * (classes - 1)
    assert {r.dof for r in results} == {dof}
    mean = np.mean([r.statistic for r in results])
    # Spread within a group makes the test slightly conservative: the mean may fall 5 % short.
    assert 0.95 * dof - 4 * np.sqrt(2 * dof / 300) < mean < dof + 4 * np.sqrt(2 * dof / 300)
    rejected = np.mean([r.p_value < 0.05 for r in results])
    assert rejected < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 300)


def test_replicates_equal_the_weighted_table(calibrated) -> None:
    probs, labels = calibrated(100)
    one = statistic_replicates(probs, labels, np.ones((1, 100)))
    twice = statistic_replicates(probs, labels, np.full((1, 100), 2.0))
    assert one[0] == pytest.approx(hosmer_lemeshow(probs, labels).statistic, abs=1e-9)
    assert twice[0] == pytest.approx(2 * one[0])
