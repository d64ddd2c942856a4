"""Sums of log probabilities over the votes of each item, as one product with a sparse matrix.

    out[i, s] = sum over the votes (j, l) of item i of x[s, j, l] = (V x)[i, s],     V[i, (j, l)] = 1 for a vote

for all draws s at once. Indexing would gather every vote of every draw, and scatter its gradient back one by one; the
product and its transpose touch each vote once per draw, in blocks of draws that lie side by side.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor


def sum_of_votes(log_probs: Tensor, item: Tensor, rater: Tensor, label: Tensor, n: int) -> Tensor:
    """``log_probs`` (raters, classes) summed over the votes of each of ``n`` items -> (items,).

    item, rater, label: (votes,) codes. Works under `vmap`, with derivatives of any order.
    """
    raters, classes = log_probs.shape
    column = rater * classes + label
    flat = log_probs.reshape(1, raters * classes)
    total: Tensor = _Sums.apply(flat, item, column, n)
    return total[0]


class _Sums(torch.autograd.Function):
    """(draws, columns) -> (draws, rows): at ``row`` (votes,) the sum of the columns ``column`` (votes,)."""

    @staticmethod
    def forward(x: Tensor, row: Tensor, column: Tensor, rows: int) -> Tensor:
        with warnings.catch_warnings():  # torch calls its CSR layout beta
            warnings.simplefilter("ignore", UserWarning)
            ones = torch.ones(len(row), dtype=x.dtype)
            # Two votes of one rater on one item do not occur in a matrix of codes, so nothing need be merged.
            order = torch.argsort(row, stable=True)
            starts = torch.zeros(rows + 1, dtype=torch.int64)
            starts[1:] = torch.bincount(row, minlength=rows).cumsum(0)
            votes = torch.sparse_csr_tensor(starts, column[order], ones, (rows, x.shape[1]))
            return (votes @ x.mT.contiguous()).mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, row, column, rows = inputs
        ctx.columns, ctx.rows = x.shape[1], rows
        ctx.save_for_backward(row, column)
        ctx.save_for_forward(row, column)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        row, column = ctx.saved_tensors
        return _Sums.apply(gradients[0], column, row, ctx.columns), None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        row, column = ctx.saved_tensors
        out: Tensor = _Sums.apply(tangents[0], row, column, ctx.rows)
        return out

    @staticmethod
    def vmap(
        info: Any, dims: tuple[Any, ...], x: Tensor, row: Tensor, column: Tensor, rows: int
    ) -> tuple[Tensor, int]:
        """Draws are put side by side; the votes do not depend on them."""
        x = x.movedim(dims[0], 0)
        out = _Sums.apply(x.flatten(0, 1), row, column, rows)
        return out.unflatten(0, x.shape[:2]), 0
