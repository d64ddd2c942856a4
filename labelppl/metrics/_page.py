"""The page of the documentation on metrics, made from the list: `python -m labelppl.metrics._page`."""

from __future__ import annotations

from pathlib import Path

from .listed import METRICS
from .metric import Metric

TITLE = """# Metrics

`labelppl evaluate` measures a student on cases that it never saw and writes `metrics.json`, flat: each key below,
and beside it `<key>_ci`, its 95 % interval. This page is made from the list that `evaluate`, `compare` and the report
read.

```text
labelppl evaluate --run runs/hip --by sex --operating-point sensitivity=0.9 --prevalence dysplastic=0.03
```

A metric is absent where no case has what it needs, and null where the cases do not define it; `notes` says why.
Intervals draw whole groups (patients) with replacement. Shares of exactly 0 or 1 get the exact binomial interval over
groups, sensitivity, specificity and likelihood ratios of independent cases the textbook ones (Wilson, log method).
p-values and degrees of freedom have none. A calibration error is biased upwards by noise: its interval takes that off and
reaches 0 where calibration cannot be rejected. Read its upper end, the error that cannot be excluded. How often the intervals
hold the truth was [measured](measured.md#intervals-of-metrics).
"""

AFTER = """
## Operating point

With two classes a case is called positive from a probability of ½, unless `--operating-point` says otherwise:
`sensitivity=0.9` takes the threshold from validation cases, `costs=1:10` from the cost of a false alarm and of a miss,
`threshold=0.3` states it. With `--prevalence`, costs, PPV and NPV hold where the student is used; without it, PPV and NPV are
those of the sample, which is not what a clinic sees when cases were chosen by their diagnosis.

## Curves

`curves.csv` holds ROC, precision–recall, net benefit (with `treat_all` beside it) and risk against coverage, each with a
pointwise 95 % band: columns `curve, class, x, y, lo, hi`.

## Subgroups

`--by COLUMN` adds `by/<column>/<value>/<key>` for every value. With many subgroups some interval misses by chance; the
notes say how many to expect.

## A metric of your own

```python
from labelppl.metrics import Metric, evaluate_probs

sure = Metric(
    "sure",
    "Sure",
    "share of cases above .9",
    "none",
    value=lambda scored: float((scored.probs.max(axis=1) > 0.9).mean()),
)
metrics = evaluate_probs([[0.95, 0.05], [0.4, 0.6]], [0, 1], classes=["a", "b"], metrics=[sure])
print(metrics.sure, metrics.intervals["sure"])
```

On the command line: `labelppl evaluate --metric mine.py:sure`. Where a metric brings no `replicates`, its value is computed
again on resampled cases.
"""

WORDS = {"up": "higher", "down": "lower", "none": "–"}


def metrics_page() -> str:
    """Return the text of `docs/metrics.md`."""
    shown = [metric for metric in METRICS if not metric.detail and not metric.asked]
    explaining = [metric for metric in METRICS if metric.detail]
    asked = [metric for metric in METRICS if metric.asked]
    parts = [
        TITLE,
        "## What is measured\n",
        *_table(shown),
        "\n`top<k>`, with more than two classes: share of cases whose label is among the k most probable classes.\n",
        "## What explains another metric\n",
        *_table(explaining),
        "\n## Only where asked for, by `--metric KEY`\n",
        *_table(asked),
        AFTER,
    ]
    return "\n".join(parts)


def _table(metrics: list[Metric]) -> list[str]:
    rows = ["| key | name | better | needs | interval | meaning |", "|---|---|---|---|---|---|"]
    for metric in metrics:
        interval = "yes" if metric.interval is not None else "no"
        needs = ", ".join(metric.needs) or "–"
        cells = (
            f"`{metric.key}`",
            metric.name,
            WORDS[metric.better],
            needs,
            interval,
            metric.meaning,
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


if __name__ == "__main__":
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    page.write_text(metrics_page(), encoding="utf-8")
