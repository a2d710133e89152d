import sys
import zlib

import numpy as np
import pytest

from tfcompress import data, errors
from tfcompress.data import naming

X = np.arange(40, dtype=np.uint8).reshape(40, 1) * np.ones((1, 3), np.uint8)
Y = np.arange(40) % 2


@pytest.fixture
def npz(tmp_path):
    def save(**arrays):
        path = tmp_path / "set.npz"
        np.savez(path, **arrays)
        return str(path)

    return save


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that writes a module and gives its name."""

    def write(body, name):
        head = (
            "import numpy as np\nimport tensorflow as tf\nfrom tfcompress import data\n"
        )
        head += "X = np.arange(40.0).reshape(40, 1)\nY = np.arange(40) % 2\n"
        head += "STREAM = tf.data.Dataset.from_tensor_slices((X, Y))\n"
        (tmp_path / f"{name}.py").write_text(head + body)
        return f"{name}:make"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return write


def values(stream):
    return sorted(np.concatenate([np.asarray(x)[:, 0] for x, *_ in stream]).tolist())


def test_npz(npz):
    spec = npz(x_train=X, y_train=Y, x_test=X[:8], y_test=Y[:8], class_names=["a", "b"])
    found = data.load(spec)
    assert found.name == "set"
    assert found.class_names == ("a", "b")
    assert found.sizes == {"train": 36, "validation": 4, "test": 8}


@pytest.mark.parametrize("name", ["validation", "val"])
def test_npz_with_validation_and_weights(npz, name):
    parts = {f"x_{name}": X[:6], f"y_{name}": Y[:6], "w_train": np.full(40, 2.0)}
    found = data.load(npz(x_train=X, y_train=Y, x_test=X, y_test=Y, **parts))
    assert found.sizes == {"train": 40, "validation": 6, "test": 40}
    assert next(iter(found.train(4)))[2].numpy().tolist() == [2.0] * 4


def test_npz_with_several_inputs(npz):
    arrays = {
        f"x_{part}/{side}": X
        for part in ("train", "test")
        for side in ("left", "right")
    }
    found = data.load(npz(y_train=Y, y_test=Y, **arrays))
    assert set(next(iter(found.test(4)))[0]) == {"left", "right"}


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (("x_train", "y_train"), "lacks x_train and y_train.*with x_test, y_test"),
        (("y_train",), "lacks y_train"),
        (("x_test",), "lacks x_test"),
        (("x_test", "y_test"), "lacks x_test and y_test"),
    ],
)
def test_npz_that_lacks_arrays(npz, missing, message):
    arrays = {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y}
    spec = npz(**{key: value for key, value in arrays.items() if key not in missing})
    with pytest.raises(errors.DataError, match=message):
        data.load(spec)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04cut"])
def test_npz_that_is_none(tmp_path, content):
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(errors.DataError, match=r"cannot be read as arrays.*bad\.npz"):
        data.load(str(tmp_path / "bad.npz"))


def test_npz_that_is_cut_off(npz, tmp_path):
    spec = npz(x_train=X, y_train=Y, x_test=X, y_test=Y)
    content = (tmp_path / "set.npz").read_bytes()
    (tmp_path / "set.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(errors.DataError, match="cannot be read as arrays"):
        data.load(spec)


def test_npz_with_pickles_is_refused(npz):
    spec = npz(x_train=np.array([{}] * 4), y_train=Y[:4], x_test=X, y_test=Y)
    with pytest.raises(errors.DataError, match="cannot be read as arrays"):
        data.load(spec)


def test_npz_that_is_missing(tmp_path):
    with pytest.raises(errors.DataError, match="no such file"):
        data.load(str(tmp_path / "none.npz"))


BODIES = {
    "pairs": "def make(): return (X, Y), (X[:8], Y[:8])",
    "triples": "def make(): return (X, Y), (X[:4], Y[:4]), (X[:8], Y[:8])",
    "parts": "def make(): return {'train': (X, Y), 'test': (X[:8], Y[:8])}",
    "whole": "def make(): return data.Dataset.from_arrays((X, Y), test=(X[:8], Y[:8]))",
    "ready": "make = data.Dataset.from_arrays((X, Y), test=(X[:8], Y[:8]))",
    "stream": "def make(): return STREAM, STREAM.take(8)",
    "batched": "def make(): return STREAM.batch(7), STREAM.take(8).batch(3)",
    "onehot": """
def make():
    stream = tf.data.Dataset.from_tensor_slices((X, np.eye(2)[Y]))
    return stream.batch(7), stream.take(8).batch(3)
