"""The packages that a device needs, by the names that pip knows."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import ENGINES
from mobilevis.runtime.versions import tool_versions

# Beside NumPy and an engine, for whole frames.
FRAME_DISTRIBUTIONS = ("opencv-python-headless", "opencv-python", "scipy")
ALL_DISTRIBUTIONS = (
    "numpy",
    "torch",
    *FRAME_DISTRIBUTIONS,
    *(name for engine in ENGINES.values() for name in engine.distributions),
)


def installed_versions() -> dict[str, str]:
    """Python's version and those of the packages that matter here."""
    return {"python": platform.python_version(), **tool_versions(ALL_DISTRIBUTIONS)}


def importable_packages() -> list[str]:
    """Of the packages that whole frames need, what Python can import here."""
    return [package for package in ("cv2", "scipy") if find_spec(package) is not None]


def broken_import(distribution: str, error: BaseException) -> UserError:
    """What an import that failed means: not installed, or installed for another kind of machine."""
    pip = f"{sys.executable} -m pip install"
    if isinstance(error, ModuleNotFoundError):
        return UserError(f"{distribution} is not installed on the device", fix=f"{pip} {distribution}")
    return UserError(
        f"{distribution} on the device does not load on {platform.machine()}: {error}",
        fix=f"{pip} --force-reinstall {distribution}",
    )
