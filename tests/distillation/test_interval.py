"""The interval of p(Y|X) holds what it promises, and is measured on cases that the student has not learnt."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit, ndtri

from labelppl.distillation.distill import distill
from labelppl.distillation.interval import FEWEST_HELD, LabelOdds, label_odds, measure_interval
from labelppl.distillation.prior_options import PriorOptions
from labelppl.softlabels import SoftLabels
from labelppl.students.interval import LogitInterval
from labelppl.students.load import load_student
from labelppl.table import Cases
from labelppl.training.schedule import Schedule

Study = Callable[..., tuple[SoftLabels, Cases]]
QUICK = Schedule(epochs=2, batch_size=16)


def _measured(odds: LabelOdds, student: Any) -> LogitInterval:
    interval = measure_interval(odds, student, "validation")
    assert interval is not None
    return interval


def test_nine_of_ten_new_cases_lie_inside() -> None:
    """Of skewed errors, with labels that are themselves uncertain by sd .8: the truth is a draw of what is known of it."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        said = rng.normal(0, 2, 300)
        centre = said + rng.gamma(2, 0.5, 300) - 1
        truth = centre + rng.normal(0, 0.8, 300)
        one = LabelOdds(centre[:100, None], np.full((100, 1), 0.8))
        interval = _measured(one, said[:100, None])
        ends = interval.ends(said[100:, None])
        p = expit(truth[100:])
        inside.append(((ends.low[:, 0] <= p) & (p <= ends.high[:, 0])).mean())
    # Each set of 200 new cases and 100 held-out ones has an SD of .037, so the mean of 200 has one of .0026.
    assert 0.9 - 3 * 0.0026 < np.mean(inside) < 0.93


def test_few_cases_give_the_whole_range_and_fewer_none() -> None:
    said = np.linspace(-1, 1, FEWEST_HELD)[:, None]
    centre = said + np.arange(FEWEST_HELD)[:, None] / 10
    known = LabelOdds(centre, np.zeros_like(centre))
    interval = _measured(known, said)
    assert interval.below == pytest.approx((0.0,))
    assert interval.above == pytest.approx(((FEWEST_HELD - 1) / 10,))
    assert interval.cases == FEWEST_HELD
    centre[3] = np.nan
    assert measure_interval(LabelOdds(centre, known.sd), said, "validation") is None


def test_two_classes_mirror_each_other() -> None:
    rng = np.random.default_rng(1)
    said, centre, sd = rng.normal(size=(3, 80))
    both = LabelOdds(np.stack([-centre, centre], 1), np.abs(np.stack([sd, sd], 1)))
    interval = _measured(both, np.stack([-said, said], 1))
    assert interval.below[0] == pytest.approx(-interval.above[1])
    assert interval.above[0] == pytest.approx(-interval.below[1])
    p = expit(np.linspace(-30, 800, 9))
    assert np.isfinite(interval.ends(logit(np.stack([1 - p, p], 1)))).all()


def test_odds_of_a_label_have_its_own_interval(study: Study) -> None:
    labels, _ = study(6)
    low, high = np.full((6, 2), 0.2), np.full((6, 2), 0.6)
    low[0], high[0] = 0.0, 1.0
    ids = np.array([*labels.ids[:2], "nobody"])
    odds = label_odds(replace(labels, lo=low, hi=high), ids)
    ends = expit(odds.centre[1, 0] + ndtri([0.05, 0.95]) * odds.sd[1, 0])
    np.testing.assert_allclose(ends, [0.2, 0.6])
    assert np.isfinite(odds.centre[0]).all()
    assert np.isnan(odds.centre[2]).all()


def test_folds_measure_it_where_they_choose_lambda(study: Study, tmp_path: Path) -> None:
    labels, cases = study(60)
    files = [cases.images[i] for i in np.flatnonzero(cases.split == "test")]
    for grid in ((math.inf,), (math.inf, 10.0, 0.0)):
        prior = PriorOptions(grid=grid, folds=2)
        done = distill(labels, cases, prior=prior, schedule=QUICK, out=tmp_path / str(len(grid)))
        interval = done.student.spec.interval
        assert interval is not None
        assert (interval.cases, interval.source) == (40, "cross-validation")
        said = done.student.predict(files)
        assert said.interval is not None
        assert (said.interval.low <= said.interval.high).all()
        np.testing.assert_allclose(said.interval.low[:, 0], 1 - said.interval.high[:, 1])
        again = load_student(tmp_path / str(len(grid))).predict(files)
        np.testing.assert_array_equal(again.interval, said.interval)
        theta_p = load_student(tmp_path / str(len(grid)), "theta_p")
        assert theta_p.predict(files).interval is None
    plain = distill(labels, cases, lam=1.0, schedule=QUICK)
    assert plain.student.spec.interval is None


def test_validation_cases_measure_it_on_the_student_itself(study: Study) -> None:
    """Cases with a soft label need no hard one."""
    labels, cases = study(80, val=30)
    held = cases.split == "val"
    cases = replace(cases, labels=np.where(held, -1, cases.labels))
    done = distill(labels, cases, lam=1.0, schedule=QUICK)
    interval = done.student.spec.interval
    assert interval is not None
    assert (interval.cases, interval.source) == (30, "validation")
    said = logit(done.predict_proba([cases.images[i] for i in np.flatnonzero(held)]))
    odds = label_odds(labels, cases.ids[held])
    np.testing.assert_allclose(_measured(odds, said).above, interval.above, rtol=1e-4)
