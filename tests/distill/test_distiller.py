"""The distiller is a Keras model that trains the plain student."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net, randomise
from tests.training.networks import blob_arrays, copy_of, flat
from tfcompress import distill, errors
from tfcompress.distill import losses

L = keras.layers


def teacher_net(logits=True):
    return randomise(conv_bn_net((8, 8, 3), widths=(4, 8), classes=4, logits=logits))


def student_net(logits=True):
    return conv_bn_net((8, 8, 3), widths=(4, 6), classes=4, logits=logits, seed=1)


def crossentropy(logits):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)


@pytest.mark.parametrize("logits", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.75, 1.0])
def test_loss_is_the_mixture(logits, alpha):
    """One step's loss: (1 - alpha) CE + alpha T² KL, computed apart in NumPy."""
    student, teacher = student_net(logits), teacher_net(logits)
    x, y = blob_arrays(16)
    probe = copy_of(student)
    out, said = np.asarray(probe(x, training=True)), np.asarray(teacher(x))
    if not logits:
        out, said = np.log(out), np.log(said)
    soft = losses.soft_cross_entropy(said, out, temperature=3.0)
    log_p = out - np.log(np.exp(out).sum(-1, keepdims=True))
    expected = alpha * np.mean(soft) + (1 - alpha) * -np.mean(log_p[np.arange(16), y])
    distiller = distill.Distiller(student, teacher, temperature=3.0, alpha=alpha)
    distiller.compile("sgd", crossentropy(logits), metrics=["accuracy"])
    logs = distiller.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    assert logs["distillation_loss"] == pytest.approx(np.mean(soft), rel=1e-4)
    assert "accuracy" in logs


def test_trains_the_student_and_only_it():
    """The teacher's weights, statistics and flags are left as they were."""
    student, teacher = student_net(), teacher_net()
    weights, config = flat(teacher), teacher.to_json()
    start, nodes = flat(student), student.to_json()
    distiller = distill.Distiller(student, teacher)
    distiller.compile("adam", crossentropy(logits=True))
    x, y = blob_arrays(64)
    distiller.fit(x, y, epochs=2, verbose=0)
    assert distiller.student is student
    assert np.abs(flat(student) - start).max() > 1e-3
    np.testing.assert_array_equal(flat(teacher), weights)
    assert teacher.to_json() == config
    assert student.to_json() == nodes
    assert len(distiller.trainable_variables) == len(student.trainable_variables)
    np.testing.assert_allclose(
        distiller.predict(x[:8], verbose=0), student(x[:8]), rtol=1e-4, atol=1e-5
    )


def test_evaluates_by_the_tasks_loss():
    """`evaluate` gives what the student's own would."""
    student = student_net()
    distiller = distill.Distiller(student, teacher_net())
    distiller.compile("sgd", crossentropy(logits=True), metrics=["accuracy"])
    student.compile("sgd", crossentropy(logits=True), metrics=["accuracy"])
    x, y = blob_arrays(32)
    found = distiller.evaluate(x, y, verbose=0, return_dict=True)
    expected = student.evaluate(x, y, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-4)


def test_stored_targets_train_as_the_live_teacher_does(tmp_path):
    """Same batches, same weights afterwards."""
    import tensorflow as tf

    x, y = blob_arrays(64)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    teacher, results = teacher_net(), []
    store = distill.cache_soft_targets(teacher, batches, path=tmp_path)
    for source, stream in ((teacher, batches), (store, store.attach(batches))):
        student = student_net()
        distiller = distill.Distiller(student, source)
        distiller.compile(keras.optimizers.SGD(0.05), crossentropy(logits=True))
        distiller.fit(stream, verbose=0)
        results.append(flat(student))
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)


