"""A network whose layers are switched to a precision one by one."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net, randomise
from tests.quantize.unequal_nets import mobile
from tfcompress.quantize.simulation import REST, Simulation

layers = keras.layers


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(8, 16, 16, 3)).astype("float32")


def test_all_float_is_the_model(images):
    model = mobile()
    simulation = Simulation(model)
    simulation.calibrate([images])

    np.testing.assert_allclose(simulation(images), model(images), rtol=1e-4, atol=1e-4)


def test_the_output_lies_on_the_grid_of_its_range():
    """A Dense layer with a range of 0 to 5.1 has steps of 0.02 at 8 bits."""
    x = inputs = keras.Input((1,))
    model = keras.Model(inputs, layers.Dense(1, name="only")(x))
    model.get_layer("only").set_weights([np.ones((1, 1)), np.zeros(1)])
    simulation = Simulation(model)
    simulation.calibrate([np.array([[0.0], [5.1]], np.float32)])
    simulation.set({"only": "int8"})

    made = simulation(np.array([[0.031], [0.029], [9.0], [-1.0]], np.float32))

    np.testing.assert_allclose(made.ravel(), [0.04, 0.02, 5.1, 0.0], atol=1e-5)


def test_sixteen_bits_round_activations_less(images):
    model = mobile()
    simulation = Simulation(model)
    simulation.calibrate([images])
    exact = simulation(images)
    errors = []
    for precision in ("int8_w4", "int8", "int16x8"):
        simulation.set({**dict.fromkeys(simulation.layers, precision), REST: precision})
        errors.append(np.square(simulation(images) - exact).mean())

    assert errors[0] > 4 * errors[1] > 4 * errors[2] > 0


def test_a_layer_goes_back_to_float(images):
    simulation = Simulation(mobile())
    simulation.calibrate([images])
    exact = simulation(images)

    simulation.set({"dw0": "int8_w4"})
    changed = simulation(images)
    simulation.set({})

    assert np.abs(changed - exact).max() > 1e-3
    np.testing.assert_array_equal(simulation(images), exact)


def test_it_is_compiled_once(images):
    simulation = Simulation(mobile())
    simulation.calibrate([images])
    for name in simulation.layers:
        for precision in ("int8", "int8_w4"):
            simulation.set({name: precision, REST: "int8"})
            simulation(images)

    assert simulation._forward.experimental_get_tracing_count() == 1


def test_the_model_is_not_changed(images):
    model = randomise(conv_bn_net())
    before = [w.copy() for w in model.get_weights()]
    simulation = Simulation(model)
    simulation.calibrate([images[:, :12, :12]])
    simulation.set(dict.fromkeys(simulation.layers, "int8_w4"))

    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_several_inputs_and_a_dict_of_outputs():
    one, two = keras.Input((3,), name="one"), keras.Input((2,), name="two")
    x = layers.Concatenate()([layers.Dense(4)(one), layers.Dense(4)(two)])
    outputs = {"b": layers.Dense(2)(x), "a": layers.Dense(1)(x)}
    model = randomise(keras.Model({"one": one, "two": two}, outputs))
    simulation = Simulation(model)
    batch = {"one": np.ones((4, 3), "float32"), "two": np.ones((4, 2), "float32")}
    simulation.calibrate([batch])

    made = simulation(batch)

    wanted = model(batch)
    np.testing.assert_allclose(made["a"], wanted["a"], rtol=1e-5)
    np.testing.assert_allclose(made["b"], wanted["b"], rtol=1e-5)
