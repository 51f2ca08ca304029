"""The two kinds of arrays that go through the runtime, and what keeps their quotients finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3), RGB, [0, 255]
Array = NDArray[np.float32]
Arrays = Union[Array, Sequence[Array]]  # of one shape, in one array or each on its own

TINY = np.finfo(np.float32).tiny  # the least positive normal number: what a sum that may be 0 is divided by
