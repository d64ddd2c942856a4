"""The whole job through the command line: every file, readable, reproducible, resumable."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
from click.testing import Result

from labelppl import SoftLabels

FILES = {
    "run.json",
    "posterior.nc",
    "labels.parquet",
    "student.safetensors",
    "theta_p.safetensors",
    "student.json",
    "predictions.parquet",
    "metrics.json",
    "report.html",
}


def test_run_folder_holds_every_file_and_nothing_half_written(run: Path) -> None:
    found = {p.name for p in run.iterdir()}
    assert found >= FILES
    assert not [name for name in found if name.startswith(".")]
    made = json.loads((run / "run.json").read_text())
    assert made["command"] == "distill"
    assert made["arguments"]["seed"] == 0
    assert len(made["model"]["sha256"]) == len(made["data"]["sha256"]) == 64
    assert made["label"]["prevalence"] == "study"
    assert made["versions"]["torch"]
    assert made["status"] == "done"


def test_test_cases_never_reach_the_label_model(run: Path, hips: Path) -> None:
    table = pd.read_csv(hips / "hip.csv", dtype={"id": str})
    labels = SoftLabels.load(run / "labels.parquet")
    split = table.set_index("id").loc[labels.ids, "split"].to_numpy()
    assert set(labels.source[split == "train"]) <= {"loo", "refit", "crossfit"}
    assert set(labels.source[split == "test"]) == {"new"}
    fitted = az.from_netcdf(run / "posterior.nc")["observed_data"]["case"].values
    assert set(fitted) == set(table.loc[table.split == "train", "id"])


def test_metrics_have_the_contract_keys_with_intervals(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    keys = (
        "accuracy", "macro_accuracy", "auc", "nll", "brier", "ece", "smece",
        "hl_statistic", "hl_dof", "hl_p", "kl", "kl_true", "accuracy_bayes",
    )  # fmt: skip
    assert set(keys) <= set(metrics)
    for key in ("accuracy", "nll", "brier", "kl", "kl_true"):
        low, high = metrics[f"{key}_ci"]
        assert low <= metrics[key] <= high
    assert metrics["n"] == 18


def test_predictions_match_predict_on_the_same_files(
    run: Path, hips: Path, labelppl, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    written = pd.read_parquet(run / "predictions.parquet").set_index("id")
    some = list(written.index[:4])
    paths = [f"images/{case}.png" for case in some]
    out = tmp_path / "predictions.csv"
    result = labelppl("predict", "--run", run, *paths, "--out", out, folder=hips)
    assert result.exit_code == 0, result.output
    predicted = pd.read_csv(out)
    assert list(predicted["id"]) == paths
    columns = ["p_normal", "p_dysplastic"]
    np.testing.assert_allclose(predicted[columns], written.loc[some, columns], rtol=0, atol=1e-6)


def test_predict_needs_no_pyro(run: Path, hips: Path, tmp_path: Path) -> None:
    image = next((hips / "images").glob("*.png"))
    code = (
        "import sys\nfrom labelppl.cli import main\n"
        f"main(['predict', '--run', {str(run)!r}, {str(image)!r}, '--out', {str(tmp_path / 'p.csv')!r}], standalone_mode=False)\n"
        "sys.exit('imported Pyro' if 'pyro' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.csv").is_file()


def test_deployment_prevalence_shifts_the_student_but_not_the_labels(
    run: Path, hips: Path, labelppl, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    image = next((hips / "images").glob("*.png"))
    shift = ["--prevalence", "dysplastic=0.03"]
    for name, extra in (("study.csv", []), ("shifted.csv", shift)):
        result = labelppl("predict", "--run", run, image, "--out", tmp_path / name, *extra)
        assert result.exit_code == 0, result.output
    study, shifted = (pd.read_csv(tmp_path / n).iloc[0] for n in ("study.csv", "shifted.csv"))
    pi = json.loads((run / "student.json").read_text())["study_prevalence"]
    odds = study["p_dysplastic"] / study["p_normal"] * (0.03 / 0.97) / (pi[1] / pi[0])
    np.testing.assert_allclose(shifted["p_dysplastic"], odds / (1 + odds), rtol=1e-6)


def test_same_seed_same_bytes_in_labels(run: Path, hips: Path, labelppl, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for name in ("a", "b"):
        result = labelppl(
            "fit", "--model", "hip.py", "--run", tmp_path / name, "--quiet", folder=hips
        )
        assert result.exit_code == 0, result.output
        assert labelppl("label", "--run", tmp_path / name).exit_code == 0
    first, second = ((tmp_path / name / "labels.parquet").read_bytes() for name in ("a", "b"))
    assert first == second
    assert first == (run / "labels.parquet").read_bytes()


def test_an_interrupted_run_resumes_with_nothing_lost(
    run: Path, hips: Path, labelppl, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    """Interrupted after the fit: only the posterior and the record are there. Other options are refused."""
    half = tmp_path / "half"
    half.mkdir()
    for name in ("run.json", "posterior.nc"):
        (half / name).write_bytes((run / name).read_bytes())
    common = ["distill", "--model", "hip.py", "--epochs", 1, "--lam", 1, "--quiet", "--run", half]
    refused = labelppl(*common, "--seed", 7, folder=hips)
    assert refused.exit_code == 2, refused.output
    assert not (half / "labels.parquet").exists()
    resumed = labelppl(*common, "--resume", folder=hips)
    assert resumed.exit_code == 0, resumed.output
    assert (half / "labels.parquet").read_bytes() == (run / "labels.parquet").read_bytes()
    assert (half / "student.safetensors").read_bytes() == (run / "student.safetensors").read_bytes()


def test_evaluate_writes_where_asked_and_leaves_the_run_alone(
    run: Path, labelppl, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    before = (run / "metrics.json").read_bytes()
    result = labelppl(
        "evaluate", "--run", run, "--split", "train", "--out", tmp_path / "train.json"
    )
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "train.json").read_text())["n"] == 42
    assert (run / "metrics.json").read_bytes() == before


def test_prevalence_of_new_cases_is_estimated_on_request(
    run: Path, hips: Path, labelppl, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    result = labelppl(
        "label", "--run", run, "--prevalence", "auto", "--out", tmp_path / "labels.parquet"
    )
    assert result.exit_code == 0, result.output
    assert "prevalence of dysplastic among 18 new cases" in result.output
    labels = SoftLabels.load(tmp_path / "labels.parquet")
    assert labels.prevalence is not None
    assert labels.prevalence.sum() == 1


def test_shares_of_test_and_validation_cases_stay_with_the_run(
    hips: Path, labelppl: Callable[..., Result], tmp_path: Path
) -> None:
    """A table without a split is cut as asked, by `distill` and by every command that reads the run later."""
    table = pd.read_csv(hips / "hip.csv").drop(columns="split")
    table["image"] = [str(hips / image) for image in table["image"]]
    table.to_csv(tmp_path / "hip.csv", index=False)
    (tmp_path / "hip.py").write_text((hips / "hip.py").read_text())
    quick = ("distill", "--model", "hip.py", "--run", "r", "--epochs", 1, "--lam", 1, "--quiet")
    shares = ("--test-share", 0.5, "--validation", 0.2)
    done = labelppl(*quick, *shares, folder=tmp_path)
    assert done.exit_code == 0, done.output
    kept = json.loads((tmp_path / "r" / "run.json").read_text())
    assert kept["split"] == {"test_share": 0.5, "validation": 0.2}
    predicted = pd.read_parquet(tmp_path / "r" / "predictions.parquet")
    assert len(predicted) == 30
    again = labelppl("evaluate", "--run", "r", "--quiet", folder=tmp_path)
    assert again.exit_code == 0, again.output
    ids = pd.read_parquet(tmp_path / "r" / "predictions.parquet")["id"]
    assert sorted(ids) == sorted(predicted["id"])
    other = labelppl(*quick, "--resume", folder=tmp_path)
    assert other.exit_code == 2
    assert "another --test-share or --validation" in other.output
    named = labelppl("distill", "--model", "hip.py", "--test-share", 0.5, folder=hips)
    assert named.exit_code == 2
    assert "--test-share: the table names its own cases" in named.output


def test_the_report_says_nothing_that_nobody_asked_for(run: Path) -> None:
    """One chain of weighted draws has no r-hat; ArviZ's warnings about it are not for the reader."""
    command = [sys.executable, "-m", "labelppl", "report", "--run", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "WARNING" not in done.stderr
    assert "Shape validation" not in done.stdout + done.stderr


def test_symmetries_of_the_model_file_reach_the_augmentation(own_hips: Path, labelppl) -> None:  # type: ignore[no-untyped-def]
    """Declared in the model file they stand behind a preset; `auto` has them among its candidates."""
    model = own_hips / "hip.py"
    stated = model.read_text().replace("high=90)", 'high=90, symmetries=("hflip", "rot90"))')
    model.write_text(stated.replace("Ratio()", 'Ratio(symmetries=("hflip",))'))
    quick = ("--student", "logistic", "--epochs", 1, "--lam", 1, "--quiet", "--run")
    trained = {}
    for augment in ("shift", "none", "auto"):
        done = labelppl(
            "distill", "--model", "hip.py", "--augment", augment, *quick, augment, folder=own_hips
        )
        assert done.exit_code == 0, done.output
        trained[augment] = json.loads((own_hips / augment / "student.json").read_text())["training"]
    assert trained["shift"]["augment"] == "shift+hflip"
    assert trained["none"]["augment"] == "none"
    choice = trained["auto"]["augment_choice"]
    assert "natural+hflip" in choice["nll"]
    assert trained["auto"]["augment"] == choice["name"]


def test_an_ensemble_is_recorded_counted_and_refused_where_its_members_would_be_the_same(
    own_hips: Path, labelppl: Callable[..., Result]
) -> None:
    refused = labelppl(
        "distill", "--model", "hip.py", "--student", "logistic", "--ensemble", 3, "--run", "same",
        folder=own_hips,
    )  # fmt: skip
    assert refused.exit_code == 2
    assert "leave --ensemble out" in refused.output
    assert not (own_hips / "same" / "posterior.nc").exists()
    done = labelppl(
        "distill", "--model", "hip.py", "--epochs", 1, "--lam", 1, "--ensemble", 2, "--quiet",
        "--run", "two", folder=own_hips,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    run = own_hips / "two"
    assert json.loads((run / "run.json").read_text())["arguments"]["student"]["ensemble"] == 2
    assert json.loads((run / "student.json").read_text())["training"]["ensemble"]["members"] == 2
    assert "the mean of 2 students with other seeds" in (run / "report.html").read_text()
    compared = labelppl(
        "compare", "--label", "diagnosis", "--data", "hip.csv", "--methods", "hard", "--repeats", 1,
        "--epochs", 1, "--ensemble", 2, "--quiet", "--run", "compared", folder=own_hips,
    )  # fmt: skip
    assert compared.exit_code == 0, compared.output
    part = json.loads((own_hips / "compared" / "parts" / "hard-0.json").read_text())
    assert part["epochs"] == 3 * 2
