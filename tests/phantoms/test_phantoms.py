"""Every phantom: the true p(Y|X) is Bayes' rule, pictures show the measurements alone, models fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from labelppl import load_model, read_cases
from labelppl.errors import InputError
from labelppl.phantoms import PHANTOMS, Ellipses, Glaucoma, Liver, Organs, Phantom, find_phantom
from labelppl.phantoms.gaussian import GaussianPhantom
from labelppl.phantoms.hip import HipPopulation
from labelppl.phantoms.organs import MOST_ORGANS

SIZE = 48
GAUSSIAN: dict[str, GaussianPhantom] = {
    "liver": Liver(),
    "glaucoma": Glaucoma(),
    "organs": Organs(),
    "all organs": Organs(MOST_ORGANS),
}


def _truths(table: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    names = [str(c) for c in table.columns if str(c).startswith("p_true_")]
    return [name.removeprefix("p_true_") for name in names], table[names].to_numpy()


@pytest.mark.parametrize("name", PHANTOMS)
def test_the_seed_decides_table_and_picture(name: str) -> None:
    phantom = find_phantom(name)
    first, again, other = (phantom.sample(5, seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)
    case = first.iloc[0].to_dict()
    one, two, three = (phantom.draw(case, seed, SIZE) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != three).any()
    assert one.dtype == np.uint8
    assert one.shape[:2] == (SIZE, SIZE)


@pytest.mark.parametrize("name", PHANTOMS)
def test_the_picture_shows_the_measurements_alone(name: str) -> None:
    """With the class and p(Y|X) taken out of the case, and nothing else, the picture is the same."""
    phantom = find_phantom(name)
    table = phantom.sample(3, 0)
    hidden = [
        c
        for c in table
        if str(c).startswith(("p_true_", "votes_", "hasty_")) or c in ("id", phantom.label)
    ]
    for row in range(3):
        whole, measured = table.iloc[row], table.drop(columns=hidden).iloc[row]
        np.testing.assert_array_equal(
            phantom.draw(whole.to_dict(), row, SIZE), phantom.draw(measured.to_dict(), row, SIZE)
        )


@pytest.mark.parametrize("name", GAUSSIAN)
def test_p_true_is_bayes_rule(name: str) -> None:
    people = GAUSSIAN[name].population
    table = GAUSSIAN[name].sample(40, 3)
    classes, truth = _truths(table)
    assert classes == list(people.classes)
    z = table[list(people.measurements)].to_numpy()
    joint = np.stack(
        [
            people.prevalence[k]
            * stats.multivariate_normal(people.mean[k], people.covariance[k]).pdf(z)
            for k in range(len(classes))
        ],
        1,
    )
    np.testing.assert_allclose(truth, joint / joint.sum(1, keepdims=True), rtol=1e-9, atol=1e-12)
    assert ((z >= people.low) & (z <= people.high)).all()


@pytest.mark.parametrize("name", PHANTOMS)
def test_labels_are_drawn_from_p_true(name: str) -> None:
    """Each class's share equals its mean probability within four standard errors."""
    phantom = find_phantom(name)
    table = phantom.sample(20_000, 5)
    classes, truth = _truths(table)
    is_class = table[phantom.label].to_numpy()[:, None] == np.asarray(classes)
    error = is_class - truth
    assert (np.abs(error.mean(0)) < 4 * error.std(0) / np.sqrt(len(table)) + 1e-9).all()
    weighted = (error * truth).mean(0)
    assert (np.abs(weighted) < 4 * (error * truth).std(0) / np.sqrt(len(table)) + 1e-9).all()


@pytest.mark.parametrize(
    ("name", "kept"),
    [("liver", (1, 2)), ("glaucoma", (1,)), ("organs", (1, 3)), ("all organs", (1, 2, 3))],
)
def test_what_a_misspecified_model_leaves_out_costs_5_to_10_points(
    name: str, kept: tuple[int, ...]
) -> None:
    phantom = GAUSSIAN[name]
    people = phantom.population
    lost = people.accuracy(n=50_000) - people.accuracy(kept, n=50_000)
    assert 0.05 < lost < 0.10
    text = phantom.model_file(misspecified=True)
    for j, column in enumerate(people.measurements):
        assert (f"{column}=" in text) == (j in kept)


