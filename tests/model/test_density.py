"""The density against Pyro's own, closed forms, brute force and naive loops."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Predictive, Trace_ELBO, config_enumerate
from pyro.infer.autoguide import AutoNormal
from pyro.infer.mcmc import MCMC, NUTS
from pyro.infer.mcmc.util import initialize_model
from scipy import stats

import labelppl.model.density as density_module
from labelppl import (
    Angle,
    Category,
    InputError,
    Label,
    Ratio,
    Real,
    Vector,
    VoteCounts,
    label_model,
)
from labelppl.distributions import log_density
from labelppl.model import LabelDensity
from labelppl.model.precision import float64_defaults


class Masked(poutine.messenger.Messenger):
    """Masks the missing entries of every feature."""

    def __init__(self, cases):
        super().__init__()
        self.cases = cases

    def _pyro_sample(self, msg):
        column = self.cases.columns.get(msg["name"])
        if column is not None:
            msg["mask"] = column.observed


def pyros_log_density(model, cases, density, u):
    """Log density at u (dim,) by Pyro: discrete sites enumerated, labelled and unlabelled cases apart."""
    values = {name: value[0] for name, value in density.constrain(u[None]).items()}
    total = 0.0
    for rows, labelled in ((cases.labels >= 0, True), (cases.labels < 0, False)):
        if not rows.any():
            continue
        some = cases.take(rows)
        data = {name: column.values for name, column in some.columns.items()}
        if labelled:
            data[model.label_name] = torch.from_numpy(some.labels)

        def clamped(some=some, data=data):
            with poutine.condition(data=data), Masked(some):
                model(model.plate(some))

        _, potential, transforms, _ = initialize_model(
            config_enumerate(clamped), max_plate_nesting=1
        )
        at = {name: transforms[name](value) for name, value in values.items()}
        prior = poutine.trace(
            poutine.condition(lambda: model(model.plate(1)), data=values)
        ).get_trace()
        shared = sum(
            prior.nodes[name]["fn"].log_prob(values[name]).sum()
            - transforms[name].log_abs_det_jacobian(values[name], at[name]).sum()
            for name in values
        )
        total = total - potential(at) - shared
    return total + shared


@pytest.mark.parametrize("unlabelled", [0.0, 0.4, 1.0])
def test_log_prob_is_pyros_enumerated_density(hip, read, hip_frame, unlabelled, monkeypatch):
    # Pyro's von Mises normaliser is good to 5e-7 per case; with it, the densities are the same.
    monkeypatch.setattr(log_density, "_BETTER", {})
    cases = read(hip, hip_frame(30, unlabelled=unlabelled))
    density = LabelDensity(hip, cases)
    points = density.start(3, seed=1)
    with float64_defaults():
        pyros = torch.stack([pyros_log_density(hip, cases, density, u) for u in points])
    assert torch.allclose(density.log_prob(points), pyros, rtol=1e-12, atol=1e-9)


def test_missing_measurement_gives_exactly_the_marginal(hip, read, hip_frame):
    density = LabelDensity(hip, read(hip, hip_frame()))
    values = density.constrain(density.start(4, seed=2))
    cases = read(
        hip, diagnosis=[None] * 4, alpha=[60, None, 60, None], coverage=[0.5, 0.5, None, None]
    )
    joint = density.class_log_joint(values, cases).joint.numpy()
    prior = values["prevalence"].log().numpy()
    angle = stats.vonmises.logpdf(
        math.radians(60), values["alpha_kappa"].numpy(), loc=values["alpha_mean"].numpy()
    )
    mean, size = values["coverage_mean"].numpy(), values["coverage_size"].numpy()
    ratio = stats.beta.logpdf(0.5, mean * size, (1 - mean) * size)
    np.testing.assert_allclose(joint[:, 0], prior + angle + ratio, atol=1e-11)
    np.testing.assert_allclose(joint[:, 2], prior + angle, atol=1e-11)
    np.testing.assert_allclose(joint[:, 1], prior + ratio, atol=1e-12)
    np.testing.assert_allclose(joint[:, 3], prior, atol=1e-12)


def test_a_case_with_everything_missing_changes_nothing_but_the_label(hip, read, hip_frame):
    frame = hip_frame(20)
    empty = pd.DataFrame(
        {"id": ["empty"], "diagnosis": [None], "alpha": [np.nan], "coverage": [np.nan]}
    )
    without, among = (LabelDensity(hip, read(hip, f)) for f in (frame, pd.concat([frame, empty])))
    points = without.start(3, seed=0)
    assert torch.allclose(without.log_prob(points), among.log_prob(points), atol=1e-10)


def test_degrees_and_radians_give_the_same_label_posterior(hip, read, hip_frame):
    frame = hip_frame()
    in_radians = label_model(
        diagnosis=Label("normal", "dysplastic"),
        alpha=Angle("rad", low=math.radians(20), high=math.radians(90)),
        coverage=Ratio("%"),
    )(hip.fn)
    turned = frame.assign(alpha=np.deg2rad(frame["alpha"]), coverage=100 * frame["coverage"])
    one, other = (
        LabelDensity(hip, read(hip, frame)),
        LabelDensity(in_radians, read(in_radians, turned)),
    )
    values = one.constrain(one.start(3, seed=0))
    assert torch.allclose(
        one.class_log_joint(values).joint, other.class_log_joint(values).joint, atol=1e-10
    )


def mixture(cases):
    """Two summed sites, one of them the label's parent, and a site of its own for each class."""
    site = pyro.sample("site", dist.Dirichlet(torch.ones(3)))
    rate = pyro.sample("rate", dist.Beta(torch.tensor([1.0, 2.0, 3.0]), 2.0).to_event(1))
    mean = pyro.sample(
        "mean", dist.Normal(torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]), 1.0).to_event(2)
    )
    with cases:
        s = pyro.sample("s", dist.Categorical(site))
        y = pyro.sample("y", dist.Bernoulli(rate[s]))
        flip = pyro.sample("flip", dist.Bernoulli(0.2 + 0.3 * y))
        pyro.sample("x", dist.Normal(mean[y.long(), s] + flip, 0.7))


