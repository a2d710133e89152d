"""Choose examples: the order of an epoch, stratified splits, stratified samples.

Everything here is plain NumPy on indices and class labels, so that a choice depends on
the seed and the labels only, never on batch sizes, threads or what ran before.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def epoch_order(size: int, *, seed: int, epoch: int, shuffle: bool = True) -> Indices:
    """Return the order in which one epoch visits the examples.

    It is a function of `seed` and `epoch` only: a training that was killed in epoch 7
    goes on with exactly the batches it would have seen.

    Example:
        >>> epoch_order(4, seed=0, epoch=0, shuffle=False)
        array([0, 1, 2, 3])
        >>> first = epoch_order(9, seed=0, epoch=1)
        >>> bool((first == epoch_order(9, seed=0, epoch=1)).all())
        True
    """
    if not shuffle:
        return np.arange(size, dtype=np.int64)
    return np.random.default_rng([seed, epoch]).permutation(size).astype(np.int64)


def stratified_sample(
    labels: npt.NDArray[np.int64] | None, size: int, count: int, *, seed: int
) -> Indices:
    """Choose `count` of `size` examples, every class in proportion.

    A class keeps at least one example where `count` allows it.  Places that are left
    after rounding down go to the largest remainders.

    Args:
        labels: Class of each example, or None to sample without regard to classes.
        size: How many examples there are.
        count: How many to choose; all of them if it is more than `size`.
        seed: Seed of the choice.

    Returns:
        Chosen indices, shuffled, so that any prefix is mixed too.

    Example:
        >>> labels = np.array([0] * 80 + [1] * 20)
        >>> chosen = stratified_sample(labels, 100, 10, seed=0)
        >>> np.bincount(labels[chosen]).tolist()
        [8, 2]
    """
    rng = np.random.default_rng(seed)
    count = min(count, size)
    if labels is None:
        return rng.permutation(size)[:count].astype(np.int64)
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    quotas = _quotas(sizes, count)
    chosen = [
        rng.permutation(np.flatnonzero(classes == i))[:quota]
        for i, quota in enumerate(quotas)
    ]
    return rng.permutation(np.concatenate(chosen)).astype(np.int64)


def stratified_split(
    labels: npt.NDArray[np.int64] | None, size: int, fraction: float, *, seed: int
) -> tuple[Indices, Indices]:
    """Split examples into a larger part and a held-out part, every class in proportion.

    Returns:
        Indices of the part that stays and of the part held out, each sorted.

    Example:
        >>> rest, held_out = stratified_split(np.arange(20) % 2, 20, 0.1, seed=0)
        >>> len(rest), sorted((held_out % 2).tolist())
        (18, [0, 1])
    """
    count = max(1, round(size * fraction)) if fraction > 0 else 0
    held_out = np.sort(stratified_sample(labels, size, count, seed=seed))
    kept = np.ones(size, dtype=bool)
    kept[held_out] = False
    return np.flatnonzero(kept).astype(np.int64), held_out


def _quotas(sizes: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Share `count` places among classes of these sizes, by largest remainder."""
    exact = sizes * (count / sizes.sum())
    quotas = np.floor(exact).astype(np.int64)
    if count >= len(sizes):
        quotas = np.maximum(quotas, 1)
    remainders = exact - quotas
    while quotas.sum() < count:
        remainders[quotas >= sizes] = -np.inf  # a class that is used up gets no more
        winner = int(np.argmax(remainders))
        quotas[winner] += 1
        remainders[winner] -= 1
    while quotas.sum() > count:  # the one-each rule took places from large classes
        quotas[int(np.argmax(quotas))] -= 1
    return np.asarray(quotas)
