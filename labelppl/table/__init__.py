"""Reading a cases table: one row per case, checked against the label model's declarations.

The table (CSV or Parquet) has the feature columns by name, the label column, and optionally ``id``, ``image`` (path
relative to the table), ``group`` (patient) and ``split`` (train, val, test). Phantoms also carry ``p_true_<class>``,
which evaluation alone uses. What raters said about the cases (`labelppl.features`) comes as a long table, which is this one
or lies beside it. Without ``split``, 30 % of the groups become the test split, stratified, by seed; `cut_cases` cuts otherwise.

A table is read in three steps: `open_table` looks at the file's content and header; its rows come as text and numbers, all
at once or in batches; `cases_from_frame` reads them as the declarations say and refuses what is wrong.
"""

from .batches import CaseBatches
from .beside import files_beside, tables_beside
from .cases import Cases
from .cut import cut_cases
from .files import Delimiters, TableFile, open_table
from .ids import TEXT_IDS, match_ids, typed_ids, untyped_ids
from .read import cases_from_frame, read_frame
from .training import training_cases

__all__ = [
    "TEXT_IDS",
    "CaseBatches",
    "Cases",
    "Delimiters",
    "TableFile",
    "cases_from_frame",
    "cut_cases",
    "files_beside",
    "match_ids",
    "open_table",
    "read_frame",
    "tables_beside",
    "training_cases",
    "typed_ids",
    "untyped_ids",
]
