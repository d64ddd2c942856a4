"""Tables that are wrong: separators, rows, text, kinds of files, names, cells, types, votes; and odd ones that must be read right."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .corpus import Broken

FIT = ("fit", "--model", "hip.py", "--quiet", "--run", "o")
PARQUET = (*FIT, "--data", "hip.parquet")
CROWD = ("fit", "--model", "dawid_skene", "--data", "v.csv", "--quiet", "--run", "o")
Edit = Callable[[pd.DataFrame], pd.DataFrame]


def text(change: Callable[[str], str | bytes], name: str = "hip.csv") -> Callable[[Path], object]:
    """Rewrite the table's text."""

    def spoil(folder: Path) -> None:
        changed = change((folder / "hip.csv").read_text())
        (folder / name).write_bytes(changed if isinstance(changed, bytes) else changed.encode())

    return spoil


def content(new: bytes, name: str = "hip.csv") -> Callable[[Path], object]:
    """Another content altogether."""
    return lambda folder: (folder / name).write_bytes(new)


def lines(change: Callable[[list[str]], list[str]]) -> Callable[[Path], object]:
    """Rewrite the table line by line."""
    return text(lambda whole: "\n".join(change(whole.splitlines())) + "\n")


def cell(column: str, value: str, row: int = 2) -> Callable[[Path], object]:
    """Another cell in ``row``, counted from 1."""

    def spoil(folder: Path) -> None:
        table = pd.read_csv(folder / "hip.csv", dtype=str)
        table.loc[row - 1, column] = value
        table.to_csv(folder / "hip.csv", index=False)

    return spoil


def columns(edit: Edit) -> Callable[[Path], object]:
    """Another frame, written as CSV."""

    def spoil(folder: Path) -> None:
        edit(pd.read_csv(folder / "hip.csv")).to_csv(folder / "hip.csv", index=False)

    return spoil


def parquet(column: str, values: Callable[[int], Any]) -> Callable[[Path], object]:
    """The table as Parquet with another column."""

    def spoil(folder: Path) -> None:
        frame = pd.read_csv(folder / "hip.csv")
        table = pa.Table.from_pandas(frame.drop(columns=column, errors="ignore"))
        pq.write_table(
            table.append_column(column, pa.array(values(len(frame)))), folder / "hip.parquet"
        )

    return spoil


def votes(rows: str, header: str = "task,worker,label") -> Callable[[Path], object]:
    """A table of votes."""
    return content(f"{header}\n{rows}\n".encode(), "v.csv")


def with_model(declared: str, table: str) -> Callable[[Path], object]:
    """A model file ``m.py`` with one feature, and its table ``m.csv``."""
    source = f"from labelppl import *\nfrom labelppl.families import *\n\nm = {declared}\n"

    def spoil(folder: Path) -> None:
        (folder / "m.py").write_text(source)
        (folder / "m.csv").write_text(table)

    return spoil


