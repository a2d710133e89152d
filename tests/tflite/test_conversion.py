import json
import subprocess
import sys
import tracemalloc

import keras
import numpy as np
import pytest

from tests import models
from tfcompress import errors, sparsity, tflite
from tfcompress.sparsity.pruned_model import state_of
from tfcompress.tflite.signal_quality import snr_db

# Least signal-to-noise ratio of a file's logits on noise images, in dB.
LEAST_DB = {
    "float32": 100,
    "float16": 55,
    "dynamic_int8": 30,
    "int8": 27,
    "int16x8": 30,
}


@pytest.mark.parametrize("recipe", tflite.RECIPES)
def test_every_recipe_computes_what_the_model_does(converted, net, images, recipe):
    """The logits of the file are those of the model, as exactly as the recipe can."""
    conversion = converted(recipe)
    expected = np.asarray(net(images))
    actual = tflite.Runner(conversion.content)(images)
    assert snr_db(expected, actual) > LEAST_DB[recipe]
    assert conversion.inspection.metadata["recipe"] == recipe


@pytest.mark.slow
def test_sizes_shrink_as_promised(images):
    """float16 halves the weights, int8 quarters them; a wide net shows it."""
    wide = models.conv_bn_net(widths=(16, 64, 64))
    size = {
        recipe: tflite.convert(
            wide, recipe, calibration=[images]
        ).inspection.weight_bytes
        for recipe in ("float32", "float16", "int8")
    }
    assert size["float16"] < 0.52 * size["float32"]
    assert size["int8"] < 0.29 * size["float32"]


@pytest.mark.parametrize("recipe", ["int8", "int16x8"])
def test_integer_recipes_are_integer_only(converted, recipe):
    """Between the borders nothing computes on floats."""
    conversion = converted(recipe)
    assert conversion.float_operators == ()
    assert conversion.inspection.inputs[0].dtype == "float32"
    assert conversion.calibration_examples == 64


def test_integer_borders(converted, net, images):
    """With inputs="int8" the file takes and gives int8, and the Runner floats."""
    conversion = converted("int8", "int8")
    assert [t.dtype for t in conversion.inspection.inputs] == ["int8"]
    assert [t.dtype for t in conversion.inspection.outputs] == ["int8"]
    assert "QUANTIZE" not in conversion.inspection.operator_counts
    actual = tflite.Runner(conversion.content)(images)
    assert snr_db(np.asarray(net(images)), actual) > 27


def test_names_and_order_are_the_models(images):
    """Inputs and outputs keep names and order, in the file and in its signature."""
    first = keras.Input((12, 12, 3), name="zebra")
    second = keras.Input((4,), name="ant")
    x = keras.layers.GlobalAveragePooling2D()(first)
    x = keras.layers.Concatenate()([x, second])
    outputs = [keras.layers.Dense(n, name=name)(x) for n, name in ((3, "z"), (2, "a"))]
    model = models.randomise(keras.Model([first, second], outputs))
    conversion = tflite.convert(model)
    found = conversion.inspection
    assert [t.name for t in found.inputs] == ["zebra", "ant"]
    assert [t.name for t in found.outputs] == ["z", "a"]
    assert set(found.signatures) == {"serving_default"}
    assert set(found.signatures["serving_default"]["inputs"]) == {"zebra", "ant"}
    vectors = np.random.default_rng(1).random((64, 4), dtype=np.float32)
    runner = tflite.Runner(conversion.content)
    for given in ([images, vectors], {"ant": vectors, "zebra": images}):
        for wanted, actual in zip(model([images, vectors]), runner(given), strict=True):
            np.testing.assert_allclose(actual, wanted, atol=1e-5)


def test_dict_outputs_keep_their_keys():
    """A model that returns a dict names its outputs by the keys."""
    inputs = keras.Input((4,), name="x")
    heads = {
        "size": keras.layers.Dense(2, name="d1")(inputs),
        "kind": keras.layers.Dense(3, name="d2")(inputs),
    }
    found = tflite.convert(keras.Model(inputs, heads)).inspection
    assert {t.name: t.shape for t in found.outputs} == {"kind": (1, 3), "size": (1, 2)}


