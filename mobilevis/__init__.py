"""Video instance segmentation on phones and ARM boards.

The names here are what most programs need; each is imported when it is first used, so that a board that only
runs artefacts pays for neither torch nor OpenCV before it must.

    >>> import mobilevis
    >>> sorted(mobilevis.__all__)[:2]
    ['UserError', 'VideoSegmenter']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mobilevis.export import export_model
    from mobilevis.models import create_model
    from mobilevis.runtime.artefact import load_artefact
    from mobilevis.runtime.errors import UserError
    from mobilevis.runtime.segmenter import VideoSegmenter

    __version__: str

__all__ = ["UserError", "VideoSegmenter", "__version__", "create_model", "export_model", "load_artefact"]

_HOMES = {
    "UserError": "mobilevis.runtime.errors",
    "VideoSegmenter": "mobilevis.runtime.segmenter",
    "create_model": "mobilevis.models",
    "export_model": "mobilevis.export",
    "load_artefact": "mobilevis.runtime.artefact",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mobilevis")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mobilevis' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
