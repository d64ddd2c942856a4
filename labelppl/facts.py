"""Short words for large results: what Python and a notebook show of them in place of their arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from html import escape


class Facts(ABC):
    """A result that says its name and a few facts about itself."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """Return what a reader wants to know first: name of the fact -> value."""

    def __repr__(self) -> str:
        """Return one line."""
        said = ", ".join(f"{name} {value}" for name, value in self.facts().items())
        return f"{type(self).__name__}({said})"

    def _repr_html_(self) -> str:
        """Return a small table, for notebooks."""
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(value)}</td></tr>"
            for name, value in self.facts().items()
        )
        return (
            f"<table><caption>{escape(type(self).__name__)}</caption><tbody>{rows}</tbody></table>"
        )


def few_names(names: tuple[str, ...], most: int = 6) -> str:
    """Return `a, b, c and 4 more`.

    Examples:
        >>> few_names(("a", "b", "c"), most=2)
        'a, b and 1 more'
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
