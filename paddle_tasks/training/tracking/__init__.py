"""Where the metrics and panels of a run are written: metrics.jsonl, which is authoritative, and a VisualDL log.

Both are append-only files. A checkpoint records their lengths, and resuming truncates them to these lengths, so that
the curves continue without duplicate or missing points.
"""

from paddle_tasks.training.tracking.metrics_file import MetricsWriter, read_metrics
from paddle_tasks.training.tracking.tracker import Tracker, open_tracker, restore_positions
from paddle_tasks.training.tracking.writers import PanelWriter, Writer

__all__ = ["MetricsWriter", "PanelWriter", "Tracker", "Writer", "open_tracker", "read_metrics", "restore_positions"]