MIXTURE = label_model(y=Label("no", "yes"), x=Real())(mixture)


def test_unobserved_discrete_sites_are_summed_over(read):
    cases = read(MIXTURE, y=["no", "yes", None, "yes"], x=[0.1, 4.0, 2.0, None])
    density = LabelDensity(MIXTURE, cases)
    values = density.constrain(density.start(2, seed=0))
    got = density.class_log_joint(values)
    for s in range(2):
        site, rate, mean = (values[name][s].numpy() for name in ("site", "rate", "mean"))
        for i, x in enumerate(cases.columns["x"].values.numpy()):
            for y in (0, 1):
                label = sum(site[a] * (rate[a] if y else 1 - rate[a]) for a in range(3))
                joint = sum(
                    site[a]
                    * (rate[a] if y else 1 - rate[a])
                    * ((0.2 + 0.3 * y) if flip else 1 - (0.2 + 0.3 * y))
                    * (stats.norm.pdf(x, mean[y, a] + flip, 0.7) if i < 3 else 1.0)
                    for a in range(3)
                    for flip in (0, 1)
                )
                assert got.joint[s, i, y].item() == pytest.approx(math.log(joint), abs=1e-12)
                assert got.label[s, 0, y].item() == pytest.approx(math.log(label), abs=1e-12)


@pytest.fixture(params=["hip", "mixture"])
def model_and_cases(request, hip, read, hip_frame):
    if request.param == "hip":
        return hip, read(hip, hip_frame(25))
    rng = np.random.default_rng(0)
    y = np.array(["no", "yes", None] * 9, dtype=object)
    return MIXTURE, read(
        MIXTURE, y=y, x=np.where(rng.random(27) < 0.2, np.nan, rng.normal(2, 2, 27))
    )


