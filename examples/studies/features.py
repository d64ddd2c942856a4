"""What enters a student's last layer: how compact the classes are, how far apart, and a map of them.

With the class means mu_k and the mean mu of features h, tr S_W = mean |h - mu_y|^2 and tr S_T = mean |h - mu|^2: compactness is
tr S_W / tr S_T, from 0 (all of a class in one place) to 1; it does not depend on the scale. Separation is the mean
silhouette, from -1 to 1: how much nearer a case is to its own class than to the nearest other one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

from labelppl.plots import house_style
from labelppl.plots.style import colour

from .paired import Array

PERPLEXITY = 30.0
"""That of the second paper."""


def compactness(features: Array, labels: Array) -> float:
    """tr S_W / tr S_T of (cases, features) and class codes (cases,)."""
    within = np.zeros(len(features))
    for k in np.unique(labels):
        own = features[labels == k]
        within[labels == k] = ((own - own.mean(0)) ** 2).sum(1)
    return float(within.sum() / ((features - features.mean(0)) ** 2).sum())


def separation(features: Array, labels: Array) -> float:
    """The mean silhouette."""
    return float(silhouette_score(features, labels))


def maps(features: Mapping[str, Array], labels: Array, classes: tuple[str, ...]) -> Figure:
    """t-SNE of the features of several students, (cases, features) each by its name. Distances between clusters mean nothing."""
    with house_style():
        figure, panels = plt.subplots(
            1, len(features), figsize=(4 * len(features), 4.2), layout="constrained", squeeze=False
        )
        for axes, (name, own) in zip(panels[0], features.items(), strict=True):
            spread = own.std(0)
            scaled = (own[:, spread > 0] - own[:, spread > 0].mean(0)) / spread[spread > 0]
            perplexity = min(PERPLEXITY, (len(own) - 1) / 3)
            places = TSNE(perplexity=perplexity, random_state=0, init="pca").fit_transform(scaled)
            for k, label in enumerate(classes):
                axes.scatter(*places[labels == k].T, s=5, color=colour(k), label=label)
            axes.set(title=name, xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        handles, names = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=6, markerscale=3)
    return figure
