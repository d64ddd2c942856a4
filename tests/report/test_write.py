"""The page as a whole: complete, self-contained, honest about what is missing."""

import base64
import hashlib
import json
import re
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from labelppl.errors import InputError
from labelppl.metrics.metrics import Metrics
from labelppl.report import write_report
from labelppl.report.run_files import MADE_BY

MakeRun = Callable[..., Path]
SECTIONS = [
    "The student on the evaluation cases",
    "What the label model believes",
    "The label model's parameters",
    "Learning curves",
    "Model card",
    "Provenance",
]


class Checker(HTMLParser):
    """Follows tags, and gathers text and whatever a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.fetched: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href"} and not (value or "").startswith("#"):
                self.fetched.append(f"{tag} {name}={value}")
        if tag not in {"meta", "br", "img", "hr", "link", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def checked(path: Path) -> tuple[str, Checker]:
    page = path.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return page, checker


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))


def test_a_complete_run_gives_every_section_and_four_pictures(make_run: MakeRun) -> None:
    folder = make_run()
    path = write_report(folder)
    assert path == folder / "report.html"
    page, _ = checked(path)
    for title in SECTIONS:
        assert re.search(rf'<h2 id="\w+">{re.escape(title)}</h2>', page)
    assert page.count("<svg") == 4
    assert "is not in this run folder" not in page
    assert not list(folder.glob("*.part")) + list(folder.glob(".report*"))


def test_nothing_is_fetched_and_one_script_runs(make_run: MakeRun) -> None:
    page, checker = checked(write_report(make_run()))
    assert checker.fetched == []
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert len(scripts) == 1
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page
    assert "link" not in checker.tags
    assert "url(http" not in page
    assert "@import" not in page


def test_numbers_are_those_of_the_files(make_run: MakeRun) -> None:
    folder = make_run()
    page = words(write_report(folder).read_text(encoding="utf-8"))
    metrics = Metrics.load(folder)
    for key in ("accuracy", "nll", "smece", "kl_true"):
        value, (lo, hi) = metrics.values[key], metrics.intervals[key]
        assert f'{value:.3f}</td><td class="n">[{lo:.3f}, {hi:.3f}]' in page
    assert "was trained on 429 cases, 425 of them with a hard label" in page
    assert "λ = 0.31" in page
    assert "50 % normal, 50 % dysplastic" in page
    assert "ab" * 32 in page


def test_names_are_text_never_markup(make_run: MakeRun) -> None:
    names = ("<b>well</b>", "$x_{", "ill & worse")
    page, checker = checked(write_report(make_run(names)))
    assert "b" not in checker.tags
    assert "<b>well</b>: 0" not in page
    assert "<b>well</b>" in "".join(checker.text)


@pytest.mark.parametrize("name", MADE_BY)
def test_one_file_alone_is_enough_and_every_other_is_named(make_run: MakeRun, name: str) -> None:
    folder = make_run()
    others = [other for other in MADE_BY if other != name]
    for other in others:
        (folder / other).unlink()
    page, _ = checked(write_report(folder))
    # student.json has no section: it gives sentences here and there.
    said = [f"{o} is not in this run folder; {MADE_BY[o]} writes it." in page for o in others]
    assert [o for o, s in zip(others, said, strict=True) if not s and o != "student.json"] == []
    assert f"{name} is not in this run folder" not in page
    assert ("An image classifier" in page) == (name == "student.json")


def test_the_same_run_gives_the_same_page(make_run: MakeRun) -> None:
    folder = make_run()
    stamp = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
    first = stamp.sub("", write_report(folder).read_text(encoding="utf-8"))
    second = stamp.sub("", write_report(folder).read_text(encoding="utf-8"))
    assert first == second


BROKEN = {
    "run.json": "{",
    "student.json": "[1]",
    "metrics.json": "{}",
    "labels.parquet": "no table",
    "predictions.parquet": "no table",
    "posterior.nc": "no data",
    "curve.csv": "",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_an_error_and_leaves_the_old_report(make_run: MakeRun, name: str) -> None:
    folder = make_run()
    (folder / "report.html").write_text("old")
    (folder / name).write_text(BROKEN[name])
    with pytest.raises(InputError, match=re.escape(name)) as error:
        write_report(folder)
    assert "\n" not in str(error.value)
    assert (folder / "report.html").read_text() == "old"


def test_a_table_of_other_columns_is_an_error(make_run: MakeRun) -> None:
    folder = make_run()
    pd.DataFrame({"id": ["a"], "label": ["normal"]}).to_parquet(folder / "labels.parquet")
    with pytest.raises(InputError, match=r"labels.parquet: got columns id, label"):
        write_report(folder)


def test_no_run_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds none of"):
        write_report(tmp_path)


def test_a_forced_and_unfinished_run_says_so_first(make_run: MakeRun) -> None:
    folder = make_run()
    run = json.loads((folder / "run.json").read_text())
    run |= {"forced": "the fit must not be trusted: 3 divergences", "status": "training"}
    (folder / "run.json").write_text(json.dumps(run))
    page = words(write_report(folder).read_text(encoding="utf-8"))
    head = page[: page.index("<h2 ")]
    assert "although the gate refused: the fit must not be trusted: 3 divergences" in head
    assert "not finished" in head


def test_the_deployment_prevalence_is_stated(make_run: MakeRun) -> None:
    page = words(write_report(make_run(deployment=(0.97, 0.03))).read_text(encoding="utf-8"))
    assert "the deployment's (97 % normal, 3.0 % dysplastic) in prediction" in page.replace(
        "&#39;", "'"
    )


def test_the_template_is_packed_with_the_package() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    packed = tomllib.loads(project.read_text())["tool"]["setuptools"]["package-data"]
    assert "*.j2" in packed.get("labelppl.report", []), (
        'pyproject.toml needs "labelppl.report" = ["*.j2"] under [tool.setuptools.package-data]'
    )