def test_every_way_of_evaluating_agrees(model_and_cases, monkeypatch):
    model, cases = model_and_cases
    density = LabelDensity(model, cases)
    assert density._evaluator.vectorised
    assert density._evaluator.scalar
    points = density.start(5, seed=3)
    values = density.constrain(points)
    wanted, joint = density.log_prob(points), density.class_log_joint(values)
    each = torch.cat([density.log_prob(u[None]) for u in points])
    assert torch.allclose(each, wanted, rtol=1e-12)
    monkeypatch.setattr(density_module, "ONE_RUN", 0)
    assert torch.allclose(density.log_prob(points), wanted, rtol=1e-12)
    monkeypatch.setattr(density_module, "PASS_NUMBERS", 70)
    in_blocks = density.class_log_joint(values)
    for scalar in (True, False):
        monkeypatch.setattr(density._evaluator, "scalar", scalar)
        for vectorised in (True, False):
            monkeypatch.setattr(density._evaluator, "vectorised", vectorised)
            assert torch.allclose(density.log_prob(points), wanted, rtol=1e-12)
            got = density.class_log_joint(values)
            for result in (got, in_blocks):
                assert torch.allclose(result.joint, joint.joint, rtol=1e-12, atol=1e-12)
                assert torch.allclose(result.label, joint.label, rtol=1e-12, atol=1e-12)


def test_log_prob_is_the_sum_over_cases_of_the_class_joint(model_and_cases):
    model, cases = model_and_cases
    density = LabelDensity(model, cases)
    points = density.start(3, seed=4)
    joint = density.class_log_joint(density.constrain(points)).joint
    y = torch.from_numpy(cases.labels)
    known = joint[:, y >= 0].gather(-1, y[y >= 0].expand(3, -1)[..., None]).sum((1, 2))
    unknown = torch.logsumexp(joint[:, y < 0], -1).sum(-1)
    prior_only = LabelDensity(model, cases.take([int((y < 0).nonzero()[0])]))
    first = torch.logsumexp(prior_only.class_log_joint(prior_only.constrain(points)).joint, -1)[
        :, 0
    ]
    wanted = prior_only.log_prob(points) - first + known + unknown
    assert torch.allclose(density.log_prob(points), wanted, rtol=1e-12)


def test_gradients_and_hessians_by_every_route(model_and_cases):
    model, cases = model_and_cases
    density = LabelDensity(model, cases)
    points = density.start(2, seed=5).requires_grad_()
    assert torch.autograd.gradcheck(density.log_prob, (points,), atol=1e-4, rtol=1e-4)
    (by_autograd,) = torch.autograd.grad(density.log_prob(points).sum(), points)
    one = torch.func.grad(lambda u: density.log_prob(u[None])[0])
    by_func = torch.func.vmap(one)(points.detach())
    assert torch.allclose(by_autograd, by_func, rtol=1e-9, atol=1e-9)
    hessian = torch.func.hessian(lambda u: density.log_prob(u[None])[0])(points.detach()[0])
    step = 1e-5 * torch.eye(density.dim, dtype=torch.float64)
    naive = torch.stack(
        [(one(points.detach()[0] + h) - one(points.detach()[0] - h)) / 2e-5 for h in step]
    )
    assert torch.allclose(hessian, naive, rtol=1e-4, atol=1e-3)


def correlated(cases):
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(2)))
    with pyro.plate("class", 2):
        mean = pyro.sample("mean", dist.Normal(torch.zeros(3), 2.0).to_event(1))
        scale = pyro.sample("scale", dist.HalfNormal(torch.ones(3)).to_event(1))
        corr = pyro.sample("corr", dist.LKJCholesky(3, 2.0))
    with cases:
        y = pyro.sample("y", dist.Categorical(prevalence))
        tril = scale[..., None] * corr
        pyro.sample("x", dist.MultivariateNormal(mean[y], scale_tril=tril[y]))


CORRELATED = label_model(y=Label("a", "b"), x=Vector("x1", "x2", "x3"))(correlated)
X = np.array(
    [[0.5, 1.0, -1.0], [np.nan, 1.0, 0.3], [0.2, np.nan, np.nan], [np.nan] * 3, [1.0, 2.0, np.nan]]
)


