"""How far a cell is from the training cells of a network, measured on the inputs of the network's last layer."""

import math
from collections.abc import Mapping

import numpy as np


class Distance:
    """Mahalanobis distance to the nearest kind of training cells. Each kind has its own mean; all share one covariance.

    Attributes:
        means: mean features of each kind, whitened, float64 [kinds, n].
        whiten: matrix, float64 [n, n]; features @ whiten have a variance of 1 in every direction.

    Source: Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS 2018.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        """arrays: "means" and "whiten", as in a model file.

        Raises:
            KeyError: if one is missing.
            ValueError: if their shapes don't fit, or a value is no number.
        """
        self.whiten = arrays["whiten"].astype(np.float64)
        self.means = arrays["means"].astype(np.float64)
        n = len(self.whiten)
        if self.whiten.shape != (n, n) or self.means.ndim != 2 or self.means.shape[1] != n or not self.means.size:
            raise ValueError("the shapes of whiten and means don't fit")
        if not (np.isfinite(self.whiten).all() and np.isfinite(self.means).all()):
            raise ValueError("whiten or means holds a value that is no number")

    def of(self, features: np.ndarray) -> float:
        """Features, float [n] -> the distance, about 1 for a usual training cell.

        It is rounded to hundredths, so that machines agree even if their last digits differ. It is infinite if a
        feature is no number.
        """
        if not np.isfinite(features).all():
            return math.inf
        difference = features.astype(np.float64) @ self.whiten - self.means
        return round(float(np.sqrt((difference * difference).mean(axis=1).min())), 2)

    def standardised(self, features: np.ndarray) -> np.ndarray:
        """Features, float [cells, n] -> float64 [cells, n]: whitened, and centred on the mean of all kinds' means.

        They are scaled to a length of about 1. A regression on them treats all directions alike.
        """
        return (features.astype(np.float64) @ self.whiten - self.means.mean(axis=0)) / np.sqrt(len(self.whiten))

    def for_raw_features(self, weights: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights for standardised() features, float [n] -> weights for raw features, and the constant to add."""
        scaled = weights / np.sqrt(len(self.whiten))
        return self.whiten @ scaled, -float(self.means.mean(axis=0) @ scaled)
