"""What tests of students share."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from labelppl.students.timm import import_timm_for


@pytest.fixture(scope="session")
def timm() -> object:
    """timm, or a skip with the reason; torchvision's missing operators are mended as the adapter does."""
    if find_spec("timm") is None:
        pytest.skip("the [timm] extra is not installed")
    return import_timm_for("resnet18")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
