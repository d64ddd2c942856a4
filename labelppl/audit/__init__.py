"""Which labels are doubted and why; what leaks between splits; what the cohort is. Runs no model file."""

from .cohort import cohort_of
from .duplicates import Duplicates, near_duplicates
from .ranking import Doubts, doubts, explain
from .words import odds_in_words, term_in_words

__all__ = [
    "Doubts",
    "Duplicates",
    "cohort_of",
    "doubts",
    "explain",
    "near_duplicates",
    "odds_in_words",
    "term_in_words",
]
