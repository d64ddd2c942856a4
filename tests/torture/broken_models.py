"""Model files that fail, lie, or try to end the program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .corpus import Broken

SOUND = '''"""Two measurements."""
import pyro
import pyro.distributions as dist
import torch
from labelppl import Label, Real, label_model


@label_model(y=Label("a", "b"), x1=Real(), x2=Real())
def m(cases):
    prev = pyro.sample("prev", dist.Dirichlet(torch.ones(2)))
    with pyro.plate("class", 2):
        mu1 = pyro.sample("mu1", dist.Normal(0.0, 5.0))
        mu2 = pyro.sample("mu2", dist.Normal(0.0, 5.0))
    with cases:
        y = pyro.sample("y", dist.Categorical(prev))
        pyro.sample("x1", dist.Normal(mu1[y], 1.0))
        pyro.sample("x2", dist.Normal(mu2[y], 1.0))
'''
TABLE = "id,y,x1,x2\n" + "".join(
    f"c{i},{'ab'[i % 2]},{0.1 * i - 2 + 3 * (i % 2):.2f},{0.07 * i - 1 + 3 * (i % 2):.2f}\n"
    for i in range(40)
)
HEAD = "def m(cases):\n"
#: What is replaced in the sound file, by what, and words of the line.
EDITS: dict[str, dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "model file that is no Python": {
        "syntax": ("def m(cases):", "def m(cases:", ("m.py, line", "SyntaxError")),
        "tabs and spaces": ("    prev =", "\t prev =", ("m.py",)),
        "a nul": ("import pyro\n", "import pyro\0\n", ("m.py",)),
        "unknown import": ("import pyro\n", "import pyroo\n", ("m.py, line 2", "ModuleNotFoundError")),
    },
    "model file that fails": {
        "at import": ("import torch\n", "import torch\n1 / 0\n", ("m.py, line 5", "ZeroDivisionError")),
        "in the function": (HEAD, f"{HEAD}    1 / 0\n", ("m.py, line", "ZeroDivisionError")),
        "unknown name": ("mu1[y]", "mu3[y]", ("m.py, line", "mu3")),
        "raises with lines": (HEAD, HEAD + "    raise ValueError('a\\nb\\x1b[31m')\n", ("m.py, line", "a b")),
        "recursion": (HEAD, HEAD + "    m.fn(cases)\n", ("m.py", "RecursionError")),
        "not enough memory": (HEAD, HEAD + "    raise MemoryError\n", ("m.py",)),
        "a warning as an error": (HEAD, HEAD + "    raise UserWarning('x')\n", ("m.py",)),
    },
    "model file that ends the program": {
        "sys.exit at import": ("import torch\n", "import torch, sys\nsys.exit(3)\n", ("m.py, line 5",)),
        "sys.exit in the function": (HEAD, f"{HEAD}    import sys; sys.exit(3)\n", ("m.py, line",)),
        "an error of the lowest kind": ("import torch\n", "import torch\nraise BaseException('x')\n", ("m.py, line 5", "BaseException")),
        "the end of a generator": (HEAD, f"{HEAD}    raise GeneratorExit\n", ("m.py, line", "GeneratorExit")),
        "quit": (HEAD, f"{HEAD}    raise SystemExit\n", ("m.py, line",)),
    },
    "declaration": {
        "no label": ('y=Label("a", "b"), ', "", ("exactly one Label",)),
        "two labels": ('y=Label("a", "b")', 'y=Label("a", "b"), z=Label("c", "d")', ("exactly one Label",)),
        "a class as a feature": ("x1=Real()", "x1=Real", ("x1",)),
        "a number as a feature": ("x1=Real()", "x1=3", ("x1",)),
        "a name of the plate": ("x1=Real()", "size=Real()", ("size",)),
        "an argument too many": ("def m(cases):", "def m(cases, more):", ("'m'",)),
        "no argument": ("def m(cases):", "def m():", ("'m'",)),
        "no label model": ("@label_model(", "dict(\n", ("m.py",)),
        "text as a bound": ("x1=Real()", 'x1=Real(low="0")', ("x1",)),
        "bounds the wrong way": ("x1=Real()", "x1=Real(low=3, high=1)", ("low",)),
        "one class": ('Label("a", "b")', 'Label("a")', ("Label",)),
        "a class twice": ('Label("a", "b")', 'Label("a", "a")', ("a",)),
    },
    "model and table": {
        "a site without a column": ('"x2", dist.Normal(mu2', '"x3", dist.Normal(mu2', ("x",)),
        "a column without a site": ('        pyro.sample("x2", dist.Normal(mu2[y], 1.0))\n', "", ("x2",)),
        "obs by hand": ("dist.Normal(mu1[y], 1.0))", "dist.Normal(mu1[y], 1.0), obs=torch.zeros(40))", ("x1", "; remove obs=\n")),
        "counts for real numbers": ("dist.Normal(mu1[y], 1.0)", "dist.Poisson(mu1[y].exp())", ("x1",)),
        "a negative scale": ("dist.Normal(mu1[y], 1.0)", "dist.Normal(mu1[y], -1.0)", ("m.py",)),
        "no label site": ('pyro.sample("y", dist.Categorical(prev))', "torch.zeros(2).long()", ("y",)),
        "a class without probability": ("dist.Categorical(prev)", "dist.Categorical(torch.tensor([1.0, 0.0]))", ("y", "b")),
        "three classes of two": ("torch.ones(2)", "torch.ones(3)", ("y",)),
        "a site twice": ('pyro.sample("mu2"', 'pyro.sample("mu1"', ("mu1",)),
        "a wrong shape": ("pyro.plate(\"class\", 2)", "pyro.plate(\"class\", 5)", ()),
    },
}  # fmt: skip


def _write(old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        assert old in SOUND, old
        (folder / "m.py").write_text(SOUND.replace(old, new, 1))
        (folder / "m.csv").write_text(TABLE)

    return spoil


def broken_models() -> list[Broken]:
    """Each edit under ``fit`` and, without its checks after the fit, under ``check``."""
    made = []
    for kind, edits in EDITS.items():
        for name, (old, new, words) in edits.items():
            if not words:  # well defined: more classes than the label has cost nothing
                continue
            command = ("fit", "--model", "m.py", "--quiet", "--run", "o")
            made.append(Broken(kind, name, command, words, _write(old, new)))
    empty = Broken(
        "model file that is no Python", "empty", ("fit", "--model", "m.py", "--run", "o"), ("m.py", "one label model"),
        lambda folder: (folder / "m.py").write_text("") and (folder / "m.csv").write_text(TABLE),
    )  # fmt: skip
    binary = Broken(
        "model file that is no Python", "binary", ("fit", "--model", "m.py", "--run", "o"), ("m.py",),
        lambda folder: (folder / "m.py").write_bytes(bytes(range(256))) and (folder / "m.csv").write_text(TABLE),
    )  # fmt: skip
    return [*made, empty, binary]
