"""Training throughput of the paper's CNN: our loop against two plain PyTorch loops, side by side.

    python benchmarks/training.py            # 128x128, as in the paper
    python benchmarks/training.py --quick    # a smoke test
    python benchmarks/training.py --device cuda --compile

`plain` is the loop of a tutorial: fp32, a DataLoader over image files decoded once into a float
TensorDataset, default memory format, Adam. `bare` is forward, backward and step on one resident
batch, in the memory format and precision that ours uses: the speed of the network itself; with
--compile also through torch.compile (CUDA graphs on a GPU). `ours` is
`labelppl.training.train.train`, with its shuffling, normalisation, learning curve and weight
prior bookkeeping. The loops take turns, several rounds, and the medians are compared: other work on
the machine then slows all of them alike.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from labelppl.students.network import Shape, build_network
from labelppl.targets.hard import Hard
from labelppl.targets.prob import Prob
from labelppl.targets.target_data import TargetData
from labelppl.training.device import make_fabric
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.training.train import train
from labelppl.training.weight_prior import WeightPrior

BATCH = 64
TARGETS = {"cpu": {"plain": 2.5, "bare": 0.95}, "cuda": {"bare": 0.90}}
GPU_RATE = 50_000


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--images", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="also bare through torch.compile")
    parser.add_argument("--quick", action="store_true", help="32x32, 64 images, one round")
    given = parser.parse_args()
    if given.quick:
        given.size, given.images, given.rounds = 32, 64, 1
    report(given.device, given.size, given.images, given.rounds, given.compile)


def report(device: str, size: int, images: int, rounds: int, compiled: bool) -> None:
    """Run every loop `rounds` times in turn, after one round to warm up, and print the medians."""
    fabric = make_fabric(device)
    kind = fabric.device.type
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, 1, size, size), generator=generator, dtype=torch.uint8)
    p = torch.rand(images, generator=generator)
    half = "bf16" in fabric._precision.precision
    loops: dict[str, Callable[[], float]] = {
        "plain": lambda: plain(pixels, p, fabric.device),
        "bare": lambda: bare(pixels, p, fabric.device, half),
        "ours": lambda: ours(pixels, p, device, None),
        "ours, step 2": lambda: ours(pixels, p, device, 1.0),
    }
    if compiled:
        loops["bare, compiled"] = lambda: bare(pixels, p, fabric.device, half, compiled=True)
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(rounds + 1):
        for name, loop in loops.items():
            rate = loop()
            if turn:
                rates[name].append(rate)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    print(
        f"Paper's CNN, 1x{size}x{size}, batch {BATCH}, {images} images, {kind}, "
        f"{fabric._precision.precision}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, {platform.machine()}, medians of {rounds}\n"
    )
    print("| loop | images/s | ours / it | target |\n|---|---:|---:|---:|")
    for name, rate in medians.items():
        ratio = medians["ours"] / rate
        target = TARGETS.get(kind, {}).get(name)
        print(
            f"| {name} | {rate:,.0f} | {ratio:.2f} | {'' if target is None else f'>= {target}'} |"
        )
    print()
    if kind == "cuda":
        print(
            f"{torch.cuda.get_device_name()}: {medians['ours']:,.0f} images/s, target {GPU_RATE:,}"
        )
    else:
        print(f"GPU: not measured here (target on an H200: {GPU_RATE:,} images/s, .90 of bare)")


def plain(pixels: Tensor, p: Tensor, device: torch.device) -> float:
    """Images per second of the tutorial's loop."""
    network = build_network("cnn", _shape(pixels)).to(device)
    network = network.to(memory_format=torch.contiguous_format)
    data = TensorDataset(pixels.float() / 128 - 1, p)
    loader = DataLoader(data, batch_size=BATCH, shuffle=True)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    criterion = nn.BCEWithLogitsLoss()
    began = time.perf_counter()
    for x, t in loader:
        optimiser.zero_grad()
        criterion(network(x.to(device))[:, 0], t.to(device)).backward()
        optimiser.step()
    _wait(device)
    return len(pixels) / (time.perf_counter() - began)


def bare(
    pixels: Tensor, p: Tensor, device: torch.device, half: bool, compiled: bool = False
) -> float:
    """Images per second of forward, backward and step alone; a compiled network has taken one step before."""
    network: nn.Module = build_network("cnn", _shape(pixels)).to(device)
    if compiled:
        network.compile(mode="reduce-overhead" if device.type == "cuda" else "default")
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    batch = (pixels[:BATCH].float() / 128 - 1).to(device, memory_format=torch.channels_last)
    t = p[:BATCH].to(device)
    criterion = nn.BCEWithLogitsLoss()
    steps = -(-len(pixels) // BATCH)
    for step in range(-1 if compiled else 0, steps):
        if step == 0:
            _wait(device)
            began = time.perf_counter()
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = network(batch)
        criterion(logits[:, 0].float(), t).backward()
        optimiser.step()
    _wait(device)
    return steps * len(batch) / (time.perf_counter() - began)


def ours(pixels: Tensor, p: Tensor, device: str, lam: float | None) -> float:
    """Images per second of one epoch of the trainer, with a weight prior where `lam` is given."""
    network = build_network("cnn", _shape(pixels))
    source = Resident(
        pixels, lambda x: (x.float() / 128 - 1).contiguous(memory_format=torch.channels_last)
    )
    evidence = TargetData(hard=(p > 0.5).long(), soft=torch.stack([1 - p, p], 1))
    prior = None if lam is None else WeightPrior.around(network, lam)
    done = train(
        network,
        source,
        evidence,
        Prob() if lam is None else Hard(),
        Schedule(epochs=1, batch_size=BATCH),
        prior=prior,
        device=device,
    )
    return done.history[0].images_per_second


def _shape(pixels: Tensor) -> Shape:
    return Shape(pixels.shape[1], pixels.shape[2], pixels.shape[3], 1)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
