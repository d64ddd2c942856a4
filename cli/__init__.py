"""The command line: one verb per file. Bodies parse, call one library function, and write.

Whatever goes wrong ends as one line (`one_line`); ``--debug`` shows the traceback instead. Heavy imports wait until a verb runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import click

from labelppl import __version__

from .audit import audit
from .check import check
from .compare import compare
from .distill import distill
from .evaluate import evaluate
from .export import export
from .fit import fit
from .init import init
from .label import label
from .models import models
from .predict import predict
from .recalibrate import recalibrate
from .report import report
from .reproduce import reproduce
from .shared import Verbs
from .simulate import simulate


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="labelppl")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Turn trusted measurements into calibrated soft labels, and those into an image classifier.

    \b
    Try it:
      labelppl simulate hip --out hips && cd hips
      labelppl distill --model hip.py
    """


for command in (
    init,
    models,
    simulate,
    check,
    fit,
    label,
    distill,
    compare,
    evaluate,
    audit,
    recalibrate,
    predict,
    report,
    export,
    reproduce,
):
    main.add_command(command)
