"""A trained image classifier: images -> p(Y|X). Needs neither Pyro nor the label model.

p(Y = k | x) = softmax(logits(x) + log pi'_k - log pi_k)_k, where pi is the prevalence it was
trained at and pi' the one it is used at (no shift unless a deployment prevalence was given). Where a
recalibration is in force, it maps the probabilities at the study prevalence, before that shift. A
Dirichlet head gives concentrations alpha = exp(logits), p = alpha / sum(alpha), and the
mutual information between label and probabilities as its epistemic uncertainty. A student with a
posterior of its last layer's weights gives what `laplace` says beside p, one whose interval was measured its ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..arrays import Array, Ints
from ..calibration.in_force import CALIBRATION, CONFORMAL, InForce
from ..case_images import CaseImages, has_several, image_counts, paths_of_all
from ..errors import InputError
from ..images.by_case import ImagesByCase, by_case
from ..images.decode import FULL_SCALE
from ..images.read import Images, from_array, read_images
from ..runs import write_text
from .interval import StudentEnds
from .logits import class_logits, log_odds, prevalence_shift
from .pooling import CaseBatch, CaseBatchLike, case_features, case_logits
from .prediction import Prediction, Spread
from .spec import Spec
from .tensor_files import write_tensors
from .weight_posterior import (
    WeightPosterior,
    last_linear,
    spread,
    to_tensors,
)

LAPLACE = "laplace/"
ImagesLike = Images | ImagesByCase | Array | Sequence[Path] | Sequence[str] | Sequence[CaseImages]


@dataclass(frozen=True, eq=False)
class Student:
    """A trained image classifier, p(Y|X).

    Attributes:
        network: The network, in evaluation mode.
        spec: All else that prediction needs: classes, the size of images, prevalences.
        posterior: Of the weights of its last layer, or None.
        in_force: What maps its probabilities (`labelppl recalibrate`).

    Examples:
        >>> from labelppl.students.network import build_network
        >>> spec = Spec("cnn", ("normal", "suspect"), 1, 32, 32, outputs=2, mean=(0.5,), std=(0.2,))
        >>> student = Student(build_network(spec.architecture, spec.shape), spec)
        >>> student.predict_proba(np.zeros((3, 32, 32), dtype=np.uint8)).shape
        (3, 2)
    """

    network: nn.Module
    spec: Spec
    posterior: WeightPosterior | None = None
    in_force: InForce = field(default_factory=InForce)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.spec.classes

    def predict_proba(self, images: ImagesLike, batch: int = 256) -> Array:
        """p(Y|X), (cases, classes) float64. See `predict`."""
        return replace(self, posterior=None).predict(images, batch).probs

    def predict(
        self,
        images: ImagesLike,
        batch: int = 256,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Prediction:
        """Classify images, arrays (images[, channels], height, width) or image files.

        A case with several images is a tuple of their paths; its logits are pooled (`labelppl.students.pooling`). Of files,
        two batches are in memory at a time. progress: told after each how many are done, of how many. Raises InputError for
        images of another size, depth or number of channels than it was trained on; files are resized as in training.
        """
        ids: list[str] = []
        outputs, spreads = [torch.empty(0, len(self.classes), dtype=torch.float64)], []
        for names, seen in self._batches(images, batch):
            logits, covariance = self._outputs(seen)
            ids += names
            outputs.append(logits)
            progress(len(ids), len(images))
            if covariance is not None:
                spreads.append(self._spread(logits, covariance))
        logits = torch.cat(outputs)
        probs = self._probs(logits)
        epistemic, wide = None, None
        if spreads:
            wide = Spread(*(np.concatenate(parts) for parts in zip(*spreads, strict=True)))
            epistemic = wide.epistemic
        elif self.spec.head == "dirichlet":
            epistemic = _mutual_information(logits.exp()).numpy()
        return Prediction(tuple(ids), self.classes, probs, epistemic, wide, self._interval(logits))

    def features(self, images: ImagesLike, batch: int = 256) -> Array:
        """What enters the last layer, (cases, inputs) float32: the pooled features of most networks.

        Raises InputError as `predict` does, and where the last layer is not linear.
        """
        layer = last_linear(self.network)
        if layer is None:
            raise InputError("student: its last layer is not linear, so that it has no features")
        self.network.eval()
        parts = [torch.empty(0, layer.in_features)]
        for _, seen in self._batches(images, batch):
            with torch.inference_mode():
                parts.append(case_features(self.network, layer, seen)[1].float().cpu())
        return torch.cat(parts).numpy()

    def _outputs(self, seen: CaseBatchLike) -> tuple[Tensor, Tensor | None]:
        """Class logits (cases, classes) at the study prevalence and the outputs' V, float64."""
        self.network.eval()
        layer = last_linear(self.network) if self.posterior is not None else None
        with torch.inference_mode():
            if layer is None or self.posterior is None:
                return case_logits(self.network, seen).cpu().double(), None
            output, features = case_features(self.network, layer, seen)
            covariance = self.posterior.covariance(features, output.shape[1])
            return class_logits(output).cpu().double(), covariance

    def _probs(self, logits: Tensor) -> Array:
        """p(Y|X) (cases, classes) in force, of logits at the study prevalence."""
        if self.in_force.mapping is None or len(logits) == 0:
            return (logits + self._shift()).softmax(1).numpy()
        return self._carry(logits.softmax(1).numpy())

    def _carry(self, probs: Array) -> Array:
        """Probabilities (cases, classes) at the study prevalence after the map and the shift."""
        mapping = self.in_force.mapping
        mapped = torch.from_numpy(probs if mapping is None else mapping.transform(probs))
        return (mapped.log() + self._shift()).softmax(1).numpy()

    def _spread(self, logits: Tensor, covariance: Tensor) -> Spread:
        """What the weights' posterior adds."""
        if self.in_force.mapping is None:
            return spread(logits + self._shift(), covariance)
        raw = spread(logits, covariance)
        return Spread(self._carry(raw.probs), raw.epistemic)

    def _interval(self, logits: Tensor) -> StudentEnds | None:
        """The ends of p(Y|X), which go through map and shift like probabilities.

        The end of a class goes with the other classes in the proportions that they have: exact for two
        classes, whose maps keep the order.
        """
        if self.spec.interval is None:
            return None
        raw = self.spec.interval.ends(log_odds(logits).numpy())
        probs = logits.softmax(1).numpy()
        ends = StudentEnds(np.empty_like(probs), np.empty_like(probs))
        for end, carried in zip(raw, ends, strict=True):
            for k in range(len(self.classes)):
                rest = (1 - end[:, k]) / np.maximum(1 - probs[:, k], 1e-300)
                path = probs * rest[:, None]
                path[:, k] = end[:, k]
                carried[:, k] = self._carry(path / path.sum(1, keepdims=True))[:, k]
        return ends

    def _shift(self) -> Tensor:
        if self.spec.deployment_prevalence is not None and self.spec.study_prevalence is not None:
            return prevalence_shift(self.spec.study_prevalence, self.spec.deployment_prevalence)
        return torch.zeros(len(self.classes), dtype=torch.float64)

    def at(self, deployment_prevalence: Sequence[float]) -> Student:
        """The same student where classes are as common as (classes,) says; recorded in its spec.

        Raises InputError where the study prevalence is unknown or the new one is not a
        probability vector.
        """
        if self.spec.study_prevalence is None:
            raise InputError("student: its study prevalence is not recorded, so it cannot be moved")
        prevalence_shift(self.spec.study_prevalence, deployment_prevalence)
        moved = replace(self.spec, deployment_prevalence=tuple(map(float, deployment_prevalence)))
        return replace(self, spec=moved)

    def save(self, folder: Path | str, name: str = "student") -> None:
        """Write NAME.safetensors and student.json, each by an atomic rename."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        if name == "student":
            # They were fitted to the probabilities of the student that is replaced.
            for stale in (CALIBRATION, CONFORMAL):
                (target / stale).unlink(missing_ok=True)
        state = {k: v.detach().cpu().contiguous() for k, v in self.network.state_dict().items()}
        if self.posterior is not None:
            state |= {f"{LAPLACE}{k}": v for k, v in to_tensors(self.posterior).items()}
        write_tensors(target / f"{name}.safetensors", state)
        write_text(target / "student.json", self.spec.to_json() + "\n")

    def _batches(self, images: ImagesLike, batch: int) -> Iterator[tuple[list[str], CaseBatchLike]]:
        """At most `batch` cases each: their names, and what the network sees of them."""
        device = next(self.network.parameters()).device
        pool = self.spec.pool
        for some in self._read(images, batch):
            cases = by_case(some)
            flat = cases.images
            assert isinstance(flat, Images)
            pixels = normalise(torch.from_numpy(flat.pixels).to(device), self.spec)
            if isinstance(some, Images) and pool == "mean":
                yield list(flat.ids), pixels
                continue
            case = torch.from_numpy(np.repeat(np.arange(len(cases)), cases.counts)).to(device)
            names = [flat.ids[row] for row in cases.starts[:-1]]
            yield names, CaseBatch(pixels, case, len(cases), pool)

    def _read(self, images: ImagesLike, batch: int) -> Iterator[Images | ImagesByCase]:
        """Decoded images of some cases, at most `batch` images or one case; the next files are decoded meanwhile."""
        if isinstance(images, np.ndarray):
            images = from_array(images)
        if isinstance(images, Images | ImagesByCase):
            self._check(images)
            yield from (images.take(part) for part in _parts(by_case(images).counts, batch))
            return
        cases = list(images)
        parts = _parts(image_counts(cases), batch) or [slice(0, 0)]
        with ThreadPoolExecutor(1) as ahead:
            coming = [ahead.submit(self._read_cases, cases[parts[0]])]
            for number in range(1, len(parts) + 1):
                if number < len(parts):
                    coming.append(ahead.submit(self._read_cases, cases[parts[number]]))
                yield coming.pop(0).result()

    def _read_cases(self, cases: Sequence[Path | str | CaseImages]) -> Images | ImagesByCase:
        flat = self.read(paths_of_all(cases))
        return ImagesByCase.of(flat, image_counts(cases)) if has_several(cases) else flat

    def read(self, paths: Sequence[Path]) -> Images:
        """Read image files as this student was trained on them. Raises InputError as `predict` does."""
        spec = self.spec
        size = (spec.height, spec.width)
        images = read_images(paths, size=size, channels=spec.channels, keep_aspect=spec.keep_aspect)
        self._check(images)
        return images

    def _check(self, images: Images | ImagesByCase) -> None:
        spec = self.spec
        got = (images.depth, *images.shape)
        expected = (spec.depth, spec.channels, spec.height, spec.width)
        if got != expected:
            raise InputError(
                f"images: got {_words(got)}, expected {_words(expected)} as the student was trained"
            )


def _parts(counts: Ints, batch: int) -> list[slice]:
    """Slices of the cases in order, of at most `batch` images each, or of one case that has more."""
    parts, first, images = [], 0, 0
    for case, count in enumerate(counts):
        if case > first and images + count > batch:
            parts.append(slice(first, case))
            first, images = case, 0
        images += int(count)
    return [*parts, slice(first, len(counts))] if len(counts) else []


def normalise(pixels: Tensor, spec: Spec) -> Tensor:
    """(batch, channels, height, width) of stored values -> float32, mean 0 and sd 1 per channel."""
    std = torch.tensor(spec.std, device=pixels.device).reshape(1, -1, 1, 1)
    mean = torch.tensor(spec.mean, device=pixels.device).reshape(1, -1, 1, 1)
    scale = 1 / (std * FULL_SCALE[spec.depth])
    floats = pixels.to(torch.float32, memory_format=torch.channels_last)
    return (
        floats.mul_(scale).sub_(mean / std) if floats is not pixels else floats * scale - mean / std
    )


def _mutual_information(alpha: Tensor) -> Tensor:
    """sum_k p_k [psi(alpha_k + 1) - psi(alpha_0 + 1) - ln p_k], (cases,) >= 0."""
    total = alpha.sum(1, keepdim=True)
    p = alpha / total
    return (p * ((alpha + 1).digamma() - (total + 1).digamma() - p.log())).sum(1).clamp_min(0)


def _words(kind: tuple[Any, ...]) -> str:
    depth, channels, height, width = kind
    return f"{channels}x{height}x{width} {depth}"
