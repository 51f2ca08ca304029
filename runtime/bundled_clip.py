"""The bundled clip: real input for the demo and the parity gate where the user has given none."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def bundled_clip() -> Path:
    """Path of the clip: 100 frames of 640x360 at 20 frames a second, drawn by ``mobilevis data synth``.

    Its ground truth, in the YouTube-VIS format, lies beside it in ``demo.json``; ``README.md`` there holds
    the command that made both.
    """
    return Path(str(files("mobilevis.runtime"))) / "assets" / "demo.mp4"
