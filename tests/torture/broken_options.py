"""Options that are wrong: numbers out of range, unknown names, contradictions, TOML files, words in the wrong place."""

from __future__ import annotations

from pathlib import Path

from .corpus import Broken

FIT = ("fit", "--model", "hip.py", "--quiet", "--run", "o")
DISTILL = (
    "distill",
    "--model",
    "hip.py",
    "--image-size",
    "32",
    "--epochs",
    "1",
    "--lam",
    "1",
    "--quiet",
    "--run",
    "o",
)
COMPARE = ("compare", "--model", "hip.py", "--image-size", "32", "--epochs", "1", "--lam", "1", "--repeats", "1",
           "--methods", "hard", "--quiet", "--run", "o")  # fmt: skip
LABEL = ("label", "--run", "r", "--out", "o.parquet")
PREDICT = ("predict", "--run", "r", "images/hip0001.png", "--out", "p.csv")
SIMULATE = ("simulate", "hip", "--out", "o")
COMMANDS = {"fit": FIT, "distill": DISTILL, "compare": COMPARE, "label": LABEL, "predict": PREDICT, "simulate": SIMULATE,
            "evaluate": ("evaluate", "--run", "r"), "check": ("check", "--model", "hip.py")}  # fmt: skip


def _seeds() -> list[Broken]:
    return [
        Broken("seed", f"{verb} {text}", (*COMMANDS[verb], "--seed", text), ("--seed",))
        for verb in ("fit", "distill", "compare", "simulate", "evaluate", "check")
        for text in ("-1", "1" + "0" * 30, "9223372036854775808", "0.5", "nan", "one", "")
    ]


def _numbers() -> list[Broken]:
    wrong = {
        ("distill", "--epochs"): ("0", "-3", "1e2", "many"),
        ("distill", "--image-size"): ("0", "-32", "big"),
        ("distill", "--folds"): ("1", "0"),
        ("distill", "--workers"): ("-1",),
        ("compare", "--repeats"): ("0", "-1", "two"),
        ("compare", "--epochs"): ("0",),
        ("simulate", "--size"): ("0", "16", "1000000", "large"),
        ("simulate", "--cases"): ("0", "1", "1000000000000", "all"),
        ("simulate", "--test"): ("0", "-5", "612", "1000"),
        ("label", "--draws"): ("0", "-1", "few"),
        ("check", "--simulations"): ("0", "x"),
    }
    return [
        Broken(
            "number out of range",
            f"{verb} {option} {text}",
            (*COMMANDS[verb], option, text),
            (option.strip("-"),),
        )
        for (verb, option), texts in wrong.items()
        for text in texts
    ]


def _lambdas() -> list[Broken]:
    return [
        Broken("lambda", f"{verb} {text}", (*COMMANDS[verb], "--lam", text), ("lam",))
        for verb in ("distill", "compare")
        for text in ("-1", "nan", "-inf", "strong", "")
    ]


def _names() -> list[Broken]:
    wrong = {
        "--augment": (
            ("distill", "compare"),
            ("foo", "shift+vflip", "natural+", "augment.py:f"),
            ("augment",),
        ),
        "--student": (("distill", "compare"), ("resnet", "timm:", "CNN"), ("student",)),
        "--device": (
            ("distill", "compare", "predict"),
            ("tpu", "gpu", "cuda:", "cuda:x", "cpu:7"),
            ("device",),
        ),
        "--engine": (
            ("fit", "distill", "compare", "check"),
            ("mcmc", "NUTS", "exactly"),
            ("engine",),
        ),
        "--leave-out": (("label", "distill"), ("none", "all"), ("--leave-out",)),
        "--group": (("fit", "distill"), ("patient",), ("patient",)),
        "--split": (("evaluate",), ("dev", ""), ("--split",)),
        "--methods": (("compare",), ("hard,foo", "hard,hard", ","), ("method",)),
    }
    return [
        Broken(
            f"unknown name for {option}", f"{verb} {text}", (*COMMANDS[verb], option, text), words
        )
        for option, (verbs, texts, words) in wrong.items()
        for verb in verbs
        for text in texts
    ]


