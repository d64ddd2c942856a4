"""`make matrix`: labelppl built, installed elsewhere, and used, in every environment it promises.

The wheel and the sdist are built from a clean copy of the tracked files. Each environment is a new virtual environment in
a temporary folder; the package runs there from outside the repository: simulate, check, distil, label, predict, report,
ArviZ reading the posterior, and a selection of the tests. What is printed about each: what was installed, seconds, and either
"works" or the first line that failed.

    python tests/matrix.py [--only NAME ...] [--keep]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHOWN = ("pyro-ppl", "numpy", "pandas", "arviz", "xarray", "pyarrow", "scikit-learn", "click")
TEST_TOOLS = ("pytest", "hypothesis")
TORCH = "import torch; print('torch', torch.__version__, f'(CUDA {torch.version.cuda})' if torch.version.cuda else '(CPU)')"
#: Tests of what depends most on the versions of other packages: tables, files, images, random streams, calibration maps.
TESTS = (
    "tests/conftest.py",
    "tests/chromium.py",
    "tests/table/test_ids_of_a_data_frame.py",
    "tests/features/test_read.py",
    "tests/runs",
    "tests/images/conftest.py",
    "tests/images/test_read.py",
    "tests/calibration",
)

STEPS = (
    "labelppl --version",
    "python -m labelppl --help",
    "labelppl simulate hip --out hips --cases 60 --size 32",
    "labelppl check --model hips/hip.py --quiet",
    "labelppl distill --model hips/hip.py --image-size 32 --epochs 1 --lam 1 --quiet --run hips/run",
    "labelppl label --run hips/run --prevalence dysplastic=0.03 --out labels.parquet",
    "labelppl evaluate --run hips/run",
    "labelppl predict --run hips/run hips/images/hip0001.png --out predictions.csv",
    "labelppl report --run hips/run",
    "python -c \"import arviz; print(arviz.__version__, sorted(arviz.from_netcdf('hips/run/posterior.nc').children "
    "if hasattr(arviz.from_netcdf('hips/run/posterior.nc'), 'children') else "
    "arviz.from_netcdf('hips/run/posterior.nc').groups()))\"",
    "python -m pytest -q -x --import-mode=importlib -p no:cacheprovider tests",
)


@dataclass(frozen=True)
class Environment:
    """python: the interpreter's version. package: `wheel` or `sdist`. versions: which ones pip may take."""

    name: str
    python: str
    package: str
    versions: str


ENVIRONMENTS = (
    Environment("3.11-tested-wheel", "3.11", "wheel", "tested"),
    Environment("3.11-tested-sdist", "3.11", "sdist", "tested"),
    Environment("3.11-oldest", "3.11", "wheel", "oldest"),
    Environment("3.11-newest", "3.11", "wheel", "newest"),
    Environment("3.12-tested", "3.12", "wheel", "tested"),
    Environment("3.13-newest", "3.13", "wheel", "newest"),
)


def interpreter(version: str) -> str | None:
    """The path of that Python, from PATH or pyenv; None where the machine has none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for folder in sorted(pyenv.glob(f"{version}.*"), reverse=True):
        if (folder / "bin" / "python3").exists():
            return str(folder / "bin" / "python3")
    return shutil.which(f"python{version}")


def oldest() -> list[str]:
    """The lower bounds of pyproject.toml as pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [line.replace(">=", "==") for line in project["dependencies"]]


def run(command: list[str] | str, folder: Path, log: Path, path: str = "") -> bool:
    """Run it in `folder`, its output appended to `log`; whether it ended with status 0."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["PATH"] = f"{path}:{environment['PATH']}" if path else environment["PATH"]
    with log.open("a", encoding="utf-8") as out:
        out.write(f"$ {command}\n")
        out.flush()
        done = subprocess.run(
            command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, env=environment,
            shell=isinstance(command, str), check=False,
        )  # fmt: skip
    return done.returncode == 0


def build(folder: Path) -> dict[str, Path]:
    """The wheel and the sdist of the tracked files."""
    copy = folder / "source"
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in filter(None, files):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    python = folder / "build" / "bin" / "python"
    log = folder / "build.log"
    assert run([sys.executable, "-m", "venv", str(folder / "build")], folder, log)
    assert run([str(python), "-m", "pip", "install", "-q", "build"], folder, log), log.read_text()
    assert run([str(python), "-m", "build", "-q", "-o", str(folder), str(copy)], folder, log), (
        log.read_text()
    )
    return {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}


def try_out(environment: Environment, package: Path, folder: Path) -> str:
    """Install and use it; what to print about it."""
    python = interpreter(environment.python)
    if python is None:
        return f"not tried: no Python {environment.python} on this machine"
    home = folder / environment.name
    work, log = home / "work", home / "log.txt"
    work.mkdir(parents=True)
    begin = time.perf_counter()
    if not run([python, "-m", "venv", str(home / "venv")], work, log):
        return f"FAILED to make a virtual environment: {log}"
    binaries = home / "venv" / "bin"
    install = [str(binaries / "python"), "-m", "pip", "install", "-q", str(package), *TEST_TOOLS]
    if environment.versions == "tested":
        install += ["-c", str(ROOT / "constraints.txt")]
    elif environment.versions == "oldest":
        install += oldest()
    if not run(install, work, log):
        return f"FAILED to install: {last_line(log)} ({log})"
    seconds = time.perf_counter() - begin
    listed = subprocess.run(
        [str(binaries / "python"), "-m", "pip", "list", "--format=freeze"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    versions = dict(re.findall(r"^(.+?)==(.+)$", listed, re.MULTILINE))
    torch = subprocess.run(
        [str(binaries / "python"), "-c", TORCH], capture_output=True, text=True, check=False
    ).stdout.strip()
    shown = ", ".join([torch, *(f"{name} {versions.get(name, 'absent')}" for name in SHOWN)])
    copy_tests(work)
    for step in STEPS:
        if not run(step, work, log, str(binaries)):
            return f"FAILED at `{step.split(' -c ')[0]}`: {last_line(log)} ({log})\n    {shown}"
    if "Traceback" in log.read_text(encoding="utf-8"):
        return f"FAILED: a traceback in {log}\n    {shown}"
    used = time.perf_counter() - begin - seconds
    return f"works, {len(STEPS)} steps in {used:.0f} s, installed in {seconds:.0f} s\n    {shown}"


def copy_tests(work: Path) -> None:
    """The selected tests, so that they run beside the installed package and not beside its source."""
    for name in TESTS:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, work / name)


def last_line(log: Path) -> str:
    """What a log ends with."""
    return log.read_text(encoding="utf-8").strip().splitlines()[-1][:200]


def main() -> None:
    """Try every environment; exit status 1 if one fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--keep", action="store_true", help="keep the environments and logs")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="labelppl-matrix-"))
    packages = build(folder)
    print(
        f"built {packages['wheel'].name} and {packages['sdist'].name} from the tracked files",
        flush=True,
    )
    failed = 0
    for environment in ENVIRONMENTS:
        if options.only and environment.name not in options.only:
            continue
        result = try_out(environment, packages[environment.package], folder)
        failed += result.startswith("FAILED")
        print(f"{environment.name}: {result}", flush=True)
        if not options.keep and not result.startswith("FAILED"):
            shutil.rmtree(folder / environment.name, ignore_errors=True)
    if not options.keep and not failed:
        shutil.rmtree(folder)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
