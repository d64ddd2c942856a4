"""Refits and cross-fitting against fits done by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from labelppl.errors import InputError
from labelppl.posterior import fit
from labelppl.softlabels import refits, soft_labels

ALL = 10**9


@pytest.fixture
def surprising(table: Any) -> pd.DataFrame:
    """A table in which one case has the wrong label, far from its class."""
    frame = table(24)
    frame.loc[5, ["y", "a", "b"]] = ["normal", 0.5, 8.5]
    return frame


def test_a_surprising_case_is_refitted_without_its_label(
    surprising: pd.DataFrame, read: Any, models: Any
) -> None:
    cases = read(models["naive"], surprising)
    posterior = fit(models["naive"], cases, engine="laplace")
    with pytest.warns(UserWarning, match=r"k-hat of .*c5.*refitted without its label"):
        labels = soft_labels(posterior, keep_draws=20)
    assert labels.khat[5] >= 0.7
    assert labels.source[5] == "refit"
    rest = cases.take(np.arange(24) != 5)
    by_hand = soft_labels(fit(models["naive"], rest, engine="laplace"), cases.take([5]))
    np.testing.assert_allclose(labels.probs[5], by_hand.probs[0], atol=1e-12)
    assert labels.draws is not None
    assert labels.draws.shape == (20, 24, 2)
    assert labels.probs[5, 0] < 0.1


def test_many_surprising_cases_are_cross_fitted(
    surprising: pd.DataFrame, read: Any, models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refits, "MOST_REFITS", 0)
    posterior = fit(models["naive"], read(models["naive"], surprising), engine="laplace")
    with pytest.warns(UserWarning, match="5-fold cross-fitting"):
        labels = soft_labels(posterior)
    assert labels.source[5] == "crossfit"
    assert np.isfinite(labels.khat).all()


def test_cross_fitting_keeps_groups_together_and_never_sees_them(
    table: Any, read: Any, models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = table(40)
    frame["group"] = [f"patient{i // 2}" for i in range(40)]
    cases = read(models["naive"], frame)
    posterior = fit(models["naive"], cases, engine="laplace")
    seen: list[set[str]] = []

    def watched(model: Any, kept: Any, **options: Any) -> Any:
        seen.append(set(kept.groups))
        return fit(model, kept, **options)

    monkeypatch.setattr(refits, "fit", watched)
    labels = soft_labels(posterior, leave_out="crossfit")
    assert set(labels.source) == {"crossfit"}
    assert len(seen) == 5
    left_out = [set(cases.groups) - kept for kept in seen]
    assert sorted(group for groups in left_out for group in groups) == sorted(set(cases.groups))
    for groups in left_out:
        held = np.isin(cases.groups, list(groups))
        by_hand = soft_labels(
            fit(models["naive"], cases.take(~held), engine="laplace"), cases.take(held)
        )
        np.testing.assert_allclose(labels.probs[held], by_hand.probs, atol=1e-12)


def test_cross_fitting_leaves_new_cases_to_the_whole_fit(
    table: Any, read: Any, models: Any
) -> None:
    posterior = fit(models["naive"], read(models["naive"], table()), engine="laplace")
    both = pd.concat([table(), table(5, seed=9, prefix="new")], ignore_index=True)
    labels = soft_labels(posterior, read(models["naive"], both), leave_out="crossfit")
    assert list(labels.source) == ["crossfit"] * 40 + ["new"] * 5
    alone = soft_labels(posterior, read(models["naive"], table(5, seed=9, prefix="new")))
    np.testing.assert_allclose(labels.probs[40:], alone.probs, atol=1e-12)


def test_too_few_groups(table: Any, read: Any, models: Any) -> None:
    frame = table(20).assign(group=lambda f: np.arange(20) % 4)
    posterior = fit(models["naive"], read(models["naive"], frame), engine="laplace")
    with pytest.raises(InputError, match="got 4 groups, expected at least 5"):
        soft_labels(posterior, leave_out="crossfit")


def test_cross_fitting_is_close_to_leaving_one_out(table: Any, read: Any, models: Any) -> None:
    posterior = fit(models["naive"], read(models["naive"], table(80)), engine="laplace")
    one, folds = soft_labels(posterior), soft_labels(posterior, leave_out="crossfit")
    assert np.abs(one.probs - folds.probs).mean() < 0.03
