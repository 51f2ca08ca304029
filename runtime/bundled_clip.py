"""The bundled clips: a real one for the demo, a procedural one for the parity gate and the tests."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def bundled_clip() -> Path:
    """Path of the procedural clip: 100 frames of 640x360 at 20 a second, drawn by ``mobilevis data synth``.

    Its ground truth, in the YouTube-VIS format, lies beside it in ``demo.json``; ``README.md`` there holds
    the command that made both.
    """
    return _asset("demo.mp4")


def real_clip() -> Path:
    """Path of the real clip: a shop's aisle, 67 frames of 480x270 at 16.7 a second, CC BY 4.0, Intel
    Corporation; see ``README.md`` beside it."""
    return _asset("aisle.mp4")


def _asset(name: str) -> Path:
    return Path(str(files("mobilevis.runtime"))) / "assets" / name