def test_hip_without_the_coverage_loses_5_to_10_points() -> None:
    people = HipPopulation()
    table = people.sample(100_000, 0)
    alpha = np.radians(table["alpha"].to_numpy())
    densities = [
        stats.vonmises.pdf(alpha, kappa=np.radians(sd) ** -2, loc=np.radians(mean))
        for mean, sd in zip(people.alpha_mean, people.alpha_sd, strict=True)
    ]
    is_dysplastic = (table["diagnosis"] == "dysplastic").to_numpy()
    alone = ((densities[1] > densities[0]) == is_dysplastic).mean()
    assert 0.05 < people.bayes_accuracy() - alone < 0.10
    assert "coverage=" not in people.model_file(misspecified=True)


@pytest.mark.parametrize("misspecified", [False, True])
@pytest.mark.parametrize("name", PHANTOMS)
def test_the_model_file_reads_the_table(tmp_path: Path, name: str, misspecified: bool) -> None:
    phantom = find_phantom(name)
    file = tmp_path / f"{name}.py"
    file.write_text(phantom.model_file(misspecified))
    phantom.sample(60, 0).to_csv(file.with_suffix(".csv"), index=False)
    model = load_model(file)
    cases = read_cases(file.with_suffix(".csv"), model)
    assert model.label_name == phantom.label
    assert len(cases) == 60
    assert model.source == file


def test_the_regions_of_a_liver_have_their_grey_values() -> None:
    """The mean of what is drawn follows what was measured, one grey value for one."""
    phantom = Liver()
    rng = np.random.default_rng(0)
    measured = rng.uniform([60, 150, 130], [150, 220, 210], (30, 3))
    read = np.empty_like(measured)
    for i, (liver, diaphragm, periportal) in enumerate(measured):
        case = {"liver": liver, "diaphragm": diaphragm, "periportal": periportal}
        other = case | {"diaphragm": 110.0}
        dark = case | {"periportal": 90.0}
        picture, without, faint = (
            phantom.draw(c, i, 128).astype(float) for c in (case, other, dark)
        )
        arc = picture - without > 0.85 * (diaphragm - 110)  # without its soft edge
        zone = picture - faint > 0.85 * (periportal - 90)
        read[i] = picture[25:33, 56:72].mean(), picture[arc].mean(), picture[zone].mean()
    slopes = [np.polyfit(measured[:, j], read[:, j], 1)[0] for j in range(3)]
    correlations = [np.corrcoef(measured[:, j], read[:, j])[0, 1] for j in range(3)]
    assert min(correlations) > 0.95, correlations
    assert 0.85 < min(slopes) < max(slopes) < 1.15, slopes
    assert abs((read[:, 0] - measured[:, 0]).mean()) < 4


@pytest.mark.parametrize(("vertical", "horizontal"), [(0.3, 0.5), (0.7, 0.4), (0.6, 0.6)])
def test_the_cup_has_the_measured_share_of_the_disc(vertical: float, horizontal: float) -> None:
    """Read back from the picture's blue channel, which is dark in the retina and bright in the cup."""
    for seed in range(3):
        case = {"vertical": vertical, "horizontal": horizontal}
        blue = Glaucoma().draw(case, seed, 256)[..., 2]
        cup, disc = blue > 125, blue > 66
        tall, wide = (cup.any(axis).sum() / disc.any(axis).sum() for axis in (1, 0))
        assert abs(tall - vertical) < 0.02
        assert abs(wide - horizontal) < 0.02


