"""When freezing begins and when it ends, by what the optimizer counts."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.quantize.nets import conv, wired
from tests.training.networks import blob_arrays, crossentropy
from tfcompress import quantize
from tfcompress.quantize.activation_ranges import range_layers

layers = keras.layers
X, Y = blob_arrays(160)
STOPS = (quantize.FreezeBatchNorm, quantize.FreezeRanges)


def net():
    """Return a small network with a normalization."""

    def build(x):
        x = layers.ReLU()(layers.BatchNormalization()(conv(x)))
        return layers.Dense(4)(layers.GlobalAveragePooling2D()(x))

    return wired(build, shape=(8, 8, 3))


def compiled(optimizer=None, *, model=None, **settings):
    if model is None:
        model, _ = quantize.quantize_aware(net())
    model.compile(optimizer or keras.optimizers.SGD(0.01), crossentropy(), **settings)
    return model


def fit(model, batches, *, at_step=None, **settings):
    """Fit batches of ten; freeze both kinds at a step."""
    stops = [] if at_step is None else [stop(at_step) for stop in STOPS]
    stops += settings.pop("callbacks", [])
    count = 10 * batches
    return model.fit(
        X[:count],
        Y[:count],
        batch_size=10,
        shuffle=False,
        verbose=0,
        callbacks=stops,
        **settings,
    )


def statistics(model):
    """Return copies of the moving statistics and the ranges, by kind."""
    kinds = {"norm": ("moving_mean", "moving_variance"), "ranges": ("ranges",)}
    return {
        kind: [v.numpy() for v in model.non_trainable_weights if v.name in names]
        for kind, names in kinds.items()
    }


def moved(before, after):
    """Return which kinds are others than before."""
    return {
        kind
        for kind, values in before.items()
        for one, other in zip(values, after[kind], strict=True)
        if not np.array_equal(one, other)
    }


class Watch(keras.callbacks.Callback):
    """Keeps the statistics after each execution."""

    def on_train_begin(self, *_, **__):
        self.seen = [statistics(self.model)]

    def on_train_batch_end(self, *_, **__):
        self.seen.append(statistics(self.model))

    def moves(self):
        """Return for each execution which kinds moved."""
        return [
            moved(self.seen[i], self.seen[i + 1]) for i in range(len(self.seen) - 1)
        ]


BOTH = {"norm", "ranges"}
WAYS = {
    "plain": {},
    "several steps": {"steps_per_execution": 2},
    "eager": {"run_eagerly": True},
    "jit": {"jit_compile": True},
    "loss scale": {},
    "loss scale, several steps": {"steps_per_execution": 2},
}
SLOW = [pytest.param(way, marks=pytest.mark.slow) for way in list(WAYS)[3:]]


def compiled_for(way, optimizer):
    if way.startswith("loss scale"):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return compiled(optimizer, **WAYS[way])


@pytest.mark.parametrize("way", [*list(WAYS)[:3], *SLOW])
def test_with_accumulated_gradients_steps_are_updates(way):
    """Two batches are one update, so two updates are four batches."""
    optimizer = keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2)
    model = compiled_for(way, optimizer)
    watch = Watch()
    fit(model, 8, at_step=2, callbacks=[watch])
    executed = WAYS[way].get("steps_per_execution", 1)
    assert int(optimizer.iterations) == 4
    assert watch.moves() == [BOTH] * (4 // executed) + [set()] * (4 // executed)


@pytest.mark.parametrize("way", ["eager", *SLOW[:2]])
def test_without_accumulation_steps_are_batches(way):
    """However the step is run."""
    model = compiled_for(way, keras.optimizers.Adam(1e-2))
    watch = Watch()
    fit(model, 6, at_step=4, callbacks=[watch])
    assert watch.moves() == [BOTH] * 4 + [set()] * 2


@pytest.mark.slow
@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("recompiled", [False, True])
def test_freezing_ends_with_its_fit(tmp_path, recompiled, saved):
    """A fit without the callbacks learns again, saved and loaded in between or not."""
    model = compiled()
    fit(model, 6, at_step=2)
    if saved:
        model.save(tmp_path / "model.keras")
        model = keras.models.load_model(tmp_path / "model.keras")
    if recompiled:
        compiled(model=model)
    before = statistics(model)
    fit(model, 2)
    assert moved(before, statistics(model)) == BOTH


@pytest.mark.slow
@pytest.mark.parametrize("saved", [False, True])
def test_a_later_fit_with_the_callbacks_is_frozen_at_once(tmp_path, saved):
    """The optimizer counts on over fits and files, and so does the freezing."""
    model = compiled()
    fit(model, 4, at_step=4)
    if saved:
        model.save(tmp_path / "model.keras")
        model = keras.models.load_model(tmp_path / "model.keras")
    before = statistics(model)
    fit(model, 4, at_step=4, initial_epoch=1, epochs=2)
    assert moved(before, statistics(model)) == set()


@pytest.mark.slow
def test_a_new_optimizer_counts_anew():
    """Then the same callbacks wait for their step again."""
    model = compiled()
    fit(model, 4, at_step=2)
    compiled(model=model)
    watch = Watch()
    fit(model, 4, at_step=2, callbacks=[watch])
    assert watch.moves() == [BOTH] * 2 + [set()] * 2


@pytest.mark.slow
def test_an_interrupted_training_goes_on_frozen(tmp_path):
    """As `BackupAndRestore` takes it up: at the optimizer's step."""

    class StoppedError(Exception):
        pass

    def stop(epoch, _):
        if epoch == 1:
            raise StoppedError

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)

    killed = keras.callbacks.LambdaCallback(on_epoch_end=stop)
    with pytest.raises(StoppedError):
        fit(compiled(), 4, at_step=4, epochs=3, callbacks=[backup(), killed])
    model, watch = compiled(), Watch()
    fit(model, 4, at_step=4, epochs=3, callbacks=[backup(), watch])
    assert int(model.optimizer.iterations) == 12
    assert watch.moves() == [set()] * 4


@pytest.mark.slow
def test_an_answer_after_the_fit_does_not_depend_on_freezing():
    """Inference is the same for a model of equal weights that never froze."""
    model = compiled()
    fit(model, 6, at_step=2)
    fresh = compiled()
    fresh.set_weights(model.get_weights())
    assert all(any(layer.range()) for layer in range_layers(model))
    np.testing.assert_array_equal(
        model.predict(X, verbose=0), fresh.predict(X, verbose=0)
    )
