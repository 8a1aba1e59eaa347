"""The type of numpy arrays; docstrings give their dtype and shape, as ``<int64>[rows]``."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
