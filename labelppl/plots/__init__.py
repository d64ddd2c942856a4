"""The report's pictures, one function each: axes in, axes out.

figure, axes = matplotlib.pyplot.subplots(layout="constrained")
labelppl.plots.forest(axes, labels.to_frame().head(20), labels.classes)
"""

from .checks import pair_dependence
from .embedding import embedding
from .evaluation import evaluation_curve, reliability_curve, student_against_labels
from .labels import forest, label_histogram
from .measurements import densities
from .style import house_style
from .training import lambda_path, learning_curve

__all__ = [
    "densities",
    "embedding",
    "evaluation_curve",
    "forest",
    "house_style",
    "label_histogram",
    "lambda_path",
    "learning_curve",
    "pair_dependence",
    "reliability_curve",
    "student_against_labels",
]