def archive(name: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as book:
        book.writestr(name, "<x/>")
    return held.getvalue()


def broken_tables() -> list[Broken]:
    """All of them."""
    makers = (_separators, _lengths, _quotes, _encodings, _kinds, _damaged, _empty, _names, _twice, _numbers, _bounds,
              _classes, _ids, _splits, _groups, _truth, _types, _formulas, _crowds, _statements, _odd)  # fmt: skip
    return [broken for make in makers for broken in make()]


def _separators() -> list[Broken]:
    called = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
    return [
        Broken("table: separator", f"{called[s]} {verb[0]}", verb, (f"separated by {called[s]}", "expected commas"),
               text(lambda whole, s=s: whole.replace(",", s)))
        for s in called
        for verb in (FIT, ("check", "--model", "hip.py", "--quiet"))
    ] + [
        Broken("table: separator", "decimal commas", FIT, ("--separator ';' --decimal ','",),
               text(lambda whole: whole.replace(",", ";").replace(".", ","))),
        Broken("table: separator", "wrong option", (*FIT, "--separator", ";"), ("separated by commas", "expected semicolons")),
        Broken("table: separator", "two characters", (*FIT, "--separator", "ab"), ("separator", "one character")),
        Broken("table: separator", "comma twice", (*FIT, "--decimal", ","), ("decimal", "another separator")),
        Broken("table: separator", "two are said", (*FIT, "--separator", "|"), ("first line says", "semicolons"),
               text(lambda whole: "sep=;\n" + whole.replace(",", ";"))),
    ]  # fmt: skip


def _lengths() -> list[Broken]:
    def at(row: int, change: Callable[[str], str]) -> Callable[[Path], object]:
        return lines(lambda all_: [change(x) if i == row else x for i, x in enumerate(all_)])

    return [
        *(
            Broken("table: row length", f"{what} in row {row}", FIT, (f"row {row} has", "expected 8"), at(row, change))
            for row in (1, 30, 60)
            for what, change in {
                "one more": lambda x: x + ",7", "one less": lambda x: x.rsplit(",", 1)[0], "one alone": lambda _: "x",
                "a comma more": lambda x: x + ",", "two of them": lambda x: x + "," + x,
            }.items()
        ),
        Broken("table: row length", "a comma after every row", FIT, ("remove the separator at the end", "60 such rows"),
               lines(lambda all_: [all_[0], *(x + "," for x in all_[1:])])),
        Broken("table: row length", "the header is short", FIT, ("row 1 has 8 cells, expected 7",),
               lines(lambda all_: [all_[0].rsplit(",", 1)[0], *all_[1:]])),
        Broken("table: row length", "a decimal comma", FIT, ("row 1 has", "expected 8"),
               lines(lambda all_: [all_[0], all_[1].replace(".", ","), *all_[2:]])),
    ]  # fmt: skip


def _quotes() -> list[Broken]:
    return [
        Broken("table: quotation mark", name, FIT, ("quotation mark",), lines(change))
        for name, change in {
            "open in the first row": lambda all_: [all_[0], '"' + all_[1], *all_[2:]],
            "open in the last row": lambda all_: [*all_[:-1], '"' + all_[-1]],
            "text after it": lambda all_: [all_[0], '"hip"x' + all_[1], *all_[2:]],
            "open before a comma": lambda all_: [all_[0], all_[1].replace(",", ',"', 1), *all_[2:]],
        }.items()
    ] + [
        Broken(
            "table: quotation mark",
            "open in the header",
            FIT,
            ("hip.csv",),
            lines(lambda a: ['"' + a[0], *a[1:]]),
        )
    ]


def _encodings() -> list[Broken]:
    accented = {
        "latin-1": "hipé1",
        "cp1252": "hip€1",
        "cp1250": "hipž1",
        "shift-jis": "股1",
        "gb18030": "髋1",
    }
    return [
        Broken("table: encoding", name, FIT, ("line 2 is not UTF-8 text",),
               text(lambda whole, n=name, w=word: whole.replace("hip0001,", f"{w},").encode(n)))
        for name, word in accented.items()
    ] + [
        Broken("table: encoding", f"{name} without its mark", FIT, ("UTF-16",), text(lambda whole, n=name: whole.encode(n)))
        for name in ("utf-16-le", "utf-16-be")
    ] + [
        Broken("table: encoding", "UTF-16 cut short", FIT, ("hip.csv",), text(lambda whole: whole.encode("utf-16")[:-7])),
        Broken("table: encoding", "NUL", FIT, ("NUL",), lines(lambda all_: [all_[0], all_[1] + "\0", *all_[2:]])),
        Broken("table: encoding", "half a letter", FIT, ("UTF-8",), text(lambda whole: whole.encode() + b"\xe2\x82")),
        Broken("table: encoding", "noise", FIT, ("hip.csv",), content(np.random.default_rng(0).bytes(5000))),
    ]  # fmt: skip


def _kinds() -> list[Broken]:
    starts = {
        ".xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 100, "PDF": b"%PDF-1.7\n" * 50, "HDF5": b"\x89HDF\r\n\x1a\n" * 50,
        "picture": b"\x89PNG\r\n\x1a\n" * 50, "Arrow": b"ARROW1\0\0" * 50, "bzip2": b"BZh9" * 50, "xz": b"\xfd7zXZ\0" * 50,
        "zstd": b"\x28\xb5\x2f\xfd" * 50, "web page": b"<!doctype html><html></html>", "web": b"<HTML><body>403</body></HTML>",
        "XML": b"<?xml version='1.0'?><a/>", "JSON": b'{"id": [1, 2]}',
    }  # fmt: skip
    words = {"web": "web page", "bzip2": "bzip2"}
    archives = {".xlsx": "xl/workbook.xml", ".ods": "content.xml", "zip archive": "hip.csv"}
    return [
        Broken("table: another kind of file", name, FIT, ("not a readable table", words.get(name, name)), content(start))
        for name, start in starts.items()
    ] + [
        Broken("table: another kind of file", name, FIT, ("not a readable table", name), content(archive(inside)))
        for name, inside in archives.items()
    ]  # fmt: skip


def _damaged() -> list[Broken]:
    def damaged(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
        def spoil(folder: Path) -> None:
            path = folder / "hip.parquet"
            pd.read_csv(folder / "hip.csv").to_parquet(path)
            path.write_bytes(change(path.read_bytes()))

        return spoil

    changes: dict[str, Callable[[bytes], bytes]] = {
        "cut in half": lambda b: b[: len(b) // 2], "only its start": lambda _: b"PAR1", "without its end": lambda b: b[:-4],
        "no bytes": lambda _: b"", "a footer too long": lambda b: b[:-8] + b"\xff\xff\xff\x7fPAR1",
        "text": lambda _: b"id,alpha\n1,2\n", "zeros inside": lambda b: b[:4] + bytes(len(b) - 400) + b[-396:],
    }  # fmt: skip
    return [
        Broken(
            "table: damaged Parquet",
            name,
            PARQUET,
            ("hip.parquet", "not a readable table"),
            damaged(change),
        )
        for name, change in changes.items()
    ]


def _empty() -> list[Broken]:
    def folder_instead(folder: Path) -> None:
        (folder / "hip.csv").unlink()
        (folder / "hip.csv").mkdir()

    return [
        Broken("table: nothing in it", "no bytes", FIT, ("the file is empty",), content(b"")),
        Broken("table: nothing in it", "header alone", FIT, ("no rows",), lines(lambda all_: all_[:1])),
        Broken("table: nothing in it", "header without line end", FIT, ("hip.csv",), text(lambda w: w.split("\n")[0])),
        Broken("table: nothing in it", "blank lines", FIT, ("hip.csv",), content(b"\n\n\n")),
        Broken("table: nothing in it", "a mark alone", FIT, ("hip.csv",), content(b"\xef\xbb\xbf")),
        Broken("table: nothing in it", "sep alone", FIT, ("hip.csv",), content(b"sep=;\n")),
        Broken("table: nothing in it", "no file", FIT, ("hip.csv",), lambda f: (f / "hip.csv").unlink()),
        Broken("table: nothing in it", "a folder", FIT, ("hip.csv",), folder_instead),
        Broken("table: nothing in it", "no file of that name", (*FIT, "--data", "other.csv"), ("other.csv", "no such table")),
    ]  # fmt: skip


def _names() -> list[Broken]:
    renamed = {
        ("alpha", "alfa"): ("'alpha': not in the table", "the nearest is 'alfa'"),
        ("alpha", "Alpha"): ("'alpha'", "the nearest is 'Alpha'"),
        ("coverage", "cover"): ("'coverage': not in the table",),
        ("coverage", "Coverage (%)"): ("'coverage': not in the table",),
        ("diagnosis", "diagnosys"): ("'diagnosis'", "the nearest is 'diagnosys'"),
        ("diagnosis", "Diagnosis"): ("'Diagnosis': nearly 'diagnosis'",),
        ("diagnosis", "outcome"): ("'diagnosis'", "no case is labelled"),
        ("id", "ID"): ("'ID': nearly 'id'",),
        ("split", "Split"): ("'Split': nearly 'split'",),
        ("image", "Image"): ("'Image': nearly 'image'",),
    }
    return [
        Broken("table: column name", f"{old} as {new}", FIT, words, columns(lambda t, o=old, n=new: t.rename(columns={o: n})))
        for (old, new), words in renamed.items()
    ]  # fmt: skip


def _twice() -> list[Broken]:
    again = {
        "the same": "alpha",
        "a space": "alpha ",
        "a no-break space": "alpha\u00a0",
        "a mark": "\ufeffalpha",
    }
    return [
        Broken("table: column twice", name, FIT, ("column 'alpha': appears twice",),
               lines(lambda all_, n=new: [f"{all_[0]},{n}", *(f"{x},50" for x in all_[1:])]))
        for name, new in again.items()
    ] + [
        Broken("table: column twice", "two forms of a letter", FIT, ("appears twice",),
               lines(lambda all_: [f"{all_[0]},\u00e9,e\u0301", *(f"{x},1,1" for x in all_[1:])]))
    ]  # fmt: skip


def _numbers() -> list[Broken]:
    wrong = ("steep", "51,9", "\u221251", "null", "None", "-", "?", "1_0", "0x1F", "\uff15\uff11", "51 deg", "51\u00b0", "5 1",
             "1e400", "inf", "-inf", "1.2.3", "5e", "\u00bd", "'51'", "2020-01-01", "TRUE", "n/a", "<", ">x", "<>50", "> 50 deg")  # fmt: skip
    return [
        Broken("table: number", f"{value!r}", FIT, ("column 'alpha', row 2",), cell("alpha", value))
        for value in wrong
    ]


def _bounds() -> list[Broken]:
    wrong = {
        "alpha": ("130", "-5", "1.05", ">95", "<10", "\u2265 95"),
        "coverage": ("0", "1", "61", "-.2", ">1.5", "1.0"),
    }
    return [
        Broken("table: out of bounds", f"{column} {value}", FIT, (f"column '{column}', row 2",), cell(column, value))
        for column, values in wrong.items()
        for value in values
    ]  # fmt: skip


def _classes() -> list[Broken]:
    wrong = (
        "sick",
        "Normal",
        "NORMAL",
        "1",
        "normal;",
        "normal dysplastic",
        "norma\u200bl",
        "None",
        "?",
    )
    return [
        Broken("table: class", f"{value!r}", FIT, ("column 'diagnosis', row 2", "normal, dysplastic"), cell("diagnosis", value))
        for value in wrong
    ]  # fmt: skip


def _ids() -> list[Broken]:
    same = {"the same": "hip0001", "a space": "hip0001 ", "a tab": "\thip0001", "no-break": "hip0001\u00a0",
            "zero width": "\u200bhip0001", "a mark": "\ufeffhip0001"}  # fmt: skip
    return [
        Broken("table: id", name, FIT, ("column 'id', row 2", "which row 1 has too"), cell("id", value))
        for name, value in same.items()
    ] + [
        Broken("table: id", "empty", FIT, ("column 'id', row 2", "an empty cell"), cell("id", "")),
        Broken("table: id", "blank", FIT, ("column 'id', row 2", "an empty cell"), cell("id", "  ")),
        Broken("table: id", "1 and 1.0", FIT, ("column 'id', row 2", "which row 1 has too"),
               columns(lambda t: t.assign(id=["1", "1.0", *map(str, range(2, len(t)))]))),
    ]  # fmt: skip


def _splits() -> list[Broken]:
    wrong = ("dev", "Train", "training", "", "0", "train test", "tr\u00e4in")
    sides = {"all test": ["test"], "all val": ["val"], "test and val": ["test", "val"]}
    return [
        Broken("table: split", f"{value!r}", FIT, ("column 'split', row 2", "train, val or test"), cell("split", value))
        for value in wrong
    ] + [
        Broken("table: split", name, FIT, ("column 'split'", "no case is 'train'"),
               columns(lambda t, s=some: t.assign(split=(s * len(t))[: len(t)])))
        for name, some in sides.items()
    ]  # fmt: skip


def _groups() -> list[Broken]:
    same = {
        "the same": "p",
        "a space": "p ",
        "no-break": "p\u00a0",
        "a mark": "\ufeffp",
        "a tab": "p\t",
    }

    def both_sides(other: str, name: str = "group") -> Edit:
        def edit(table: pd.DataFrame) -> pd.DataFrame:
            groups = [f"g{i}" for i in range(len(table))]
            first, second = (int(np.flatnonzero(table["split"] == s)[0]) for s in ("train", "test"))
            groups[first], groups[second] = "p", other
            return table.assign(**{name: groups})

        return edit

    return [
        Broken("table: patient on both sides", name, FIT, ("group 'p' is in test, train",), columns(both_sides(other)))
        for name, other in same.items()
    ] + [
        Broken("table: patient on both sides", "a column of their own", (*FIT, "--group", "patient"), ("group 'p' is in",),
               columns(both_sides("p ", "patient"))),
        Broken("table: group", "empty", FIT, ("column 'group', row 3", "a patient or group"),
               columns(lambda t: t.assign(group=[None if i == 2 else "g" for i in range(len(t))], split="train"))),
        Broken("table: group", "no such column", (*FIT, "--group", "patient"), ("column 'patient': not in the table",)),
        Broken("table: group", "a misspelt column", (*FIT, "--group", "patient"), ("the nearest is 'patients'",),
               columns(lambda t: t.assign(patients=range(len(t))))),
        Broken("table: group", "in capitals", FIT, ("'Group': nearly 'group'",), columns(lambda t: t.assign(Group=1))),
    ]  # fmt: skip


def _truth() -> list[Broken]:
    return [
        *(
            Broken("table: true probability", f"{value!r}", FIT, ("column 'p_true_normal', row 2",), cell("p_true_normal", value))
            for value in ("x", "1.5", "-.1", "", "50%")
        ),
        Broken("table: true probability", "sum", FIT, ("p_true_normal", "sum to 1"), cell("p_true_normal", ".0123")),
        Broken("table: true probability", "of one class alone", FIT, ("column 'p_true_dysplastic': not in the table",),
               columns(lambda t: t.drop(columns="p_true_dysplastic"))),
    ]  # fmt: skip


def _types() -> list[Broken]:
    kinds: dict[str, Callable[[int], Any]] = {
        "dates": lambda n: pd.date_range("2020-01-01", periods=n), "days": lambda n: pd.date_range("2020-01-01", periods=n).date,
        "time spans": lambda n: pd.to_timedelta(range(n), "h"), "lists": lambda n: [[1, 2]] * n, "records": lambda n: [{"a": 1}] * n,
        "bytes": lambda n: [b"x"] * n,
    }  # fmt: skip
    return [
        Broken("table: type of a column", f"{name} in {column}", PARQUET, (f"column '{column}', row 1", "text or a number"),
               parquet(column, values))
        for name, values in kinds.items()
        for column in ("alpha", "coverage", "diagnosis", "id", "group", "split", "image")
    ] + [
        Broken("table: type of a column", f"booleans in {column}", PARQUET, (f"column '{column}', row 1", "not true or false"),
               parquet(column, lambda n: [True] * n))
        for column in ("alpha", "coverage", "p_true_normal")
    ] + [
        Broken("table: type of a column", f"NUL in {column}", PARQUET, (f"column '{column}', row 1",),
               parquet(column, lambda n: [f"a\0{i}" for i in range(n)]))
        for column in ("alpha", "diagnosis", "id", "group", "split", "image")
    ] + [
        Broken("table: type of a column", "missing dates", PARQUET, ("column 'alpha', row 1", "empty cell of type"),
               parquet("alpha", lambda n: pa.nulls(n, pa.timestamp("ns")))),
    ]  # fmt: skip


def _formulas() -> list[Broken]:
    return [
        Broken("table: formula error", f"{value} in {column}", FIT, (f"column '{column}', row 2", "formula"), cell(column, value))
        for value in ("#N/A", "#REF!", "#DIV/0!", "#VALUE!")
        for column in ("alpha", "id", "diagnosis")
    ]  # fmt: skip


def _crowds() -> list[Broken]:
    good = "t1,w1,yes\nt1,w2,no\nt2,w1,no\n"
    wrong = {
        "a vote twice": (
            good + "t2,w1,yes",
            "task,worker,label",
            ("row 4", "each rater once per case"),
        ),
        "a vote twice but for a space": (
            good + "t2,w1 ,yes",
            "task,worker,label",
            ("row 4", "each rater once per case"),
        ),
        "no rater": (
            good + "t3,,yes",
            "task,worker,label",
            ("column 'worker', row 4", "an empty cell"),
        ),
        "no vote": (
            good + "t3,w1,",
            "task,worker,label",
            ("column 'label', row 4", "an empty cell"),
        ),
        "no task": (
            good + ",w1,yes",
            "task,worker,label",
            ("column 'task', row 4", "an empty cell"),
        ),
        "one class": (
            "t1,w1,yes\nt2,w2,yes",
            "task,worker,label",
            ("every vote is 'yes'", "two or more classes"),
        ),
        "no votes at all": ("t1,w1,\nt2,w2,", "task,worker,label", ("there is no vote",)),
        "classes by case": (good + "t3,w1,Yes", "task,worker,label", ("differ only in case",)),
        "classes by number": ("a,w,1\nb,w,1.0\nc,w,2", "task,worker,label", ("the same number",)),
        "capitals": (good, "Task,Worker,Label", ("nearly",)),
        "a misspelt rater": (good, "task,workr,label", ("votes",)),
        "a misspelt label": (
            good,
            "task,worker,labels",
            ("column 'label'", "the nearest is 'labels'"),
        ),
        "no column of tasks": (good, "item,worker,label", ("column 'id'", "task")),
        "a long row": (good + "t3,w1,yes,no", "task,worker,label", ("row 4 has 4 cells",)),
        "no rows": ("", "task,worker,label", ("no rows",)),
        "two truths": (
            "t1,w1,yes,yes\nt1,w2,no,no",
            "task,worker,label,truth",
            ("column 'truth': differs between",),
        ),
    }
    return [
        Broken("table: votes", name, CROWD, words, votes(rows, header))
        for name, (rows, header, words) in wrong.items()
    ]


def _statements() -> list[Broken]:
    fit = ("fit", "--model", "m.py", "--quiet", "--run", "o")
    ranking = "plackett_luce(y=Label('a', 'b', 'c'), order=Ranking())"
    stated = "stated(y=Label('a', 'b'), belief=Stated())"
    counts = "mean_vote(y=Label('a', 'b'), v=VoteCounts())"
    wrong = {
        "an unknown class": (
            ranking,
            "y,order\na,a > d\nb,b\nc,c\n",
            ("column 'order', row 1", "'d' is no class"),
        ),
        "a class twice": (ranking, "y,order\na,a > a\nb,b\nc,c\n", ("named twice",)),
        "a sign too many": (ranking, "y,order\na,a >> b\nb,b\nc,c\n", ("a name is missing",)),
        "per cent": (
            stated,
            "y,belief_a,belief_b\na,80,20\nb,10,90\n",
            ("column 'belief_a', row 1", "Stated(unit='%')"),
        ),
        "a sum": (stated, "y,belief_a,belief_b\na,.8,.4\nb,.1,.9\n", ("sum to 1",)),
        "a swapped bin": (
            stated,
            "y,belief_a,belief_b\na,.4-.2,.7\nb,.1,.9\n",
            ("column 'belief_a', row 1",),
        ),
        "text": (
            stated,
            "y,belief_a,belief_b\na,low,.7\nb,.1,.9\n",
            ("column 'belief_a', row 1", "'low'"),
        ),
        "half a vote": (
            counts,
            "y,v_a,v_b\na,1.5,0\nb,1,2\n",
            ("column 'v_a', row 1", "whole number"),
        ),
        "a negative vote": (
            counts,
            "y,v_a,v_b\na,-1,0\nb,1,2\n",
            ("column 'v_a', row 1", "whole number"),
        ),
        "a count missing": (counts, "y,v_a,v_b\na,1,\nb,1,2\n", ("column 'v_b', row 1", "write 0")),
        "a stranger's votes": (
            counts,
            "y,v_a,v_b,v_c\na,1,0,2\nb,1,2,0\n",
            ("column 'v_c'", "does not have"),
        ),
        "a class without votes": (counts, "y,v_a\na,1\nb,1\n", ("column 'v_b': not in the table",)),
    }
    return [
        Broken("table: statements of readers", name, fit, words, with_model(declared, table))
        for name, (declared, table, words) in wrong.items()
    ]


def _odd() -> list[Broken]:
    """Odd, but it is clear what they mean: read right."""
    right: dict[str, Callable[[str], str | bytes]] = {
        "a byte-order mark": lambda w: b"\xef\xbb\xbf" + w.encode(), "UTF-16": lambda w: w.encode("utf-16"),
        "Windows line ends": lambda w: w.replace("\n", "\r\n"), "Macintosh line ends": lambda w: w.replace("\n", "\r"),
        "spaces after commas": lambda w: w.replace(",", ", "), "sep=,": lambda w: "sep=,\n" + w,
        "blank lines": lambda w: w.replace("\n", "\n\n"), "compressed": lambda w: gzip.compress(w.encode()),
        "no-break spaces": lambda w: w.replace(",normal,", ",\u00a0normal ,"),
        "quotation marks": lambda w: "\n".join(",".join(f'"{c}"' for c in x.split(",")) for x in w.splitlines()) + "\n",
    }  # fmt: skip
    return [
        Broken("table: odd and right", name, FIT, ("posterior in",), text(change), status=0)
        for name, change in right.items()
    ] + [
        Broken("table: odd and right", "semicolons, said", (*FIT, "--separator", ";"), ("posterior in",),
               text(lambda w: w.replace(",", ";")), status=0),
        Broken("table: odd and right", "decimal commas, said", (*FIT, "--separator", ";", "--decimal", ","), ("posterior in",),
               text(lambda w: w.replace(",", ";").replace(".png", "#png").replace(".", ",").replace("#", ".")), status=0),
    ]  # fmt: skip
