"""What a posterior of the last layer says: closed forms, quadrature, brute force, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.integrate import quad
from scipy.special import entr
from scipy.stats import norm
from torch import Tensor, nn

from labelppl.errors import InputError
from labelppl.students.interval import LogitInterval
from labelppl.students.load import load_student
from labelppl.students.network import build_network
from labelppl.students.predict import write_predictions
from labelppl.students.spec import Spec
from labelppl.students.student import Student
from labelppl.students.weight_posterior import (
    Full,
    Kronecker,
    from_tensors,
    last_linear,
    probit,
    spread,
    to_tensors,
    with_features,
)


def _expected(mean: float, variance: float, function: object) -> float:
    sd = np.sqrt(variance)
    return quad(lambda z: function(z) * norm.pdf(z, mean, sd), mean - 9 * sd, mean + 9 * sd)[0]  # type: ignore[operator]


def _sigmoid(z: float) -> float:
    return 1 / (1 + np.exp(-z))


def _entropy(p: float) -> float:
    return float(entr(p) + entr(1 - p))


def _tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _psd(generator: torch.Generator, *shape: int) -> Tensor:
    root = torch.randn(*shape, shape[-1], generator=generator, dtype=torch.float64)
    return root @ root.mT + 0.1 * torch.eye(shape[-1], dtype=torch.float64)


def test_the_probit_correction_of_the_methods_page() -> None:
    assert float(probit(_tensor(2.0), _tensor(4.0))) == pytest.approx(0.77684, abs=5e-6)
    assert _expected(2.0, 4.0, _sigmoid) == pytest.approx(0.77520, abs=5e-6)


@pytest.mark.parametrize(("d", "v"), [(2.0, 4.0), (-0.5, 0.01), (0.0, 30.0), (6.0, 2.0)])
def test_two_classes_against_quadrature(d: float, v: float) -> None:
    found = spread(torch.tensor([[0.0, d]], dtype=torch.float64), _tensor(v).reshape(1, 1, 1))
    mean = _expected(d, v, _sigmoid)
    assert found.probs[0, 1] == pytest.approx(mean, abs=0.02)  # what the correction is good for
    np.testing.assert_allclose(found.probs.sum(1), 1, rtol=1e-12)
    information = _entropy(mean) - _expected(d, v, lambda z: _entropy(_sigmoid(z)))
    assert found.epistemic[0] == pytest.approx(information, abs=2e-3)


def test_two_neurons_are_one_of_their_difference() -> None:
    generator = torch.Generator().manual_seed(0)
    v = _psd(generator, 5, 2)
    logits = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    difference = (v[:, 0, 0] + v[:, 1, 1] - 2 * v[:, 0, 1]).reshape(5, 1, 1)
    one = torch.stack([torch.zeros(5, dtype=torch.float64), logits[:, 1] - logits[:, 0]], 1)
    for a, b in zip(spread(logits, v), spread(one, difference), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_more_classes_against_plain_monte_carlo() -> None:
    generator = torch.Generator().manual_seed(0)
    v = _psd(generator, 4, 3)
    logits = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    found = spread(logits, v)
    rng = np.random.default_rng(0)
    for i in range(4):
        z = rng.multivariate_normal(logits[i].numpy(), v[i].numpy(), 200_000)
        q = np.exp(z - z.max(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
        np.testing.assert_allclose(found.probs[i], q.mean(0), atol=5e-3)
        mean = q.mean(0)
        information = -(mean * np.log(mean)).sum() + (q * np.log(q)).sum(1).mean()
        assert found.epistemic[i] == pytest.approx(information, abs=5e-3)


def test_no_variance_is_the_plain_prediction() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for classes in (2, 3):
        found = spread(logits[:, :classes], torch.zeros(6, classes, classes, dtype=torch.float64))
        plain = logits[:, :classes].softmax(1).numpy()
        np.testing.assert_allclose(found.probs, plain, atol=1e-6)
        np.testing.assert_allclose(found.epistemic, 0, atol=1e-9)


def _naive(features: Tensor, precision: Tensor, outputs: int) -> Tensor:
    """J Sigma J^T case by case."""
    sigma = torch.linalg.inv(precision)
    rows = []
    for phi in features.double():
        seen = torch.cat([phi, torch.ones(1, dtype=torch.float64)])
        jacobian = torch.block_diag(*[seen[None]] * outputs)
        rows.append(jacobian @ sigma @ jacobian.T)
    return torch.stack(rows)


def test_covariance_of_the_outputs_is_j_sigma_j() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(5, 4, generator=generator)
    precision = _psd(generator, 15)
    full = Full(torch.linalg.cholesky(precision).float())
    torch.testing.assert_close(
        full.covariance(features, 3), _naive(features, precision, 3), rtol=1e-4, atol=1e-5
    )
    a, b = _psd(generator, 5), _psd(generator, 3)
    (values_a, vectors_a), (values_b, vectors_b) = torch.linalg.eigh(a), torch.linalg.eigh(b)
    kronecker = Kronecker(vectors_a, values_a, vectors_b, values_b, torch.tensor([0.7]))
    dense = torch.kron(b, a) + 0.7 * torch.eye(15, dtype=torch.float64)
    torch.testing.assert_close(
        kronecker.covariance(features, 3), _naive(features, dense, 3), rtol=1e-6, atol=1e-8
    )
    for posterior in (full, kronecker):
        again = from_tensors(to_tensors(posterior))
        assert torch.equal(again.covariance(features, 3), posterior.covariance(features, 3))
    with pytest.raises(InputError, match="no posterior of ours"):
        from_tensors({"cholesky": precision, "more": precision})


def test_features_are_what_enters_the_last_layer() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3))
    layer = last_linear(network)
    assert layer is network[3]
    x = torch.randn(4, 1, 2, 4)
    output, features = with_features(network, network[3], x)
    torch.testing.assert_close(output, network(x))
    torch.testing.assert_close(network[3](features), output)
    assert not network[3]._forward_pre_hooks
    assert last_linear(nn.Sequential(nn.Linear(4, 4), nn.Conv2d(1, 1, 1))) is None


def _student(classes: int) -> Student:
    spec = Spec(
        "cnn", tuple("abc"[:classes]), 1, 32, 32, 1 if classes == 2 else classes,
        (0.4,), (0.2,), study_prevalence=(1 / classes,) * classes,
    )  # fmt: skip
    network = build_network("cnn", spec.shape, seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        network.output.weight.normal_(std=0.01, generator=generator)
    size = 1001 * spec.outputs
    root = 3 * torch.eye(size) + torch.randn(size, size, generator=generator).tril(-1) / 100
    return Student(network.eval(), spec, Full(root))


@pytest.mark.parametrize("classes", [2, 3])
def test_a_saved_student_keeps_its_posterior(classes: int, tmp_path: Path) -> None:
    student = _student(classes)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (7, 32, 32), dtype=np.uint8)
    found = student.predict(pixels)
    assert found.spread is not None
    np.testing.assert_array_equal(found.probs, replace(student, posterior=None).predict(pixels)[2])
    np.testing.assert_array_equal(found.probs, student.predict_proba(pixels))
    assert (found.epistemic > 0).all()
    assert found.interval is None
    student.save(tmp_path)
    again = load_student(tmp_path).predict(pixels)
    np.testing.assert_array_equal(again.epistemic, found.epistemic)
    split = student.predict(pixels, batch=3)
    np.testing.assert_allclose(split.spread.probs, found.spread.probs, rtol=1e-4)
    moved = student.at([0.8, 0.2] if classes == 2 else [0.8, 0.1, 0.1]).predict(pixels)
    assert (moved.spread.probs[:, 0] > found.spread.probs[:, 0]).all()
    # More certain than the average over the weights is only the plain prediction.
    assert (found.probs.max(1) >= found.spread.probs.max(1) - 1e-3).all()


def test_predict_writes_the_columns(tmp_path: Path) -> None:
    plain = _student(2)
    interval = LogitInterval((-0.5, -1.0), (1.0, 0.5), 60, "validation")
    student = replace(plain, spec=replace(plain.spec, interval=interval))
    student.save(tmp_path)
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(path)
    write_predictions(tmp_path, paths, tmp_path / "out.csv", device="cpu")
    table = pd.read_csv(tmp_path / "out.csv")
    names = ["laplace_a", "laplace_b", "lo_a", "hi_a", "lo_b", "hi_b"]
    assert list(table) == ["id", "p_a", "p_b", *names, "epistemic"]
    expected = student.predict(paths).interval
    assert expected is not None
    np.testing.assert_allclose(table["hi_b"], expected.high[:, 1])


def test_files_are_read_a_batch_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from labelppl.students import student as module

    student = replace(_student(2), posterior=None)
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(7)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(path)
    whole = student.predict(paths)
    asked, read = [], module.read_images

    def count(some: list[Path], **options: object) -> object:
        asked.append(len(some))
        return read(some, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "read_images", count)
    parts = student.predict(paths, batch=3)
    assert asked == [3, 3, 1]
    assert parts.ids == whole.ids == tuple(map(str, paths))
    np.testing.assert_allclose(parts.probs, whole.probs, rtol=1e-5)
    with pytest.raises(InputError, match="got no path"):
        student.predict([])
    paths[5].write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be read"):
        student.predict(paths, batch=2)
