"""Types of the arrays that the statistics take and give."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.intp]