""",
}


@pytest.mark.parametrize("kind", BODIES)
def test_functions(module, kind):
    found = data.load(module(BODIES[kind], f"source_{kind}"))
    assert found.task.kind == "classification"
    assert found.task.num_classes == 2
    held = 4
    assert found.sizes == {
        "train": 40 if kind == "triples" else 36, "validation": held, "test": 8,
    }  # fmt: skip
    assert values(found.test(3)) == list(range(8))
    if kind != "triples":
        seen = values(found.train(5)) + values(found.validation(5))
        assert sorted(seen) == list(range(40))
    for x, y in found.train(5):
        np.testing.assert_array_equal(x[:, 0] % 2, y)


def test_settings_of_a_function(module):
    body = "def make():\n    return {'train': (X, Y), 'name': 'mine', "
    body += "'class_names': ['even', 'odd'],"
    body += " 'preprocessing': data.Preprocessing(scale=2.0)}\n"
    found = data.load(module(body, "source_settings"))
    assert (found.name, found.class_names) == ("mine", ("even", "odd"))
    assert max(values(found.train(40))) > 40


def test_streams_keep_order_and_index(module):
    spec = module(BODIES["batched"], "source_again")
    found, again = data.load(spec), data.load(spec)
    orders = [
        np.concatenate([x for x, _ in d.train(b, seed=2, epoch=e)])[:, 0].tolist()
        for d, b, e in ((found, 5, 1), (again, 8, 1), (found, 5, 2))
    ]
    assert orders[0] == orders[1] != orders[2]
    numbers = {}
    for epoch in (0, 1):
        for index, (x, _) in found.indexed(5, epoch=epoch):
            for i, value in zip(index.numpy(), x.numpy()[:, 0], strict=True):
                assert numbers.setdefault(int(i), value) == value
    assert sorted(numbers) == list(range(36))
    assert found.fingerprint == again.fingerprint
    labels = np.concatenate([y for _, y in found.validation(4)])
    assert np.bincount(labels).tolist() == [2, 2]
    assert len(list(found.calibration(6, batch_size=4))) == 2
    assert len(found.train(5)) == 8


def test_streamed_masks(module):
    body = (
        "def make():\n"
        "    m = np.zeros((300, 2, 2, 1), np.uint8)\n"
        "    m[299] = 4\n"
        "    s = tf.data.Dataset.from_tensor_slices((np.zeros((300, 2, 2, 3)), m))\n"
        "    return s.batch(10), s.batch(10)\n"
    )
    found = data.load(module(body, "source_masks"))
    assert (found.task.kind, found.task.num_classes) == ("segmentation", 5)
    assert next(iter(found.test(4)))[1].shape == (4, 2, 2)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("STREAM.shuffle(40), STREAM", r"each time.*Remove its \.shuffle"),
        ("3", r"does not return a data set.*returned int"),
        ("[1, 2]", r"does not return a data set"),
        ("(STREAM, (X, Y))", "different kinds"),
        ("[STREAM.map(lambda x, y: x)] * 2", r"does not yield \(x, y\)"),
        ("STREAM.take(0), STREAM", "train part is empty"),
        ("[STREAM.map(lambda x, y: (x, {'a': y, 'b': y}))] * 2", "several outputs"),
    ],
)
def test_functions_that_return_something_else(module, returned, message):
    name = f"source_{zlib.crc32(returned.encode())}"
    with pytest.raises(errors.DataError, match=message):
        data.load(module(f"def make(): return {returned}", name))


def test_a_setting_that_is_unknown(module):
    body = "def make():\n    return {'train': (X, Y), 'class_name': ['a']}\n"
    with pytest.raises(errors.ConfigError, match="Did you mean 'class_names'"):
        data.load(module(body, "source_unknown"))


def test_functions_that_are_not_there(module):
    module("", "source_nothing")
    with pytest.raises(errors.ConfigError, match="no such function"):
        data.load("source_nothing:make")
    with pytest.raises(errors.ConfigError, match="cannot be imported"):
        data.load("source_absent:make")


def test_functions_that_fail_are_named(module):
    """Their errors are the user's own, and say so."""
    module("def make(): return 1 / 0", "source_failing")
    with pytest.raises(errors.DataError, match="source_failing:make raised ZeroDiv"):
        data.load("source_failing:make")
    module("1 / 0", "source_broken")
    with pytest.raises(errors.ConfigError, match=r"imported.*ZeroDivisionError"):
        data.load("source_broken:make")


def test_a_preprocessing_function_that_fails_is_named(module):
    module("def half(): pass\ndef make(): return (X, Y), (X, Y)", "source_halving")
    dataset = data.load("source_halving:make", preprocess="source_halving:half")
    with pytest.raises(errors.DataError, match="source_halving:half raised TypeError"):
        dataset.train(4)


@pytest.mark.parametrize("name", ["nowhere:f", "json:nothing", "json", ""])
def test_a_name_that_names_nothing_says_how_to_give_one(name):
    with pytest.raises(errors.ConfigError, match=r"package\.module:function"):
        naming.find(name)


@pytest.mark.parametrize("spec", ["fashion-mnst", "no/such/folder", "data.csv"])
def test_unknown_source(spec):
    with pytest.raises(errors.DataError, match="no such data set") as caught:
        data.load(spec)
    assert ("Did you mean 'fashion-mnist'" in str(caught.value)) == ("mn" in spec)


def test_settings_on_a_dataset():
    made = data.Dataset.from_arrays((X, Y))
    found = data.load(made, preprocess="scale=2", augment=None, limit=4, metric="f1")
    assert found.preprocessing.scale == 2.0
    assert found.sizes["train"] == 4
    assert found.task.metric == "f1"
    assert made.preprocessing.scale == 1.0
    with pytest.raises(errors.DataError, match="task of its own"):
        data.load(made, task="regression")


def test_image_size_for_what_is_no_image():
    with pytest.raises(errors.DataError, match="Only images can be resized"):
        data.load(data.Dataset.from_arrays((X, Y)), image_size=8)
