"""Pictures that are nearly the same: a cell that was saved or photographed twice. They must not be in two splits."""

import imagehash
import numpy as np
from PIL import Image

# Two pictures look the same if their fingerprints differ in at most this many of 256 bits. Of the 9,810 pictures in
# shared/data, 72 pairs do, and all 72 are known to show the same cell. 99 such pairs are known, so some are not found.
LIMIT = 52
_BLOCK = 2048


def fingerprint(image: np.ndarray) -> np.ndarray:
    """A perceptual hash: the signs of the low frequencies of a picture, RGB uint8 [h, w, 3] -> bool [256].

    Source: Zauner, 2010, as imagehash.phash computes it.
    """
    return imagehash.phash(Image.fromarray(image), hash_size=16).hash.reshape(-1)


def pairs(fingerprints: np.ndarray, limit: int = LIMIT) -> list[tuple[int, int]]:
    """The pairs (i, j), i < j, of fingerprints that differ in few bits. Memory grows with n, not with n squared.

    Args:
        fingerprints: bool [n, bits].
        limit: how many bits may differ, at most.
    """
    signs = fingerprints.astype(np.float32) * 2 - 1
    bits = fingerprints.shape[1]
    close: list[tuple[int, int]] = []
    for start in range(0, len(signs), _BLOCK):
        block = signs[start : start + _BLOCK]
        for other in range(start, len(signs), _BLOCK):
            distance = (bits - block @ signs[other : other + _BLOCK].T) / 2
            rows, columns = np.nonzero(distance <= limit)
            close += [
                (int(i) + start, int(j) + other) for i, j in zip(rows, columns, strict=True) if i + start < j + other
            ]
    return close


def groups(count: int, links: list[tuple[int, int]]) -> list[int]:
    """Groups things that are linked directly or through others.

    Args:
        count: how many things there are.
        links: pairs of their numbers.

    Returns:
        For each thing the number of its group, which is that of the group's first member.
    """
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