def test_partly_missing_vector_is_the_marginal_by_quadrature(read):
    cases = read(CORRELATED, y=["a", "b", None, "a", None], x1=X[:, 0], x2=X[:, 1], x3=X[:, 2])
    density = LabelDensity(CORRELATED, cases)
    assert density._evaluator.vectorised
    values = density.constrain(density.start(2, seed=6))
    joint = density.class_log_joint(values).joint
    nodes, weights = np.polynomial.legendre.leggauss(160)
    for s in range(2):
        for k in range(2):
            tril = (values["scale"][s, k, :, None] * values["corr"][s, k]).numpy()
            mean, cov = values["mean"][s, k].numpy(), tril @ tril.T
            law = stats.multivariate_normal(mean, cov)
            for i, x in enumerate(X):
                gone = np.flatnonzero(np.isnan(x))
                if len(gone) in (0, 3):
                    wanted = 1.0 if len(gone) else float(law.pdf(x))
                else:
                    axes = [mean[j] + 12 * np.sqrt(cov[j, j]) * nodes for j in gone]
                    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(gone))
                    w = np.ones(1)
                    for j in gone:
                        w = np.multiply.outer(w, 12 * np.sqrt(cov[j, j]) * weights).reshape(-1)
                    full = np.tile(x, (len(grid), 1))
                    full[:, gone] = grid
                    wanted = float((np.atleast_1d(law.pdf(full)) * w).sum())
                got = joint[s, i, k] - values["prevalence"][s, k].log()
                assert got.item() == pytest.approx(math.log(wanted), abs=1e-8)


def discriminative(cases, *, scale=2.0):
    slope = pyro.sample("slope", dist.Normal(0.0, scale))
    with cases as z:
        pyro.sample("y", dist.Bernoulli(logits=slope * z.x))


DISCRIMINATIVE = label_model(y=Label("no", "yes"), x=Real())(discriminative)


def test_discriminative_model(read):
    x, y = np.array([0.3, -1.0, 2.0, 0.7]), np.array([1, 0, 1, -1])
    cases = read(DISCRIMINATIVE, y=["yes", "no", "yes", None], x=x)
    density = LabelDensity(DISCRIMINATIVE, cases)
    slope = torch.tensor([[0.4], [-0.2]], dtype=torch.float64)
    got = density.log_prob(slope)
    p = stats.logistic.cdf(np.outer(slope[:, 0], np.where(y == 1, x, -x)))[:, :3]
    wanted = np.log(p).sum(1) + stats.norm.logpdf(slope[:, 0].numpy(), 0, 2)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12)
    result = density.class_log_joint(density.constrain(slope))
    assert torch.equal(result.joint, result.label)
    assert torch.allclose(result.joint.exp().sum(-1), torch.ones(2, 4, dtype=torch.float64))
    with pytest.raises(InputError, match=r"column 'x', row 2 .*reads z\.x as an input"):
        density.class_log_joint(
            density.constrain(slope), read(DISCRIMINATIVE, y=["no"] * 2, x=[1.0, None])
        )


def test_options_reach_the_function(read):
    cases = read(DISCRIMINATIVE, y=["yes", None], x=[0.0, 0.0])
    wide = DISCRIMINATIVE.with_options(scale="5")
    at = torch.tensor([[3.0]], dtype=torch.float64)
    difference = LabelDensity(wide, cases).log_prob(at) - LabelDensity(
        DISCRIMINATIVE, cases
    ).log_prob(at)
    wanted = stats.norm.logpdf(3, 0, 5) - stats.norm.logpdf(3, 0, 2)
    assert difference.item() == pytest.approx(wanted, abs=1e-12)
    with pytest.raises(InputError, match=r"no option 'sd'; it has scale=2.0"):
        DISCRIMINATIVE.with_options(sd=1.0)
    with pytest.raises(InputError, match=r"option 'scale': got 'wide', expected float"):
        DISCRIMINATIVE.with_options(scale="wide")


def votes(cases):
    k = len(cases.classes)
    share = pyro.sample("share", dist.Dirichlet(torch.ones(k)))
    right = pyro.sample("right", dist.Beta(8.0, 2.0))
    with cases:
        y = pyro.sample("y", dist.Categorical(share))
        hit = torch.nn.functional.one_hot(y, k)
        logits = torch.log(hit * right + (1 - hit) * (1 - right) / (k - 1))
        pyro.sample("votes", Counts(logits))


