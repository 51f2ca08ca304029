"""Options that several commands share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mobilevis.cli.options import choose_size, default_association


@pytest.mark.parametrize(
    ("driver", "options"),
    [("mobileinst", {"association": "appearance"}), ("minvis", {}), ("of a later version", {})],
)
def test_a_driver_with_associations_begins_with_the_best_measured(driver, options):
    metadata: Any = SimpleNamespace(driver=driver)
    assert default_association(metadata) == options


def test_an_input_size_is_as_typed_else_the_checkpoints_own_else_the_papers():
    assert choose_size("64x128", (256, 512)) == (64, 128)
    assert choose_size(None, (256, 512)) == (256, 512)
    assert choose_size(None, None) == (320, 640)
