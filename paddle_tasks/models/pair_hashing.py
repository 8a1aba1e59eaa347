"""The hash function of the features of pairs; see `paddle_tasks.models.pair_ngrams`. Nothing here imports Paddle."""

from __future__ import annotations

N_BUCKETS = 2**20
HASH_BASE = 1_000_003
HASH_PRIME = 998_244_353  # below 2^30, so that products with HASH_BASE stay below 2^50
KIND_STEP = 7_919
"""The distance between the hashes of equal keys of neighbouring kinds."""
