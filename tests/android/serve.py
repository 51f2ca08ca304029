"""An artefact's entries for the tests of the Android app, which has no engine of its own on a desktop.

``python tests/android/serve.py ARTEFACT`` writes a byte when it is ready. Then, until its input ends, it
reads an entry's name, a line, and the inputs as little-endian float32 in the metadata's order, and writes the
outputs likewise.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.artefact import load_artefact


def serve(path: Path, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the requests end."""
    artefact = load_artefact(path)
    answers.write(b"\n")
    answers.flush()
    for line in requests:
        entry = line.decode().strip()
        spec = artefact.metadata.entries[entry]
        inputs = {tensor.name: read_tensor(requests, tensor.shape) for tensor in spec.inputs}
        outputs = artefact.run(entry, inputs)
        for tensor in spec.outputs:
            answers.write(np.ascontiguousarray(outputs[tensor.name], "<f4").tobytes())
        answers.flush()


def read_tensor(requests: BinaryIO, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The next float32 tensor of this shape."""
    return np.frombuffer(requests.read(4 * math.prod(shape)), "<f4").reshape(shape)


if __name__ == "__main__":
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what an engine prints does not mix with the answers
    serve(Path(sys.argv[1]), sys.stdin.buffer, own)
