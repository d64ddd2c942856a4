"""Sets decoded by worker processes: the same bits as in memory, bounded memory, one clear line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from labelppl.distillation.distill import distill
from labelppl.distillation.distilled import Distilled
from labelppl.distillation.few import with_few_validation
from labelppl.distillation.prior_options import PriorOptions
from labelppl.errors import FailedWork, InputError
from labelppl.images.read import check_images, open_images, read_images
from labelppl.students.options import StudentOptions
from labelppl.training import stream as module
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.training.stream import Streamed, default_workers, memory_limit

Study = Callable[..., tuple[Any, Any]]
QUICK = Schedule(epochs=3, batch_size=16, lr=1e-3)
STREAMED = StudentOptions(stream=True, workers=1)


def _same(one: Distilled, two: Distilled) -> bool:
    for a, b in ((one.student, two.student), (one.theta_p, two.theta_p)):
        state, other = a.network.state_dict(), b.network.state_dict()
        if not all(torch.equal(state[k], other[k]) for k in state):
            return False
    return True


@pytest.mark.parametrize("workers", [0, 2])
def test_the_student_is_the_same_bit_for_bit(study: Study, workers: int) -> None:
    """Order, augmentation, normalisation, validation and the choice of lambda included."""
    labels, cases = study(60, val=12)
    options: dict[str, Any] = {
        "augment": "ultrasound", "schedule": QUICK, "prior": PriorOptions(grid=(np.inf, 1.0)),
        "seed": 3,
    }  # fmt: skip
    one = distill(labels, cases, student=StudentOptions(stream=False), **options)
    two = distill(labels, cases, student=StudentOptions(stream=True, workers=workers), **options)
    assert _same(one, two)
    assert one.choice == two.choice
    assert one.student.spec.training["images"] == "in memory"
    assert two.student.spec.training["images"] == "streamed"


def test_folds_stream_too(study: Study) -> None:
    labels, cases = study(30, test=6)
    options: dict[str, Any] = {
        "schedule": QUICK, "prior": PriorOptions(grid=(np.inf, 1.0), folds=2),
    }  # fmt: skip
    one = distill(labels, cases, student=StudentOptions(stream=False), **options)
    two = distill(labels, cases, student=STREAMED, **options)
    assert one.choice == two.choice
    assert _same(one, two)


def test_it_is_chosen_by_the_memory_available(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, cases = study(30, test=6)
    pixels = 24 * 32 * 32
    for free, expected in ((4 * pixels, "in memory"), (4 * pixels - 4, "streamed")):
        monkeypatch.setattr(module, "available_memory", lambda free=free: free)
        done = distill(labels, cases, lam=np.inf, schedule=QUICK, student=StudentOptions(workers=0))
        assert done.student.spec.training["images"] == expected
    assert memory_limit(torch.device("cpu"), None) == pixels - 1


def test_a_streamed_run_resumes_to_the_same_student(study: Study, tmp_path: Path) -> None:
    labels, cases = study(40)
    whole = distill(labels, cases, lam=1.0, schedule=QUICK, student=STREAMED)
    stopped = []

    class StopError(Exception):
        pass

    batches = Streamed.batches

    def stopping(self: Streamed, rows: Any, device: Any) -> Any:
        for batch in batches(self, rows, device):
            stopped.append(1)
            if len(stopped) == 4:  # in the second epoch of two batches
                raise StopError
            yield batch

    options: dict[str, Any] = {"lam": 1.0, "schedule": QUICK, "student": STREAMED}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Streamed, "batches", stopping)
        with pytest.raises(StopError):
            distill(labels, cases, out=tmp_path / "run", **options)
    again = distill(labels, cases, out=tmp_path / "run", resume=True, **options)
    assert _same(whole, again)


def _write(folder: Path, n: int, size: int = 32, *, wide: bool = False) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / f"{i}.png" for i in range(n)]
    for path in paths:
        top, kind = (65536, np.uint16) if wide else (256, np.uint8)
        Image.fromarray(rng.integers(0, top, (size, size)).astype(kind)).save(path)
    return paths


@pytest.mark.parametrize("wide", [False, True])
def test_batches_are_those_of_memory(tmp_path: Path, wide: bool) -> None:
    paths = _write(tmp_path, 7, wide=wide)
    rows = [torch.tensor([6, 2]), torch.tensor([0]), torch.tensor([5, 5, 1])]
    device = torch.device("cpu")
    resident = Resident(torch.from_numpy(read_images(paths).pixels), lambda x: x.float() / 3)
    streamed = Streamed(check_images(paths), lambda x: x.float() / 3, 2)
    before = torch.get_rng_state()
    for one, two in zip(
        resident.batches(rows, device), streamed.batches(rows, device), strict=True
    ):
        assert torch.equal(one, two)
    assert torch.equal(before, torch.get_rng_state())
    some = streamed.take(torch.tensor([3, 1]))
    assert [p.stem for p in some.files.paths] == ["3", "1"]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_breaks_on_the_way_is_one_clear_line(tmp_path: Path, workers: int) -> None:
    paths = _write(tmp_path, 4)
    source = Streamed(check_images(paths), torch.Tensor.float, workers)
    paths[2].write_bytes(b"no image")
    with pytest.raises(InputError, match="cannot be read as an image") as caught:
        list(source.batches([torch.arange(4)], torch.device("cpu")))
    assert str(caught.value).startswith(str(paths[2]))
    assert "\n" not in str(caught.value)
    _write(tmp_path, 4, size=16)
    with pytest.raises(InputError, match="got 16x16 uint8 pixels, expected 32x32"):
        list(source.batches([torch.arange(1)], torch.device("cpu")))


class _Dying(torch.utils.data.Dataset[Any]):
    def __init__(self, files: Any) -> None:
        pass

    def __getitems__(self, rows: list[int]) -> Any:
        os.kill(os.getpid(), 9)


def test_a_worker_that_dies_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Streamed(check_images(_write(tmp_path, 2)), torch.Tensor.float, 1)
    monkeypatch.setattr(module, "_Decoder", _Dying)
    with pytest.raises(FailedWork, match="a worker process that decodes them died") as caught:
        list(source.batches([torch.arange(2)], torch.device("cpu")))
    assert "\n" not in str(caught.value)


PEAK = """
import sys, torch
from pathlib import Path
from torch import nn
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.training.stream import Streamed
from labelppl.targets.target_data import TargetData
from labelppl.targets.hard import Hard
from labelppl.training.train import train
from labelppl.images import read
from labelppl.images.read import check_images, read_images
torch.set_num_threads(1)
torch.manual_seed(0)
read.THREADS = 2
paths = sorted(Path(sys.argv[1]).glob("*.png")) * 40
def peak():  # ru_maxrss would start from the parent's
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))
def scale(x):
    return x.float() / 255
