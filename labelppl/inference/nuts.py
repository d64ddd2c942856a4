"""The No-U-Turn sampler of Pyro, one process for each chain: the reference for every other engine.

Hoffman & Gelman (2014) with multinomial sampling and windowed adaptation of the mass matrix. The
target acceptance is .8; where a transition diverges, the run is repeated once at .95. The chains
move in coordinates whitened by the curvature at a mode, if there is one: that is a linear map, which
spares the warm-up hundreds of tiny steps and changes nothing that is drawn. They start where the
density says, not at the mode.

Assumption: the density is differentiable; nothing else. Discrete sites must already be summed out.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import FailedWork
from ..seeds import Stream, stream
from .base import Density, Draws, Progress, Work
from .convergence import convergence, convergence_problems
from .modes import find_modes

NUTS_DENSE_UP_TO = 100
NUTS_MODE_UP_TO = 200
ACCEPT, ACCEPT_AFTER_DIVERGENCES = 0.8, 0.95
#: Leapfrogs of a transition in whitened coordinates; for the estimate of the work.
NUTS_LEAPFROGS = 7


class _Plan(NamedTuple):
    """What every chain does; u = centre + root z for the z that NUTS sees."""

    draws: int
    warmup: int
    dense: bool
    accept: float
    centre: Tensor
    root: Tensor


class _Chain(NamedTuple):
    points: Tensor
    divergences: int
    accept: float


def nuts(
    density: Density,
    *,
    draws: int = 1000,
    warmup: int = 1000,
    chains: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
    dense: bool | None = None,
    accept: float | None = None,
    parallel: bool | None = None,
) -> Draws:
    """Draw (chains, draws, dim) with Pyro's NUTS.

    dense: whole mass matrix rather than its diagonal; by default up to 100 coordinates.
    accept: target acceptance; by default .8, and once more at .95 if a transition diverges.
    parallel: forked processes; by default wherever forking is safe. The draws are the same.
    progress: called with (transitions done, transitions in all) over all chains.
    Raises FailedWork when a chain's process dies or its density cannot be evaluated.
    """
    began = time.perf_counter()
    whole = density.dim <= NUTS_DENSE_UP_TO if dense is None else dense
    starts = density.start(chains, seed)
    centre, root = _units(density, starts)
    runs: list[_Chain] = []
    target = ACCEPT
    for target in (ACCEPT, ACCEPT_AFTER_DIVERGENCES) if accept is None else (accept,):
        plan = _Plan(draws, warmup, whole, target, centre, root)
        runs = _run_chains(density, plan, starts, seed=seed, progress=progress, parallel=parallel)
        if not any(chain.divergences for chain in runs):
            break
    points = torch.stack([chain.points for chain in runs])
    measured = convergence(points.numpy())
    divergences = sum(chain.divergences for chain in runs)
    problems = convergence_problems(measured, density.coordinates)
    if divergences:
        problems += (f"{divergences} of {chains * draws} transitions diverged (none may)",)
    return Draws(
        engine="nuts",
        points=points,
        diagnostics={
            "rhat": float(measured.rhat.max()),
            "ess_bulk": float(measured.ess_bulk.min()),
            "ess_tail": float(measured.ess_tail.min()),
            "divergences": divergences,
            "accept": float(np.mean([chain.accept for chain in runs])),
            "accept_target": target,
            "warmup": warmup,
            "seconds": time.perf_counter() - began,
        },
        problems=problems,
    )


def nuts_work(density: Density) -> Work:
    """A gradient of one point in every leapfrog of every chain; chains share the machine's cores."""
    cores = min(4, os.cpu_count() or 1)
    return Work(4 / cores * 2000 * NUTS_LEAPFROGS, 1)


