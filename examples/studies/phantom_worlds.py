"""Experiments 2 to 4 of the first paper, on phantoms of its three diseases: which labels train the better image classifier?

Each seed has training cases of its own, as many as the paper had, and all seeds share the test cases, whose true p(Y|X) is
known. The label model is fitted to each seed's training cases; lambda of `reg` is chosen by cross-validation among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from labelppl import LabelModel, SoftLabels, fit, load_model, read_cases, soft_labels
from labelppl.comparison import Comparison, compare
from labelppl.jobs.table_labels import TableLabels
from labelppl.phantoms import simulate
from labelppl.seeds import stream
from labelppl.table import Cases, Delimiters

from .form import Form
from .paired import Array, read_predictions

ARMS = ("hard", "paper-soft", "prob", "reg")


@dataclass(frozen=True)
class World:
    """One experiment. cases, tests: how many the paper trained and tested on. printed: its Table 1, by arm and column."""

    phantom: str
    cases: int
    tests: int
    printed: dict[str, tuple[float, ...]]
    misspecified: bool = False
    arms: tuple[str, ...] = ARMS


PRINTED_COLUMNS = ("accuracy", "auc", "hl_statistic", "mix_ece")
HIP = {"hard": (0.74, 0.82, 100, 0.56), "paper-soft": (0.68, 0.74, 59, 0.34),
       "prob": (0.80, 0.87, 12.9, 0.41), "reg": (0.83, 0.87, 9.2, 0.46)}  # fmt: skip
LIVER = {"hard": (0.90, 0.97, 100, 0.53), "paper-soft": (0.85, 0.94, 17, 0.41),
         "prob": (0.81, 0.94, 8.5, 0.41), "reg": (0.89, 0.97, 12.9, 0.48)}  # fmt: skip
GLAUCOMA = {"hard": (0.55, 0.66, 100, 0.50), "paper-soft": (0.59, 0.65, 16.5, 0.32),
            "prob": (0.69, 0.79, 12.8, 0.26), "reg": (0.77, 0.83, 15.3, 0.30)}  # fmt: skip
RELATED = ("smooth", "confidence-penalty", "kd", "tfkd-self", "mixed", "mixup")
"""What the paper's related work names: smoothing, penalties, distillation; and mixtures of both kinds of label."""
WORLDS = {
    "hip": World("hip", 429, 256, HIP, arms=(*ARMS, "prob-shuffled")),
    "liver": World("liver", 353, 152, LIVER),
    "misspecified liver": World("liver", 353, 152, LIVER, misspecified=True),
    "glaucoma": World("glaucoma", 111, 48, GLAUCOMA),
    "related work": World("hip", 429, 256, {}, arms=("hard", *RELATED)),
}
"""The paper prints `>100` for the Hosmer-Lemeshow statistic of hard labels: 100 stands for it here."""
WORLD_SEED = 14


class Data:
    """A simulated folder: its label model, its test cases, and the training cases of every seed."""

    def __init__(
        self,
        world: World,
        folder: Path,
        form: Form,
        most: int | None = None,
        seed: int = WORLD_SEED,
    ) -> None:
        self.count = form.of(most or world.cases)
        total = self.count * form.seeds + form.test
        name = f"{world.phantom}{'-misspecified' if world.misspecified else ''}-{total}-{form.size}"
        name = name if seed == WORLD_SEED else f"{name}-{seed}"
        self.folder = folder / name
        if not self.folder.is_dir():
            simulate(
                world.phantom,
                self.folder,
                cases=total,
                test=form.test,
                size=form.size,
                seed=seed,
                misspecified=world.misspecified,
            )
        self.model: LabelModel = load_model(self.folder / f"{world.phantom}.py")
        self.table = self.folder / f"{world.phantom}.csv"
        self._cases = read_cases(self.table, self.model)

    @property
    def test(self) -> Cases:
        """The test cases, in the order of the table."""
        return self._cases.test

    def of_seed(self, seed: int, cases: int | None = None) -> Cases:
        """The first `cases` training cases of this seed (None: all of its own), and the test cases."""
        train = np.flatnonzero(self._cases.split == "train")
        own = train[seed * self.count : (seed + 1) * self.count][: cases or self.count]
        rows = np.sort(np.concatenate([own, np.flatnonzero(self._cases.split == "test")]))
        return replace(self._cases.take(rows), split_given=True)

    def label(self, cases: Cases) -> SoftLabels:
        """Soft labels of all `cases` by the label model fitted to their training cases."""
        return soft_labels(fit(self.model, cases.train, seed=0), cases)


