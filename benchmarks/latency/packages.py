"""The packages that a device needs, by the names that pip knows."""

from __future__ import annotations

# Engine → distributions that serve it, the one to install first.
ENGINE_DISTRIBUTIONS = {
    "onnxruntime": ("onnxruntime",),
    "litert": ("ai-edge-litert", "tflite-runtime"),
    "executorch": ("executorch",),
}
# Beside NumPy and an engine, for whole frames.
FRAME_DISTRIBUTIONS = ("opencv-python-headless", "opencv-python", "scipy")
ALL_DISTRIBUTIONS = (
    "numpy",
    "torch",
    *FRAME_DISTRIBUTIONS,
    *(name for names in ENGINE_DISTRIBUTIONS.values() for name in names),
)
