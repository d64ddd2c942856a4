"""Every way of making a training target, one per file, behind `Target`.

`TARGETS` maps the names of `compare` to their constructors. `reg` is no target of its own: it is
`prob`, then a second step on `hard` under the weight prior.
"""

from __future__ import annotations

from collections.abc import Callable

from .auc_margin import AUCMargin
from .base import Target, TargetData, Validation
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
from .majority import Majority
from .mean_vote import MeanVote
from .mixed import Mixed
from .mixup import Mixup
from .ols import OLS
from .paper_soft import PaperSoft
from .prob import Prob
from .raml import RAML
from .self_distillation import SelfDistillation
from .smooth import Smooth
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
    "self-distillation": SelfDistillation,
    "mixup": Mixup,
    "cutmix": CutMix,
    "focal": Focal,
    "dual-focal": DualFocal,
    "domino": Domino,
    "auc-margin": AUCMargin,
    "mean-vote": MeanVote,
    "majority": Majority,
    "dirichlet": Dirichlet,
}

__all__ = [
    "TARGETS",
    "CertaintyWeighted",
    "Target",
    "TargetData",
    "Validation",
    "confusion",
    "dirichlet_concentration",
    "epistemic",
]
