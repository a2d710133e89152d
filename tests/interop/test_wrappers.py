"""Tests of what is left of TFMOT's wrappers: plain layers with what was learned."""

from __future__ import annotations

import numpy as np
import pytest
from tf_keras import layers

from tests.interop import networks
from tfcompress import errors, interop
from tfcompress.interop import legacy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tfmot():
    return legacy.tfmot()


def network():
    def build(x):
        x = layers.ReLU()(layers.BatchNormalization()(networks.conv(x, use_bias=False)))
        x = layers.DepthwiseConv2D(3, padding="same", name="deep")(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
        return layers.Dense(3, name="head", activation="softmax")(layers.Flatten()(x))

    return networks.randomise(networks.of((6, 6, 3), build))


def learn(model, **settings):
    """Fit a wrapped model for two steps."""
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = networks.inputs_of(model, batch=8)
    model.fit(x, np.arange(8) % 3, batch_size=4, verbose=0, **settings)
    return model


def same_outputs(new, old, tolerance=1e-5):
    x = networks.inputs_of(old, batch=4)
    error = networks.relative_error(
        networks.outputs_of(new, x), networks.outputs_of(old, x)
    )
    return error < tolerance


@pytest.fixture(scope="module")
def pruned(tfmot):
    tools = tfmot.sparsity.keras
    schedule = tools.ConstantSparsity(0.5, 0, frequency=1)
    model = tools.prune_low_magnitude(network(), pruning_schedule=schedule)
    return learn(model, callbacks=[tools.UpdatePruningStep()])


def test_pruning_leaves_its_zeros(pruned):
    new = interop.from_keras2(pruned)

    assert same_outputs(new, pruned)
    assert not any("prune" in layer.name for layer in new.layers)
    head = new.get_layer("head").kernel.numpy()
    assert np.mean(head == 0) == 0.5  # 432 of 864
    assert np.mean(new.get_layer("deep").kernel.numpy() == 0) == 0


@pytest.mark.filterwarnings("ignore")  # Keras 2 warns of the legacy format
@pytest.mark.parametrize("name", ["pruned.h5", "pruned.keras"])
def test_a_pruned_file(pruned, name, tmp_path):
    pruned.save(tmp_path / name)

    assert same_outputs(interop.from_keras2(tmp_path / name), pruned)


def test_an_untrained_quantization_aware_model_is_the_float_model(tfmot):
    old = network()
    aware = tfmot.quantization.keras.quantize_model(old)

    new = interop.from_keras2(aware)

    assert same_outputs(new, old)
    kinds = [type(layer).__name__ for layer in new.layers]
    assert kinds == [type(layer).__name__ for layer in old.layers]
    assert [x.name for x in new.layers] == [x.name for x in old.layers]


@pytest.fixture(scope="module")
def aware(tfmot):
    return learn(tfmot.quantization.keras.quantize_model(network()))


def test_quantization_leaves_its_trained_float_weights(aware):
    """The kernel variable that the optimizer has moved, not its fake quantization."""
    new = interop.from_keras2(aware)

    variables = {v.name: v.numpy() for v in aware.variables}
    np.testing.assert_array_equal(
        new.get_layer("head").kernel.numpy(), variables["head/kernel:0"]
    )
    moved = network().get_layer("head").get_weights()[0]
    assert not np.array_equal(new.get_layer("head").kernel.numpy(), moved)
    assert same_outputs(new, aware, tolerance=0.1)  # 8 bits apart


@pytest.mark.filterwarnings("ignore")
def test_a_quantization_aware_file(aware, tmp_path):
    aware.save(tmp_path / "aware.h5")

    from_file = interop.from_keras2(tmp_path / "aware.h5")

    for a, b in zip(
        from_file.get_weights(), interop.from_keras2(aware).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore")
def test_a_quantization_aware_archive_that_keras_2_cannot_load(aware, tmp_path):
    aware.save(tmp_path / "aware.keras")

    with pytest.raises(errors.ModelError, match=r"Save the model as \.h5"):
        interop.from_keras2(tmp_path / "aware.keras")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("from_file", [False, True])
def test_clustering_leaves_its_centroids(tfmot, tmp_path, from_file):
    tools = tfmot.clustering.keras
    clustered = learn(
        tools.cluster_weights(
            network(),
            number_of_clusters=4,
            cluster_centroids_init=tools.CentroidInitialization.LINEAR,
        )
    )
    source = clustered
    if from_file:
        source = tmp_path / "clustered.h5"
        clustered.save(source)

    new = interop.from_keras2(source)

    assert same_outputs(new, clustered)
    stripped = tools.strip_clustering(clustered)
    np.testing.assert_allclose(
        new.get_layer("head").kernel.numpy(),
        stripped.get_layer("head").get_weights()[0],
        atol=1e-7,
    )
    assert len(np.unique(new.get_layer("head").kernel.numpy())) <= 4
