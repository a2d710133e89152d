import json

import keras
import numpy as np
import pytest

from tests import models
from tests.tflite.test_layer_errors import coarser
from tfcompress import data, errors, tflite
from tfcompress.tflite import comparison


@pytest.fixture(scope="module")
def spoilt(converted):
    """An int8 file whose classifier kept 1 bit of its 8."""
    return coarser(converted("int8").content, [5, 16])


def test_a_float_file_equals_its_model(net, converted, dataset):
    """Accuracy 1 on both sides, every answer the same."""
    report = tflite.check_parity(
        net, converted("float32"), data=dataset, max_drop=0.0, min_agreement=1.0
    )
    assert report.passed
    assert report.keras.value == report.tflite.value == 1.0
    assert report.agreement == 1.0
    assert report.snr_db > 100
    assert report.num_examples == 64
    assert set(report.per_class_drop.values()) == {0.0}
    report.raise_if_failed()


def test_a_spoilt_file_fails_and_the_layer_is_named(net, spoilt, dataset):
    """Both limits are broken, and the diagnosis names the classifier."""
    report = tflite.check_parity(
        net, spoilt, data=dataset, max_drop=0.001, min_agreement=0.999
    )
    assert not report.passed
    assert len(report.reasons) == 2
    assert "worse than the model's" in report.reasons[0]
    assert "agree on" in report.reasons[1]
    assert report.drop == pytest.approx(1 - report.tflite.value)
    assert report.agreement == pytest.approx(report.tflite.value)
    assert report.worst_layers[0].layer == "predictions"
    with pytest.raises(errors.ParityError, match=r"not as good.*predictions.*int16x8"):
        report.raise_if_failed()


def test_without_limits_nothing_fails(net, spoilt, dataset):
    """The report is there all the same."""
    report = tflite.check_parity(net, spoilt, data=dataset)
    assert report.passed
    assert report.drop > 0
    assert report.worst_layers == ()


def test_the_drop_of_a_class_is_that_of_its_recall(net, spoilt, images, dataset):
    """Worked out here from the two models' answers."""
    labels = np.asarray(net(images)).argmax(-1)
    answers = tflite.Runner(spoilt)(images).argmax(-1)
    report = tflite.check_parity(net, spoilt, data=dataset)
    for name, drop in report.per_class_drop.items():
        mine = labels == int(name)
        assert drop == pytest.approx(1 - (answers[mine] == int(name)).mean())


def test_the_record_survives_json(net, spoilt, dataset):
    """Plain values, with the names that the report reads."""
    record = tflite.check_parity(net, spoilt, data=dataset, max_drop=0.0).to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert {"passed", "drop", "top1_agreement", "snr_db", "worst_layers"} <= set(record)


def test_a_file_by_path_and_the_validation_part(net, converted, dataset, tmp_path):
    """A path is tried in a child process first; the split is respected."""
    path = tmp_path / "net.tflite"
    path.write_bytes(converted("int8").content)
    report = tflite.check_parity(net, path, data=dataset, split="validation")
    assert report.split == "validation"
    assert report.snr_db > 25


def test_several_outputs_and_inputs():
    """Each output is judged by its own task; the lowest agreement is reported."""
    rng = np.random.default_rng(0)
    a, b = rng.random((40, 6), np.float32), rng.random((40, 3), np.float32)
    inputs = [keras.Input((6,), name="left"), keras.Input((3,), name="a_right")]
    x = keras.layers.Concatenate()(inputs)
    outputs = [
        keras.layers.Dense(3, activation="softmax", name="kind")(x),
        keras.layers.Dense(1, name="amount")(x),
    ]
    model = models.randomise(keras.Model(inputs, outputs))
    kind, amount = (np.asarray(y) for y in model([a, b]))
    part = (
        {"left": a, "a_right": b},
        {"kind": kind.argmax(-1), "amount": amount},
    )
    dataset = data.Dataset.from_arrays(
        train=part,
        validation=part,
        test=part,
        task={"kind": "classification", "amount": "regression"},
    )
    report = tflite.check_parity(
        model, tflite.convert(model), data=dataset, min_agreement=1.0
    )
    assert report.passed
    assert report.agreement == 1.0
    assert report.tflite.outputs["amount"].value == pytest.approx(0, abs=1e-5)


@pytest.mark.slow
def test_another_models_file_is_refused(net, dataset):
    """Shapes that do not fit are named before any data are read."""
    other = models.conv_bn_net(classes=7)
    with pytest.raises(errors.ParityError, match=r"outputs are not.*\(7,\).*\(5,\)"):
        tflite.check_parity(net, tflite.convert(other), data=dataset)
    wide = models.conv_bn_net(input_shape=(14, 14, 3))
    with pytest.raises(errors.ParityError, match="inputs are not the model's"):
        tflite.check_parity(net, tflite.convert(wide), data=dataset)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "tset"}, "split='tset'.*'test'"),
        ({"max_drop": -0.1}, "max_drop=-0.1"),
        ({"min_agreement": 1.5}, "min_agreement=1.5"),
    ],
)
def test_settings_are_checked_first(net, dataset, settings, message):
    """Before the file is opened."""
    with pytest.raises(errors.ConfigError, match=message):
        tflite.check_parity(net, "nowhere.tflite", data=dataset, **settings)


def test_a_regression_has_no_agreement():
    """Asking for one is refused instead of never failing."""
    inputs = keras.Input((3,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(1, name="y")(inputs))
    part = (np.zeros((20, 3), np.float32), np.zeros((20, 1), np.float32))
    dataset = data.Dataset.from_arrays(train=part, test=part, task="regression")
    with pytest.raises(errors.ConfigError, match=r"no top answer.*max_drop"):
        tflite.check_parity(model, "x.tflite", data=dataset, min_agreement=0.9)


def test_data_that_do_not_fit_are_refused(net, converted):
    """Before any work."""
    part = (np.zeros((20, 9, 9, 3), np.float32), np.zeros(20, np.int64))
    dataset = data.Dataset.from_arrays(train=part, test=part, task="classification")
    with pytest.raises(errors.DataError):
        tflite.check_parity(net, converted("float32"), data=dataset)


def test_the_data_are_streamed(net, converted, dataset, monkeypatch):
    """Batch by batch, each example runs once, whatever the batch size."""
    whole = tflite.check_parity(net, converted("int8"), data=dataset)
    sizes = []
    run = tflite.Runner.__call__

    def counted(self, x):
        sizes.append(len(next(iter(x.values()))))
        return run(self, x)

    monkeypatch.setattr(comparison, "BATCH_SIZE", 10)
    monkeypatch.setattr(tflite.Runner, "__call__", counted)
    report = tflite.check_parity(net, converted("int8"), data=dataset)
    assert sizes == [10] * 6 + [4]
    assert report.num_examples == 64
    assert report.agreement == whole.agreement
    assert report.snr_db == pytest.approx(whole.snr_db)
