"""`label_model`: declares which sites of a Pyro function are columns of the cases table.

The name is the contract: a site inside ``with cases:`` whose name is a declared feature *is* that column, and the site
named like the `Label` is the class. The expert writes no ``obs=``, sees no NaN and enumerates nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import InputError
from ..features import Feature, Label
from ..table import Cases, Delimiters, cases_from_frame, open_table, tables_beside
from .closed_form import ClosedForm
from .parameters import Anchor
from .plate import RESERVED, CasePlate
from .site_draws import SiteSampler

ModelFunction = Callable[..., Any]


@dataclass(frozen=True)
class LabelModel:
    """A Pyro function of ``cases`` with its declared label and features.

    A ready-made family overrides `for_cases`, `exact` and `anchors` with what it knows about itself.

    Attributes:
        fn: The untouched Pyro function.
        label_name: The column of the label.
        label: Its classes.
        features: The declared features, by column.
        options: The function's keyword-only arguments with their values in force.
        source: The file that it was declared in, or None.
        called: The name where the function's own says nothing, as of a ready-made family.

    Raises:
        InputError: A feature is named like an attribute of the plate.

    Examples:
        >>> from labelppl.families import gaussian
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> isinstance(model, LabelModel), model.label_name, list(model.features)
        (True, 'y', ['x'])
    """

    fn: ModelFunction
    label_name: str
    label: Label
    features: Mapping[str, Feature]
    options: Mapping[str, Any] = field(default_factory=dict)
    source: Path | None = None
    called: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        for name in self.features:
            if name in RESERVED:
                raise InputError(
                    f"label_model: a feature named '{name}' could not be read as z.{name}, which is the plate's own; "
                    f"rename the column, e.g. '{name}_measured'"
                )

    def __call__(self, cases: CasePlate) -> Any:
        """Run the Pyro function with the options in force."""
        return self.fn(cases, **self.options)

    @property
    def name(self) -> str:
        """The function's name, or what a model file calls a ready-made family."""
        return self.called or self.fn.__name__

    def for_cases(self, cases: Cases) -> LabelModel:
        """The model as it is fitted to ``cases``; a family takes prior sizes that were not declared from the table."""
        return self

    def exact(self, cases: Cases, seed: int = 0) -> ClosedForm | None:
        """The posterior in closed form, or None if the model has none; InputError where these cases prevent it."""
        return None

    def anchors(self, cases: Cases) -> Mapping[str, Anchor]:
        """Good coordinates for some of its real-valued sites, by site, from the cases it is fitted to."""
        return {}

    def samplers(self, cases: Cases) -> Mapping[str, SiteSampler]:
        """Samplers of the model's own for the posterior given ``cases``, by the engine that runs them: gibbs, em."""
        return {}

    @property
    def takes_strangers(self) -> bool:
        """Whether the model says what a rater is like who was not in the fit."""
        return False

    @property
    def named_by_answers(self) -> bool:
        """Whether what raters answer names the classes, so that no two of them can be exchanged."""
        return False

    def power(self, cases: Cases, diagnostics: Mapping[str, float | int | str]) -> Tensor | None:
        """(cases,) to what power p(z | y) counts in the labels, or None: as it is. diagnostics: of the fit."""
        return None

    def axes(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the first axes of each site, such as ``class``, where the model knows them."""
        return {}

    def units(self) -> Mapping[str, str]:
        """Site -> the feature in whose unit it is: by their names, ``<feature>_mean`` and ``<feature>_sd``."""
        return {f"{name}_{part}": name for name in self.features for part in ("mean", "sd")}

    def with_options(self, **options: Any) -> LabelModel:
        """The same model with some keyword-only arguments of its function set; InputError for unknown names."""
        for name, value in options.items():
            if name not in self.options:
                known = ", ".join(f"{k}={v!r}" for k, v in self.options.items()) or "no options"
                raise InputError(f"model '{self.name}': no option '{name}'; it has {known}")
            options[name] = self._as_option(name, value)
        return replace(self, options={**self.options, **options})

    def _as_option(self, name: str, value: Any) -> Any:
        """The value in the type of the option's default; text comes from the command line."""
        default = self.options[name]
        kind = type(default)
        if default is None or isinstance(value, kind):
            return value
        try:
            if kind is bool:
                return {"true": True, "false": False}[str(value).lower()]
            converted = kind(value)
            if kind is int and not isinstance(value, str) and converted != value:
                raise ValueError
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"model '{self.name}', option '{name}': got {value!r}, expected {kind.__name__}"
            ) from error
        return converted

    def plate(
        self, cases: Cases | int, classes: Sequence[str] = (), *, broadcast: bool = True
    ) -> CasePlate:
        """The ``cases`` argument for the Pyro function: the columns of ``cases``, or so many cases without columns."""
        if isinstance(cases, int):
            return CasePlate(cases, classes or self.label.classes, broadcast=broadcast)
        columns = {name: column.value for name, column in cases.columns.items()}
        return CasePlate(len(cases), cases.classes, columns, broadcast=broadcast)


