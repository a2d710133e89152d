"""Tests of `tfcompress.slimming.monitor` and of the event files that it writes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.slimming.fakes import small_net
from tfcompress import errors
from tfcompress.slimming import SlimmingMonitor, regularize_scales


def fit(model, *callbacks, epochs=1, optimizer="sgd", initial_epoch=0):
    """Fit on a constant loss: scales move by the penalty alone."""
    model.compile(optimizer, loss=lambda _y, p: 0.0 * keras.ops.sum(p))
    x, y = np.zeros((2, 8, 8, 3), "float32"), np.zeros((2, 4), "float32")
    return model.fit(
        x, y, epochs=epochs, verbose=0, callbacks=list(callbacks),
        initial_epoch=initial_epoch,
    ).history  # fmt: skip


def test_the_share_near_zero_is_logged_every_epoch():
    """Two of eight scales are below 0.01; nothing moves them."""
    model = small_net(8)
    model.get_layer("bn0").gamma.assign([0.001, -0.002, 0, 0.5, 1, 2, -1, -2][:8])
    model.get_layer("bn0").gamma.assign([0.001, -0.002, 0.3, 0.5, 1, 2, -1, -2])
    monitor = SlimmingMonitor()
    assert fit(model, monitor, epochs=2)["scales_near_zero"] == [0.25, 0.25]


def test_histograms_count_every_scale_before_and_after_each_epoch():
    """8 scales in 4 bars over [0, 2]; what grows beyond is in the last bar."""
    model = small_net(8)
    model.get_layer("bn0").gamma.assign([0.1, 0.2, -0.6, 1.1, 1.2, -1.7, 1.9, 2.0])
    monitor = SlimmingMonitor(bins=4)
    fit(model, monitor)
    assert [record["epoch"] for record in monitor.records] == [0, 1]
    assert monitor.records[0]["edges"] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert monitor.records[0]["counts"] == [2, 1, 2, 3]
    model.get_layer("bn0").gamma.assign(np.full(8, 9.0))
    fit(model, monitor, epochs=2, initial_epoch=1)
    assert monitor.records[-1]["counts"] == [0, 0, 0, 8]


def test_penalised_norms_are_watched_alone():
    """A norm on fixed channels says nothing about slimming."""
    x = keras.Input((8, 8, 3))
    layers = keras.layers
    y = layers.BatchNormalization(name="free")(layers.Conv2D(8, 3)(x))
    y = layers.BatchNormalization(name="fixed")(layers.Conv2D(4, 3)(y))
    model = regularize_scales(keras.Model(x, layers.GlobalAveragePooling2D()(y)))
    monitor = SlimmingMonitor()
    fit(model, monitor)
    assert sum(monitor.records[0]["counts"]) == 8


def test_state_goes_through_json_and_back():
    """A resumed training continues the records with the same edges."""
    monitor, resumed = SlimmingMonitor(bins=3), SlimmingMonitor(bins=3)
    fit(small_net(8), monitor)
    resumed.set_state(monitor.get_state())
    fit(small_net(8), resumed, epochs=2, initial_epoch=1)
    assert [record["epoch"] for record in resumed.records] == [0, 1, 2]
    assert resumed.records[2]["edges"] == monitor.records[0]["edges"]


def test_tensorboard_gets_scalars_and_histograms(tmp_path):
    """The event file holds every tag with its plugin, TensorBoard installed or not."""
    model = small_net(8)
    model.get_layer("bn0").gamma.assign([0.0, 0.0, 1, 1, 1, 1, 1, 1])
    fit(model, SlimmingMonitor(log_dir=tmp_path))
    found = {}
    for path in tmp_path.iterdir():
        for raw in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(raw)
            for value in event.summary.value:
                plugin = value.metadata.plugin_data.plugin_name
                found[value.tag, event.step] = plugin, tf.make_ndarray(value.tensor)
    plugin, share = found["slimming/scales_near_zero", 1]
    assert (plugin, float(share)) == ("scalars", 0.25)
    assert float(found["slimming/mean_scale", 1][1]) == 0.75
    assert found["scales_near_zero/bn0", 0][0] == "scalars"
    plugin, bars = found["slimming/scales", 1]
    assert plugin == "histograms"
    assert bars.shape == (40, 3)
    assert bars[:, 2].sum() == 8


def test_scales_that_are_no_numbers_stop_the_training():
    """The message names the layer and the epoch."""
    model = small_net(8)

    class Break(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            del epoch, logs
            self.model.get_layer("bn0").gamma.assign(np.full(8, np.nan))

    with pytest.raises(errors.TrainingError, match=r"'bn0' \(1 of 1 layers\) after"):
        fit(model, Break(), SlimmingMonitor())


def test_a_model_without_scales_is_refused_when_training_starts():
    """The message names the model and says what to do."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="plain")
    model.compile("sgd", "mse")
    with pytest.raises(errors.ModelError, match="'plain', which has none"):
        model.fit(
            np.zeros((1, 2)), np.zeros((1, 1)), verbose=0, callbacks=[SlimmingMonitor()]
        )


@pytest.mark.parametrize("wrong", [{"near_zero": 0}, {"bins": 0}])
def test_settings_must_be_positive(wrong):
    """The message names the setting."""
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))):
        SlimmingMonitor(**wrong)
