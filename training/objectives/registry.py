"""The training loss of each model family: a line a model class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mobilevis.models.efficientvis.efficientvis import EfficientVIS
from mobilevis.models.entries import StreamingModel
from mobilevis.models.maxtron.maxtron_vis import MaXTronVis
from mobilevis.models.maxtron.maxtron_vps import MaXTronVps
from mobilevis.models.minvis.dvis_plus import DvisPlus
from mobilevis.models.minvis.minvis import MinVIS
from mobilevis.models.minvis.tar import TarDvisPlus, TarMinVIS
from mobilevis.models.mobileinst.dense import DenseMobileInst
from mobilevis.models.mobileinst.mobileinst import MobileInst
from mobilevis.models.seqformer.seqformer import SeqFormer
from mobilevis.training.objectives import dense, mobileinst
from mobilevis.training.objectives.base import LossWeights, Objective
from mobilevis.training.objectives.dvis_plus import DvisPlusLoss, DvisPlusObjective
from mobilevis.training.objectives.efficientvis import EfficientVISLoss, EfficientVISObjective
from mobilevis.training.objectives.kmax import KMaxLoss
from mobilevis.training.objectives.maxtron_vis import MaXTronVisLoss, MaXTronVisObjective
from mobilevis.training.objectives.maxtron_vps import MaXTronVpsObjective
from mobilevis.training.objectives.minvis import MinVISLoss, MinVISObjective
from mobilevis.training.objectives.seqformer import SeqFormerLoss, SeqFormerObjective
from mobilevis.training.objectives.tar import TarLoss, TarObjective


class Recipe(NamedTuple):
    """How a family is trained.

    Attributes:
        weights: the dataclass of its ``[objective]`` table.
        create: (model, weights, frames of a sample) → the objective; ValueError for what does not fit.
    """

    weights: type[LossWeights]
    create: Callable[[Any, Any, int], Objective]


OBJECTIVES: Mapping[type[StreamingModel], Recipe] = {
    MobileInst: Recipe(mobileinst.MobileInstLoss, mobileinst.create_objective),
    DenseMobileInst: Recipe(dense.DenseLoss, dense.create_objective),
    MinVIS: Recipe(MinVISLoss, MinVISObjective),
    TarMinVIS: Recipe(TarLoss, TarObjective),
    DvisPlus: Recipe(DvisPlusLoss, DvisPlusObjective),
    TarDvisPlus: Recipe(DvisPlusLoss, DvisPlusObjective),
    SeqFormer: Recipe(SeqFormerLoss, SeqFormerObjective),
    EfficientVIS: Recipe(EfficientVISLoss, EfficientVISObjective),
    MaXTronVis: Recipe(MaXTronVisLoss, MaXTronVisObjective),
    MaXTronVps: Recipe(KMaxLoss, MaXTronVpsObjective),
}
