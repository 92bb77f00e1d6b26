"""How far a cell lies from all cells that a network was trained on, measured on the network's last features."""

from collections.abc import Mapping

import numpy as np


class Distance:
    """Mahalanobis distance to the nearest kind of training cells. Each kind has its own mean; all share one covariance.

    Attributes:
        means: whitened mean features of each kind, float64 [kinds, n].
        whiten: float64 [n, n]; features @ whiten have a variance of 1 in every direction.

    Source: Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS 2018.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        """arrays: "means" and "whiten", as a model file holds them. Raises KeyError where one is missing."""
        self.whiten = arrays["whiten"].astype(np.float64)
        self.means = arrays["means"].astype(np.float64)

    def of(self, features: np.ndarray) -> float:
        """Features, float [n] -> the distance, 1 for a usual training cell.

        Rounded to hundredths, so that machines with other last digits agree.
        """
        difference = features.astype(np.float64) @ self.whiten - self.means
        return round(float(np.sqrt((difference * difference).mean(axis=1).min())), 2)

    def standardised(self, features: np.ndarray) -> np.ndarray:
        """Features, float [cells, n] -> float64 [cells, n]: whitened, centred on the mean of the kinds, with a length
        of about 1. A regression on them treats all directions alike.
        """
        return (features.astype(np.float64) @ self.whiten - self.means.mean(axis=0)) / np.sqrt(len(self.whiten))

    def for_raw_features(self, weights: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights of standardised() features, float [n] -> the weights of raw features, and what to add."""
        scaled = weights / np.sqrt(len(self.whiten))
        return self.whiten @ scaled, -float(self.means.mean(axis=0) @ scaled)