def test_ellipses_have_the_published_statistics() -> None:
    """Of 15,000 pictures of 224 pixels (METHODS of the paper): within 3 %."""
    phantom = Ellipses()
    table = phantom.sample(15_000, 0)
    _, truth = _truths(table)
    assert abs((truth.max(1) > 1 - 1e-9).mean() - 0.40) < 0.03 * 0.40
    assert abs(truth.max(1).mean() - 0.7885) < 0.03 * 0.7885
    assert ((truth > 0).sum(1) <= 4).all()
    counts = np.bincount(truth.argmax(1))
    assert abs(counts / 2500 - 1).max() < 0.07
    votes = table.filter(like="votes_").to_numpy()
    assert (votes.sum(1) == 10).all()
    assert np.abs((votes / 10 - truth).mean(0)).max() < 0.005
    hasty = table.filter(like="hasty_").to_numpy().reshape(-1, 3, 2).sum(1) / 10
    ellipse = truth.reshape(-1, 3, 2).sum(1)[:, 1]
    assert abs(hasty[:, 1].mean() / ellipse.mean() - 0.68) < 0.01
    size, total, squares, some = 56, 0.0, 0.0, 900
    for i in range(some):
        pixels = phantom.draw(table.iloc[i].to_dict(), i, size) / 255
        total, squares = total + pixels.sum(), squares + (pixels**2).sum()
    mean, square = total / (some * 3 * size**2), squares / (some * 3 * size**2)
    assert abs(mean - 0.1646) < 0.03 * 0.1646
    assert abs(np.sqrt(square - mean**2) - 0.3530) < 0.03 * 0.3530
    assert abs(square / mean - 0.921) < 0.03 * 0.921


@pytest.mark.parametrize(
    ("hue", "ratio", "expected"),
    [
        (0.0, 1.0, {"rc": 1.0}),
        (120.0, 0.6, {"ge": 1.0}),
        (300.0, 1.0, {"bc": 0.5, "rc": 0.5}),
        (150.0, 0.8, {"gc": 0.375, "ge": 0.375, "bc": 0.125, "be": 0.125}),
    ],
)
def test_an_ellipse_between_classes_has_their_shares(
    hue: float, ratio: float, expected: dict[str, float]
) -> None:
    from labelppl.phantoms.ellipses import FIGURES, _posterior

    shares = _posterior(np.array([hue]), np.array([ratio]))[0]
    np.testing.assert_allclose(shares, [expected.get(name, 0.0) for name in FIGURES], atol=1e-12)


def test_organs_have_neighbours_and_a_tail() -> None:
    for classes in (3, 12, MOST_ORGANS):
        people = Organs(classes).population
        assert len(people.classes) == classes
        assert ((people.mean >= people.low) & (people.mean <= people.high)).all()
        assert people.prevalence[0] == pytest.approx(classes * people.prevalence[-1])
        away = np.abs(
            (people.mean[:, None] - people.mean) / np.sqrt(people.covariance[0].diagonal())
        )
        distance = np.sqrt((away**2).sum(-1)) + 1e9 * np.eye(classes)
        assert (distance.min(1) < 3.01).all()
        assert distance.min() > 1.0
    assert 0.5 < Organs(MOST_ORGANS).population.accuracy(n=20_000) < 0.95
    with pytest.raises(InputError, match="take 6 organs or more"):
        Organs(3).model_file(misspecified=True)
    for classes in (2, MOST_ORGANS + 1):
        with pytest.raises(InputError, match="classes: got"):
            Organs(classes)


def test_names_files_and_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "from labelppl.phantoms import Liver, Organs\n"
        "class Mine(Liver):\n    'My livers.'\n    name = 'mine'\n"
        "many = Organs(20)\nnumber = 3\n"
    )
    assert find_phantom("mine.py:Mine").name == "mine"
    assert isinstance(find_phantom("mine.py:many"), Organs)
    assert isinstance(find_phantom("organs", classes=7), Organs)
    wrong: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("knee", {}, "expected one of hip, liver"),
        ("hip", {"classes": 3}, "has no option 'classes'"),
        ("mine.py:many", {"classes": 3}, "has no option 'classes'"),
        ("mine.py:number", {}, "got int, expected a subclass"),
        ("mine.py:None", {}, "mine.py"),
    )
    for name, options, words in wrong:
        with pytest.raises(InputError, match=words):
            find_phantom(name, **options)


def test_every_phantom_tells_what_it_is() -> None:
    for kind in PHANTOMS.values():
        phantom = kind()
        assert isinstance(phantom, Phantom)
        assert phantom.summary.endswith(".") or phantom.summary.endswith(")")
        assert len(phantom.summary) < 100