def test_a_shared_layers_two_outputs_have_two_names():
    """Repeated output names are numbered."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    dense = keras.layers.Dense(2, name="shared")
    found = tflite.convert(keras.Model([a, b], [dense(a), dense(b)])).inspection
    assert [t.name for t in found.outputs] == ["shared", "shared_1"]


def test_flatten_needs_no_shape_arithmetic():
    """With the fixed batch there is one RESHAPE, no SHAPE or PACK."""
    model = keras.Sequential(
        [keras.Input((4, 4, 2)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    assert set(tflite.convert(model).inspection.operator_counts) <= {
        "RESHAPE",
        "FULLY_CONNECTED",
    }


def test_the_file_is_written(net, tmp_path):
    """`path` gets exactly the content."""
    path = tmp_path / "made" / "net.tflite"
    conversion = tflite.convert(net, path=path)
    assert path.read_bytes() == conversion.content
    assert conversion.path == path


def test_the_report_survives_json(converted):
    """`to_dict` is plain JSON with sizes, operators and versions."""
    record = converted("int8").to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["size_bytes"] == len(converted("int8").content)
    assert record["sample_snr_db"] > 20
    assert "content" not in record


@pytest.mark.slow
def test_the_model_is_not_changed(net, images):
    """Weights and config are the same afterwards."""
    before = [weight.copy() for weight in net.get_weights()]
    config = json.dumps(net.get_config(), default=str)
    tflite.convert(net, "int8", calibration=[images])
    assert json.dumps(net.get_config(), default=str) == config
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


class Erf(keras.layers.Layer):
    """An operator without an int8 form."""

    def call(self, x):
        return keras.ops.sin(x)


def test_float_operators_are_refused_and_listed(images):
    """int8 with a float operator left is an error that names it, unless allowed."""
    inputs = keras.Input((12, 12, 3), name="image")
    x = keras.layers.Conv2D(4, 3)(inputs)
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3)(Erf(name="wave")(x)))
    with pytest.raises(
        errors.ConversionError, match=r"stay in floating point.*SIN \(.*--allow-float"
    ):
        tflite.convert(model, "int8", calibration=[images])
    allowed = tflite.convert(model, "int8", calibration=[images], allow_float_ops=True)
    assert any(name.startswith("SIN") for name in allowed.float_operators)
    assert allowed.to_dict()["float_operators"] == list(allowed.float_operators)


class NoSuchOperator(keras.layers.Layer):
    """Something that TFLite has no operator for."""

    def call(self, x):
        return keras.ops.erfinv(x)


def test_the_converters_failure_is_wrapped():
    """Pages of converter output become a sentence; the cause is kept."""
    inputs = keras.Input((4,))
    model = keras.Model(inputs, NoSuchOperator()(inputs), name="odd")
    with pytest.raises(
        errors.ConversionError, match=r"refused the model\. Received: odd.*tf\.Erfinv"
    ) as caught:
        tflite.convert(model)
    assert caught.value.__cause__ is not None
    assert "\n" not in str(caught.value)


def test_a_file_that_answers_something_else_is_refused(monkeypatch):
    """The file is run against the model before it is handed out."""
    inputs = keras.Input((4,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(2, name="d")(inputs), name="m")
    other = models.randomise(keras.models.clone_model(model), seed=9)
    from tfcompress.tflite import float32_clone, translation

    translate = translation.translate
    monkeypatch.setattr(float32_clone, "as_float32", lambda model: model)
    monkeypatch.setattr(
        translation,
        "translate",
        lambda _, *args, **kwargs: translate(other, *args, **kwargs),
    )
    with pytest.raises(
        errors.ConversionError, match=r"does not compute what the model does.*dB"
    ):
        tflite.convert(model)


def test_an_output_that_is_not_finite_is_refused():
    """A model that answers NaN is refused with the output's name."""
    inputs = keras.Input((4,), name="x")
    logs = keras.layers.Lambda(lambda t: keras.ops.log(t - 2), name="logs")(inputs)
    with pytest.raises(
        errors.ConversionError, match=r"'logs' is not finite.*the model"
    ):
        tflite.convert(keras.Model(inputs, logs))