@pytest.mark.slow
def test_hints_pull_features_together():
    """Widths differ: a 1x1 adapter learns with the student and is not part of it."""
    student, teacher = student_net(), teacher_net()
    distiller = distill.Distiller(
        student,
        teacher,
        alpha=0.5,
        hints=[
            ("relu1", "relu1"),
            distill.Hint(student="relu0", teacher="relu0", attention=True, weight=10.0),
        ],
    )
    distiller.compile(keras.optimizers.Adam(0.01), crossentropy(logits=True))
    extra = len(distiller.trainable_variables) - len(student.trainable_variables)
    assert extra == 2  # kernel and bias of one adapter
    x, y = blob_arrays(64)

    def distance():
        ours, theirs = (
            keras.Model(m.input, m.get_layer("relu0").output)(x)
            for m in (student, teacher)
        )
        return float(np.mean(losses.attention_difference(theirs, ours)))

    before = distance()
    history = distiller.fit(x, y, epochs=15, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert distance() < 0.9 * before


def test_hint_loss_by_hand():
    """Equal logits, features 1 apart everywhere: the loss is the hint's weight."""

    def net(bias):
        inputs = keras.Input((2,))
        x = L.Dense(2, kernel_initializer="identity", name="feature")(inputs)
        outputs = L.Dense(2, kernel_initializer="zeros", name="end")(x)
        model = keras.Model(inputs, outputs)
        model.get_layer("feature").bias.assign([bias, bias])
        return model

    hint = distill.Hint(student="feature", teacher="feature", weight=3.0)
    distiller = distill.Distiller(net(0.0), net(1.0), alpha=1.0, hints=[hint])
    distiller.compile("sgd", crossentropy(logits=True))
    logs = distiller.train_on_batch(np.ones((4, 2)), np.zeros(4), return_dict=True)
    assert logs["loss"] == pytest.approx(3.0)


def head_net(outputs, seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    return keras.Model(inputs, outputs(x))


def pooled(x):
    return L.GlobalAveragePooling2D()(x)


TASKS = {
    "labels": (
        lambda x: L.Dense(5, "sigmoid")(pooled(x)),
        keras.losses.BinaryCrossentropy(),
        (5,),
        ["sigmoid"],
    ),
    "label logits": (
        lambda x: L.Dense(5)(pooled(x)),
        keras.losses.BinaryCrossentropy(from_logits=True),
        (5,),
        ["sigmoid"],
    ),
    "numbers": (lambda x: L.Dense(2)(pooled(x)), "mse", (2,), ["linear"]),
    "pixels": (
        lambda x: L.Conv2D(3, 1, activation="softmax")(x),
        keras.losses.SparseCategoricalCrossentropy(),
        (8, 8),
        ["softmax"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_kinds_of_outputs(name):
    """Multi-label, regression and per-pixel outputs learn what the teacher says."""
    outputs, loss, shape, kinds = TASKS[name]
    student, teacher = head_net(outputs, 1), randomise(head_net(outputs, 2))
    distiller = distill.Distiller(student, teacher, alpha=1.0)
    distiller.compile(keras.optimizers.Adam(0.02), loss)
    assert [soft.kind for soft in distiller._soft_losses] == kinds
    x, _ = blob_arrays(64)
    y = np.zeros((64, *shape), "int32")
    history = distiller.fit(x, y, epochs=15, verbose=0).history["distillation_loss"]
    assert history[-1] < 0.7 * history[0]


def test_several_outputs():
    """Each output has its kind, its loss by name and its weight."""

    def outputs(x):
        return {
            "kind": L.Dense(3, "softmax", name="kind")(pooled(x)),
            "size": L.Dense(1, name="size")(pooled(x)),
        }

    student, teacher = head_net(outputs, 1), randomise(head_net(outputs, 2))
    x, y = blob_arrays(32)
    said = {name: np.asarray(value) for name, value in teacher(x).items()}
    ours = {name: np.asarray(value) for name, value in student(x).items()}
    kl = losses.soft_cross_entropy(np.log(said["kind"]), np.log(ours["kind"]))
    expected = np.mean(kl) + 0.25 * np.mean((said["size"] - ours["size"]) ** 2)
    distiller = distill.Distiller(student, teacher, alpha=1.0)
    distiller.compile(
        "sgd",
        {"kind": "sparse_categorical_crossentropy", "size": "mse"},
        loss_weights={"kind": 1.0, "size": 0.25},
        metrics={"kind": ["accuracy"]},
    )
    labels = {"kind": y % 3, "size": np.zeros((32, 1))}
    logs = distiller.train_on_batch(x, labels, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    assert set(distiller.predict(x[:4], verbose=0)) == {"kind", "size"}


@pytest.mark.parametrize(
    "weights", [[2.0, 0.5], {"one": 2.0, "other": 0.5}], ids=["list", "dict"]
)
def test_loss_weights_by_position(weights):
    """As Keras takes them; compiling again without them forgets them."""

    def outputs(x):
        return [L.Dense(2, name="one")(pooled(x)), L.Dense(2, name="other")(pooled(x))]

    student, teacher = head_net(outputs, 1), randomise(head_net(outputs, 2))
    x, _ = blob_arrays(16)
    gaps = [
        np.mean((np.asarray(said) - np.asarray(ours)) ** 2)
        for said, ours in zip(teacher(x), student(x), strict=True)
    ]
    loss = dict.fromkeys(weights, "mse") if isinstance(weights, dict) else ["mse"] * 2
    distiller = distill.Distiller(student, teacher, alpha=1.0)
    y = [np.zeros((16, 2))] * 2
    still = keras.optimizers.SGD(0.0)
    distiller.compile(still, loss, weights)
    logs = distiller.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] == pytest.approx(2 * gaps[0] + 0.5 * gaps[1], rel=1e-4)
    distiller.compile(still, loss)
    logs = distiller.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] == pytest.approx(sum(gaps), rel=1e-4)


def softmaxed(x):
    return L.Dense(3, "softmax")(pooled(x))


PROBABILITIES = {
    "linear activation": lambda x: L.Activation("linear")(softmaxed(x)),
    "time distributed": lambda x: L.TimeDistributed(L.Dense(3, "softmax"))(
        L.Reshape((8, -1))(x)
    ),
    "average": lambda x: L.Average()([softmaxed(x), softmaxed(x)]),
    "function": lambda x: L.Lambda(lambda y: keras.ops.softmax(y))(
        L.Dense(3)(pooled(x))
    ),
}


@pytest.mark.parametrize("kinds", [None, ["softmax"]])
@pytest.mark.parametrize("end", PROBABILITIES)
def test_probabilities_are_softened_once(end, kinds, tmp_path):
    """However they end: T² KL by their logarithms; a live and a stored teacher."""
    import tensorflow as tf

    outputs = PROBABILITIES[end]
    student, teacher = head_net(outputs, 1), randomise(head_net(outputs, 2))
    x, _ = blob_arrays(16)
    y = np.zeros(student(x).shape[:-1], "int32")
    expected = np.mean(
        losses.soft_cross_entropy(np.log(teacher(x)), np.log(student(x)))
    )
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    store = distill.cache_soft_targets(teacher, batches, path=tmp_path)
    for source, stream in ((teacher, batches), (store, store.attach(batches))):
        distiller = distill.Distiller(student, source, alpha=1.0, kinds=kinds)
        distiller.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        logs = distiller.fit(stream, verbose=0).history
        assert logs["distillation_loss"] == pytest.approx([expected], rel=1e-3)


def test_logits_that_the_graph_does_not_show():
    """The loss says what the student's are, values what the teacher's are."""

    def outputs(x):
        return L.Add()([L.Dense(3)(pooled(x)), L.Dense(3)(pooled(x))])

    student, teacher = head_net(outputs, 1), randomise(head_net(outputs, 2))
    x, y = blob_arrays(16)
    expected = np.mean(losses.soft_cross_entropy(teacher(x), student(x)))
    distiller = distill.Distiller(student, teacher, alpha=1.0)
    distiller.compile("sgd", crossentropy(logits=True))
    logs = distiller.train_on_batch(x, y % 3, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)


def test_a_loss_that_does_not_say_leaves_it_to_the_values():
    student = head_net(PROBABILITIES["function"], 1)
    teacher = head_net(PROBABILITIES["function"], 2)
    x, y = blob_arrays(16)

    def own(y_true, y_pred):
        return -keras.ops.log(keras.ops.take_along_axis(y_pred, y_true, axis=-1))

    expected = losses.soft_cross_entropy(np.log(teacher(x)), np.log(student(x)))
    distiller = distill.Distiller(student, teacher, alpha=1.0, kinds=["softmax"])
    distiller.compile("sgd", own)
    logs = distiller.train_on_batch(x, y[:, None] % 3, return_dict=True)
    assert logs["loss"] == pytest.approx(np.mean(expected), rel=1e-4)


def test_a_recurrent_end_is_the_students():
    """An LSTM uses its activation within; without it, it is another function."""

    def outputs(x):
        return L.LSTM(3, activation="softmax")(L.Reshape((8, -1))(x))

    student = head_net(outputs, 1)
    distiller = distill.Distiller(student, head_net(outputs, 2))
    distiller.compile("sgd", "sparse_categorical_crossentropy")
    x, y = blob_arrays(16)
    np.testing.assert_allclose(
        distiller.predict(x, verbose=0), student(x), rtol=1e-4, atol=1e-6
    )
    assert np.isfinite(distiller.train_on_batch(x, y % 3)).all()


def test_ignored_pixels_are_not_distilled():
    """The soft loss is the mean over the pixels that the task's loss counts."""

    def outputs(x):
        return L.Conv2D(3, 1, name="map")(x)

    student, teacher = head_net(outputs, 1), randomise(head_net(outputs, 2))
    x, _ = blob_arrays(4)
    y = np.random.default_rng(0).integers(0, 3, student(x).shape[:3])
    y[:, ::2] = 255
    per_pixel = np.asarray(losses.soft_cross_entropy(teacher(x), student(x)))
    distiller = distill.Distiller(student, teacher, alpha=1.0)
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=255
    )
    distiller.compile("sgd", loss)
    logs = distiller.train_on_batch(x, y, return_dict=True)
    expected = per_pixel[y != 255].mean()
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    assert abs(per_pixel.mean() / expected - 1) > 0.01  # else it proves nothing


def test_regularisers_count_once():
    """They are neither scaled by alpha nor doubled."""
    student = head_net(lambda x: L.Dense(2)(pooled(x)), 1)
    student.layers[1].kernel.regularizer = keras.regularizers.L2(0.1)
    expected = 0.1 * float(np.sum(np.square(student.layers[1].kernel)))
    distiller = distill.Distiller(student, copy_of(student), alpha=0.5)
    distiller.compile("sgd", "mse")
    x, _ = blob_arrays(8)
    y = np.asarray(student(x))
    logs = distiller.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_survives_saving(tmp_path):
    """A saved distiller goes on with its student, teacher and adapters."""
    distiller = distill.Distiller(
        student_net(), teacher_net(), hints=[("relu1", "relu1")], temperature=2.0
    )
    distiller.compile("adam", crossentropy(logits=True), metrics=["accuracy"])
    x, y = blob_arrays(32)
    distiller.fit(x, y, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.models.load_model(tmp_path / "distiller.keras")
    assert loaded.temperature == 2.0
    np.testing.assert_array_equal(flat(loaded.student), flat(distiller.student))
    np.testing.assert_array_equal(flat(loaded.teacher), flat(distiller.teacher))
    for one, other in zip(
        loaded.hints.get_weights(), distiller.hints.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    logs = loaded.train_on_batch(x, y, return_dict=True)
    assert logs == pytest.approx(
        distiller.train_on_batch(x, y, return_dict=True), rel=1e-4
    )


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"alpha": 1.5}])
def test_refuses_settings_out_of_range(wrong):
    """The message names them."""
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}="):
        distill.Distiller(student_net(), teacher_net(), **wrong)


def test_refuses_another_task():
    """The shapes of the outputs are in the message."""
    other = conv_bn_net((8, 8, 3), classes=7)
    with pytest.raises(errors.ModelError, match=r"\(4,\).*\(7,\)"):
        distill.Distiller(student_net(), other)


def test_refuses_features_of_another_resolution():
    """They cannot be compared place by place."""
    with pytest.raises(errors.ModelError, match="more than their width"):
        distill.Distiller(student_net(), teacher_net(), hints=[("relu0", "relu1")])


def test_refuses_hints_without_a_teacher(tmp_path):
    """Soft targets hold outputs only."""
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices(blob_arrays(8)).batch(8)
    store = distill.cache_soft_targets(teacher_net(), batches, path=tmp_path)
    with pytest.raises(errors.ModelError, match="hold no features"):
        distill.Distiller(student_net(), store, hints=[("relu0", "relu0")])


def test_asks_what_a_linear_output_is():
    """An unknown loss leaves it open; `kinds` answers."""

    def own(y_true, y_pred):
        return keras.ops.mean(y_pred - y_true, axis=-1)

    with pytest.raises(errors.ModelError, match="kinds="):
        distill.Distiller(student_net(), teacher_net()).compile("sgd", own)
    distiller = distill.Distiller(student_net(), teacher_net(), kinds=["softmax"])
    distiller.compile("sgd", own)
