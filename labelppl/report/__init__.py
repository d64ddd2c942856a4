"""The report: one self-contained HTML file made from the files of a run folder."""

from .write import write_report

__all__ = ["write_report"]
