"""The training loss of each model family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mobilevis.models.efficientvis.efficientvis import EfficientVIS
from mobilevis.models.maxtron.maxtron_vis import MaXTronVis
from mobilevis.models.maxtron.maxtron_vps import MaXTronVps
from mobilevis.models.minvis.dvis_plus import DvisPlus
from mobilevis.models.minvis.minvis import MinVIS
from mobilevis.models.minvis.tar import TarDvisPlus, TarMinVIS
from mobilevis.models.mobileinst.mobileinst import MobileInst
from mobilevis.models.seqformer.seqformer import SeqFormer
from mobilevis.training.config import TrainConfig
from mobilevis.training.objectives.base import Objective
from mobilevis.training.objectives.dvis_plus import DvisPlusLoss, DvisPlusObjective
from mobilevis.training.objectives.efficientvis import EfficientVISLoss, EfficientVISObjective
from mobilevis.training.objectives.kmax import KMaxLoss
from mobilevis.training.objectives.maxtron import MaXTronVisLoss, MaXTronVisObjective
from mobilevis.training.objectives.maxtron_vps import MaXTronVpsObjective
from mobilevis.training.objectives.minvis import Mask2FormerObjective, MinVISLoss
from mobilevis.training.objectives.mobileinst import FrameObjective, PairObjective
from mobilevis.training.objectives.seqformer import SeqFormerLoss, SeqFormerObjective
from mobilevis.training.objectives.tar import TarLoss, TarObjective
from mobilevis.training.toml import from_table


def mobileinst_objective(model: MobileInst, config: TrainConfig) -> Objective:
    """Single frames, or pairs of frames with query passing."""
    if config.temporal.enabled:
        return PairObjective(model, config.loss, config.temporal)
    return FrameObjective(model, config.loss)


def minvis_objective(model: MinVIS, config: TrainConfig) -> Objective:
    """Single frames."""
    return Mask2FormerObjective(model, from_table(MinVISLoss, config.objective, "objective"))


def tar_objective(model: TarMinVIS, config: TrainConfig) -> Objective:
    """Clips."""
    return TarObjective(model, from_table(TarLoss, config.objective, "objective"), config.clip.length)


def dvis_plus_objective(model: DvisPlus, config: TrainConfig) -> Objective:
    """Clips, with TAR or without."""
    return DvisPlusObjective(
        model, from_table(DvisPlusLoss, config.objective, "objective"), config.clip.length
    )


def efficientvis_objective(model: EfficientVIS, config: TrainConfig) -> Objective:
    """Clips, or pairs of clips with correspondence learning."""
    weights = from_table(EfficientVISLoss, config.objective, "objective")
    return EfficientVISObjective(model, weights, config.clip.length)


def maxtron_vis_objective(model: MaXTronVis, config: TrainConfig) -> Objective:
    """Clips, or the cross-clip module on videos."""
    weights = from_table(MaXTronVisLoss, config.objective, "objective")
    return MaXTronVisObjective(model, weights, config.clip.length)


def maxtron_vps_objective(model: MaXTronVps, config: TrainConfig) -> Objective:
    """Clips, or the cross-clip module on videos."""
    weights = from_table(KMaxLoss, config.objective, "objective")
    return MaXTronVpsObjective(model, weights, config.clip.length)


def seqformer_objective(model: SeqFormer, config: TrainConfig) -> Objective:
    """Clips."""
    return SeqFormerObjective(
        model, from_table(SeqFormerLoss, config.objective, "objective"), config.clip.length
    )


# Model class → objective of the model and the whole configuration; ValueError for one that does not fit.
OBJECTIVES: Mapping[type, Callable[[Any, TrainConfig], Objective]] = {
    EfficientVIS: efficientvis_objective,
    MaXTronVis: maxtron_vis_objective,
    MaXTronVps: maxtron_vps_objective,
    MinVIS: minvis_objective,
    TarMinVIS: tar_objective,
    DvisPlus: dvis_plus_objective,
    TarDvisPlus: dvis_plus_objective,
    MobileInst: mobileinst_objective,
    SeqFormer: seqformer_objective,
}


def trainable_families() -> str:
    """The families that have a loss, as a list for messages."""
    return ", ".join(sorted(family.__name__ for family in OBJECTIVES))
