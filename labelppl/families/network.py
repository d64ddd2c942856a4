"""A network of discrete and continuous nodes, given as parents per node; one of the nodes is the label.

    discrete    d | parents = c       ~ Categorical(p_c),  p_c ~ Dirichlet(counts)
    continuous  x | parents = c, u    ~ N(m_c + b_c . s, v_c),  s_j = (u_j - center_j) / spread_j
                m_c | v_c ~ N(center, v_c / precision),  b_cj | v_c ~ N(0, v_c / precision)
                v_c ~ InverseGamma(2, (.7 spread)^2)

c is the configuration of the discrete parents, u are the continuous parents. Given c and the parameters the continuous
nodes are jointly normal, so that p(Y | whatever was observed) is exact for every pattern of missing nodes: missing discrete
nodes are summed over, missing continuous ones integrated out. A discrete child of a continuous parent would break this
and is refused. A configuration without cases keeps its prior. Source: Lauritzen, JASA 87 (1992); docs/methods.md §2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from ..errors import InputError
from ..features import Angle, Category, Feature, Label, Scalar
from ..model import CasePlate, LabelModel
from ..model.parameters import Anchor
from ..table import Cases
from .independent import the_label
from .law import Typical, bounds, place, typical_of
from .network_anchors import anchors

#: Samples a node inside the cases, given the values of the nodes before it.
NodeLaw = Callable[[Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True)
class Node:
    """A node of a `network`: what it is, the names of its parents, and for a number its rough size.

    Args:
        kind: A `Label`, a category, an ordinal or a number.
        parents: Names of the parents.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the bounds, else from the
            table.

    Raises:
        InputError: For parents that are one string, or a typical size of no number or with an SD that is not above 0.

    Examples:
        >>> Node(Real("weeks", low=0, high=40), parents=("dysplasia",)).discrete
        False
    """

    kind: Label | Feature
    parents: Sequence[str] = ()
    typical: Typical | None = None

    def __post_init__(self) -> None:
        if isinstance(self.parents, str):
            raise InputError(
                f"Node: got parents={self.parents!r}, expected several names; write ({self.parents!r},)"
            )
        if self.typical is not None and (self.discrete or not self.typical[1] > 0):
            raise InputError(
                f"Node: got typical={self.typical}, expected (center, spread > 0) of a number"
            )

    @property
    def discrete(self) -> bool:
        """Whether the node has classes or categories."""
        return isinstance(self.kind, Label | Category)

    def size(self, classes: Sequence[str]) -> int:
        """Number of values of a discrete node; ``classes`` are those of the label."""
        return len(self.kind.names) if isinstance(self.kind, Category) else len(classes)


@dataclass(frozen=True)
class Network(LabelModel):
    """A conditional linear-Gaussian network, a label model; `network` makes one.

    Sites outside the cases, each with one axis per discrete parent in the order declared: ``<node>_probs`` (...,
    values) of a discrete node; ``<node>_mean`` (...), ``<node>_slopes`` (..., continuous parents) per `typical` spread
    of the parent, and ``<node>_variance`` (...) of a continuous one, in the model's units. The other fields are those
    of `LabelModel`.

    Args:
        nodes: The nodes by name, parents before children.
        counts: Pseudo-cases of each value in the Dirichlet priors.
        precision: Prior precision of means and slopes in units of 1 / variance.

    Raises:
        InputError: For a feature named like an attribute of the plate.

    Examples:
        >>> list(network({"x": Node(Real(), ("y",)), "y": Label("a", "b")}).nodes)
        ['y', 'x']
    """

    nodes: Mapping[str, Node] = field(default_factory=dict, kw_only=True)
    counts: float = field(default=1.0, kw_only=True)
    precision: float = field(default=0.1, kw_only=True)

    def for_cases(self, cases: Cases) -> Network:
        """The same with prior sizes from the table where neither bounds nor `typical` gave them."""
        nodes = dict(self.nodes)
        for name, node in nodes.items():
            if node.typical is None and isinstance(node.kind, Scalar) and not bounds(node.kind):
                typical = typical_of(name, node.kind, cases.columns[name])
                nodes[name] = replace(node, typical=typical)
        return replace(self, nodes=nodes, fn=_function(nodes, self.counts, self.precision))

    def anchors(self, cases: Cases) -> dict[str, Anchor]:
        """Coordinates in which the means and slopes do not depend on the variances; see `network_anchors`."""
        codes = {self.label_name: torch.from_numpy(cases.labels)}
        for name, node in self.nodes.items():
            if isinstance(node.kind, Category):
                column = cases.columns[name]
                codes[name] = torch.where(column.observed, column.values, -1)
        places: dict[str, Anchor] = {}
        for name, node in self.nodes.items():
            if node.discrete:
                continue
            causes, numbers = _parents(self.nodes, name)
            places |= anchors(
                name,
                cases,
                [codes[parent] for parent in causes],
                [self.nodes[parent].size(cases.classes) for parent in causes],
                numbers,
                [_place(each, self.nodes[each]) for each in (name, *numbers)],
                self.precision,
            )
        return places


def network(
    nodes: Mapping[str, Node | Label | Feature], *, counts: float = 1.0, precision: float = 0.1
) -> Network:
    """A label model from the parents of each node; p(Y | observed nodes) is exact for every pattern of missing nodes.

    Discrete nodes are ``Categorical(p_c)``, continuous ones ``N(m_c + b_c . s, v_c)``, with c the values of the
    discrete parents and s the continuous ones minus their center over their spread. Source: Lauritzen, JASA 87 (1992).

    Args:
        nodes: Nodes by name; a Label or a feature alone is a node without parents.
        counts: Pseudo-cases of each value in the Dirichlet priors.
        precision: Prior precision of means and slopes in units of 1 / variance.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: For a cycle, a parent that is no node, a discrete child of a continuous parent, an angle that wraps,
            counts or precision not above 0, and unless exactly one node is a Label.

    Examples:
        >>> from labelppl.families import Node, network
        >>> model = network({
        ...     "side": Category("left", "right"),
        ...     "dysplasia": Node(Label("no", "yes"), ("side",)),
        ...     "weeks": Node(Real("weeks", low=0, high=40), ("dysplasia",)),
        ...     "alpha": Node(Angle("deg", low=20, high=90), ("dysplasia", "side", "weeks")),
        ... })
        >>> sorted(model.features)
        ['alpha', 'side', 'weeks']
    """
    whole = {n: what if isinstance(what, Node) else Node(what) for n, what in nodes.items()}
    label_name, label = the_label({name: node.kind for name, node in whole.items()})
    for name, node in whole.items():
        _check(name, node, whole)
    if not (counts > 0 and precision > 0):
        raise InputError(f"network: got counts={counts}, precision={precision}, expected above 0")
    try:
        order = list(
            TopologicalSorter({n: node.parents for n, node in whole.items()}).static_order()
        )
    except CycleError as error:
        around = " -> ".join(error.args[1])
        raise InputError(f"network: got the cycle {around}; remove one of its edges") from error
    features = {n: node.kind for n, node in whole.items() if isinstance(node.kind, Feature)}
    if not features:
        raise InputError("network: expected at least one feature beside the Label")
    ordered = {name: whole[name] for name in order}
    return Network(
        _function(ordered, float(counts), float(precision)),
        label_name,
        label,
        features,
        nodes=ordered,
        counts=float(counts),
        precision=float(precision),
    )


def _check(name: str, node: Node, nodes: Mapping[str, Node]) -> None:
    kind = node.kind
    if not isinstance(kind, Label | Category | Scalar):
        raise InputError(
            f"network: node '{name}' is {kind!r}, expected a Label, a Category, an Ordinal or a number"
        )
    if isinstance(kind, Angle) and kind.kind in ("circular", "axial"):
        raise InputError(
            f"network: node '{name}' is an angle that wraps, which no normal describes; declare low and high instead of "
            f"kind='{kind.kind}', or write the model by hand"
        )
    for parent in node.parents:
        if parent not in nodes:
            raise InputError(
                f"network: node '{name}' has the parent '{parent}', expected one of the nodes {', '.join(nodes)}"
            )
        if node.discrete and not nodes[parent].discrete:
            raise InputError(
                f"network: the discrete node '{name}' has the continuous parent '{parent}'; let '{parent}' depend on "
                f"'{name}' instead"
            )
    if len(set(node.parents)) < len(node.parents):
        raise InputError(
            f"network: node '{name}' has the parents {', '.join(node.parents)}; name each once"
        )


def _function(
    nodes: Mapping[str, Node], counts: float, precision: float
) -> Callable[[CasePlate], None]:
    """The network as a plain Pyro function."""

    def network(cases: CasePlate) -> None:
        laws = {name: _law(nodes, name, cases.classes, counts, precision) for name in nodes}
        values: dict[str, Tensor] = {}
        with cases:
            for name, law in laws.items():
                values[name] = law(values)

    return network


def _law(
    nodes: Mapping[str, Node], name: str, classes: Sequence[str], counts: float, precision: float
) -> NodeLaw:
    """Sample the parameters of one node; returns its conditional law."""
    node = nodes[name]
    causes, numbers = _parents(nodes, name)
    shape = [nodes[parent].size(classes) for parent in causes]

    def parameter(site: str, law: Any, *last: int) -> Tensor:
        whole = [*shape, *last]
        return pyro.sample(f"{name}_{site}", law.expand(whole).to_event(len(whole)))

    def configuration(values: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        return tuple(values[parent] for parent in causes)

    if node.discrete:
        rows = dist.Dirichlet(torch.full((node.size(classes),), counts)).expand(shape)
        probs = pyro.sample(f"{name}_probs", rows.to_event(len(shape)))
        return lambda values: pyro.sample(name, dist.Categorical(probs[configuration(values)]))

    places = [_place(parent, nodes[parent]) for parent in numbers]
    center, spread = _place(name, node)
    variance = parameter("variance", dist.InverseGamma(2.0, (0.7 * spread) ** 2))
    prior_sd = torch.sqrt(variance / precision)
    mean = parameter("mean", dist.Normal(center, prior_sd))
    slopes: Tensor | None = None
    if numbers:
        slopes = parameter("slopes", dist.Normal(0.0, prior_sd[..., None]), len(numbers))

    def observe(values: Mapping[str, Tensor]) -> Tensor:
        at = configuration(values)
        loc = mean[at]
        if slopes is not None:
            slope = slopes[at]
            for j, (parent, (middle, unit)) in enumerate(zip(numbers, places, strict=True)):
                loc = loc + slope[..., j] * (values[parent] - middle) / unit
        return pyro.sample(name, dist.Normal(loc, torch.sqrt(variance[at])))

    return observe


def _parents(nodes: Mapping[str, Node], name: str) -> tuple[list[str], list[str]]:
    """The discrete and the continuous parents of a node."""
    parents = nodes[name].parents
    discrete = [parent for parent in parents if nodes[parent].discrete]
    return discrete, [parent for parent in parents if parent not in discrete]


def _place(name: str, node: Node) -> tuple[float, float]:
    """Center and spread of a continuous node in the model's unit."""
    assert isinstance(node.kind, Scalar)
    return place(name, node.kind, node.typical)
