"""Options that several verbs share, and how their text becomes values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from labelppl.errors import InputError

if TYPE_CHECKING:
    from labelppl.jobs.inputs import Inputs
    from labelppl.model import LabelModel
    from labelppl.table import Delimiters

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
FILE = click.Path(path_type=Path)
#: The largest integer of the files that record a seed (64 bits with a sign).
LARGEST_SEED = 2**63 - 1

model = click.option(
    "--model",
    "model_name",
    required=True,
    metavar="FILE.py|NAME",
    help="Label model: a file, or a name of the zoo.",
)
model_options = click.option(
    "--option",
    "model_options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set an option of the label model.",
)


def labels(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the labels come from: a label model, or the table itself."""
    for option in (
        click.option(
            "--soft",
            type=FILE,
            help="Soft labels made elsewhere: a Parquet file with id and p_CLASS.",
        ),
        click.option(
            "--votes",
            metavar="FILE|PREFIX",
            help="Raters' votes: a table with id, rater and label, or count columns PREFIX_CLASS.",
        ),
        click.option("--label", metavar="COLUMN", help="Column of hard labels."),
        model_options,
        click.option(
            "--model",
            "model_name",
            metavar="FILE.py|NAME",
            help="Label model: a file, or a name of the zoo.",
        ),
    ):
        command = option(command)
    return command


data = click.option(
    "--data", type=FILE, help="Cases table, CSV or Parquet [default: same stem as the model]."
)


def delimiters(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--separator`` and ``--decimal``, which the command takes as one ``delimiters``."""

    @click.option(
        "--separator",
        metavar="CHAR",
        help="Between the cells of a text table, e.g. ';' or tab [default: a comma].",
    )
    @click.option(
        "--decimal",
        default=".",
        show_default=True,
        type=click.Choice([".", ","]),
        help="Before the decimals in a text table.",
    )
    @functools.wraps(command)
    def with_delimiters(*, separator: str | None, decimal: str, **arguments: Any) -> Any:
        from labelppl.table import Delimiters

        return command(delimiters=Delimiters(separator, decimal), **arguments)

    return with_delimiters


def stated_delimiters(delimiters: Delimiters) -> Delimiters | None:
    """What the command line says of how a table is written; None: nothing, so as the run's own table."""
    return delimiters if delimiters.record() else None


group = click.option(
    "--group",
    default="group",
    show_default=True,
    metavar="COLUMN",
    help="Column of patients; whole groups stay together.",
)
seed = click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, LARGEST_SEED),
    help="Seed of everything random.",
)
device = click.option("--device", default="auto", show_default=True, help="cpu, cuda or auto.")
engine = click.option(
    "--engine",
    default="auto",
    show_default=True,
    metavar="NAME|FILE.py:NAME",
    help="Inference engine: auto, exact, laplace, chains, nuts, svi, or your own function.",
)
leave_out = click.option(
    "--leave-out",
    default="loo",
    show_default=True,
    type=click.Choice(["loo", "crossfit", "fitted"]),
    help="How cases that were fitted with their label are labelled.",
)
prevalence = click.option(
    "--prevalence",
    multiple=True,
    metavar="CLASS=P",
    help="Prevalence where the labels or the student will be used; one class may be left out.",
)
out = click.option("--run", "--out", "run", type=FILE, help="Run folder [default: runs/NAME].")
trust = click.option(
    "--trust",
    is_flag=True,
    help="Execute the model file that the run folder names, although the folder was made elsewhere.",
)
own_student = click.option(
    "--student",
    metavar="FILE.py:NAME",
    help="Network of a student of your own [default: the file that the run names].",
)
run = click.option("--run", "run", type=FILE, required=True, help="Folder of a finished run.")
raw = click.option(
    "--raw",
    is_flag=True,
    help="The student's own probabilities, without what recalibrate put in force.",
)
track = click.option(
    "--track",
    is_flag=False,
    flag_value="sqlite:///mlflow.db",
    default=None,
    metavar="[URI]",
    help="Also put the run's numbers into an MLflow store  [without URI: sqlite:///mlflow.db]; needs labelppl[track].",
)
quiet = click.option("--quiet", is_flag=True, help="No progress bars.")


def read_pairs(pairs: tuple[str, ...], what: str) -> dict[str, str]:
    """``("a=1", "b=2")`` -> ``{"a": "1", "b": "2"}``."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(
                f"--{what} {pair!r}: expected NAME=VALUE, e.g. --{what} dysplastic=0.03"
            )
        values[name.strip()] = value.strip()
    return values


def read_prevalence(pairs: tuple[str, ...]) -> dict[str, float] | None:
    """``("dysplastic=0.03",)`` -> ``{"dysplastic": 0.03}``, or None without any."""
    values = {}
    for name, value in read_pairs(pairs, "prevalence").items():
        try:
            values[name] = float(value)
        except ValueError:
            raise InputError(
                f"--prevalence {name}={value}: expected a number, e.g. {name}=0.03"
            ) from None
    return values or None


def read_prevalence_or_auto(pairs: tuple[str, ...]) -> dict[str, float] | Literal["auto"] | None:
    """As `read_prevalence`, or ``auto``: estimated from the new cases."""
    return "auto" if pairs == ("auto",) else read_prevalence(pairs)


def open_model(name: str, options: tuple[str, ...]) -> LabelModel:
    """The label model with its options set."""
    from labelppl.model import load_model

    return load_model(name).with_options(**read_pairs(options, "option"))


def open_inputs(arguments: Mapping[str, Any]) -> Inputs:
    """What a run is made from. Raises InputError unless there is a label model, or labels of the table."""
    from labelppl.jobs.inputs import Inputs
    from labelppl.jobs.table_labels import TableLabels

    name, data, group, seed = (arguments[k] for k in ("model_name", "data", "group", "seed"))
    delimiters = arguments["delimiters"]
    own = {k: arguments[k] for k in ("label", "votes", "soft") if arguments[k] is not None}
    if name is not None and own:
        raise InputError(f"--model and --{next(iter(own))}: expected one of the two")
    if name is not None:
        return Inputs.open(
            open_model(name, arguments["model_options"]), name, data, group, seed, delimiters
        )
    if not own:
        raise InputError(
            "no labels: give --model FILE.py, or --label COLUMN, --votes FILE|PREFIX or --soft FILE.parquet"
        )
    if data is None:
        raise InputError(
            "--data: expected the cases table, since there is no label model beside it"
        )
    return Inputs.of_table(data, TableLabels(**own), group, seed, delimiters)


def run_folder(folder: Path | None, model: str) -> Path:
    """The run folder: as given, or ``runs/NAME`` in the working folder."""
    return folder or Path("runs") / Path(model).stem


def read_lam(text: str) -> float | Literal["auto", "evidence"]:
    words: dict[str, Literal["auto", "evidence"]] = {"auto": "auto", "evidence": "evidence"}
    if text in words:
        return words[text]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise InputError(
            f"--lam {text}: expected auto, evidence, or a number of 0 or more (inf stays at the soft labels)"
        )
    return value
