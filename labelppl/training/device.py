"""Where and in which precision to train: one Fabric for CPU, a GPU, or several by torchrun."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import nn

from ..errors import InputError
from .group import join_group


def make_fabric(device: str = "auto", precision: Literal["auto", "32", "bf16"] = "auto") -> Fabric:
    """A launched Fabric. device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Started by torchrun, each process joins the group (gloo on CPU, NCCL on GPUs). Raises InputError
    for a device this machine does not have.
    """
    kind, number = check_device(device)
    half = bf16_wins(kind) if precision == "auto" else precision == "bf16"
    distributed = join_group().size > 1
    devices: int | list[int] = [int(number)] if number else 1
    nodes = 1
    if distributed:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        devices, nodes = local, int(os.environ["WORLD_SIZE"]) // local
    with warnings.catch_warnings(), _quiet("lightning_fabric.utilities.rank_zero"):
        # Fabric's advice on matmul precision and cluster environments is not for our users, nor is the precision that
        # student.json records.
        warnings.simplefilter("ignore")
        fabric = Fabric(
            accelerator=kind,
            devices=devices,
            num_nodes=nodes,
            strategy="ddp" if distributed else "auto",
            precision="bf16-mixed" if half else "32-true",
        )
        fabric.launch()
    return fabric


def share_statistics(network: nn.Module, fabric: Fabric) -> None:
    """Let batch normalisation that learns on several GPUs take its statistics over all of them, in place.

    torch has no such layer for CPUs: there each process normalises by its own cases, which a warning says.
    """
    layers = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if fabric.world_size == 1 or not layers:
        return
    if fabric.device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)
    elif fabric.global_rank == 0:
        warnings.warn(
            f"batch normalisation takes the statistics of each of the {fabric.world_size} processes by itself: the student "
            "differs from that of one process",
            UserWarning,
            stacklevel=2,
        )


def check_device(device: str) -> tuple[str, str]:
    """The kind of a device, with `auto` resolved, and its number or "". Raises InputError for one this machine lacks."""
    kind, colon, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (
        colon and not (kind == "cuda" and number.isdecimal())
    ):
        raise InputError(f"device: got {device!r}, expected auto, cpu, cuda, cuda:N or mps")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device: got {device!r}, but torch sees no GPU here; use cpu")
    if number and int(number) >= torch.cuda.device_count():
        raise InputError(
            f"device: got {device!r}, but torch sees {torch.cuda.device_count()} GPUs here, from cuda:0 on"
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"device: got {device!r}, but torch sees no Apple GPU here; use cpu")
    return kind, number


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Only warnings of this logger inside the block."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def bf16_wins(kind: str) -> bool:
    """Whether the hardware multiplies in bf16; elsewhere it is emulated, ten times slower."""
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False
