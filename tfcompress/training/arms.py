"""Ways to train a pruned model: keep its weights, or start over.

1. ``finetune`` keeps the surviving weights and the configured epochs.
2. ``scratch_e`` starts from new weights and trains as many epochs as the original did.
3. ``scratch_b`` starts from new weights with the compute the original took:
   ``int(epochs * macs_before / macs_after)``, at most `cap` times the original's epochs
   if one is given (2 in the paper's ImageNet runs).

Schedules are fractions of the training (`tfcompress.training.schedules`), so warm-up
and milestones scale with the epochs.

Source: Z. Liu et al., "Rethinking the value of network pruning", ICLR 2019, section 3.
"""

from __future__ import annotations

import dataclasses

import keras

from tfcompress.config import check_known
from tfcompress.graph.cloning import Copies
from tfcompress.graph.copying import copy_weights
from tfcompress.training.settings import TrainConfig

ARMS = ("finetune", "scratch_e", "scratch_b")


def prepare(  # noqa: PLR0913 - the last four describe the cut
    model: keras.Model,
    config: TrainConfig,
    *,
    arm: str = "finetune",
    macs_before: int,
    macs_after: int,
    original_epochs: int | None = None,
    cap: float | None = None,
) -> tuple[keras.Model, TrainConfig]:
    """Return the model to train and the settings to train it with.

    Args:
        model: The pruned model; it is not changed.
        config: Settings of fine-tuning.
        arm: One of `ARMS`.
        macs_before: MACs of the original model.
        macs_after: MACs of the pruned model.
        original_epochs: Epochs the original was trained for; by default
            ``config.epochs``.
        cap: The most epochs of ``scratch_b``, as a multiple of the original's.

    Returns:
        `model` itself for ``finetune``, else a copy with new weights drawn from
        ``config.seed``.

    Raises:
        ConfigError: If `arm` is unknown.
    """
    check_known(arm, ARMS, owner="arm")
    if arm == "finetune":
        return model, config
    epochs = original_epochs or config.epochs
    if arm == "scratch_b":
        epochs = scratch_b_epochs(epochs, macs_before, macs_after, cap=cap)
    fresh = reinitialise(model, seed=config.seed)
    return fresh, dataclasses.replace(config, epochs=epochs)


def scratch_b_epochs(
    epochs: int, macs_before: int, macs_after: int, *, cap: float | None = None
) -> int:
    """Return the epochs that cost the pruned model what the original's cost.

    Example:
        >>> scratch_b_epochs(160, 300, 150), scratch_b_epochs(90, 300, 90, cap=2)
        (320, 180)
    """
    scaled = int(epochs * macs_before / macs_after)
    return max(1, min(scaled, int(cap * epochs)) if cap else scaled)


def reinitialise(model: keras.Model, *, seed: int) -> keras.Model:
    """Return a copy of `model` with weights drawn anew from its initializers.

    The global random state that Keras draws from is set to `seed`.  What a
    `keras.layers.Normalization` was adapted to is kept: a fact about the data.
    """
    keras.utils.set_random_seed(seed)
    copies = Copies()
    fresh = keras.models.clone_model(model, clone_function=copies)
    for old, new in copies.pairs:
        if isinstance(old, keras.layers.Normalization):
            copy_weights(old, new)
    return fresh