def run(paths):
    if sys.argv[2] == "stream":
        source = Streamed(check_images(paths), scale, 1)
    else:
        source = Resident(torch.from_numpy(read_images(paths).pixels), scale)
    network = nn.Sequential(nn.AvgPool2d(250), nn.Flatten(), nn.Linear(16, 1))
    hard = torch.arange(len(paths)) % 2
    schedule = Schedule(epochs=1, batch_size=2)
    train(network, source, TargetData(hard=hard, classes=2), Hard(), schedule, device="cpu")
    return network
run(paths[:6])  # what is imported late, and what a few batches need
before = peak()
network = run(paths)
print(peak() - before, *network[2].weight.flatten().tolist())
"""


# Freed arrays go back to the system at once, so that the peak is that of live memory.
LIVE = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}


@pytest.mark.skipif(
    not Path("/proc/self/status").is_file(), reason="peak memory is read from /proc"
)
def test_memory_does_not_grow_with_the_set(tmp_path: Path) -> None:
    """160 images of 1 MB: 160 MB in memory, a few of them otherwise."""
    for i in range(4):
        pixels = np.zeros((1000, 1000), np.uint8)
        pixels[i * 200 : i * 200 + 150] = 200
        Image.fromarray(pixels).save(tmp_path / f"{i}.png", compress_level=1)
    found = {}
    for kind in ("stream", "memory"):
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(tmp_path), kind],
            check=True, capture_output=True, text=True,
            env={**os.environ, **LIVE},
        )  # fmt: skip
        found[kind] = done.stdout.split()
    assert found["stream"][1:] == found["memory"][1:]
    assert int(found["memory"][0]) > 120
    assert int(found["stream"][0]) < 40


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(9)), raising=False)
    assert default_workers() == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert default_workers() == 1


def test_images_that_are_open_already_give_the_same_student(study: Study) -> None:
    labels, cases = study(40, val=8, test=6)
    trained = with_few_validation(cases).split == "train"
    opened = open_images(cases.images, measured=trained)
    options: dict[str, Any] = {"schedule": QUICK, "lam": np.inf, "seed": 1}
    assert _same(
        distill(labels, cases, images=opened, **options), distill(labels, cases, **options)
    )


def test_cases_with_several_images_stream_to_the_same_weights(study: Study) -> None:
    """Folds and lambda included: decoded when needed, by workers, or kept in memory."""
    labels, cases = study(36, test=6)
    images = cases.images
    several = tuple((images[i], images[(i + 7) % 30]) if i < 30 and i % 2 else images[i] for i in range(36))  # fmt: skip
    options: dict[str, Any] = {
        "schedule": Schedule(epochs=2, batch_size=8), "prior": PriorOptions(grid=(np.inf, 1.0), folds=2),
    }  # fmt: skip
    made = [
        distill(labels, replace(cases, images=several), student=StudentOptions(stream=stream, workers=workers), **options)
        for stream, workers in ((False, 0), (True, 0), (True, 2))
    ]  # fmt: skip
    assert _same(made[0], made[1])
    assert _same(made[0], made[2])
    assert made[1].student.spec.training["images"] == "streamed"
    assert made[0].student.spec.training["images_per_case"] == {"least": 1, "most": 2, "images": 45}
