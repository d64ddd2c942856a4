"""Tables as people have them: each is read as it is meant, or refused in one line that says what is wrong."""

from __future__ import annotations

import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest

from labelppl import InputError, Label, Real, VoteCounts, Votes, label_model, load_model, read_cases
from labelppl.table import cases_from_frame

MODEL = label_model(diagnosis=Label("n", "d"), a=Real())(lambda cases: None)
PLAIN = "id,a,diagnosis\n1,1.5,n\n2,3.5,d\n"


def declared(label, **features):
    return label_model(y=label, **features)(lambda cases: None)


def in_file(folder, content, name="cases.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


READ = {
    "plain": PLAIN,
    "spaces after commas": PLAIN.replace(",", ", "),
    "no-break and zero-width spaces": PLAIN.replace("n\n", "\u00a0n\u200b\n").replace(
        "1,", "\ufeff1 ,"
    ),
    "a byte-order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16": PLAIN.encode("utf-16"),
    "a first line that names the separator": "sep=,\n" + PLAIN,
    "another separator that the first line names": "sep=;\n" + PLAIN.replace(",", ";"),
    "Windows ends of lines": PLAIN.replace("\n", "\r\n"),
    "old Macintosh ends of lines": PLAIN.replace("\n", "\r"),
    "blank lines": PLAIN.replace("\n", "\n\n"),
    "quotation marks": 'id,a,diagnosis\n"1","1.5","n"\n"2","3.5","d"\n',
    "a column nobody needs, with line ends": 'id,a,diagnosis,note\n1,1.5,n,"two\nlines"\n2,3.5,d,"a ""b"""\n',
    "a column without a name": "id,a,diagnosis,\n1,1.5,n,\n2,3.5,d,x\n",
    "compressed": gzip.compress(PLAIN.encode()),
}


@pytest.mark.parametrize("kind", READ)
def test_read_as_meant(tmp_path, kind):
    cases = read_cases(in_file(tmp_path, READ[kind]), MODEL)
    assert cases.ids.tolist() == ["1", "2"]
    assert cases.labels.tolist() == [0, 1]
    assert cases.columns["a"].values.tolist() == [1.5, 3.5]


def workbook(path):
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/workbook.xml", "<workbook/>")


REFUSED = {
    "semicolons": (
        "id;a;diagnosis\n1;1,5;n\n",
        r"separated by semicolons, expected commas .* or give --separator ';' --decimal ','",
    ),
    "tabs": (PLAIN.replace(",", "\t"), r"separated by tabs, expected commas .*--separator 'tab'"),
    "bars": (PLAIN.replace(",", "|"), r"separated by bars, expected commas"),
    "blanks": (PLAIN.replace(",", " "), r"separated by spaces, expected commas"),
    "a comma after each row": (
        PLAIN.replace("n\n", "n,\n").replace("d\n", "d,\n"),
        r"row 1 has 4 cells, expected 3 as in the header \(id, a, diagnosis\); remove the separator at the end of the rows; "
        r"2 such rows in all, also row 2 \(4\) \(row 1 is the first below the header\)",
    ),
    "a short row": (
        "id,a,diagnosis\n1,1.5,n\n2,3.5\n",
        r"row 2 has 2 cells, expected 3 .*write the missing cells",
    ),
    "a decimal comma": (
        "id,a,diagnosis\n1,1,5,n\n2,3.5,d\n",
        r"row 1 has 4 cells, expected 3 .*between quotation marks",
    ),
    "a quoted decimal comma": (
        'id,a,diagnosis\n1,"1,5",n\n',
        r"column 'a', row 1 \(id '1'\): got '1,5', expected a number; write decimals after '\.'",
    ),
    "an open quotation mark": (
        'id,a,diagnosis\n1,1.5,"n\n2,3.5,d\n',
        r"line 3: a quotation mark is not closed",
    ),
    "text after a quotation mark": ('id,a,diagnosis\n1,"1"5,n\n', r"line 2: a quotation mark"),
    "Latin-1": (
        "id,a,diagnosis\n1,1.5,n\nM\u00fcller,3.5,d\n".encode("latin-1"),
        r"line 3 is not UTF-8 text \(as Latin-1 it reads 'M\u00fcller,3.5,d",
    ),
    "UTF-16 without its mark": (PLAIN.encode("utf-16-le"), r"looks like UTF-16 text"),
    "a NUL": ("id,a,diagnosis\n1,1.5,n\n2,3.5,d\0\n", r"line 3 holds a character that is not text"),
    "a name twice but for a space": ("id,a,a ,diagnosis\n1,1.5,2,n\n", r"column 'a': appears twice"),
    "no rows": ("id,a,diagnosis\n", r"no rows; expected at least one case"),
    "an empty file": ("", r"not a readable table \(the file is empty\)"),
    "a web page": ("<!DOCTYPE html><html>", r"it is a web page"),
    "JSON": ('{"id": 1}', r"it is JSON"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"it is a workbook \(\.xls\)"),
    "a misspelt column": (
        "id,aa,diagnosis\n1,1.5,n\n",
        r"column 'a': not in the table; .*; the table has id, aa, diagnosis",
    ),
    "an id in capitals": ("ID,a,diagnosis\n1,1.5,n\n", r"column 'ID': nearly 'id'"),
    "a split in capitals": ("id,a,diagnosis,Split\n1,1.5,n,train\n", r"column 'Split': nearly 'split'"),
    "a formula's error": ("id,a,diagnosis\n#N/A,1.5,n\n", r"got '#N/A', .*mend the formula"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_in_one_line(tmp_path, kind):
    content, words = REFUSED[kind]
    with pytest.raises(InputError, match=words) as error:
        read_cases(in_file(tmp_path, content), MODEL)
    one_line(error)


def test_a_workbook_is_named(tmp_path):
    workbook(tmp_path / "cases.xlsx")
    workbook(tmp_path / "cases.csv")
    for name in ("cases.xlsx", "cases.csv"):
        with pytest.raises(InputError, match=r"it is a workbook \(\.xlsx\); save the sheet as CSV"):
            read_cases(tmp_path / name, MODEL)


def test_separator_and_decimal_comma_as_options(tmp_path):
    path = in_file(tmp_path, "id;a;diagnosis\n1;1,5;n\n2;<3,5;d\n")
    with pytest.raises(InputError, match=r"got '1,5', .*read the table with --decimal ','"):
        read_cases(path, MODEL, separator=";")
    cases = read_cases(path, MODEL, separator=";", decimal=",")
    assert cases.columns["a"].values[0] == 1.5
    assert cases.columns["a"].high[1] == 3.5
    in_file(tmp_path, "id;a;diagnosis\n1;1.234,5;n\n")
    with pytest.raises(InputError, match=r"got '1\.234,5'"):
        read_cases(path, MODEL, separator=";", decimal=",")
    tabs = in_file(tmp_path, PLAIN.replace(",", "\t"), "cases.tsv")
    assert read_cases(tabs, MODEL).labels.tolist() == [0, 1]
    for separator in ("", "ab", "a", "1", '"', "\n"):
        with pytest.raises(InputError, match=r"separator: got .*, expected one character"):
            read_cases(tabs, MODEL, separator=separator)
    with pytest.raises(InputError, match="needs another separator"):
        read_cases(tabs, MODEL, decimal=",")
    with pytest.raises(
        InputError, match=r"first line says .* semicolons, but --separator says bars"
    ):
        read_cases(in_file(tmp_path, "sep=;\n" + PLAIN), MODEL, separator="|")


def test_a_parquet_index_with_a_name_is_a_column(tmp_path):
    frame = pd.DataFrame({"id": [7, 3, 5], "a": [1.0, 2.0, 3.0], "diagnosis": ["n", "d", None]})
    shifted = frame.set_axis(pd.RangeIndex(10, 16, 2, name="id"), axis=0).drop(columns="id")
    for name, table in {
        "column": frame,
        "index": frame.set_index("id"),
        "levels": frame.set_index(["id", "diagnosis"]),
    }.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
        cases = read_cases(tmp_path / f"{name}.parquet", MODEL)
        assert cases.ids.tolist() == ["7", "3", "5"], name
        assert cases.labels.tolist() == [0, 1, -1], name
        assert cases.id_type == "int64"
    shifted.to_parquet(tmp_path / "range.parquet")
    assert read_cases(tmp_path / "range.parquet", MODEL).ids.tolist() == ["10", "12", "14"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_names_are_compared_without_outer_white_space(tmp_path, suffix):
    def write(frame, name="cases"):
        path = tmp_path / f"{name}{suffix}"
        frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
        return path

    frame = pd.DataFrame({"id": list("abc"), "a": [1.0, 3.0, 3.2], "diagnosis": list("ndd")})
    leak = frame.assign(group=["P1", "P2", "P1\u00a0"], split=["train", " train", "test"])
    with pytest.raises(InputError, match=r"column 'split': group 'P1' is in test, train"):
        read_cases(write(leak), MODEL)
    with pytest.raises(InputError, match=r"column 'id', row 2: got 'a', which row 1 has too"):
        read_cases(write(frame.assign(id=["a", "a ", "b"])), MODEL)
    composed = frame.assign(id=["Zo\u00eb", "Zoe\u0308", "x"])
    with pytest.raises(InputError, match="which row 1 has too"):
        read_cases(write(composed), MODEL)
    images = read_cases(write(frame.assign(image=["a.png ", "\tb.png", "c.png"])), MODEL).images
    assert [path.name for path in images] == ["a.png", "b.png", "c.png"]
    votes = pd.DataFrame({"task": list("ppq"), "worker": ["r0", "r0 ", "r0"], "label": list("ndn")})
    crowd = declared(Label(), votes=Votes())
    with pytest.raises(
        InputError, match=r"row 2 \(id 'p'\): got 'r0', expected each rater once per case"
    ):
        read_cases(write(votes), crowd)
    write(votes.assign(task=["a ", "\ufeffb", "c"], label=["n ", "d", " n"]), "beside_votes")
    beside = read_cases(write(frame, "beside"), declared(Label("n", "d"), votes=Votes()))
    assert (beside.columns["votes"].ballots.counts == 1).all()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_whole_numbers_are_the_same_names_however_they_are_written(tmp_path, suffix):
    frame = pd.DataFrame({"id": [1, 2, 3], "y": [1.0, None, 0.0], "x": [1, 2, 3]})
    path = tmp_path / f"cases{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    for label in (Label("0", "1"), Label()):
        cases = read_cases(path, declared(label, x=Real()))
        assert cases.classes == ("0", "1")
        assert cases.labels.tolist() == [1, -1, 0]


CONFUSABLE = {
    "case": (["ill", "Ill", "well"], r"column 'y': the names 'ill' and 'Ill' differ only in case"),
    "numbers": (["1", "1.0", "2"], r"column 'y': the names '1' and '1\.0' are the same number"),
    "zeros": (["1", "01", "2"], r"column 'y': the names '1' and '01' are the same number"),
}


@pytest.mark.parametrize("kind", CONFUSABLE)
def test_classes_that_can_be_mistaken_are_refused(tmp_path, kind):
    names, words = CONFUSABLE[kind]
    rows = "".join(f"{i},{name}\n" for i, name in enumerate(names))
    with pytest.raises(InputError, match=words):
        read_cases(in_file(tmp_path, f"x,y\n{rows}"), declared(Label(), x=Real()))
    votes = "".join(f"t{i},w,{name}\n" for i, name in enumerate(names))
    with pytest.raises(InputError, match=words.replace("column 'y'", "column 'label'")):
        read_cases(in_file(tmp_path, f"task,worker,label\n{votes}"), declared(Label(), v=Votes()))
    with pytest.raises(InputError, match=r"^Label: the names "):
        Label(*names)
    header = ",".join(f"v_{name}" for name in names)
    with pytest.raises(InputError, match=r"columns 'v_<class>': the names "):
        read_cases(in_file(tmp_path, f"{header}\n1,2,3\n"), declared(Label(), v=VoteCounts()))


def test_votes_for_one_class_alone_are_refused(tmp_path):
    path = in_file(tmp_path, "task,worker,label\nt1,w1,yes\nt1,w2,yes\nt2,w1,yes\n")
    words = r"column 'label': every vote is 'yes', expected votes for two or more classes; name the classes .*Label\("
    with pytest.raises(InputError, match=words):
        read_cases(path, load_model("dawid_skene"))


ODD_CELLS = {
    "nested": ("group", [["p1"], ["p2", "p3"], ["p4"]], r"column 'group', row 1 .*the list"),
    "record": ("group", [{"p": 1}, {"p": 2}, {"p": 3}], r"column 'group', row 1 .*the record"),
    "NUL": ("id", ["a", "b\0c", "d"], r"column 'id', row 2: got 'b\\x00c'"),
    "bytes": ("id", [b"a", b"b", b"c"], r"column 'id', row 1: got \"the bytes"),
    "date": ("a", pd.to_datetime(["2020-01-01", None, "2021-01-01"]), r"column 'a', row 1 .*the date 2020"),
    "missing dates": ("a", pd.to_datetime([None, None, None]), r"column 'a', row 1 .*empty cell of type"),
    "time span": ("a", pd.to_timedelta([1, 2, 3], "D"), r"column 'a', row 1 .*the time span"),
    "booleans": ("a", [True, False, None], r"column 'a', row 1 .*got True, expected a number, not true or false; .* 2 bad cells"),
    "a date for a group": ("group", pd.to_datetime(["2020-01-01"] * 3), r"column 'group', row 1 .*the date"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD_CELLS)
@pytest.mark.parametrize("stored", [True, False])
def test_types_that_are_no_measurement_are_refused(tmp_path, kind, stored):
    column, cells, words = ODD_CELLS[kind]
    frame = pd.DataFrame({"id": list("abc"), "a": [1.0, 2.0, 3.0], "diagnosis": list("ndn")})
    frame[column] = cells
    frame.to_parquet(tmp_path / "cases.parquet")

    def read():
        if stored:
            return read_cases(tmp_path / "cases.parquet", MODEL)
        return cases_from_frame(frame, MODEL.label_name, MODEL.label, MODEL.features)

    with pytest.raises(InputError, match=words) as error:
        read()
    one_line(error)


def test_numbers_of_every_kind_are_read(tmp_path):
    numbers = {
        "int8": np.array([1, 2, 3], "int8"),
        "float32": np.array([1, 2, 3], "float32"),
        "nullable": pd.array([1, None, 3], "Int64"),
        "category": pd.Categorical([1.0, 2.0, 3.0]),
        "text": ["1", " 2.0 ", "3e0"],
    }
    for name, cells in numbers.items():
        frame = pd.DataFrame(
            {"id": list("abc"), "a": cells, "diagnosis": pd.Categorical(list("ndn"))}
        )
        frame.to_parquet(tmp_path / "cases.parquet")
        cases = read_cases(tmp_path / "cases.parquet", MODEL)
        assert cases.columns["a"].values[[0, 2]].tolist() == [1.0, 3.0], name
        assert cases.labels.tolist() == [0, 1, 0]


def test_the_first_ten_faults_and_their_number_are_told_at_once(tmp_path):
    rows = "".join(f"c{i},{'x' if i % 2 else i},{'?' if i > 20 else 'n'}\n" for i in range(30))
    with pytest.raises(InputError) as error:
        read_cases(in_file(tmp_path, f"id,a,diagnosis\n{rows}"), MODEL)
    text = one_line(error)
    assert text.startswith("column 'diagnosis', row 22 (id 'c21'): got '?', expected one of n, d;")
    assert "24 bad cells in all" in text
    assert text.count("row ") == 10 + 1
    assert "column 'a', row 2 (id 'c1'): got 'x', expected a number" in text
    assert text.endswith("(row 1 is the first below the header)")


def test_ids_keep_the_type_that_pandas_gives_them(tmp_path):
    for ids, kind in {
        ("3", "1"): "int64",
        ("3", "1.5"): "float64",
        ("3", "x"): "str",
        ("007", "008"): "int64",
        ("07", "7"): "str",  # as numbers they were one case
        ("99999999999999999999", "1"): "float64",
    }.items():
        path = in_file(tmp_path, "id,a,diagnosis\n" + "".join(f"{i},1,n\n" for i in ids))
        cases = read_cases(path, MODEL)
        assert cases.id_type == kind
        assert cases.ids.tolist() == list(ids)
        assert cases.take([1]).id_type == kind
    assert read_cases(in_file(tmp_path, "a,diagnosis\n1,n\n"), MODEL).id_type == "str"
    pd.DataFrame({"id": ["1", "2"], "a": 1.0}).to_parquet(tmp_path / "text.parquet")
    assert read_cases(tmp_path / "text.parquet", MODEL).id_type == "str"
