"""Every public module of metrics and calibration is reached by a command, and its output changes with it."""

from __future__ import annotations

import functools
import importlib
import json
import pkgutil
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from labelppl.calibration import MAPS
from labelppl.metrics import METRICS

ROOMS = ("labelppl.metrics", "labelppl.calibration")


def modules() -> list[str]:
    """Every public module of both rooms."""
    names = []
    for room in ROOMS:
        package = importlib.import_module(room)
        names += [
            f"{room}.{info.name}"
            for info in pkgutil.iter_modules(package.__path__)
            if not info.name.startswith("_")
        ]
    return names


def owned(module: types.ModuleType) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Holder, name and function of everything that the module itself defines, methods included."""
    for name, value in list(vars(module).items()):
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
            yield module, name, value
        if isinstance(value, type) and value.__module__ == module.__name__:
            for inner, method in list(vars(value).items()):
                if isinstance(method, types.FunctionType) and not inner.startswith("__"):
                    yield value, inner, method


@pytest.fixture(scope="module")
def reached(labelppl, run: Path, hips: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules whose functions some command calls; two commands write what they measure."""
    called: set[str] = set()

    def watched(function: Callable[..., Any], module: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            called.add(module)
            return function(*args, **options)

        return call

    folder = tmp_path_factory.mktemp("reach")
    own = Path(shutil.copytree(run, folder / "run"))
    table = pd.read_csv(hips / "hip.csv")
    others = hips / "reach.csv"
    table[table["split"] == "train"].drop(columns="split").to_csv(others, index=False)
    image = next((hips / "images").glob("*.png"))
    with pytest.MonkeyPatch.context() as patch:
        for name in modules():
            module = importlib.import_module(name)
            for holder, key, function in owned(sys.modules[name]):
                wrapped = watched(function, name)
                patch.setattr(holder, key, wrapped)
                for user in list(sys.modules.values()):
                    if getattr(user, "__name__", "").startswith("labelppl") and user is not module:
                        for alias, value in list(vars(user).items()):
                            if value is function:
                                patch.setattr(user, alias, wrapped)
        for command in (
            ["recalibrate", "--run", own, "--data", others, "--conformal", 0.2, "--max-risk", 0.4],
            ["evaluate", "--run", own, "--by", "split", "--metric", "kl_dcic", "--metric", "mix_ece",
             "--label-draws", 5, "--operating-point", "costs=1:2"],
            ["predict", "--run", own, image, "--out", folder / "p.csv"],
            ["report", "--run", own],
        ):  # fmt: skip
            result = labelppl(*command)
            assert result.exit_code == 0, result.output
    shutil.copy(own / "metrics.json", folder.parent / "reach-metrics.json")
    called.add(str(folder.parent / "reach-metrics.json"))
    return called


@pytest.mark.parametrize("name", modules())
def test_a_command_reaches_it(reached: set[str], name: str) -> None:
    assert name in reached


def test_every_metric_of_the_list_is_in_the_file(reached: set[str]) -> None:
    """Two classes and a phantom with soft labels and draws: every metric of the list applies."""
    path = next(entry for entry in reached if entry.endswith(".json"))
    flat = json.loads(Path(path).read_text())
    missing = {metric.key for metric in METRICS} - set(flat)
    assert not missing


@pytest.mark.parametrize("name", MAPS)
def test_every_map_changes_what_predict_writes(
    labelppl, run: Path, hips: Path, tmp_path: Path, name: str
) -> None:
    own = Path(shutil.copytree(run, tmp_path / "run"))
    table = pd.read_csv(hips / "hip.csv")
    others = tmp_path / "others.csv"
    part = table[table["split"] == "train"].drop(columns="split")
    part.assign(image=[str(hips / image) for image in part["image"]]).to_csv(others, index=False)
    images = sorted((hips / "images").glob("*.png"))[:3]
    result = labelppl("recalibrate", "--run", own, "--data", others, "--map", name)
    assert result.exit_code == 0, result.output
    columns = ["p_normal", "p_dysplastic"]
    for out, options in (("with.csv", []), ("raw.csv", ["--raw"])):
        result = labelppl("predict", "--run", own, *images, "--out", tmp_path / out, *options)
        assert result.exit_code == 0, result.output
    mapped, raw = (
        pd.read_csv(tmp_path / out)[columns].to_numpy() for out in ("with.csv", "raw.csv")
    )
    assert abs(mapped - raw).max() > 1e-4
    assert mapped.sum(axis=1) == pytest.approx([1, 1, 1])
