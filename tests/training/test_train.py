"""The trainer: its objective, its random numbers, resuming, several processes."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from labelppl.errors import FailedWork, InputError
from labelppl.images.augment import augmentation
from labelppl.targets.focal import Focal
from labelppl.targets.hard import Hard
from labelppl.targets.ols import OLS
from labelppl.targets.prob import Prob
from labelppl.targets.target_data import TargetData
from labelppl.training.held import Held
from labelppl.training.loop import Trained
from labelppl.training.order import partition
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.training.train import train
from labelppl.training.weight_prior import WeightPrior

SCHEDULE = Schedule(epochs=3, batch_size=8, lr=0.01)


def _data(m: int = 21, classes: int = 3, seed: int = 0) -> tuple[Resident, TargetData]:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (m, 1, 8, 8), generator=generator, dtype=torch.uint8)
    soft = torch.rand(m, classes, generator=generator, dtype=torch.float64)
    soft /= soft.sum(1, keepdim=True)
    hard = torch.multinomial(soft, 1, generator=generator)[:, 0]
    return Resident(pixels, lambda x: x.float() / 128 - 1), TargetData(hard=hard, soft=soft)


def _network(classes: int = 3, dropout: float = 0.2) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(256, 1 if classes == 2 else classes),
        )


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in network.state_dict().items()}


def _same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def _curve(done: Trained) -> list[tuple[Any, ...]]:
    """The learning curve without its timings; nan made comparable."""
    return [tuple(str(v) for v in row[:-2]) for row in done.history]


@pytest.mark.parametrize("cases", [1, 7, 8, 9, 21, 429])
def test_batches_cover_every_case_and_differ_by_one(cases: int) -> None:
    sizes = partition(cases, 8)
    assert sum(sizes) == cases
    assert len(sizes) == math.ceil(cases / 8)
    assert max(sizes) - min(sizes) <= 1


def test_gradients_of_an_epoch_average_to_the_gradient_of_the_objective() -> None:
    """With a vanishing step every batch sees theta_0, so the displacement is -lr sum of gradients."""
    source, evidence = _data(21, 2)
    network = _network(2, 0).double()
    source = Resident(source.pixels, lambda x: x.double() / 128 - 1)
    network[1].eval()
    prior = WeightPrior.around(network, 2.0, proximal=False)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(5)))
    start = {n: p.detach().clone() for n, p in network.named_parameters()}
    x = torch.cat(list(source.batches([torch.arange(21)], torch.device("cpu"))))
    logit = network(x)[:, 0]
    loss = nn.functional.binary_cross_entropy_with_logits(logit, evidence.hard.double())
    objective = loss + 2.0 / 21 * sum(
        ((p - prior.mean[n]) ** 2).sum() for n, p in network.named_parameters()
    )
    gradients = torch.autograd.grad(objective, list(network.parameters()))
    lr = 1e-7
    schedule = Schedule(
        epochs=1, batch_size=8, optimiser="sgd", momentum=0, lr=lr, decay="constant", precision="32"
    )
    train(network, source, evidence, Hard(), schedule, prior=prior, device="cpu")
    for (name, p), gradient in zip(network.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(
            (start[name] - p.detach()) / (3 * lr), gradient, rtol=1e-4, atol=1e-6
        )


def test_soft_cross_entropy_gradient_is_q_minus_p_over_n() -> None:
    logits = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    target = torch.rand(6, 3, dtype=torch.float64)
    target /= target.sum(1, keepdim=True)
    Prob().loss(logits, target, torch.arange(6)).mean().backward()
    torch.testing.assert_close(logits.grad, (logits.detach().softmax(1) - target) / 6)


def test_infinite_lambda_moves_nothing() -> None:
    source, evidence = _data()
    network = _network()
    before = _state(network)
    done = train(
        network, source, evidence, Hard(), SCHEDULE, prior=WeightPrior.around(network, math.inf)
    )
    assert done.history == ()
    assert _same(before, _state(network))


def test_running_statistics_stay_in_step_2_and_move_in_step_1() -> None:
    source, evidence = _data()
    for prior, moves in ((False, True), (True, False)):
        network = _network()
        before = network[1].running_mean.clone()
        weight = network[1].weight.detach().clone()
        train(
            network, source, evidence, Hard(), SCHEDULE,
            prior=WeightPrior.around(network, 0.1) if prior else None,
        )  # fmt: skip
        assert torch.equal(before, network[1].running_mean) is not moves
        assert not torch.equal(weight, network[1].weight)


def test_same_seed_same_bits_other_seed_other_bits() -> None:
    ends = []
    for seed in (4, 4, 5):
        source, evidence = _data()
        network = _network()
        torch.manual_seed(len(ends))
        before = torch.get_rng_state()
        train(
            network, source, evidence, Prob(), SCHEDULE, seed=seed, augment=augmentation("natural")
        )
        assert torch.equal(before, torch.get_rng_state())
        ends.append(_state(network))
    assert _same(ends[0], ends[1])
    assert not _same(ends[0], ends[2])


def test_the_best_validation_epoch_is_kept_and_patience_stops() -> None:
    source, evidence = _data()
    held_source, held_evidence = _data(15, seed=9)
    network = _network()
    schedule = replace(SCHEDULE, epochs=30, patience=3)
    held = Held(held_source, held_evidence.hard)
    done = train(network, source, evidence, Hard(), schedule, held=held)
    scores = [e.val_nll for e in done.history]
    assert done.best_epoch == int(np.argmin(scores))
    assert len(scores) == done.best_epoch + 1 + 3 < 30
    x = next(iter(held_source.batches([torch.arange(15)], torch.device("cpu"))))
    nll = nn.functional.cross_entropy(network(x), held_evidence.hard)
    assert float(nll.detach()) == pytest.approx(min(scores), rel=1e-5)


def test_unusable_and_diverging_runs_say_so() -> None:
    source, evidence = _data()
    none = replace(evidence, hard=torch.full_like(evidence.hard, -1))
    with pytest.raises(InputError, match="no training case is usable"):
        train(_network(), source, none, Hard(), SCHEDULE)
    wild = replace(SCHEDULE, optimiser="sgd", lr=1e30)
    with pytest.raises(FailedWork, match="lower the learning rate"):
        train(_network(), source, evidence, Hard(), wild)


SCHEDULES: dict[str, dict[str, Any]] = {
    "adam": {},
    "sgd": {"optimiser": "sgd"},
    "all": {"optimiser": "adamw", "ema": 0.9, "clip": 1.0, "accumulate": 2, "decay": "restarts"},
}


@pytest.mark.parametrize("options", SCHEDULES)
@pytest.mark.parametrize("method", ["prob", "ols", "map"])
def test_resume_is_the_same_run(tmp_path: Path, options: str, method: str) -> None:
    schedule = replace(SCHEDULE, epochs=5, **SCHEDULES[options])
    path = tmp_path / "checkpoint.safetensors"

    class StopError(Exception):
        pass

    class Stopping(Resident):
        """Ends the process after so many batches."""

        def __init__(self, pixels: Tensor, normalise: Any, until: int | None) -> None:
            super().__init__(pixels, normalise)
            self.left = math.inf if until is None else until

        def batches(self, rows: Any, device: torch.device) -> Any:
            for batch in super().batches(rows, device):
                if self.left == 0:
                    raise StopError
                self.left -= 1
                yield batch

    def run(checkpoint: Path | None, resume: bool, until: int | None = None) -> Any:
        source, evidence = _data()
        network = _network()
        prior = WeightPrior.around(network, 0.5) if method == "map" else None
        target = {"prob": Prob, "ols": OLS, "map": Hard}[method]()
        held_source, held_evidence = _data(9, seed=3)
        held = Held(held_source, held_evidence.hard)
        source = Stopping(source.pixels, source.normalise, until)
        done = train(
            network, source, evidence, target, schedule, prior=prior, held=held,
            augment=augmentation("ultrasound"), checkpoint=checkpoint, resume=resume,
        )  # fmt: skip
        return _state(network), _curve(done), done.best_epoch

    whole = run(None, False)
    with pytest.raises(StopError):
        run(path, False, until=8)  # in the middle of the third epoch of three batches
    again = run(path, True)
    assert _same(whole[0], again[0])
    assert whole[1:] == again[1:]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    source, evidence = _data()
    train(_network(), source, evidence, Prob(), SCHEDULE, checkpoint=path)
    other = Resident(source.pixels.flip(0), source.normalise)
    soft = replace(evidence, soft=evidence.soft.flip(1), mean_log=evidence.soft.log())  # type: ignore[union-attr]
    for changed, words in (
        ({"seed": 1}, "was made with seed = 0, not 1"),
        ({"source": other}, "was made with images = "),
        ({"evidence": soft}, "was made with labels = "),
        ({"target": Focal(gamma=2.0)}, "was made with target.target = prob, not focal"),
        ({"augment": torch.nn.Identity()}, "was made with augment = None"),
        ({"rates": (("0.*", 0.1),)}, "was made with rates"),
        ({"network": _network(dropout=0.2).double().float()}, None),
        ({"schedule": replace(SCHEDULE, clip=1.0)}, "was made with schedule.clip = None, not 1.0"),
    ):
        run: dict[str, Any] = {
            "network": _network(), "source": source, "evidence": evidence, "target": Prob(),
            "schedule": SCHEDULE, **changed,
        }  # fmt: skip
        if words is None:
            train(**run, checkpoint=path, resume=True)
            continue
        with pytest.raises(InputError, match=words):
            train(**run, checkpoint=path, resume=True)
    path.unlink()
    train(_network(), source, evidence, Focal(gamma=2.0), SCHEDULE, checkpoint=path)
    with pytest.raises(InputError, match=r"target\.gamma = 2\.0, not 3\.0"):
        train(
            _network(), source, evidence, Focal(gamma=3.0), SCHEDULE, checkpoint=path, resume=True
        )
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match="is not a checkpoint of ours"):
        train(_network(), source, evidence, Prob(), SCHEDULE, checkpoint=path, resume=True)


KILLS = int(os.environ.get("LABELPPL_KILLS", "2"))
WORKER = """
import sys, torch
from pathlib import Path
from safetensors.torch import save_file
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.targets.target_data import TargetData
from labelppl.targets.ols import OLS
from labelppl.training.train import train
from torch import nn
torch.set_num_threads(1)
g = torch.Generator().manual_seed(0)
pixels = torch.randint(0, 256, (24, 1, 8, 8), generator=g, dtype=torch.uint8)
hard = torch.randint(0, 3, (24,), generator=g)
torch.manual_seed(1)
network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3))
target = OLS()
out = Path(sys.argv[1])
done = train(
    network, Resident(pixels, lambda x: x.float() / 128 - 1), TargetData(hard=hard, classes=3), target,
    Schedule(epochs=int(sys.argv[2]), batch_size=8, lr=0.01, precision="32"), device="cpu",
    checkpoint=out / "checkpoint.safetensors", resume=True,
)
import os
if os.environ.get("RANK", "0") == "0":
    curve = torch.tensor([[e.loss, e.lr] for e in done.history], dtype=torch.float64)
    table = {f"target/{k}": v.double() for k, v in target.state_dict().items()}
    save_file({**network.state_dict(), "curve": curve, **table}, out / "done.safetensors")
"""


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def _finish(folder: Path, epochs: int) -> dict[str, Tensor]:
    command = [sys.executable, "-c", WORKER, str(folder), str(epochs)]
    subprocess.run(command, check=True, env=_environment())
    return load_file(folder / "done.safetensors")


def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    epochs = 40
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole, folder = _finish(tmp_path / "whole", epochs), tmp_path / "killed"
    checkpoint = folder / "checkpoint.safetensors"
    rng = np.random.default_rng(0)
    kills = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(folder), str(epochs)], env=_environment()
        )
        written = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != written:
                break
            time.sleep(0.001)
        time.sleep(float(rng.uniform(0, 0.1)))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills > 0
    again = _finish(folder, epochs)
    assert _same(whole, again)


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """The same curve, the same weights and the same table of online label smoothing."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    alone = _finish(one, 3)
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
            str(script), str(two), "3",
        ],
        check=True,
        env=_environment(),
    )  # fmt: skip
    together = load_file(two / "done.safetensors")
    assert alone.keys() == together.keys()
    assert any(k.startswith("target/") for k in alone)
    for key, value in alone.items():
        torch.testing.assert_close(together[key], value, rtol=1e-4, atol=1e-5, msg=key)
