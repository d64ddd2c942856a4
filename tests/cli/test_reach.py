"""Every public module of metrics and calibration is reached by a command, and its output changes with it."""

from __future__ import annotations

import dataclasses
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

import numpy as np
import pandas as pd
import pytest

from labelppl.calibration import MAPS
from labelppl.metrics import METRICS, evaluate_probs

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


def changed(value: Any) -> Any:
    """What a faulty module returns in place of ``value``: numbers a little larger, orders turned round, other words."""
    if isinstance(value, np.ndarray):
        return 1.01 * value + 0.001 if value.dtype.kind == "f" else value[::-1].copy()
    if isinstance(value, float):
        return 1.01 * value + 0.001
    if isinstance(value, pd.DataFrame):
        return value.assign(**{name: changed(value[name].to_numpy()) for name in value})
    if isinstance(value, dict):
        return {key: changed(one) for key, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(changed, value))
    if isinstance(value, list | tuple):
        return type(value)(one if isinstance(one, str) else changed(one) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        made = {
            f.name: changed(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init
        }
        return dataclasses.replace(value, **made)
    return f"{value}, changed" if isinstance(value, str) else value


@dataclasses.dataclass
class Watched:
    """Every function of both rooms: which modules were called, and the one whose results are changed."""

    called: set[str] = dataclasses.field(default_factory=set)
    faulty: str = ""

    def wrap(self, function: Callable[..., Any], module: str) -> Callable[..., Any]:
        """The function, watched."""

        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            self.called.add(module)
            if module == self.faulty and function.__annotations__.get("return") == "None":
                return None
            result = function(*args, **options)
            return changed(result) if module == self.faulty else result

        return call


@dataclasses.dataclass(frozen=True)
class Reach:
    """What the commands wrote, and for each module, the same commands with its results as they are and changed."""

    called: set[str]
    written: dict[str, str]
    faulty: dict[str, tuple[dict[str, str], dict[str, str]]]


MORE_CLASSES = "labelppl.metrics.top_k"
"""Says nothing of two classes."""


@pytest.fixture(scope="module")
def reach(labelppl, run: Path, hips: Path, tmp_path_factory: pytest.TempPathFactory) -> Reach:
    """Run the commands that measure and map once as they are, and once for every module with its results changed."""
    folder = tmp_path_factory.mktemp("reach")
    own = Path(shutil.copytree(run, folder / "run"))
    table = pd.read_csv(hips / "hip.csv")
    others = hips / "reach.csv"
    table[table["split"] == "train"].drop(columns="split").to_csv(others, index=False)
    image = next((hips / "images").glob("*.png"))
    watched = Watched()
    evaluate = ["evaluate", "--run", own, "--by", "split", "--metric", "kl_dcic", "--metric", "mix_ece",
                "--operating-point", "costs=1:2"]  # fmt: skip
    recalibrate = [
        "recalibrate",
        "--run",
        own,
        "--data",
        others,
        "--conformal",
        0.2,
        "--max-risk",
        0.4,
    ]
    predict = ["predict", "--run", own, image, "--out", folder / "p.csv"]

    def write(*commands: list[object]) -> dict[str, str]:
        """Run the commands; what each of them says and leaves behind."""
        written = {}
        for command in commands:
            result = labelppl(*command)
            written[str(command[0])] = f"{result.exit_code} {result.output}"
        for path in (own / "metrics.json", own / "curves.csv", own / "calibration.json",
                     own / "conformal.json", folder / "p.csv"):  # fmt: skip
            written[path.name] = path.read_text() if path.is_file() else ""
        return written

    def commands_of(module: str) -> list[list[object]]:
        """The commands that a module's results reach."""
        if module.startswith("labelppl.calibration"):
            return (
                [recalibrate, predict, evaluate]
                if module.endswith("risk_coverage")
                else [recalibrate, predict]
            )
        return [[*evaluate, "--label-draws", 5]] if module.endswith("realised") else [evaluate]

    with pytest.MonkeyPatch.context() as patch:
        for name in modules():
            module = importlib.import_module(name)
            for holder, key, function in owned(sys.modules[name]):
                wrapped = watched.wrap(function, name)
                patch.setattr(holder, key, wrapped)
                for user in list(sys.modules.values()):
                    if getattr(user, "__name__", "").startswith("labelppl") and user is not module:
                        for alias, value in list(vars(user).items()):
                            if value is function:
                                patch.setattr(user, alias, wrapped)
        written = write(recalibrate, predict, [*evaluate, "--label-draws", 5])
        for said in ("recalibrate", "predict", "evaluate"):
            assert written[said].startswith("0 "), written[said]
        assert labelppl("report", "--run", own).exit_code == 0
        called = set(watched.called)
        right, faulty = {}, {}
        for name in modules():
            commands = commands_of(name)
            key = str(commands)
            if key not in right:
                right[key] = write(*commands)
            watched.faulty = name
            faulty[name] = (right[key], write(*commands))
            watched.faulty = ""
        right_top, watched.faulty = top_of_three(), MORE_CLASSES
        faulty[MORE_CLASSES] = (right_top, top_of_three())
    return Reach(called, written, faulty)


def top_of_three() -> dict[str, str]:
    """What is measured of three classes."""
    probs = np.random.default_rng(0).dirichlet(np.ones(3), 12)
    metrics = evaluate_probs(probs, np.arange(12) % 3, classes=["a", "b", "c"], n_boot=0)
    return {"values": str(metrics.values)}


@pytest.mark.parametrize("name", modules())
def test_a_command_reaches_it(reach: Reach, name: str) -> None:
    assert name in reach.called


@pytest.mark.parametrize("name", modules())
def test_the_output_changes_with_it(reach: Reach, name: str) -> None:
    right, faulty = reach.faulty[name]
    assert faulty != right


def test_every_metric_of_the_list_is_in_the_file(reach: Reach) -> None:
    """Two classes and a phantom with soft labels and draws: every metric of the list applies."""
    flat = json.loads(reach.written["metrics.json"])
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
