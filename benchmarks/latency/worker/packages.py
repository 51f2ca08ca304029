"""The packages that a device needs, by the names that pip knows."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from mobilevis.runtime.errors import UserError

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


def installed_versions() -> dict[str, str]:
    """Python's version and those of the packages that matter here."""
    versions = {"python": platform.python_version()}
    for name in ALL_DISTRIBUTIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def broken_import(distribution: str, error: BaseException) -> UserError:
    """What an import that failed means: not installed, or installed for another kind of machine."""
    pip = f"{sys.executable} -m pip install"
    if isinstance(error, ModuleNotFoundError):
        return UserError(f"{distribution} is not installed on the device", fix=f"{pip} {distribution}")
    return UserError(
        f"{distribution} on the device does not load on {platform.machine()}: {error}",
        fix=f"{pip} --force-reinstall {distribution}",
    )
