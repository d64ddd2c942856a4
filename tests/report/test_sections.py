"""Each section against a naive reading of its file."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from labelppl.export.card import card, sentence_list, shares
from labelppl.report import posterior_section as posterior_section_file
from labelppl.report.curve_section import learning_curves
from labelppl.report.headline import headline
from labelppl.report.label_section import label_section
from labelppl.report.posterior_section import posterior_section
from labelppl.report.run_files import read_run
from labelppl.report.student_section import student_section
from labelppl.report.write import card_facts

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # ArviZ announces its next release
    import arviz as az

MakeRun = Callable[..., Path]


@pytest.mark.parametrize("classes", [("normal", "dysplastic"), ("a", "b", "c", "d")])
def test_doubted_labels_are_those_below_another_class(make_run: MakeRun, classes) -> None:
    labels = pd.read_parquet(make_run(classes) / "labels.parquet")
    section = label_section(labels, classes)
    expected, misses = {}, 0.0
    for _, row in labels.iterrows():
        if row["label"] is None or pd.isna(row["label"]):
            continue
        probs = {name: row[f"p_{name}"] for name in classes}
        misses += 1 - max(probs.values())
        if probs[row["label"]] < max(probs.values()):
            expected[row["id"]] = probs[row["label"]]
    order = sorted(expected, key=lambda i: expected[i])
    assert section.doubted == len(expected)
    assert [row["id"] for row in section.doubted_rows] == order[: len(section.doubted_rows)]
    assert section.expected == pytest.approx(misses)
    first = section.doubted_rows[0]
    source = labels.set_index("id").loc[first["id"]]
    assert first["own"] == source[f"p_{first['given']}"]
    assert (first["lo"], first["hi"]) == (
        source[f"lo_{first['given']}"],
        source[f"hi_{first['given']}"],
    )
    assert first["p"] == max(source[f"p_{name}"] for name in classes)


def test_distrusted_cases_are_those_of_a_large_khat(make_run: MakeRun) -> None:
    classes = ("normal", "dysplastic")
    labels = pd.read_parquet(make_run() / "labels.parquet")
    section = label_section(labels, classes)
    assert [row["khat"] for row in section.distrusted_rows] == [0.93, 0.71]
    assert section.distrusted == 2
    labels["khat"] = np.nan
    assert label_section(labels, classes).distrusted == 0


def test_in_sample_labels_of_labelled_cases_are_noticed(make_run: MakeRun) -> None:
    files = read_run(make_run())
    assert files.labels is not None
    section = label_section(files.labels, files.classes)
    assert not section.in_sample
    leaked = files.labels.assign(source="fitted")
    section = label_section(leaked, files.classes)
    assert section.in_sample
    assert any("in-sample" in text for text in card(card_facts(files, section)).limits)


def test_unlabelled_tables_have_no_audit(make_run: MakeRun) -> None:
    labels = pd.read_parquet(make_run() / "labels.parquet").assign(label=None)
    section = label_section(labels.head(3), ("normal", "dysplastic"))
    assert (section.labelled, section.doubted, section.expected) == (0, 0, 0.0)
    assert section.shown == 3


def test_confusion_and_disagreements_equal_naive_counts(make_run: MakeRun) -> None:
    files = read_run(make_run(("a", "b", "c")))
    table = files.predictions
    assert table is not None
    section = student_section(files.metrics, table, files.classes, 0)
    known = table.dropna(subset="label")
    probs = known[["p_a", "p_b", "p_c"]]
    guess = probs.idxmax(axis=1).str.removeprefix("p_")
    assert section.confusion is not None
    for name, counts, recall in section.confusion:
        mine = known["label"] == name
        assert counts == tuple(int((mine & (guess == other)).sum()) for other in "abc")
        assert recall == pytest.approx((guess[mine] == name).mean())
    wrong = probs.max(axis=1)[guess != known["label"]].sort_values(ascending=False)
    assert section.error_count == len(wrong)
    assert [row["p"] for row in section.errors] == wrong.head(10).tolist()
    assert section.labelled == len(known)


def test_the_interval_is_held_against_soft_labels_by_their_ids(make_run: MakeRun) -> None:
    files = read_run(make_run())
    table = files.predictions
    assert table is not None
    assert student_section(None, table, files.classes, 0).notes == ()
    labels = table[["id", *(f"p_{name}" for name in files.classes)]].sample(frac=1, random_state=0)
    for name in files.classes:
        table = table.assign(**{f"lo_{name}": 0.0, f"hi_{name}": table[f"p_{name}"] - 1e-6})
    first = table.index[: len(table) // 4]
    table.loc[first, [f"hi_{name}" for name in files.classes]] = 1.0
    section = student_section(None, table, files.classes, 0, labels=labels)
    share = len(first) / len(table)
    assert section.notes[-1].endswith(f"it holds the soft label in {share:.0%} of the cases.")
    (alone,) = student_section(None, table, files.classes, 0).notes
    assert alone.endswith("wide on average.")


def test_many_classes_are_shown_by_the_weakest(make_run: MakeRun) -> None:
    from labelppl.report.write import render_report

    folder = make_run([f"k{i}" for i in range(14)])
    files = read_run(folder)
    section = student_section(files.metrics, files.predictions, files.classes, 0)
    recalls = sorted(r for _, _, r in section.confusion or () if r is not None)
    assert [row["recall"] for row in section.weakest] == recalls[:12]
    table = {name: counts for name, counts, _ in section.confusion or ()}
    for row in section.weakest:
        counts = dict(zip(files.classes, table[row["name"]], strict=True))
        del counts[row["name"]]
        if row["taken_for"] is None:
            assert sum(counts.values()) == 0
        else:
            assert counts[row["taken_for"]] == max(counts.values())
    page = render_report(folder)
    assert "Classes recognised least" in page
    assert "Given label against prediction" not in page
    assert "k8 or 5 more" in page


def test_verdict_follows_the_null_band(make_run: MakeRun) -> None:
    good = read_run(make_run(name="good"))
    assert good.metrics is not None
    assert good.metrics.smece <= good.metrics.smece_null_upper
    section = student_section(good.metrics, None, good.classes, 0)
    assert section.verdict is not None
    assert section.verdict.startswith("No evidence")
    bad = read_run(make_run(sharpness=4.0, name="bad"))
    section = student_section(bad.metrics, None, bad.classes, 0)
    assert section.verdict is not None
    assert "evidence of miscalibration" in section.verdict
    assert "labelppl recalibrate" in section.verdict
    assert any("miscalibrated" in text for text in card(card_facts(bad, None)).limits)


def test_predictions_without_labels_have_no_curve(make_run: MakeRun) -> None:
    files = read_run(make_run())
    assert files.predictions is not None
    table = files.predictions.assign(label=None)
    section = student_section(None, table, files.classes, 0)
    assert section.picture is None
    assert section.confusion is None
    assert section.rows == ()


def test_posterior_rows_are_moments_of_the_draws(make_run: MakeRun) -> None:
    path = make_run(weighted=False) / "posterior.nc"
    section = posterior_section(path)
    with xr.open_dataset(path, group="posterior", engine="h5netcdf") as data:
        alpha = data["alpha_mean"].sel({"class": "dysplastic"}).values.ravel()
    row = next(r for r in section.rows if r["name"] == "alpha_mean[dysplastic]")
    assert row["mean"] == pytest.approx(alpha.mean())
    assert row["sd"] == pytest.approx(alpha.std(ddof=1), rel=1e-3)
    assert (row["lo"], row["hi"]) == pytest.approx(tuple(np.quantile(alpha, [0.05, 0.95])))
    assert row["r_hat"] == pytest.approx(1.0, abs=0.02)
    assert [r["name"] for r in section.rows][-1] == "slope"
    assert (section.khat, section.draws, section.engine) == (None, 1000, "nuts")


def test_parameters_stand_in_the_unit_of_their_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    angle = rng.normal([1.06, 0.92], 0.01, (4, 100, 2))
    sizes = rng.normal([[1.0, 2.0], [3.0, 4.0]], 0.1, (4, 100, 2, 2))
    posterior = xr.Dataset(
        {
            "alpha_mean": (
                ("chain", "draw", "class"), angle,
                {"column_units": json.dumps(180 / np.pi), "column_unit": json.dumps("deg")},
            ),
            "sizes_mean": (
                ("chain", "draw", "class", "sizes_component"), sizes,
                {"column_units": json.dumps([1.0, 100.0]), "column_unit": json.dumps(["mm", "%"])},
            ),
            "kappa": (("chain", "draw"), angle[..., 0]),
        },
        coords={"class": ["normal", "dysplastic"], "sizes_component": ["length", "share"]},
    )  # fmt: skip
    posterior.to_netcdf(tmp_path / "posterior.nc", group="posterior", engine="h5netcdf")
    section = posterior_section(tmp_path / "posterior.nc")
    rows = {row["name"]: row for row in section.rows}
    assert section.converted
    alpha = rows["alpha_mean[dysplastic]"]
    assert alpha["unit"] == "deg"
    assert alpha["mean"] == pytest.approx(np.degrees(angle[..., 1]).mean())
    assert alpha["hi"] == pytest.approx(np.quantile(np.degrees(angle[..., 1]), 0.95))
    assert rows["sizes_mean[normal, length]"]["unit"] == "mm"
    share = rows["sizes_mean[dysplastic, share]"]
    assert (share["unit"], share["mean"]) == ("%", pytest.approx(100 * sizes[..., 1, 1].mean()))
    assert rows["kappa"]["unit"] == ""


def test_weighted_draws_show_khat_and_no_r_hat(make_run: MakeRun) -> None:
    from labelppl.report.write import render_report

    folder = make_run(weighted=True)
    assert posterior_section(folder / "posterior.nc").khat == 0.14
    page = render_report(folder)
    assert "Pareto k̂ 0.14, below .7: trustworthy" in page
    assert "R̂" not in page
    assert "R̂" in render_report(make_run(weighted=False, name="nuts"))


def test_learning_curves_need_rows() -> None:
    assert learning_curves(pd.DataFrame({"step": [], "loss": []})) is None
    assert learning_curves(pd.DataFrame({"other": [1.0]})) is None
    least = pd.DataFrame({"step": ["step 1"], "loss": [0.5]})
    assert "<svg" in str(learning_curves(least))


def test_headline_leaves_out_what_is_not_known(make_run: MakeRun) -> None:
    folder = make_run()
    full = headline(read_run(folder))
    assert full.title == "hip: normal or dysplastic"
    assert len(full.sentences) == 4
    assert [name for name, *_ in full.cards][:2] == ["Accuracy", "AUC"]
    for name in ("student.json", "run.json"):
        (folder / name).unlink()
    bare = headline(read_run(folder))
    assert len(bare.sentences) == 1
    assert bare.title == "run: normal or dysplastic"


def test_headline_of_step_one_alone(make_run: MakeRun) -> None:
    folder = make_run()
    spec = json.loads((folder / "student.json").read_text())
    spec["training"] |= {"step2": None, "notes": ["no training case has a hard label"]}
    (folder / "student.json").write_text(json.dumps(spec))
    head = headline(read_run(folder))
    assert "without a second step" in head.sentences[0]
    assert head.warnings == ("no training case has a hard label",)


def test_lists_and_shares_in_words() -> None:
    assert sentence_list(["a"]) == "a"
    assert sentence_list(["a", "b"], "or") == "a or b"
    assert sentence_list(["a", "b", "c"]) == "a, b and c"
    many = [str(i) for i in range(165)]
    assert sentence_list(many) == "0, 1, 2, 3, 4, 5, 6, 7, 8 and 156 more"
    rare = [0.5, *[0.5 / 164] * 164]
    assert shares(many, rare).startswith("50 % 0, 0.3 % 1")
    assert shares(many, rare).endswith("0.3 % 8, 156 more")
    assert shares(("a", "b"), [0.974, 0.026]) == "97 % a, 2.6 % b"
    assert shares(("a", "b"), {"b": 0.5}) == "50 % b"
    assert shares(("a", "b"), None) is None
    assert shares(("a", "b"), "study") is None


def test_only_the_parameters_that_are_shown_are_summarised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 165 classes of 100 numbers the first sixty, in row-major order, with the number of those left out."""
    rng = np.random.default_rng(0)
    dims = ("chain", "draw", "class", "component")
    data = xr.Dataset(
        {
            "share": (dims[:3], rng.normal(size=(1, 50, 165))),
            "mean": (dims, rng.normal(size=(1, 50, 165, 100))),
        },
        coords={"class": [f"k{i}" for i in range(165)]},
    )
    data.to_netcdf(tmp_path / "posterior.nc", group="posterior", engine="h5netcdf")
    sizes: list[int] = []
    whole = az.summary
    monkeypatch.setattr(
        az,
        "summary",
        lambda d, **k: (sizes.append(sum(v.size for v in d.values())), whole(d, **k))[1],
    )
    monkeypatch.setattr(posterior_section_file, "SUMMARY_ROWS", 200)
    section = posterior_section(tmp_path / "posterior.nc")
    assert [row["name"] for row in section.rows[:2]] == ["share[k0]", "share[k1]"]
    assert [row["name"] for row in section.rows[165:167]] == ["mean[k0, 0]", "mean[k0, 1]"]
    assert (len(section.rows), section.left_out) == (200, 165 * 101 - 200)
    assert sizes == [50 * 165, 50 * 35]
    mean = data["mean"].values[0, :, 0, 1].mean()
    assert section.rows[166]["mean"] == pytest.approx(mean)