def _prevalences() -> list[Broken]:
    texts = ("dysplastic", "dysplastic=", "dysplastic=0", "dysplastic=1", "dysplastic=2", "dysplastic=-0.1",
             "dysplastic=nan", "dysplastic=x", "=0.5", "sick=0.1")  # fmt: skip
    return [
        Broken(
            "prevalence", f"{verb} {text}", (*COMMANDS[verb], "--prevalence", text), ("prevalence",)
        )
        for verb in ("label", "predict", "distill")
        for text in texts
    ]


def _own_objects() -> list[Broken]:
    texts = {
        "gone.py:f": "gone.py",
        "hip.py:": "hip.py:",
        "hip.py:nothing": "nothing",
        "hip.csv:f": "hip.csv:f",
        "fails.py:f": "fails.py, line 1: ZeroDivisionError",
        "number.py:f": "expected a function",
    }

    def write(folder: Path) -> None:
        (folder / "fails.py").write_text("1 / 0\n")
        (folder / "number.py").write_text("f = 3\n")

    return [
        Broken("FILE.py:NAME", f"fit --engine {text}", (*FIT, "--engine", text), (words,), write)
        for text, words in texts.items()
    ]


def _config() -> list[Broken]:
    contents = {
        "not TOML": ("seed = \n", "not TOML"),
        "unknown key": ("sede = 1\n", "did you mean seed?"),
        "a list of seeds": ("seed = [1, 2]\n", "--seed"),
        "a bad value": ('seed = "x"\n', "--seed"),
        "text for a flag": ('verbose = "yes"\n', "true or false"),
        "a flag for text": ("group = true\n", "expected a value"),
        "bytes": ("\0", "not TOML"),
        "itself": ('config = "study.toml"\n', "no option"),
    }
    made = [
        Broken(
            "config file",
            name,
            (*FIT, "--config", "study.toml"),
            ("study.toml" if "--" not in words else "", words),
            lambda folder, text=text: (folder / "study.toml").write_text(text),
        )
        for name, (text, words) in contents.items()
    ]
    return [
        *made,
        Broken(
            "config file", "gone", (*FIT, "--config", "gone.toml"), ("gone.toml", "cannot be read")
        ),
    ]


def _usage() -> list[Broken]:
    lines = {
        "unknown command": (("fti",), ("fti",)),
        "unknown option": ((*FIT, "--sed", "1"), ("--sed",)),
        "no model": (("fit",), ("--model",)),
        "no run": (("evaluate",), ("--run",)),
        "label without run or model": (("label",), ("--run", "--model")),
        "an argument too many": ((*FIT, "hip.csv"), ("hip.csv",)),
        "no images": (("predict", "--run", "r"), ("IMAGES",)),
        "an option without its value": (("fit", "--model"), ("--model",)),
        "unknown phantom": (("simulate", "hips", "--out", "o"), ("hips",)),
        "simulate without out": (("simulate", "hip"), ("--out",)),
        "option without =": ((*FIT, "--option", "a"), ("--option", "NAME=VALUE")),
        "unknown option of the model": ((*FIT, "--option", "a=1"), ("no option 'a'",)),
        "init no Python name": (("init", "my-knee.py"), ("my-knee.py",)),
        "init another suffix": (("init", "knee.txt"), ("knee.txt", ".py")),
        "init over a file": (("init", "hip.py"), ("hip.py", "already there")),
        "init in no folder": (("init", "gone/knee.py"), ("gone",)),
        "max-time of nothing": ((*FIT, "--max-time", "0"), ("--max-time",)),
        "max-time in words": ((*FIT, "--max-time", "soon"), ("--max-time",)),
        "max-time negative": ((*FIT, "--max-time", "-5"), ("--max-time",)),
        "separator of two": ((*FIT, "--separator", "::"), ("separator",)),
    }
    return [Broken("usage", name, command, words) for name, (command, words) in lines.items()]


def broken_options() -> list[Broken]:
    """All of this file."""
    return [
        *_seeds(), *_numbers(), *_lambdas(), *_names(), *_prevalences(), *_own_objects(), *_config(), *_usage(),
    ]  # fmt: skip
