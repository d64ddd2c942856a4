"""What a fit may see, and why there may be nothing to fit."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

from labelppl import InputError, Label, Real, Votes, label_model, read_cases
from labelppl.table import training_cases

MODEL = label_model(diagnosis=Label("n", "d"), a=Real())(lambda cases: None)


def training(folder, text, model=MODEL):
    path = folder / "cases.csv"
    path.write_text(text)
    return training_cases(read_cases(path, model), model.label_name, model.features)


def test_the_training_split_or_every_case(tmp_path):
    assert training(tmp_path, "a,diagnosis\n1,n\n2,\n").ids.tolist() == ["0", "1"]
    split = "a,diagnosis,split\n1,n,test\n2,d,train\n3,d,val\n"
    assert training(tmp_path, split).ids.tolist() == ["1"]


def test_no_training_case(tmp_path):
    with pytest.raises(
        InputError, match=r"column 'split': no case is 'train', expected at least one"
    ):
        training(tmp_path, "a,diagnosis,split\n1,n,test\n2,d,val\n")


def test_without_a_label_column_nothing_is_labelled(tmp_path):
    words = r"cases\.csv: column 'diagnosis': not in the table, so no case is labelled.*; add it, with empty cells"
    with pytest.raises(InputError, match=words):
        training(tmp_path, "a,size\n1,2\n")
    with pytest.raises(InputError, match="the nearest is 'diagnosys': rename it"):
        training(tmp_path, "a,diagnosys\n1,n\n")
    with pytest.warns(UserWarning, match="'diagnosis': empty in all 2 training cases"):
        training(tmp_path, "id,a,diagnosis\n1,1,\n2,2,\n")


def test_votes_need_no_label_column(tmp_path):
    crowd = label_model(diagnosis=Label("n", "d"), votes=Votes())(lambda cases: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(training(tmp_path, "task,worker,label\n1,w,n\n2,w,d\n", crowd)) == 2


def test_frames_are_refused_alike():
    from labelppl.table import cases_from_frame

    cases = cases_from_frame(pd.DataFrame({"a": [1.0]}), "diagnosis", MODEL.label, MODEL.features)
    with pytest.raises(InputError, match=r"^column 'diagnosis': not in the table, so no case"):
        training_cases(cases, "diagnosis", MODEL.features)
