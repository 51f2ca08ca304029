"""The packages that a device needs, by the names that pip knows."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import ENGINES
from mobilevis.runtime.versions import tool_versions

# Beside NumPy and an engine, for whole frames: what is imported, and the names of its packages.
FRAME_MODULES = {
    "cv2": ("opencv-python-headless", "opencv-python"),
    "lap": ("lapx",),
    "threadpoolctl": ("threadpoolctl",),
}
ALL_DISTRIBUTIONS = (
    "numpy",
    "torch",
    *(name for names in FRAME_MODULES.values() for name in names),
    *(name for engine in ENGINES.values() for name in engine.distributions),
)


def installed_versions() -> dict[str, str]:
    """Python's version and those of the packages that matter here."""
    return {"python": platform.python_version(), **tool_versions(ALL_DISTRIBUTIONS)}


def missing_frame_packages() -> list[str]:
    """The packages for whole frames that are not installed here."""
    return [names[0] for module, names in FRAME_MODULES.items() if find_spec(module) is None]


def broken_import(distribution: str, error: BaseException) -> UserError:
    """What an import that failed means: not installed, or installed for another kind of machine."""
    pip = f"{sys.executable} -m pip install"
    if isinstance(error, ModuleNotFoundError):
        return UserError(f"{distribution} is not installed on the device", fix=f"{pip} {distribution}")
    return UserError(
        f"{distribution} on the device does not load on {platform.machine()}: {error}",
        fix=f"{pip} --force-reinstall {distribution}",
    )
