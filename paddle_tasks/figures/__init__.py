"""Figures of runs, for files and dashboards: each is a `matplotlib.figure.Figure` outside pyplot's global state.

Matplotlib is imported when the first figure is drawn. Texts that no installed font can show are replaced, with the
warning `MissingGlyphs`.
"""

from paddle_tasks.figures.calibration import calibration_curve
from paddle_tasks.figures.canvas import to_image, to_png, to_svg
from paddle_tasks.figures.fonts import MissingGlyphs, caption, label_names, legible
from paddle_tasks.figures.learning import comparison, is_baseline, learning_curves
from paddle_tasks.figures.matrices import confusion_matrix, matrix
from paddle_tasks.figures.scores import bars
from paddle_tasks.figures.thresholds import pr_curves, roc_curves

__all__ = [
    "MissingGlyphs",
    "bars",
    "calibration_curve",
    "caption",
    "comparison",
    "confusion_matrix",
    "is_baseline",
    "label_names",
    "learning_curves",
    "legible",
    "matrix",
    "pr_curves",
    "roc_curves",
    "to_image",
    "to_png",
    "to_svg",
]
