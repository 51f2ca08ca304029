"""The two kinds of arrays that go through the runtime."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3), RGB, [0, 255]
Array = NDArray[np.float32]
