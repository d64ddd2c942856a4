"""The page as a reader meets it: what is in it, and what a browser makes of it at every width, colour and medium."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labelppl.checks.predictive_dependence import unlike
from labelppl.checks.record import Checked, DependentFeatures
from labelppl.checks.sbc_record import Sbc
from labelppl.errors import InputError
from labelppl.report import write_report
from labelppl.report.case_section import case_table, script_data
from labelppl.report.run_files import EMBEDDING, read_run
from labelppl.report.thumbnails import LONGEST, thumbnail, thumbnails
from labelppl.softlabels.explanations import Explanations

MakeRun = Callable[..., Path]
CLASSES = ("normal", "dysplastic")


@pytest.fixture
def full_run(make_run: MakeRun) -> tuple[Path, dict[str, Path]]:
    """A run folder with every file a report reads, and a picture for each case."""
    folder = make_run()
    labels = pd.read_parquet(folder / "labels.parquet")
    predictions = pd.read_parquet(folder / "predictions.parquet")
    predictions["id"] = labels["id"].iloc[: len(predictions)].to_numpy()
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    ids = labels["id"].astype(str).tolist()
    rows = [
        {
            "id": case, "class": CLASSES[1], "against": CLASSES[0], "term": "alpha", "kind": "measurement",
            "cell": "49°", "log_odds": 2.5, "lo": 2.0, "hi": 3.0, "rarity": 0.5,
        }
        for case in ids
    ]  # fmt: skip
    cohort = pd.DataFrame(
        {
            "item": ["cases", "label normal", "alpha: missing"],
            "train": [300, 150, 2],
            "val": 0,
            "test": [129, 60, 1],
            "all": [429, 210, 3],
        }
    )
    x = np.linspace(30, 80, 50)
    density = {
        name: np.exp(-((x - m) ** 2) / 50).tolist()
        for name, m in zip(CLASSES, (60, 50), strict=True)
    }
    measurement = {
        "feature": "alpha", "unit": "deg", "grid": x.tolist(), "density": density,
        "edges": [30, 55, 80], "counts": {"normal": [10, 30], "dysplastic": [25, 5]},
    }  # fmt: skip
    Explanations(pd.DataFrame(rows), cohort, (measurement,)).save(folder / "explain.parquet")
    rng = np.random.default_rng(0)
    pd.DataFrame(
        {"id": ids, "x": rng.normal(size=len(ids)), "y": rng.normal(size=len(ids))}
    ).to_parquet(folder / EMBEDDING)
    save_checks(folder, rng)
    images = {}
    for i, case in enumerate(ids[:200]):
        images[case] = folder.parent / f"{case}.png"
        Image.fromarray(rng.integers(0, 256, (40, 60), dtype=np.uint8)).save(images[case])
        if i == 0:
            images[case].write_text("no picture")
    return folder, images


def save_checks(folder: Path, rng: np.random.Generator) -> None:
    """What `labelppl check --sbc --coverage` leaves: one pair too alike, one parameter too narrow, one world too low."""
    run = json.loads((folder / "run.json").read_text())
    pairs = (
        DependentFeatures("alpha", "coverage", 0.1, -0.3, 0.3, 0.6),
        DependentFeatures("alpha", "slope", 0.62, -0.3, 0.3, 0.01),
    )
    Checked(run["model"], run["data"], 429, unlike(pairs), pairs).save(folder / "check.json")
    simulations, draws = 60, 99
    ranks = rng.integers(0, draws + 1, (simulations, 2))
    ranks[:, 1] = np.where(ranks[:, 1] < 50, 0, draws)
    Sbc(
        model="hip", engine="auto", quantities=("prevalence[0]", "alpha_mean[0]"), ranks=ranks,
        scores=rng.chisquare(2, (simulations, draws + 1)), parameters=2, draws=draws,
        tests=("fitted (loo): dysplastic", "new: sharpness"),
        residuals=rng.normal(0, 0.01, (simulations, 2)), refused=("one fit failed",), seed=0,
    ).save(folder / "sbc.json")  # fmt: skip
    worlds = [
        {"world": name, "coverage": share, "se": 0.02, "width": 0.2, "simulations": 40}
        for name, share in (("as the model says", 0.91), ("outliers", 0.75))
    ]
    (folder / "coverage.json").write_text(json.dumps({"worlds": worlds}))


def test_every_section_is_there(full_run: tuple[Path, dict[str, Path]]) -> None:
    page = write_report(*full_run).read_text(encoding="utf-8")
    for words in (
        "Has it learned what the label model believes?", "Images as the student sees them",
        "What each measurement looks like by class", "Cohort and audit", "TRIPOD+AI", "All cases",
        "alpha 49° speaks for dysplastic, 12\u00a0:\u00a01", "alpha: missing", "For the authors",
        "How the label model was checked", "so that their evidence is counted twice", "1 of 2 lie outside",
        "60 data sets were simulated from the model and fitted (1 more could not be fitted): something is wrong",
        "alpha_mean[0]: the posterior is too narrow", "outliers <strong>(too rarely)</strong>",
    ):  # fmt: skip
        assert words in page, words
    assert "data:image/jpeg;base64," in page


def test_a_check_is_shown_only_where_it_was_run(make_run: MakeRun) -> None:
    folder = make_run()
    assert "How the label model was checked" not in write_report(folder).read_text()
    save_checks(folder, np.random.default_rng(0))
    for name in ("sbc.json", "coverage.json"):
        (folder / name).unlink()
    page = write_report(folder).read_text()
    assert "Do the measurements go together" in page
    assert "Does the posterior find" not in page
    assert "hold the truth?" not in page


@pytest.mark.parametrize("name", ["check.json", "sbc.json", "coverage.json"])
def test_a_check_that_cannot_be_read_is_an_error(make_run: MakeRun, name: str) -> None:
    folder = make_run()
    save_checks(folder, np.random.default_rng(0))
    (folder / name).write_text('{"worlds": [{}]}')
    with pytest.raises(InputError, match=name):
        write_report(folder)


def test_names_that_only_the_program_uses_do_not_reach_a_reader(
    full_run: tuple[Path, dict[str, Path]],
) -> None:
    page = write_report(*full_run).read_text(encoding="utf-8")
    shown = re.sub(r"<(style|script|svg).*?</\1>", "", page, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", " ", shown)
    for word in (
        "hl_p",
        "hl_statistic",
        "loo",
        "crossfit",
        "smece",
        "kl_true",
        "ppv",
        "nan",
        "{",
        "[[",
    ):
        assert not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text), word


def test_the_table_of_all_cases_equals_the_files(make_run: MakeRun) -> None:
    files = read_run(make_run())
    assert files.labels is not None
    table = case_table(files.labels, files.predictions, files.classes)
    assert table is not None
    rows = json.loads(str(table.rows).replace("\\u003c", "<"))
    heads = [name for name, _ in table.heads]
    assert len(rows) == table.cases == len(files.labels)
    first = files.labels.iloc[5]
    row = dict(zip(heads, rows[5], strict=True))
    assert row["Case"] == first["id"]
    assert row["Given label"] == first["label"]
    assert row["Its probability"] == pytest.approx(
        max(first["p_normal"], first["p_dysplastic"]), abs=1e-4
    )
    assert row["Of the given label"] == pytest.approx(first[f"p_{first['label']}"], abs=1e-4)
    assert row["Student"] is None


def test_data_in_the_page_cannot_end_its_script() -> None:
    text = str(script_data([["</script><script>alert(1)</script>", "a&b\u2028"]]))
    assert "<" not in text
    assert json.loads(text) == [["</script><script>alert(1)</script>", "a&b\u2028"]]


def test_thumbnails_are_small_and_leave_out_what_cannot_be_read(tmp_path: Path) -> None:
    wide = np.linspace(1000, 3000, 300 * 200).reshape(300, 200).astype(np.uint16)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    (tmp_path / "bad.png").write_text("x")
    images = {"a": tmp_path / "wide.png", "b": tmp_path / "bad.png"}
    made = thumbnails(images, ["a", "b", "c", "a"])
    assert list(made) == ["a"]
    assert thumbnail(images["a"]) == made["a"]
    assert len(made["a"]) < 8000
    assert LONGEST < 300


def test_the_page_in_a_browser(
    full_run: tuple[Path, dict[str, Path]], chromium: ModuleType, page: Any
) -> None:
    address = write_report(*full_run).as_uri()
    for width in (400, 1200):
        for media, scheme in (("", "light"), ("", "dark"), ("print", "light")):
            page.resize(width)
            page.medium(media, scheme)
            page.requests.clear()
            page.open(address)
            page.wait("document.querySelectorAll('#case-table tbody tr').length === 50")
            # Nothing is wider than the window, and every picture is drawn.
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(
                "[...document.images].every((i) => i.complete && i.naturalWidth > 0)"
            )
            assert all(url.startswith((address, "data:")) for url in page.requests)
    assert page.evaluate("document.images.length") > 10
    assert page.errors == []


def test_sorting_and_filtering_by_mouse_and_keyboard(
    full_run: tuple[Path, dict[str, Path]], chromium: ModuleType, page: Any
) -> None:
    folder, _ = full_run
    labels = pd.read_parquet(folder / "labels.parquet")
    page.resize(1200)
    page.medium()
    page.open(write_report(folder).as_uri())
    page.wait("document.querySelectorAll('#case-table tbody tr').length === 50")

    def column(name: str) -> list[str]:
        at = page.evaluate(
            f"[...document.querySelectorAll('#case-table thead th')].findIndex((h) => h.dataset.name === {name!r})"
        )
        return list(
            page.evaluate(
                f"[...document.querySelectorAll('#case-table tbody tr')].map((r) => r.cells[{at}].textContent)"
            )
        )

    button = "[...document.querySelectorAll('#case-table thead th')].find((h) => h.dataset.name === 'Doubt, nats').querySelector('button')"
    page.evaluate(f"{button}.focus()")
    page.press("Enter", 13)
    rising = [float(value) for value in column("Doubt, nats")]
    assert rising == sorted(rising)
    assert page.evaluate(f"{button}.closest('th').ariaSort") == "ascending"
    page.evaluate(f"{button}.click()")
    falling = [float(value) for value in column("Doubt, nats")]
    assert falling[0] == pytest.approx(labels["entropy"].max(), abs=6e-4)
    assert falling == sorted(falling, reverse=True)

    page.evaluate(
        "(() => { const f = document.getElementById('case-find'); f.value = 'case-0042'; f.dispatchEvent(new Event('input')); })()"
    )
    assert column("Case") == ["case-0042"]
    page.evaluate(
        "(() => { const f = document.getElementById('case-find'); f.value = ''; f.dispatchEvent(new Event('input'));"
        "const a = document.getElementById('case-apart'); a.click(); })()"
    )
    said = page.evaluate("document.getElementById('case-count').textContent")
    predictions = pd.read_parquet(folder / "predictions.parquet")
    names = np.array(CLASSES)
    believed = dict(
        zip(
            labels["id"],
            names[labels[["p_normal", "p_dysplastic"]].to_numpy().argmax(1)],
            strict=True,
        )
    )
    student = dict(
        zip(
            predictions["id"],
            names[predictions[["p_normal", "p_dysplastic"]].to_numpy().argmax(1)],
            strict=True,
        )
    )
    differ = sum(
        label is not None
        and not pd.isna(label)
        and (believed[case] != label or student.get(case, label) != label)
        for case, label in zip(labels["id"], labels["label"], strict=True)
    )
    assert said.startswith(f"{differ} of {len(labels)} cases")
    page.evaluate(
        "(() => { document.getElementById('case-apart').click(); const l = document.getElementById('case-label');"
        "l.value = 'null'; l.dispatchEvent(new Event('change')); })()"
    )
    assert column("Given label") == [""] * int(labels["label"].isna().sum())
    assert page.errors == []


def test_axe_finds_no_serious_violation(
    full_run: tuple[Path, dict[str, Path]], chromium: ModuleType, page: Any
) -> None:
    axe = next(
        (
            path
            for path in (Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js",)
            if path.is_file()
        ),
        None,
    )
    if axe is None:
        pytest.skip("axe-core is not installed: npm install")
    page.open(write_report(*full_run).as_uri())
    for width in (400, 1200):
        for media, scheme in (("", "light"), ("", "dark"), ("print", "light")):
            page.resize(width)
            page.medium(media, scheme)
            page.evaluate(axe.read_text(encoding="utf-8") + ";0")
            found = json.loads(
                page.evaluate(
                    "axe.run().then((r) => JSON.stringify(r.violations.map((v) => [v.id, v.impact, v.nodes[0].html])))"
                )
            )
            assert [one for one in found if one[1] in ("serious", "critical")] == []


def test_twenty_thousand_cases_open_in_two_seconds(
    make_run: MakeRun, chromium: ModuleType, page: Any
) -> None:
    folder = make_run()
    labels = pd.read_parquet(folder / "labels.parquet")
    many = pd.concat([labels] * 47, ignore_index=True).head(20_000)
    many["id"] = [f"case-{i:05d}" for i in range(len(many))]
    many.to_parquet(folder / "labels.parquet", index=False)
    address = write_report(folder).as_uri()
    page.resize(1200)
    page.medium()
    page.open(address)
    page.wait("document.querySelectorAll('#case-table tbody tr').length === 50")
    opened = page.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
    assert opened < 2000
    assert "20000 of 20000 cases" in page.evaluate(
        "document.getElementById('case-count').textContent"
    )