def _units(density: Density, starts: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (dim,) and lower-triangular root (dim, dim) of the normal at the highest mode."""
    if density.dim <= NUTS_MODE_UP_TO:
        modes = find_modes(density, starts)
        best = modes.best()
        if best is not None:
            root, failed = torch.linalg.cholesky_ex(torch.linalg.inv(modes.precisions[best]))
            if not int(failed):
                return modes.points[best], root
    return torch.zeros_like(starts[0]), torch.eye(density.dim).to(starts)


def _run_chains(
    density: Density,
    plan: _Plan,
    starts: Tensor,
    *,
    seed: int,
    progress: Progress | None,
    parallel: bool | None,
) -> list[_Chain]:
    chains = len(starts)
    total = plan.warmup + plan.draws
    done = [0] * chains

    def tell(chain: int, count: int) -> None:
        done[chain] = count
        if progress is not None:
            progress(sum(done), chains * total)

    def work(chain: int, report: Callable[[int], None]) -> _Chain:
        return _one_chain(density, plan, starts[chain], stream(seed, "nuts", chain), report)

    if (chains > 1 and _can_fork()) if parallel is None else parallel:
        return _fork_chains(work, chains, tell)
    return [work(chain, partial(tell, chain)) for chain in range(chains)]


def _one_chain(
    density: Density, plan: _Plan, start: Tensor, own: Stream, report: Callable[[int], None]
) -> _Chain:
    from pyro.infer import MCMC, NUTS

    def potential(at: dict[str, Tensor]) -> Tensor:
        return -density.log_prob(_to_u(plan, at["z"].unsqueeze(0))).squeeze(0)

    total = plan.warmup + plan.draws
    count = 0
    told: dict[str, Any] = {}

    def hook(kernel: Any, sample: Any, stage: str, i: int) -> None:
        nonlocal count
        count += 1
        if count % max(1, total // 100) == 0 or count == total:
            report(count)
        if count == total:  # the kernel forgets its diagnostics when the run ends
            told.update(kernel.diagnostics())

    white = torch.linalg.solve_triangular(
        plan.root, (start - plan.centre).unsqueeze(-1), upper=False
    )
    kernel = NUTS(potential_fn=potential, full_mass=plan.dense, target_accept_prob=plan.accept)
    with own.torch_default():
        mcmc = MCMC(
            kernel,
            num_samples=plan.draws,
            warmup_steps=plan.warmup,
            initial_params={"z": white.squeeze(-1)},
            disable_progbar=True,
            hook_fn=hook,
        )
        mcmc.run()
    return _Chain(
        points=_to_u(plan, mcmc.get_samples()["z"].detach()),
        divergences=len(told["divergences"]),
        accept=float(told["acceptance rate"]),
    )


def _to_u(plan: _Plan, z: Tensor) -> Tensor:
    return plan.centre + z @ plan.root.mT


def _can_fork() -> bool:
    """CUDA does not survive a fork, and one core gains nothing from it."""
    return (
        "fork" in multiprocessing.get_all_start_methods()
        and (os.cpu_count() or 1) > 1
        and not torch.cuda.is_initialized()
    )


def _fork_chains(
    work: Callable[[int, Callable[[int], None]], _Chain],
    chains: int,
    tell: Callable[[int, int], None],
) -> list[_Chain]:
    """Run ``work`` for every chain in a child, which inherits the density by the fork."""
    context = multiprocessing.get_context("fork")
    finished: dict[int, _Chain] = {}
    readers: dict[Connection, int] = {}
    children = []
    try:
        for chain in range(chains):
            reader, writer = context.Pipe(duplex=False)
            child = context.Process(target=_child, args=(work, chain, writer), daemon=True)
            with warnings.catch_warnings():  # the child runs no thread of the parent's
                warnings.simplefilter("ignore", DeprecationWarning)
                child.start()
            writer.close()
            children.append(child)
            readers[reader] = chain
        while readers:
            for ready in wait(list(readers)):
                assert isinstance(ready, Connection)
                chain = readers[ready]
                try:
                    message = json.loads(ready.recv_bytes())
                except EOFError:
                    children[chain].join()
                    raise FailedWork(
                        f"NUTS chain {chain}: its process ended with exit code "
                        f"{children[chain].exitcode}; is memory short?"
                    ) from None
                if "failed" in message:
                    raise FailedWork(f"NUTS chain {chain}: {message['failed']}")
                if "count" in message:
                    tell(chain, message["count"])
                    continue
                raw = np.frombuffer(ready.recv_bytes(), dtype=np.float64)
                points = torch.from_numpy(raw.reshape(message["shape"]).copy())
                finished[chain] = _Chain(points, message["divergences"], message["accept"])
                del readers[ready]
                ready.close()
    finally:
        for child in children:
            if len(finished) < chains:
                child.terminate()
            child.join()
    return [finished[chain] for chain in range(chains)]


def _child(
    work: Callable[[int, Callable[[int], None]], _Chain], chain: int, writer: Connection
) -> None:
    # One core each, and OpenMP's threads did not come along through the fork.
    torch.set_num_threads(1)

    def send(message: dict[str, Any]) -> None:
        writer.send_bytes(json.dumps(message).encode())

    try:
        result = work(chain, lambda count: send({"count": count}))
    except Exception as error:
        send({"failed": f"{type(error).__name__}: {error}"})
        return
    send(
        {
            "shape": list(result.points.shape),
            "divergences": result.divergences,
            "accept": result.accept,
        }
    )
    writer.send_bytes(result.points.numpy().astype(np.float64).tobytes())
