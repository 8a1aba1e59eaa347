"""Detecting and recovering from a full device memory, and measuring the peak memory of the process."""

from __future__ import annotations

import gc

import paddle

from paddle_tasks.operating_system import peak_memory_bytes

_OUT_OF_MEMORY_TEXTS = ("out of memory", "resourceexhausted", "alloc_failed", "cannot allocate memory", "memoryerror")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory is full.

    Paddle, cuDNN and cuBLAS each word it differently. A MemoryError of Python or numpy raised in a PyLayer's backward
    arrives as an OSError that names it in its text.
    """
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, (RuntimeError, OSError, SystemError)):
        return False
    text = str(error).lower()
    return any(part in text for part in _OUT_OF_MEMORY_TEXTS)


def release_memory() -> None:
    """Return memory that no tensor uses any more to the device."""
    gc.collect()
    if paddle.device.get_device().startswith("gpu"):
        paddle.device.cuda.empty_cache()


def peak_memory_mb() -> float:
    """Return the peak resident memory of this process so far, in megabytes of 1,000,000 bytes."""
    return round(peak_memory_bytes() / 1e6, 1)
