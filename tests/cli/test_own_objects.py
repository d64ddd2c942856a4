"""Networks, targets, augmentations and labels of the user's own, each through the commands and the run folder."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from labelppl.students.timm import mend_torchvision

MINE = '''
"""A network, a target and an augmentation."""
from torch import nn
from labelppl.targets import Target
from labelppl.targets.target_data import one_hot

def small(*, channels, outputs, image_size):
    return nn.Sequential(
        nn.Conv2d(channels, 4, 5, stride=4), nn.ReLU(), nn.Flatten(),
        nn.Linear(4 * 49, outputs),
    )

class Opposite(Target):
    name = "opposite"
    def start(self, evidence):
        return one_hot(evidence).flip(1)

def upside_down(images):
    return images.flip(2)
'''

QUICK = ("--epochs", 2, "--lam", 1, "--quiet")


@pytest.fixture
def mine(own_hips: Path) -> Path:
    """A data set with a file of objects beside it."""
    (own_hips / "mine.py").write_text(MINE)
    return own_hips


def _probs(labelppl: Any, folder: Path, run: str, *more: object) -> pd.DataFrame:
    image = sorted((folder / "images").glob("*.png"))[:5]
    done = labelppl("predict", "--run", run, *image, "--out", "p.csv", *more, folder=folder)
    assert done.exit_code == 0, done.output
    return pd.read_csv(folder / "p.csv")


def test_a_network_of_ones_own_goes_through_every_command(mine: Path, labelppl: Any) -> None:
    work = ("distill", "--model", "hip.py", "--student", "mine.py:small", *QUICK, "--run", "r")
    done = labelppl(*work, folder=mine)
    assert done.exit_code == 0, done.output
    spec = json.loads((mine / "r" / "student.json").read_text())
    assert spec["architecture"].endswith("mine.py:small")
    one = _probs(labelppl, mine, "r")
    pd.testing.assert_frame_equal(one, _probs(labelppl, mine, "r", "--student", "mine.py:small"))
    assert labelppl("evaluate", "--run", "r", folder=mine).exit_code == 0
    resumed = labelppl(*work, "--resume", folder=mine)
    assert resumed.exit_code == 0, resumed.output
    other = labelppl(*work, "--resume", "--augment", "mine.py:upside_down", folder=mine)
    assert other.exit_code == 2
    assert "student.augment = shift" in other.output
    compared = labelppl(
        "compare", "--model", "hip.py", "--student", "mine.py:small", "--methods",
        "prob,mine=mine.py:Opposite", "--repeats", 1, *QUICK, "--run", "c", folder=mine,
    )  # fmt: skip
    assert compared.exit_code == 0, compared.output
    assert list(pd.read_csv(mine / "c" / "compare.csv")["method"]) == ["hard", "prob", "mine"]
    (mine / "mine.py").write_text(MINE.replace("5, stride=4", "5, stride=4, bias=False"))
    refused = labelppl("predict", "--run", "r", "images/hip0001.png", folder=mine)
    assert refused.exit_code == 2
    assert "has changed since the run" in refused.output


def test_a_target_and_an_augmentation_change_the_student(mine: Path, labelppl: Any) -> None:
    seen = []
    for number, more in enumerate(
        ((), ("--target", "mine.py:Opposite"), ("--augment", "mine.py:upside_down"))
    ):
        work = ("distill", "--model", "hip.py", "--student", "mine.py:small", *QUICK)
        done = labelppl(*work, "--lam", "inf", *more, "--run", f"r{number}", folder=mine)
        assert done.exit_code == 0, done.output
        seen.append(_probs(labelppl, mine, f"r{number}").iloc[:, 2].to_numpy())
    assert not np.allclose(seen[0], seen[1])
    assert not np.allclose(seen[0], seen[2])


def test_hard_labels_alone_need_no_model_file(mine: Path, labelppl: Any) -> None:
    (mine / "hip.py").unlink()
    work = (
        "--data",
        "hip.csv",
        "--label",
        "diagnosis",
        "--student",
        "mine.py:small",
        "--epochs",
        2,
    )
    done = labelppl("distill", *work, "--quiet", "--run", "r", folder=mine)
    assert done.exit_code == 0, done.output
    assert "the student learns from the hard labels" in done.output
    metrics = json.loads((mine / "r" / "metrics.json").read_text())
    assert "kl" not in metrics
    assert "kl_true" in metrics
    assert (mine / "r" / "report.html").is_file()
    assert len(_probs(labelppl, mine, "r")) == 5
    assert labelppl("evaluate", "--run", "r", folder=mine).exit_code == 0
    again = labelppl("distill", *work, "--quiet", "--run", "r", "--resume", folder=mine)
    assert again.exit_code == 0, again.output
    refused = labelppl("distill", *work, "--target", "prob", "--run", "r2", folder=mine)
    assert refused.exit_code == 2
    assert "soft" in refused.output
    compared = labelppl(
        "compare", *work, "--methods", "smooth,ols", "--repeats", 1, "--quiet", "--run", "c",
        folder=mine,
    )  # fmt: skip
    assert compared.exit_code == 0, compared.output
    table = pd.read_csv(mine / "c" / "compare.csv")
    assert list(table["method"]) == ["hard", "smooth", "ols"]
    assert "kl" not in table


def test_votes_and_soft_labels_of_a_file(mine: Path, labelppl: Any) -> None:
    cases = pd.read_csv(mine / "hip.csv")
    rng = np.random.default_rng(0)
    p = cases["p_true_dysplastic"].to_numpy()
    count = rng.binomial(5, p)
    votes = cases.assign(vote_normal=5 - count, vote_dysplastic=count)
    votes.to_csv(mine / "votes.csv", index=False)
    rows = [
        {"id": i, "rater": f"r{j}", "label": "dysplastic" if j < c else "normal"}
        for i, c in zip(cases["id"], count, strict=True)
        for j in range(5)
    ]
    pd.DataFrame(rows).to_csv(mine / "ballots.csv", index=False)
    soft = pd.DataFrame({"id": cases["id"], "p_normal": 1 - p, "p_dysplastic": p})
    soft.to_parquet(mine / "soft.parquet")
    common = ("--student", "mine.py:small", "--label", "diagnosis", *QUICK)
    same = []
    for run, more in (
        ("counts", ("--data", "votes.csv", "--votes", "vote")),
        ("long", ("--data", "hip.csv", "--votes", "ballots.csv")),
        ("soft", ("--data", "hip.csv", "--soft", "soft.parquet")),
    ):
        done = labelppl("distill", *more, *common, "--run", run, folder=mine)
        assert done.exit_code == 0, done.output
        spec = json.loads((mine / run / "student.json").read_text())
        assert spec["training"]["target"] == ("prob" if run == "soft" else "mean-vote")
        assert spec["training"]["lam"]["lam"] == 1.0
        prevalence = dict(zip(spec["classes"], spec["study_prevalence"], strict=True))
        same.append((prevalence["dysplastic"], *_probs(labelppl, mine, run)["p_dysplastic"]))
    assert same[0][0] == pytest.approx(same[1][0])
    assert not np.allclose(same[0], same[2])
    compared = labelppl(
        "compare", "--data", "votes.csv", "--votes", "vote", *common, "--methods",
        "mean-vote,majority,reg", "--repeats", 1, "--run", "c", folder=mine,
    )  # fmt: skip
    assert compared.exit_code == 0, compared.output
    assert pd.read_csv(mine / "c" / "compare.csv")["kl"].notna().all()


def test_a_study_stands_in_a_toml_file(mine: Path, labelppl: Any) -> None:
    (mine / "study.toml").write_text(
        """