def label_model(**declared: Label | Feature) -> Callable[[ModelFunction], LabelModel]:
    """Declare a label model; exactly one argument is a `Label`, the others are features.

    Args:
        declared: Column -> its kind: one `Label`, and the features that the model uses.

    Returns:
        A decorator that makes a `LabelModel` of a Pyro function. The function takes one argument, ``cases``, and options
        with defaults after a ``*``.

    Raises:
        InputError: None or several are a `Label`, a value is no feature, or the function takes other arguments.

    Examples:
        >>> @label_model(diagnosis=Label("normal", "dysplastic"), alpha=Angle("deg", low=20, high=90))
        ... def hip(cases, *, spread=5.0): ...
        >>> hip.name, hip.label.classes
        ('hip', ('normal', 'dysplastic'))
        >>> hip.with_options(spread="8").options
        {'spread': 8.0}
    """
    labels = [name for name, kind in declared.items() if isinstance(kind, Label)]
    if len(labels) != 1:
        names = ", ".join(labels) or "none"
        raise InputError(
            f"label_model: expected exactly one Label, got {names}; declare one, e.g. y=Label('no', 'yes')"
        )
    for name, kind in declared.items():
        if not isinstance(kind, Label | Feature):
            raise InputError(
                f"label_model: '{name}' is {kind!r}, expected a Label or a feature such as Real()"
            )

    def declare(fn: ModelFunction) -> LabelModel:
        parameters = list(inspect.signature(fn).parameters.values())
        options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        if len(parameters) - len(options) != 1 or inspect.Parameter.empty in options.values():
            raise InputError(
                f"label model '{fn.__name__}': expected one argument, cases, and options with defaults after a *"
            )
        name = labels[0]
        label = declared[name]
        assert isinstance(label, Label)
        features = {k: v for k, v in declared.items() if isinstance(v, Feature)}
        source = Path(fn.__code__.co_filename)
        return LabelModel(fn, name, label, features, options, source if source.is_file() else None)

    return declare


def read_cases(
    path: str | Path,
    model: LabelModel,
    *,
    classes: Sequence[str] | None = None,
    group: str = "group",
    seed: int = 0,
    raters: Mapping[str, Sequence[str]] | None = None,
    separator: str | None = None,
    decimal: str = ".",
) -> Cases:
    """Read and check the cases table at ``path`` for ``model``.

    Args:
        path: CSV or Parquet, told by its content.
        model: Says which columns are read, and how.
        classes: Fixes those of an open ``Label()``.
        group: The column of patients.
        seed: Makes the split, when it is first looked at, where the table has none.
        raters: Fixes those of a feature, by its name, as those of an earlier fit; what others said is read where the model
            knows what a rater is like who was not in the fit, else refused.
        separator: Between the cells of a text table; by default a comma, or a tab in a ``.tsv`` file.
        decimal: Before the decimals of a text table, '.' or ','.

    Returns:
        The cases, in the table's order.

    Raises:
        InputError: The table, a column or cells cannot be read; with the column, the row, what was got, what was
            expected and the mend.

    Examples:
        >>> from labelppl.families import gaussian
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> frame = pd.DataFrame({"id": ["c1", "c2", "c3"], "x": [0.1, 2.1, 1.0], "y": ["a", "b", None]})
        >>> frame.to_csv("cases.csv", index=False)
        >>> cases = read_cases("cases.csv", model)
        >>> len(cases), cases.labels.tolist()
        (3, [0, 1, -1])
    """
    path = Path(path)
    delimiters = Delimiters(separator, decimal)
    file = open_table(path, delimiters)
    return cases_from_frame(
        file.frame(),
        model.label_name,
        model.label,
        model.features,
        path=path,
        classes=classes,
        group=group,
        seed=seed,
        beside=tables_beside(path, model.features, delimiters),
        raters=raters,
        strangers=model.takes_strangers,
        delimiters=delimiters,
        guess_ids=file.guesses_types,
    )