class Counts(dist.TorchDistribution):
    """Multinomial without its constant, for any number of votes."""

    arg_constraints = {}  # noqa: RUF012
    support = dist.constraints.independent(dist.constraints.nonnegative_integer, 1)

    def __init__(self, logits):
        self.logits = logits
        super().__init__(logits.shape[:-1], logits.shape[-1:], validate_args=False)

    def expand(self, batch_shape, _instance=None):
        return Counts(self.logits.expand(torch.Size(batch_shape) + self.event_shape))

    def sample(self, sample_shape=()):
        return torch.zeros(self.shape(sample_shape))

    def log_prob(self, value):
        return (value * self.logits).sum(-1)


def test_open_label_takes_its_classes_from_vote_columns(read):
    model = label_model(y=Label(), votes=VoteCounts())(votes)
    cases = read(model, votes_cat=[3, 0, None], votes_dog=[1, 2, None], votes_emu=[0, 2, None])
    assert cases.classes == ("cat", "dog", "emu")
    density = LabelDensity(model, cases)
    values = density.constrain(density.start(2, seed=0))
    joint = density.class_log_joint(values).joint
    for s in range(2):
        right, share = values["right"][s].item(), values["share"][s]
        for k in range(3):
            logits = [math.log(right if j == k else (1 - right) / 2) for j in range(3)]
            for i, counts in enumerate([(3, 1, 0), (0, 2, 2), (0, 0, 0)]):
                wanted = share[k].log().item() + sum(
                    c * w for c, w in zip(counts, logits, strict=True)
                )
                assert joint[s, i, k].item() == pytest.approx(wanted, abs=1e-12)


def test_model_without_parameters(read):
    @label_model(y=Label("a", "b"), x=Real())
    def fixed(cases):
        with cases:
            y = pyro.sample("y", dist.Bernoulli(0.25))
            pyro.sample("x", dist.Normal(2 * y, 1.0))

    density = LabelDensity(fixed, read(fixed, y=["a", None], x=[0.5, 1.0]))
    assert density.dim == 0
    joint = density.class_log_joint({}).joint
    wanted = np.log([0.75, 0.25]) + stats.norm.logpdf(np.array([[0.5], [1.0]]), [0.0, 2.0], 1.0)
    np.testing.assert_allclose(joint[0].numpy(), wanted, rtol=1e-12)
    assert density.log_prob(density.start(1, seed=0)).item() == pytest.approx(
        wanted[0, 0] + np.logaddexp(*wanted[1]), abs=1e-12
    )


def test_a_model_that_cannot_be_vectorised_is_looped_over_and_says_so(read):
    @label_model(y=Label("a", "b"), x=Real())
    def looped(cases):
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(0.5))
            pyro.sample("x", dist.Normal(y + float(mean), 1.0))

    cases = read(looped, y=["a", "b"], x=[0.0, 1.0])
    with pytest.warns(UserWarning, match="'looped' cannot be vectorised"):
        density = LabelDensity(looped, cases)
    u = torch.tensor([[0.1], [-0.4]], dtype=torch.float64)
    wanted = stats.norm.logpdf(u[:, 0]) + 2 * stats.norm.logpdf(-u[:, 0]) + 2 * math.log(0.5)
    np.testing.assert_allclose(density.log_prob(u).numpy(), wanted, rtol=1e-12)


def test_density_that_depends_on_other_rows_is_refused(read):
    @label_model(y=Label("a", "b"), x=Real())
    def standardised(cases):
        slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
        with cases as z:
            pyro.sample("y", dist.Bernoulli(logits=slope * (z.x - z.x.mean())))

    with pytest.raises(InputError, match=r"depends on the other rows of the table"):
        LabelDensity(standardised, read(standardised, y=["a", "b", None], x=[0.0, 1.0, 5.0]))


def test_impossible_case_is_named(read):
    @label_model(y=Label("a", "b"), x=Real())
    def bounded(cases):
        pyro.sample("unused", dist.Normal(0.0, 1.0))
        with cases:
            pyro.sample("y", dist.Bernoulli(0.5))
            pyro.sample("x", dist.Uniform(0.0, 1.0))

    cases = read(bounded, id=["p", "q", "r"], y=["a", "b", "a"], x=[0.5, 0.2, 3.0])
    with pytest.raises(InputError, match=r"site 'x', case 'r': .*the value 3 has probability zero"):
        LabelDensity(bounded, cases)


