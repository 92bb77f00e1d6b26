"""How far a cell lies from all that a network was trained on, by its last features."""

from collections.abc import Mapping

import numpy as np


class Distance:
    """Mahalanobis' distance to the nearest kind of training cells (Lee et al., A Simple Unified Framework for Detecting
    Out-of-Distribution Samples, NeurIPS 2018): the kinds have means of their own and a spread in common.

    means: float [kinds, n] of whitened features; whiten: float [n, n], so that features @ whiten spread by 1 in all
    directions.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.whiten = arrays["whiten"].astype(np.float64)
        self.means = arrays["means"].astype(np.float64)

    def of(self, features: np.ndarray) -> float:
        """Features, float [n] -> the distance, 1 for a usual training cell; to hundredths, so that machines agree."""
        apart = features.astype(np.float64) @ self.whiten - self.means
        return round(float(np.sqrt((apart * apart).mean(axis=1).min())), 2)

    def spread(self, features: np.ndarray) -> np.ndarray:
        """Features, float [cells, n] -> float64 [cells, n]: whitened, from the middle of the kinds, of a length of
        about 1.
        """
        return (features.astype(np.float64) @ self.whiten - self.means.mean(axis=0)) / np.sqrt(len(self.whiten))

    def unspread(self, weights: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights of what spread() gives, float [n] -> the weights of the features themselves, and what to add."""
        even = weights / np.sqrt(len(self.whiten))
        return self.whiten @ even, -float(self.means.mean(axis=0) @ even)
