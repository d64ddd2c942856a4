"""Tables and pictures that once were read wrong without a word: each gives the right value now, or the words that refuse it.

They lie beside the project, not in it; where they are absent the tests are skipped.
"""

from __future__ import annotations

import os
import runpy
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelppl import InputError, fit, load_model, read_cases, soft_labels
from labelppl.images.decode import decode

CASES = Path(__file__).parents[2].parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"needs the cases in {CASES}")

REFUSED = {
    "trailing-comma/m.py trailing.csv": "row 1 has 5 cells, expected 4 as in the header",
    "trailing-comma/m.py new.csv": "row 1 has 4 cells, expected 3 as in the header",
    "group-spaces-hide-leak/gauss.py group.csv": "group 'P1' is in test, train",
    "group-spaces-hide-leak/gauss.py id.csv": "row 2: got 'a', which row 1 has too",
    "rater-spaces-double-votes/dawid_skene twice.csv": "expected each rater once per case",
    "votes-all-one-class/dawid_skene v.csv": "every vote is 'yes', expected votes for two or more",
    "wrong-separator-or-workbook/gauss.py semicolon.csv": "separated by semicolons, expected commas",
    "wrong-separator-or-workbook/gauss.py tabs.csv": "separated by tabs, expected commas",
    "wrong-separator-or-workbook/gauss.py book.xlsx": "workbook",
    "odd-parquet-cells/gauss.py nested_group.parquet": "column 'group', row 1",
    "odd-parquet-cells/gauss.py nul_id.parquet": "column 'id', row 2",
    "circular-angle-censored/plain.py new.csv": "'<' and '>' need bounds at most 360 deg apart",
    "model-file-surprises/strbound.py m.csv": "low='0', expected a number",
}


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Go into a copy of a case, made complete."""

    def enter(name: str) -> None:
        shutil.copytree(CASES / name, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        if Path("make.py").is_file():
            runpy.run_path("make.py")

    return enter


@pytest.mark.parametrize(("files", "words"), REFUSED.items(), ids=list(REFUSED))
def test_what_cannot_be_read_right_is_refused(case, files: str, words: str) -> None:
    folder, _, names = files.partition("/")
    case(folder)
    model, table = names.split()
    if folder == "wrong-separator-or-workbook":
        model = next(name for name in os.listdir() if name.endswith(".py") and name != "make.py")
    with pytest.raises(InputError) as refused:
        read_cases(table, load_model(model))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_plain_table_and_its_spellings(case) -> None:
    case("trailing-comma")
    plain = read_cases("plain.csv", load_model("m.py"))
    assert plain.ids.tolist() == ["1", "2", "3"]
    assert plain.labels.tolist() == [0, 1, 1]
    assert plain.columns["alpha"].values.tolist() == [1.5, 3.5, 2.5]


@pytest.mark.parametrize("name", ["spaces.csv", "sep.csv", "utf16.csv"])
def test_odd_text_is_read_right(case, name: str) -> None:
    case("wrong-separator-or-workbook")
    model = next(name for name in os.listdir() if name.endswith(".py") and name != "make.py")
    cases = read_cases(name, load_model(model))
    assert cases.labels.tolist() == [0, 1]
    assert cases.columns["a"].values.tolist() == [1.5, 3.5]


def test_ids_in_an_index_find_their_votes(case) -> None:
    case("parquet-id-is-the-index")
    model = load_model("dawid_skene")
    answer = pd.read_csv("answer.csv").astype({"id": str}).set_index("id")["class"]
    right = {}
    for name in ("column", "index"):
        cases = read_cases(f"{name}.parquet", model)
        labels = soft_labels(fit(model, cases, seed=0), cases)
        said = np.array(labels.classes)[labels.probs.argmax(1)]
        right[name] = float((said == answer[labels.ids].to_numpy()).mean())
    assert right["index"] == right["column"] >= 0.9


def test_censored_cells_say_what_they_know(case) -> None:
    case("gaussian-censored")
    model = load_model("gauss.py")
    posterior = fit(model, read_cases("train.csv", model), seed=0)
    _, above, below, missing = soft_labels(posterior, read_cases("new.csv", model)).probs[:, 1]
    assert above > 0.99
    assert below < 0.01
    assert missing == pytest.approx(0.5, abs=0.02)
    ceiling = fit(model, read_cases("ceiling.csv", model), seed=0).to_arviz()
    assert float(ceiling["posterior"]["a_mean"][0, :, 1].mean()) == pytest.approx(41.1, abs=1)


def test_a_bounded_arc(case) -> None:
    case("circular-angle-censored")
    model = load_model("bounded.py")
    labels = soft_labels(
        fit(model, read_cases("train.csv", model), seed=0), read_cases("new.csv", model)
    )
    assert labels.probs[0, 0] == pytest.approx(0.97, abs=0.01)
    # The measured angle is far from both classes: its Monte Carlo standard error is .02 with 4,000 draws.
    assert labels.probs[1, 0] == pytest.approx(0.843, abs=0.05)


def test_pictures_keep_their_values(case) -> None:
    case("tiff-16-bit-white-is-zero")
    wide, narrow = (decode(Path(name)) for name in ("w16.tif", "w8.tif"))
    np.testing.assert_array_equal(wide, 257 * narrow.astype(np.uint16))
    assert wide[0, :3].tolist() == [65535, 61423, 57311]


@pytest.mark.parametrize(
    ("folder", "names", "values"),
    [
        (
            "dicom-negative-slope-window",
            ("plain.dcm", "window.dcm"),
            [1, 0.88, 0.76, 0.51, 0.27, 0],
        ),
        ("dicom-empty-rescale", ("plain.dcm", "empty.dcm"), [0, 0.12, 0.24, 0.49, 0.73, 1]),
    ],
)
def test_dicom_keeps_its_values(
    case, folder: str, names: tuple[str, str], values: list[float]
) -> None:
    case(folder)
    for name in names:
        np.testing.assert_allclose(decode(Path(name))[0] / 65535, values, atol=0.01)


def test_a_telephones_picture(case) -> None:
    case("phone-jpeg")
    assert decode(Path("phone.jpg")).shape == (16, 24, 3)