def test_the_function_is_plain_pyro(hip, read, hip_frame):
    cases = read(hip, hip_frame(12, unlabelled=0.0, missing=0.0))
    plate = hip.plate(cases)
    data = {name: column.values for name, column in cases.columns.items()}
    data["diagnosis"] = torch.from_numpy(cases.labels)
    clamped = poutine.condition(hip.fn, data=data)
    pyro.clear_param_store()
    with torch.random.fork_rng(), float64_defaults(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(0)
        trace = poutine.trace(hip.fn).get_trace(hip.plate(7))
        assert trace.nodes["alpha"]["value"].shape == (7,)
        drawn = Predictive(hip.fn, num_samples=3)(hip.plate(7))
        assert drawn["coverage"].shape == (3, 7)
        mcmc = MCMC(NUTS(clamped), num_samples=5, warmup_steps=5, disable_progbar=True)
        mcmc.run(plate)
        assert mcmc.get_samples()["alpha_mean"].shape == (5, 2)
        svi = SVI(clamped, AutoNormal(clamped), pyro.optim.Adam({"lr": 0.01}), Trace_ELBO())
        losses = [svi.step(plate) for _ in range(5)]
    assert np.isfinite(losses).all()


def test_starts_are_near_the_prior_median_and_repeat(hip, read, hip_frame):
    density = LabelDensity(hip, read(hip, hip_frame()))
    points = density.start(200, seed=0)
    assert torch.equal(points, density.start(200, seed=0))
    values = density.constrain(points)
    # A median of 15 normal draws has standard deviation of about .32; of 200 of them, .023.
    error = (values["alpha_mean"].mean(0) - torch.tensor([62.0, 52.0]).deg2rad()) / math.radians(10)
    assert error.abs().max() < 5 * 0.32 / math.sqrt(200)
    assert values["alpha_mean"].std() < math.radians(10)


def test_starts_of_a_hierarchical_prior(read):
    @label_model(y=Label("a", "b"), x=Real())
    def hierarchy(cases):
        top = pyro.sample("top", dist.Normal(100.0, 1.0))
        with pyro.plate("class", 2):
            mean = pyro.sample("mean", dist.Normal(top, 0.1))
        with cases:
            y = pyro.sample("y", dist.Categorical(torch.ones(2) / 2))
            pyro.sample("x", dist.Normal(mean[y], 1.0))

    density = LabelDensity(hierarchy, read(hierarchy, y=["a", "b"], x=[99.0, 101.0]))
    assert not density.parameters.independent
    points = density.start(20, seed=0)
    assert torch.equal(points, density.start(20, seed=0))
    values = density.constrain(points)
    assert (values["mean"] - values["top"][:, None]).abs().max() < 5 * 0.1 * 0.32
    assert values["top"].std() > 0.05


def test_category_feature_and_pyro_factor_inside_the_cases(read):
    @label_model(y=Label("a", "b"), side=Category("left", "right"), x=Real())
    def sided(cases):
        share = pyro.sample("share", dist.Beta(2.0, 2.0))
        with cases as z:
            y = pyro.sample("y", dist.Bernoulli(share))
            pyro.sample("side", dist.Bernoulli(0.3 + 0.4 * y))
            pyro.sample("x", dist.Normal(y, 1.0))
            pyro.factor("penalty", -0.5 * (z.x - y) ** 2)

    cases = read(sided, y=["a", None], side=["left", None], x=[1.0, 2.0])
    density = LabelDensity(sided, cases)
    values = density.constrain(density.start(2, seed=0))
    got = density.class_log_joint(values).joint
    share = values["share"].numpy()
    for k in (0, 1):
        side = math.log(1 - (0.3 + 0.4 * k))
        prior = np.log(share if k else 1 - share)
        wanted = prior + side + stats.norm.logpdf(1.0, k) - 0.5 * (1.0 - k) ** 2
        np.testing.assert_allclose(got[:, 0, k].numpy(), wanted, rtol=1e-12)
        wanted = prior + stats.norm.logpdf(2.0, k) - 0.5 * (2.0 - k) ** 2
        np.testing.assert_allclose(got[:, 1, k].numpy(), wanted, rtol=1e-12)