class VotedImages:
    """Some classes of a table of images and votes. Each seed has training images of its own; all others of these classes are tested."""

    def __init__(
        self, table: Path, classes: tuple[str, ...], cases: int, folder: Path, form: Form, seed: int
    ) -> None:
        frame = pd.read_csv(table, dtype={"id": str}).rename(columns={"true_label": "label"})
        frame = frame[frame["label"].isin(classes)].reset_index(drop=True)
        frame["image"] = [str((table.parent / name).resolve()) for name in frame["image"]]
        order = stream(seed, "pair").numpy().permutation(len(frame))
        self.count = form.of(cases)
        self._own = order[: self.count * form.seeds]
        frame["split"] = "test"
        frame.loc[self._own, "split"] = "train"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{'-'.join(classes)}-{self.count}-{seed}.csv"
        kept = ["id", "image", "split", "label", *(f"votes_{name}" for name in classes)]
        frame[kept].to_csv(path, index=False)
        self.model: LabelModel = load_model("votes")
        self._cases = read_cases(path, self.model)

    @property
    def test(self) -> Cases:
        """The test cases, in the order of the table."""
        return self._cases.test

    def of_seed(self, seed: int, cases: int | None = None) -> Cases:
        """As `Data.of_seed`."""
        own = self._own[seed * self.count : (seed + 1) * self.count][: cases or self.count]
        rows = np.sort(np.concatenate([own, np.flatnonzero(self._cases.split == "test")]))
        return replace(self._cases.take(rows), split_given=True)

    label = Data.label


class Table:
    """A table of images with hard labels alone; its `val` cases are tested. Each seed has a part of the others of its own."""

    def __init__(self, path: Path, label: str, cases: int, test: int) -> None:
        whole = TableLabels(label).cases(path, "group", 0, Delimiters())
        self.count = cases
        self._train = np.flatnonzero(whole.split == "train")
        self._held = np.flatnonzero(whole.split == "val")[:test]
        self._cases = replace(whole, split=np.where(whole.split == "val", "test", whole.split))

    @property
    def test(self) -> Cases:
        """The test cases, in the order of the table."""
        return self._cases.take(self._held)

    def of_seed(self, seed: int, cases: int | None = None) -> Cases:
        """As `Data.of_seed`; drawn at random, so that two seeds may share cases."""
        drawn = stream(seed, "part").numpy().permutation(self._train)[: cases or self.count]
        return replace(
            self._cases.take(np.sort(np.concatenate([drawn, self._held]))), split_given=True
        )

    label = None


def train_arms(
    data: Data | VotedImages | Table,
    arms: Sequence[str],
    folder: Path,
    form: Form,
    cases: int | None = None,
    *,
    hard_alone: bool = False,
    validation: float = 0.0,
) -> dict[str, list[Array]]:
    """By arm, what the students of all seeds say of the test cases: probabilities (cases, classes), one array a seed.

    What `folder` holds already is read. hard_alone: without soft labels; the students are kept then. validation: the share
    of the training cases that chooses the epoch; 0: the last one counts.
    """
    for seed in range(form.seeds):
        own = data.of_seed(seed, cases)
        compare(
            None if hard_alone else data.label,
            own,
            methods=arms,
            repeats=1,
            student=form.options(),
            schedule=form.schedule(len(own.train)),
            validation=validation,
            seed=seed,
            device=form.device,
            n_boot=0,
            out=folder / f"seed-{seed}",
            resume=True,
            keep_students=hard_alone,
            say=lambda text, at=folder.name, seed=seed: print(
                f"{at}, seed {seed}: {text}", flush=True
            ),
        )
    places = [folder / f"seed-{seed}" for seed in range(form.seeds)]
    return {arm: [read_predictions(place, arm, data.test.ids) for place in places] for arm in arms}


def chosen_lambda(folder: Path, seeds: int, arm: str = "reg") -> list[str]:
    """What lambda an arm had with every seed."""
    runs = [Comparison.load(folder / f"seed-{seed}").runs for seed in range(seeds)]
    return [str(run.set_index("method").loc[arm, "lam"]) for run in runs]