data = "hip.csv"
label = "diagnosis"
[student]
student = "mine.py:small"
augment = "none"
[schedule]
optimiser = "sgd"
lr = 0.01
weight_decay = 5e-4
batch_size = 8
epochs = 3
decay = "restarts"
cycle = 1
clip = 1.0
"""
    )
    done = labelppl(
        "distill", "--config", "study.toml", "--epochs", 2, "--quiet", "--run", "r", folder=mine
    )
    assert done.exit_code == 0, done.output
    step = json.loads((mine / "r" / "student.json").read_text())["training"]["step1"]
    assert (step["optimiser"], step["lr"], step["weight_decay"]) == ("sgd", 0.01, 5e-4)
    assert (step["decay"], step["cycle"], step["clip"], step["batch_size"]) == (
        "restarts",
        1,
        1.0,
        8,
    )
    assert step["epochs"] == 2  # the command line goes first
    for line, words in (("lr = -1", "lr: got -1"), ("speed = 3", "'speed' is no option")):
        (mine / "wrong.toml").write_text(f'data = "hip.csv"\nlabel = "diagnosis"\n{line}\n')
        refused = labelppl("distill", "--config", "wrong.toml", "--run", "w", folder=mine)
        assert refused.exit_code == 2
        assert words in refused.output
        assert len(refused.output.strip().splitlines()) == 1
        assert not (mine / "w").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no labels: give --model FILE.py, or --label COLUMN"),
        (("--label", "diagnosis"), "--data: expected the cases table"),
        (("--data", "hip.csv", "--label", "sex"), "column 'sex': not in the table"),
        (("--model", "hip.py", "--label", "diagnosis"), "expected one of the two"),
        (("--data", "hip.csv", "--soft", "no.parquet"), "no.parquet: no such file"),
        (("--model", "hip.py", "--student", "no.py:net"), "no.py: no such Python file"),
        (("--model", "hip.py", "--student", "mine.py:large"), "defines no 'large'"),
        (("--model", "hip.py", "--target", "magic"), "'magic'"),
    ],
)
def test_what_cannot_run_is_one_line(
    mine: Path, labelppl: Any, arguments: tuple[str, ...], words: str
) -> None:
    refused = labelppl("distill", *arguments, "--run", "r", folder=mine)
    assert refused.exit_code == 2, refused.output
    assert words in refused.output
    assert len(refused.output.strip().splitlines()) == 1
    assert not (mine / "r").exists()


FRAMEWORKS = {
    "torchvision": """
def net(*, channels, outputs, image_size):
    from torch import nn
    from torchvision.models import mobilenet_v2
    made = mobilenet_v2(num_classes=outputs)
    made.features[0][0] = nn.Conv2d(channels, 32, 3, stride=2, padding=1, bias=False)
    return made
""",
    "monai": """
def net(*, channels, outputs, image_size):
    from monai.networks.nets import DenseNet
    return DenseNet(
        spatial_dims=2, in_channels=channels, out_channels=outputs, init_features=8, growth_rate=4, block_config=(2, 2)
    )
""",
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_network_of_another_library_is_a_factory(
    own_hips: Path, labelppl: Any, framework: str
) -> None:
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed: pip install {framework}")
    if framework == "torchvision":
        mend_torchvision()
    (own_hips / "nets.py").write_text(FRAMEWORKS[framework])
    done = labelppl(
        "distill", "--model", "hip.py", "--student", "nets.py:net", "--epochs", 1, "--lam", 1, "--quiet", "--run", "r",
        folder=own_hips,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    probs = _probs(labelppl, own_hips, "r")
    np.testing.assert_allclose(probs[["p_normal", "p_dysplastic"]].sum(axis=1), 1)
