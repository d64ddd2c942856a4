"""What a label model with a posterior in closed form brings: draws of its parameters, and labels without them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from ..features import Column


class LabelPosterior(ABC):
    """p(Y | Z) of a block of cases, and how uncertain it is; see `ClosedForm`.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"x": [0.1, 0.4, 0.2, 2.1, 1.8, 2.4], "y": ["a"] * 3 + ["b"] * 3})
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> left_out = model.exact(cases).left_out(torch.arange(6))
        >>> left_out.probs.argmax(1).tolist()
        [0, 0, 0, 1, 1, 1]
        >>> left_out.draw(50, seed=0).shape
        torch.Size([6, 2, 50])
    """

    @property
    @abstractmethod
    def probs(self) -> Tensor:
        """p(Y | Z, D), (cases, classes)."""

    @property
    @abstractmethod
    def khat(self) -> Tensor:
        """(cases,) Pareto k where weights were needed, else NaN."""

    @abstractmethod
    def draw(self, n: int, seed: int) -> Tensor:
        """(cases, classes, draws): ``n`` draws of p(Y | Z, theta) for each case, of equal weight."""


class ClosedForm(ABC):
    """The posterior of a label model given its fitted cases, without an engine; see `LabelModel.exact`.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"x": [0.1, 0.4, 0.2, 2.1, 1.8, 2.4], "y": ["a"] * 3 + ["b"] * 3})
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> closed = model.exact(cases)
        >>> closed.problems
        ()
        >>> closed.draw(100, seed=0)["prevalence"].shape
        torch.Size([100, 2])
    """

    @property
    @abstractmethod
    def problems(self) -> tuple[str, ...]:
        """Why it must not be trusted, in words; empty if it qualifies."""

    @abstractmethod
    def draw(self, n: int, seed: int) -> dict[str, Tensor]:
        """``n`` independent draws of every parameter by site name, each (draws, ...)."""

    @abstractmethod
    def under(self, prevalence: Tensor) -> ClosedForm:
        """The same with p(Y) = ``prevalence`` (classes,) in place of what the cases say of it."""

    @abstractmethod
    def new(self, columns: Mapping[str, Column]) -> LabelPosterior:
        """p(Y | Z, D) of new cases."""

    @abstractmethod
    def left_out(self, rows: Tensor) -> LabelPosterior:
        """p(Y_i | Z_i, D without case i) of the fitted cases ``rows`` (cases,)."""
