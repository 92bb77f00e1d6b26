"""Near-identical pictures: one cell saved or photographed twice. They must not stand in two splits."""

import imagehash
import numpy as np
from PIL import Image

# Bits of 256 in which two pictures may differ. Of the 9,810 pictures in shared/data 72 pairs lie within it, all known
# to show one cell; 99 pairs are known to: what is nearly the same is found, not every second photograph.
LIMIT = 52
_BLOCK = 2048


def fingerprint(image: np.ndarray) -> np.ndarray:
    """RGB uint8 [h, w, 3] -> bool [256]: signs of its low frequencies (imagehash.phash, Zauner 2010)."""
    return imagehash.phash(Image.fromarray(image), hash_size=16).hash.reshape(-1)


def pairs(fingerprints: np.ndarray, limit: int = LIMIT) -> list[tuple[int, int]]:
    """bool [n, bits] -> every (i, j), i < j, that differ in at most `limit` bits; in memory that grows with n alone."""
    signs = fingerprints.astype(np.float32) * 2 - 1
    bits = fingerprints.shape[1]
    found: list[tuple[int, int]] = []
    for start in range(0, len(signs), _BLOCK):
        block = signs[start : start + _BLOCK]
        for other in range(start, len(signs), _BLOCK):
            distance = (bits - block @ signs[other : other + _BLOCK].T) / 2
            rows, columns = np.nonzero(distance <= limit)
            found += [
                (int(i) + start, int(j) + other) for i, j in zip(rows, columns, strict=True) if i + start < j + other
            ]
    return found


def groups(count: int, links: list[tuple[int, int]]) -> list[int]:
    """Which of `count` things hang together -> for each the number of its group: its first member."""
    first = list(range(count))

    def root(i: int) -> int:
        while first[i] != i:
            first[i] = first[first[i]]
            i = first[i]
        return i

    for i, j in links:
        a, b = sorted((root(i), root(j)))
        first[b] = a
    return [root(i) for i in range(count)]
