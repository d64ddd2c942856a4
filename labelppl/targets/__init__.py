"""Every way of making a training target, one per file, behind `Target`.

`TARGETS` maps the names of `compare` to their constructors. `reg` is no target of its own: it is
`prob`, then a second step on `hard` under the weight prior.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

from ..errors import InputError
from .auc_margin import AUCMargin
from .base import Target, Validation
from .certainty import CertaintyWeighted
from .confidence_penalty import ConfidencePenalty
from .cpls import CPLS, confusion
from .cutmix import CutMix
from .dirichlet import Dirichlet, dirichlet_concentration, epistemic
from .domino import Domino
from .dual_focal import DualFocal
from .focal import Focal
from .hard import Hard
from .kd import KD
from .logitnorm import LogitNorm
from .lspp import LSPP
from .majority import Majority
from .maxsup import MaxSup
from .mbls import MbLS
from .mean_vote import MeanVote
from .mixed import Mixed
from .mixup import Mixup
from .ols import OLS
from .paper_soft import PaperSoft
from .prob import Prob
from .raml import RAML
from .rat import RaT
from .self_distillation import SelfDistillation
from .smooth import Smooth
from .target_data import TargetData
from .tfkd_reg import TfKDReg
from .tfkd_self import TfKDSelf

TARGETS: dict[str, Callable[..., Target]] = {
    "hard": Hard,
    "smooth": Smooth,
    "paper-soft": PaperSoft,
    "prob": Prob,
    "mixed": Mixed,
    "confidence-penalty": ConfidencePenalty,
    "kd": KD,
    "tfkd-self": TfKDSelf,
    "tfkd-reg": TfKDReg,
    "ols": OLS,
    "cpls": CPLS,
    "raml": RAML,
    "rat": RaT,
    "self-distillation": SelfDistillation,
    "mixup": Mixup,
    "cutmix": CutMix,
    "focal": Focal,
    "dual-focal": DualFocal,
    "domino": Domino,
    "auc-margin": AUCMargin,
    "lspp": LSPP,
    "maxsup": MaxSup,
    "mbls": MbLS,
    "logitnorm": LogitNorm,
    "mean-vote": MeanVote,
    "majority": Majority,
    "dirichlet": Dirichlet,
}


def make_target(target: Target | Callable[..., Target] | str) -> Target:
    """The target that a name, a class or an object stands for; an object is copied, since targets hold state.

    Args:
        target: A name of `TARGETS`, a subclass of `Target` or another function without arguments that returns one, or a
            target.

    Returns:
        A target that no other training has touched.

    Raises:
        InputError: An unknown name, or an object that is no target.

    Examples:
        >>> from labelppl.targets import make_target
        >>> make_target("smooth").epsilon
        0.1
    """
    if isinstance(target, Target):
        return copy.deepcopy(target)
    if isinstance(target, str):
        if target not in TARGETS:
            raise InputError(
                f"target: got {target!r}, expected one of {', '.join(TARGETS)}, or FILE.py:NAME"
            )
        return TARGETS[target]()
    made = target() if callable(target) else target
    if not isinstance(made, Target):
        raise InputError(
            f"target: got {type(made).__name__}, expected a labelppl.targets.Target, or a function that returns one"
        )
    return made


__all__ = [
    "TARGETS",
    "CertaintyWeighted",
    "Target",
    "TargetData",
    "Validation",
    "confusion",
    "dirichlet_concentration",
    "epistemic",
    "make_target",
]
