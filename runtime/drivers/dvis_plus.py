"""The frame-level driver of DVIS++: the referring tracker's state stays with the client."""

from __future__ import annotations

from typing import Optional

import numpy as np

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.drivers.frames import Features, run_entry
from mobilevis.runtime.drivers.minvis import Detections, MinVISDriver
from mobilevis.runtime.stages import Stages


class DvisPlusDriver(MinVISDriver):
    """Runs ``encode``, ``decode``, the tracker and ``segment`` on every frame.

    A place in the tracker's state is a track. The tracker takes the frame's queries in the order of the
    objects, which MinVIS's matching gives.
    """

    def reset(self) -> None:
        """Forget the video."""
        super().reset()
        self._state: Optional[Array] = None

    def _track(self, read: Features, stages: Stages) -> Detections:
        embeddings = read["embeddings"][0]
        with stages("association"):
            order = np.argsort(self._association.update(embeddings, np.ones(len(embeddings), np.float32)))
        with stages("track"):
            if self._state is None:
                found = run_entry(self._artefact, "begin", read)
            else:
                matched = np.ascontiguousarray(read["frame_queries"][:, order])
                tensors = {**read, "matched": matched, "last": self._state}
                found = run_entry(self._artefact, "track", tensors)
        self._state = found["state"]
        ids = np.arange(1, len(order) + 1)
        return Detections(found["kernels"][0], found["scores"][0], ids)
