"""Going on when a device's memory does not hold a batch."""

from __future__ import annotations

import gc
import resource
import sys

import paddle


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device's memory is full; cuDNN and cuBLAS say it in their own words.

    Python's own MemoryError in a PyLayer's backward, as of numpy there, comes as an OSError that names it in its text.
    """
    text = str(error).lower()
    said = ("out of memory", "resourceexhausted", "alloc_failed", "cannot allocate memory", "memoryerror")
    return isinstance(error, MemoryError) or (
        isinstance(error, (RuntimeError, OSError, SystemError)) and any(words in text for words in said)
    )


def release() -> None:
    """Give back the memory that no tensor holds any more."""
    gc.collect()
    if paddle.device.get_device().startswith("gpu"):
        paddle.device.cuda.empty_cache()


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process so far, in megabytes of 1,000,000 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6, 1)