def test_nan_weights_are_refused():
    """NaN in the weights is reported before the converter starts."""
    model = models.conv_bn_net()
    model.get_layer("conv1").kernel.assign(
        model.get_layer("conv1").kernel * float("nan")
    )
    with pytest.raises(errors.ModelError, match="conv1/kernel"):
        tflite.convert(model)


def test_dynamic_sizes_are_refused():
    """An input without a fixed size is named, with what to do."""
    inputs = keras.Input((None, None, 3), name="image")
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    with pytest.raises(
        errors.ConversionError, match=r"'image' has no fixed.*--input-sh"
    ):
        tflite.convert(model)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="sub")
        self.dense = keras.layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_a_model_without_a_graph_is_refused():
    """A subclassed model has no inputs to name."""
    model = Subclassed()
    model(np.zeros((1, 3)))
    with pytest.raises(errors.ConversionError, match=r"no fixed inputs.*keras\.Input"):
        tflite.convert(model)


def test_no_keras_model():
    """Something else is refused by its type."""
    with pytest.raises(errors.ModelError, match="Received"):
        tflite.convert("model.keras")


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"recipe": "int4"}, ValueError, "Unknown recipe.*'int4'.*int16x8"),
        ({"recipe": "int8"}, errors.DataError, "needs calibration data.*--data"),
        ({"recipe": "int16x8"}, errors.DataError, "needs calibration data"),
        ({"inputs": "int8"}, ValueError, "Only an integer recipe"),
        ({"inputs": "uint8"}, ValueError, "Unknown type of inputs"),
    ],
)
def test_arguments_are_checked_first(net, arguments, kind, message):
    """Before any work."""
    with pytest.raises(kind, match=message):
        tflite.convert(net, **arguments)


def test_a_refused_write_leaves_the_old_file(net, tmp_path, monkeypatch):
    """Disk full while writing: one line, and what was there stays."""
    path = tmp_path / "net.tflite"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(errors.OutputError, match="No space left"):
        tflite.convert(net, path=path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["net.tflite"]


@pytest.mark.slow
def test_nothing_is_printed():
    """stdout stays empty, even of what C++ prints: a command answers JSON there."""
    program = (
        "import numpy as np\n"
        "from tests import models\n"
        "from tfcompress import tflite\n"
        "x = np.zeros((2, 12, 12, 3), np.float32)\n"
        "tflite.convert(models.conv_bn_net(), 'int8', calibration=[x])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert b"Saved artifact" not in done.stderr


@pytest.mark.slow
def test_calibration_memory_is_flat(net):
    """4,000 generated examples cost no more memory than 40."""

    def peak(num_batches):
        rng = np.random.default_rng(0)
        batches = (
            rng.random((40, 12, 12, 3), dtype=np.float32) for _ in range(num_batches)
        )
        tracemalloc.start()
        try:
            made = tflite.convert(net, "int8", calibration=batches)
            return made.calibration_examples, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # imports and caches
    few, small = peak(1)
    many, large = peak(100)
    assert (few, many) == (40, 4_000)
    assert large < small + 2_000_000  # the examples are 6.9 MB


@pytest.mark.slow
def test_a_model_that_is_being_pruned_is_converted_as_its_plain_one():
    model = models.conv_bn_net()
    pruned = sparsity.prune_low_magnitude(model, sparsity.constant(0.5))
    state_of(pruned).update(0.5)
    plain = tflite.convert(sparsity.strip(pruned))
    assert tflite.convert(pruned).content == plain.content
    pruned.get_layer("conv1").kernel.assign(model.get_layer("conv1").kernel)
    with pytest.raises(errors.ModelError, match=r"zeros are gone.*apply_masks"):
        tflite.convert(pruned)
