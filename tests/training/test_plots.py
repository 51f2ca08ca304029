from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from mobilevis.training.config import TrainConfig
from mobilevis.training.logging import VALIDATION_FILE, RunLog
from mobilevis.training.plots import CURVES_FILE, plot_curves, smooth
from mobilevis.training.trainer import Trainer


def test_smoothing_is_the_mean_of_the_neighbours() -> None:
    values = [float(index % 2) for index in range(40)]
    assert all(abs(value - 0.5) < 0.2 for value in smooth(values))
    assert smooth([3.0] * 40) == pytest.approx([3.0] * 40)


def test_a_short_run_is_drawn_as_it_is() -> None:
    assert smooth([1.0, 5.0, 2.0]) == [1.0, 5.0, 2.0]


def test_validations_have_a_panel_of_their_own(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        for iteration in (1, 2, 3):
            log.write(iteration, {"loss": 1 / iteration, "dice": 0.5, "pixel": 0.1})
        three = cv2.imread(str(plot_curves(tmp_path))).shape
        log.write(2, {"AP": 0.1, "AP50": 0.3}, VALIDATION_FILE)
        four = cv2.imread(str(plot_curves(tmp_path))).shape
    assert four[0] > 1.9 * three[0]  # three panels stand in a row


def test_a_validation_before_the_first_row_of_the_log_is_drawn(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write(2, {"AP": 0.1}, VALIDATION_FILE)
    assert plot_curves(tmp_path).stat().st_size > 1000


def test_a_run_draws_its_curves(config: TrainConfig) -> None:
    Trainer(config).run()
    assert Path(config.run.output, CURVES_FILE).stat().st_size > 1000
