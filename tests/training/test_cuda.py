"""Training on a GPU; `pytest -m cuda` on a machine that has one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mobilevis.training.trainer import StepReport, Trainer
from tests.training.conftest import small_config

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

MODELS = {
    "learned queries": (),
    "dense kernels": ("model.name=mobileinst-yolox-nano", "model.options={}"),
    "masked attention": ("model.name=minvis-tiny", "model.options={}"),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0.01), ("bf16", 0.05)])
def test_a_step_on_the_gpu_has_the_loss_of_the_cpu(
    model: str, precision: str, tolerance: float, video_set: Path, tmp_path: Path
) -> None:
    options = ("data.batch_size=8", "schedule.iterations=1", "objective={}", *MODELS[model])
    losses = {}
    for device, asked in (("cpu", "fp32"), ("cuda", precision)):
        reports: list[StepReport] = []
        where = (f"run.device={device}", f"run.precision={asked}")
        Trainer(small_config(video_set, tmp_path / device, *options, *where)).run(reports.append)
        losses[device] = reports[0].values["loss"]
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=tolerance)


def test_a_run_goes_on_from_its_state(video_set: Path, tmp_path: Path) -> None:
    config = small_config(
        video_set, tmp_path / "run", "run.device=cuda", "run.precision=bf16", "run.stop_at=3"
    )
    Trainer(config).run()
    reports: list[StepReport] = []
    whole = small_config(video_set, tmp_path / "run", "run.device=cuda", "run.precision=bf16")
    Trainer(whole, resume=True).run(reports.append)
    assert [report.iteration for report in reports] == [4, 5, 6]
