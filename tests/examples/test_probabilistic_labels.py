"""The first paper's study: experiment 1 against docs/methods.md and the trainer, and its quick form on phantoms."""

import json

import pytest
import torch

from labelppl.targets import TARGETS, TargetData
from labelppl.training.schedule import Schedule
from labelppl.training.train import train
from labelppl.training.weight_prior import WeightPrior

TINY = ["--quick", "--seeds", "1", "--test", "30", "--share", "0.06", "--effort", "0.02"]


@pytest.fixture(scope="module")
def studies(study):
    return study("studies.experiment_1"), study("studies.two_gaussians")


@pytest.fixture(scope="module")
def results(studies):
    return studies[0].run(repetitions=40, seed=2)


def test_population_and_accuracies_are_those_of_the_methods_page(studies, results):
    compared = list(studies[0].against_reference(results))
    assert len(compared) == 35
    for row in compared:
        # Three standard errors more, for having fewer repetitions than it.
        assert abs(row.ours - row.reference) < row.tolerance + 3 * row.error, row


def test_a_value_outside_its_tolerance_is_said(studies, results):
    off = json.loads(json.dumps(results))
    off["population"]["bayes_accuracy"] = 0.9
    assert "| bayes_accuracy | 0.9000 | 0.8718 | 0.0000 |" in studies[0].tables(off)[-1]
    assert "bayes_accuracy" not in studies[0].tables(results)[-1]


def test_soft_fit_and_label_model_at_three_points(studies):
    _, gaussians = studies
    for weight, value in zip(
        gaussians.population()["soft_fit"], (-2.335, 2.541, -2.541), strict=True
    ):
        assert abs(weight - value) < 5e-4
    points = torch.tensor([[4.5, 3.5], [5, 3], [4, 4]], dtype=torch.float64)
    expected = torch.tensor([0.535068, 0.958533, 0.100396], dtype=torch.float64)
    probs = gaussians.true_probabilities(points)[:, 1]
    torch.testing.assert_close(probs, expected, atol=1e-6, rtol=0)


def test_the_order_of_the_arms(results):
    arms = results["balanced"]["arms"]
    at_ten = {arm: arms[arm]["accuracy"]["mean"][4] for arm in arms}
    assert at_ten["correct"] > at_ten["reg"] > at_ten["hard"] > at_ten["uniform"]
    assert at_ten["uniform"] > at_ten["flipped"]
    nll = {arm: arms[arm]["nll"]["mean"][4] for arm in arms}
    assert nll["correct"] < nll["reg"] < nll["hard"]


def test_newton_reaches_the_trainers_optimum(studies):
    """The same data, target and weight prior through the package's own training loop."""
    _, example = studies
    generator = torch.Generator().manual_seed(0)
    pool = example.draw_points(1, 10, generator)
    wrong = torch.full((1, 2, 10), 0.5, dtype=torch.float64)
    batch = example.training_sets(pool, wrong, torch.tensor([[10, 10]]))
    mean = torch.tensor([[0.3, 1.0, -0.8]], dtype=torch.float64)
    expected = example.fit(batch, TARGETS["hard"](), None, 0.5, mean)[0]

    class Points:
        def __len__(self):
            return 20

        def batches(self, rows, device):
            return (batch.x[0, part].float() for part in rows)

    network = torch.nn.Linear(2, 1)
    with torch.no_grad():
        network.bias.copy_(mean[0, :1])
        network.weight.copy_(mean[0, None, 1:])
    train(
        network,
        Points(),
        TargetData(hard=batch.hard[0], classes=2),
        TARGETS["hard"](),
        Schedule(
            epochs=600, batch_size=20, lr=0.1, optimiser="sgd", decay="constant", precision="32"
        ),
        prior=WeightPrior.around(network, 0.5),
        device="cpu",
    )
    got = torch.cat([network.bias, network.weight[0]]).double()
    torch.testing.assert_close(got, expected, atol=2e-4, rtol=0)


def test_quick_form_writes_tables_numbers_and_figures(run_study, tmp_path):
    options = ("--repetitions", "4", "--parts", "experiment 1,hip,training cases")
    done = run_study("probabilistic_labels", *TINY, *options, "--out", str(tmp_path))
    assert done.exit_code == 0, done.output[-2000:]
    figures = {"fig2", "fig3_left", "fig3_right", "fig4", "fig6", "training_cases"}
    assert {f.stem for f in tmp_path.glob("*.png")} == figures
    written = json.loads((tmp_path / "results.json").read_text())
    hip = written["hip"]
    assert set(hip["means"]) == {"hard", "paper-soft", "prob", "reg", "prob-shuffled"}
    assert hip["test cases"] == 30
    low, high = hip["differences"]["prob - hard"]["nll"][1:]
    assert low <= hip["differences"]["prob - hard"]["nll"][0] <= high
    assert written["training cases"]["25"]["reg"]["kl_true"][0] > 0
    assert written["form"]["student"] == "small"
    assert (tmp_path / "results.md").read_text() in done.stdout


def test_an_unknown_part_is_refused_in_one_line(run_study, tmp_path):
    done = run_study("probabilistic_labels", "--parts", "hips", "--out", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert "'hips', expected some of" in done.stderr
    assert not (tmp_path / "out").exists()
