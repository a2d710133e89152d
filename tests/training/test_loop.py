"""`train`: history, decisions, faults, and going on where it was."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net
from tests.training.networks import blob_arrays, blobs, flat
from tfcompress import data, errors, training


def net(**settings):
    return conv_bn_net((8, 8, 3), widths=(4, 8), classes=4, **settings)


def config(**settings):
    return training.TrainConfig(
        **{"epochs": 3, "batch_size": 32, "learning_rate": 0.01, **settings}
    )


def test_learns_and_reports():
    """One number per epoch and name; the model itself holds the weights."""
    model, dataset, seen = net(), blobs(320), []
    result = training.train(
        model, dataset, config=config(epochs=4), progress=seen.append
    )
    assert set(result.history) == {"loss", "accuracy", "val_accuracy", "learning_rate"}
    assert all(len(values) == 4 for values in result.history.values())
    assert result.epochs_run == 4
    assert result.best_epoch == 3
    value = data.evaluate_model(model, dataset, split="validation").value
    assert value == pytest.approx(result.history["val_accuracy"][-1])
    assert result.history["accuracy"][-1] > 0.9
    assert len(seen) == 4 * 9  # 260 training examples and batches of 32
    assert seen[-1].fraction == 1.0
    assert seen[0].logs["loss"] > 0


@pytest.mark.slow
def test_same_seed_same_result():
    """Order, dropout and weights depend on the seed alone."""

    def run(seed):
        model = keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                keras.layers.Flatten(),
                keras.layers.Dropout(0.5),  # Keras seeds it at random
                keras.layers.Dense(4, "softmax", kernel_initializer="zeros"),
            ]
        )
        training.train(model, blobs(), config=config(seed=seed))
        return flat(model)

    first, second, other = run(1), run(1), run(2)
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 1e-4


@pytest.mark.slow
def test_plain_training_gives_the_same():
    """`accelerate=False` is slower, not different."""
    results = []
    for accelerate in (True, False):
        model = net()
        training.train(model, blobs(), config=config(accelerate=accelerate))
        results.append(flat(model))
    np.testing.assert_allclose(results[0], results[1], atol=2e-3)


def test_early_stopping_keeps_the_best():
    """It stops after `patience` worse epochs and goes back to the best weights."""
    model, dataset = net(), blobs(320)
    hurt = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, _: epoch >= 2 and _spoil(model)
    )
    result = training.train(
        model, dataset, config=config(epochs=9, early_stopping=2), callbacks=[hurt]
    )
    values = result.history["val_accuracy"]
    assert result.epochs_run < 9
    assert result.best_epoch == int(np.argmax(values))
    assert result.epochs_run == result.best_epoch + 3
    found = data.evaluate_model(model, dataset, split="validation").value
    assert found == pytest.approx(max(values))


def _spoil(model):
    model.get_layer("predictions").kernel.assign(
        -100 * np.ones_like(model.get_layer("predictions").kernel)
    )


def test_callbacks_see_the_validation_and_may_stop():
    """They are told once that training begins and ends."""
    calls = []

    class Listener(keras.callbacks.Callback):
        def on_train_begin(self, *_):
            calls.append("begin")

        def on_train_end(self, *_):
            calls.append("end")

        def on_epoch_end(self, epoch, logs=None):
            calls.append((epoch, "val_accuracy" in logs))
            self.model.stop_training = epoch == 1

    result = training.train(
        net(), blobs(), config=config(epochs=5), callbacks=[Listener()]
    )
    assert calls == ["begin", (0, True), (1, True), "end"]
    assert result.epochs_run == 2


def test_weight_decay_spares_scales_and_biases():
    """With nothing to learn only kernels shrink."""
    model = net()
    x, y = blob_arrays()
    weights = np.zeros(len(x), "float32")  # no example counts
    dataset = data.Dataset.from_arrays(train=(x, y, weights), validation=(x, y))
    before = {v.path: v.numpy() for v in model.trainable_variables}
    settings = {"optimizer": "sgd", "weight_decay": 0.1, "schedule": "constant"}
    training.train(model, dataset, config=config(epochs=1, **settings))
    for variable in model.trainable_variables:
        shrunk = np.linalg.norm(variable) < np.linalg.norm(before[variable.path])
        assert shrunk == (len(variable.shape) > 1), variable.path


def test_a_loss_that_is_no_number_ends_it():
    """The message names epoch and step."""
    diverging = config(optimizer="sgd", learning_rate=1e30, schedule="constant")
    with pytest.raises(errors.TrainingError, match=r"loss=nan by epoch 0, step [1-4]"):
        training.train(net(logits=True), blobs(), config=diverging)


def test_nan_weights_are_refused_before_training():
    """The message names the weight."""
    model = net()
    model.get_layer("bn0").gamma.assign([np.nan] * 4)
    with pytest.raises(errors.TrainingError, match=r"before training.*bn0/gamma"):
        training.train(model, blobs(), config=config())


def test_an_unbuilt_model_is_refused():
    """The message says how to build it."""
    with pytest.raises(errors.ModelError, match="not built"):
        training.train(keras.Sequential([]), blobs(), config=config())


class KilledError(Exception):
    pass


def test_goes_on_after_an_interruption(tmp_path):
    """Weights and history are those of an uninterrupted run."""

    def die(progress):
        if progress.epoch == 1 and progress.step == 2:
            raise KilledError

    settings = config(epochs=4, early_stopping=3)
    whole = net()
    expected = training.train(whole, blobs(), config=settings)
    with pytest.raises(KilledError):
        training.train(
            net(), blobs(), config=settings, state_dir=tmp_path, progress=die
        )
    resumed, epochs = net(), []
    result = training.train(
        resumed,
        blobs(),
        config=settings,
        state_dir=tmp_path,
        progress=lambda progress: epochs.append(progress.epoch),
    )
    assert set(epochs) == {1, 2, 3}
    assert result.history == expected.history
    assert result.best_epoch == expected.best_epoch
    np.testing.assert_array_equal(flat(resumed), flat(whole))


def test_another_training_starts_over(tmp_path, caplog):
    """A state with other settings or weights is left aside, and the log says so."""
    training.train(net(), blobs(), config=config(epochs=1), state_dir=tmp_path)
    result = training.train(net(), blobs(), config=config(epochs=2), state_dir=tmp_path)
    assert result.epochs_run == 2
    assert "of another training" in caplog.text


def test_a_model_or_loss_that_computes_otherwise_starts_over(tmp_path, caplog):
    """The weights at the start are alike, and so are the settings."""

    def run(activation, loss):
        keras.utils.set_random_seed(0)
        layers = [keras.Input((8, 8, 3)), keras.layers.Flatten()]
        hidden = keras.layers.Dense(4, activation)
        model = keras.Sequential([*layers, hidden, keras.layers.Dense(4, "softmax")])
        model.compile("sgd", loss)
        training.train(model, blobs(), config=config(epochs=1), state_dir=tmp_path)
        started_over = "starting over" in caplog.text
        caplog.clear()
        return started_over

    assert not run("relu", "sparse_categorical_crossentropy")
    assert not run("relu", "sparse_categorical_crossentropy")
    assert run("tanh", "sparse_categorical_crossentropy")
    assert run("tanh", scaled_crossentropy)


def scaled_crossentropy(y_true, y_pred):
    return 2 * keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


def test_a_broken_state_starts_over(tmp_path, caplog):
    """Half a file cannot come from us, but from a disk."""
    (tmp_path / "training.npz").write_bytes(b"PK\x03\x04 broken")
    result = training.train(net(), blobs(), config=config(), state_dir=tmp_path)
    assert result.epochs_run == 3
    assert "cannot be read" in caplog.text


def test_callbacks_with_a_state_are_resumed(tmp_path):
    """`get_state` is kept with the epoch, `set_state` gets it back."""

    class Counter(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_end(self, *_):
            self.epochs += 1

        def get_state(self):
            return {"epochs": self.epochs}

        def set_state(self, state):
            self.epochs = state["epochs"]

    for _ in range(2):
        counter = Counter()
        training.train(
            net(),
            blobs(),
            config=config(epochs=2),
            state_dir=tmp_path,
            callbacks=[counter],
        )
        assert counter.epochs == 2


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_trains_in_half_precision(precision):
    """The weights stay float32 and learn."""
    model = net()
    result = training.train(
        model, blobs(320), config=config(epochs=4, mixed_precision=precision)
    )
    assert result.history["accuracy"][-1] > 0.9
    assert {w.dtype for w in model.get_weights()} == {np.dtype("float32")}


def test_several_outputs():
    """Losses by output name; the first output's metric decides."""
    base = net()
    size = keras.layers.Dense(1, name="size")(base.get_layer("pool").output)
    model = keras.Model(base.input, {"predictions": base.output, "size": size})
    x, y = blob_arrays()
    labels = {"predictions": y, "size": y.astype("float32")[:, None]}
    dataset = data.Dataset.from_arrays(train=(x, labels))
    result = training.train(model, dataset, config=config())
    assert result.history["loss"][-1] < result.history["loss"][0]
