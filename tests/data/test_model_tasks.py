import functools

import keras
import numpy as np
import pytest

from tfcompress import data, errors
from tfcompress.data import Dataset, Task

X = np.linspace(0, 1, 80, dtype=np.float32).reshape(20, 4)
Y = np.arange(20) % 3


def dataset(y=Y, **settings):
    return Dataset.from_arrays((X, y), test=(X, y), **settings)


def model(units=3, activation="softmax", **compiled):
    keras.utils.set_random_seed(0)
    built = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units, activation=activation)]
    )
    if compiled:
        built.compile("sgd", **compiled)
    return built


@pytest.mark.parametrize(
    ("activation", "expected"), [("softmax", False), (None, True), ("relu", True)]
)
def test_logits_are_told_by_the_activation(activation, expected):
    assert (
        Task.for_model(model(activation=activation), dataset()).from_logits == expected
    )


def test_logits_are_told_by_a_softmax_layer():
    built = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Softmax()]
    )
    assert not Task.for_model(built, dataset()).from_logits


def ended(units, activation, *tail):
    keras.utils.set_random_seed(0)
    head = keras.layers.Dense(units, activation=activation)
    return keras.Sequential([keras.Input((4,)), head, *tail])


TAILS = {
    "linear": lambda: [keras.layers.Activation("linear", dtype="float32")],
    "identity": lambda: [keras.layers.Identity(), keras.layers.Dropout(0.5)],
    "reshape": lambda: [keras.layers.Reshape((1, -1)), keras.layers.Flatten()],
    "lambda": lambda: [keras.layers.Lambda(lambda x: x * 1.0)],
}


@pytest.mark.parametrize(("activation", "expected"), [("softmax", False), (None, True)])
@pytest.mark.parametrize("tail", TAILS)
def test_logits_are_told_by_what_is_before_a_tail(tail, activation, expected):
    built = ended(3, activation, *TAILS[tail]())
    assert Task.for_model(built, dataset()).from_logits == expected


def test_logits_are_told_through_a_cast():
    inputs = keras.Input((4,))
    scores = keras.layers.Dense(3, activation="softmax")(inputs)
    built = keras.Model(inputs, keras.ops.cast(scores, "float32"))
    assert not Task.for_model(built, dataset()).from_logits


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid"])
def test_probabilities_are_cut_at_a_half(activation, compiled):
    """As Keras' own accuracy cuts them."""
    built = ended(1, activation, keras.layers.Activation("linear", dtype="float32"))
    reference = keras.metrics.BinaryAccuracy()
    reference.update_state(Y[:, None] % 2, built(X))
    if compiled:
        built.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    found = data.evaluate_model(built, dataset(Y % 2)).value
    assert found == pytest.approx(float(reference.result()))


@pytest.mark.parametrize(
    "loss",
    ["sparse_categorical_crossentropy", keras.losses.sparse_categorical_crossentropy],
)
def test_a_loss_by_name_is_of_probabilities(loss):
    """As Keras takes it, whatever the last layer looks like."""
    built = model(activation=lambda x: keras.ops.softmax(x), loss=loss)
    assert not Task.for_model(built, dataset()).from_logits
    own = functools.partial(
        keras.losses.sparse_categorical_crossentropy, from_logits=True
    )
    own.__name__ = "own"
    assert Task.for_model(model(activation=None, loss=own), dataset()).from_logits


def test_the_loss_has_the_last_word_on_logits():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert Task.for_model(model(activation=None, loss=loss), dataset()).from_logits


@pytest.mark.parametrize(
    ("last", "expected"), [(keras.ops.softmax, False), (None, True)]
)
def test_logits_are_told_by_outputs_where_nothing_else_does(last, expected):
    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return last(self.dense(x)) if last else self.dense(x) * 5 - 3

    built = Plain()
    built(X[:1])
    assert Task.for_model(built, dataset()).from_logits == expected


def losses_agree(task, built, reference, y):
    """Compare the task's loss on class numbers with the reference on one-hot rows."""
    prediction = built(X)
    return np.testing.assert_allclose(
        float(task.loss()(Y, prediction)), float(reference(y, prediction)), rtol=1e-5
    )


@pytest.mark.parametrize(
    "loss",
    [
        "categorical_crossentropy",
        keras.losses.CategoricalCrossentropy(),
        keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        keras.losses.CategoricalFocalCrossentropy(),
        "mse",
        "binary_crossentropy",
    ],
)
def test_compiled_losses_on_one_hot_rows(loss):
    built = model(loss=loss)
    task = Task.for_model(built, dataset(np.eye(3)[Y]))
    reference = keras.losses.get(loss)
    losses_agree(
        task, built, lambda y, p: keras.ops.mean(reference(y, p)), np.eye(3)[Y]
    )


def test_plain_losses_stay_plain():
    """A model that is compiled with them loads without tfcompress."""
    task = Task.for_model(model(loss="categorical_crossentropy"), dataset(np.eye(3)[Y]))
    assert type(task.loss()) is keras.losses.SparseCategoricalCrossentropy
    assert type(task.metrics()[0]) is keras.metrics.SparseCategoricalAccuracy
    task = Task.for_model(model(loss="mae", units=1), dataset(Y / 7))
    assert type(task.loss()) is keras.losses.MeanAbsoluteError


def test_one_hot_loss_survives_saving():
    task = Task.for_model(
        model(loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.2)), dataset()
    )
    loss = task.loss()
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    prediction = model()(X)
    assert float(again(Y, prediction)) == pytest.approx(float(loss(Y, prediction)))


def test_a_loss_of_the_users_own():
    def squared_gap(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    built = model(units=1, activation=None, loss=squared_gap)
    found = float(Task.for_model(built, dataset(Y / 7)).loss()(Y / 7, built(X)))
    expected = np.mean((Y[:, None] / 7 - built(X).numpy()) ** 2)
    assert found == pytest.approx(expected, rel=1e-5)


def test_one_sigmoid_unit_of_two_classes():
    built = model(1, "sigmoid", loss="binary_crossentropy", metrics=["accuracy"])
    task = Task.for_model(built, dataset(Y % 2))
    p = built(X).numpy()[:, 0]
    expected = -np.mean(np.where(Y % 2 == 1, np.log(p), np.log(1 - p)))
    assert float(task.loss()(Y % 2, built(X))) == pytest.approx(expected, rel=1e-4)
    assert data.evaluate_model(built, dataset(Y % 2)).value == pytest.approx(
        np.mean((p > 0.5) == (Y % 2 == 1))
    )


@pytest.mark.parametrize(
    ("metrics", "name", "higher"),
    [
        (["acc"], "accuracy", True),
        (["sparse_categorical_accuracy"], "accuracy", True),
        ([keras.metrics.SparseTopKCategoricalAccuracy(k=5)], "top5_accuracy", True),
        (None, "accuracy", True),
    ],
)
def test_compiled_metrics_of_classes(metrics, name, higher):
    built = model(loss="sparse_categorical_crossentropy", metrics=metrics)
    task = Task.for_model(built, dataset())
    assert (task.metric, task.higher_is_better) == (name, higher)
    assert task.primary.compiled_metric is None


@pytest.mark.parametrize(
    ("metric", "name", "higher"),
    [("mse", "mse", False), (keras.metrics.R2Score(), "r2", True)],
)
def test_compiled_metrics_of_numbers(metric, name, higher):
    built = model(1, None, loss="mse", metrics=[metric])
    task = Task.for_model(built, dataset(Y / 7))
    assert (task.metric, task.higher_is_better) == (name, higher)


def test_a_keras_metric_that_is_none_of_ours():
    """Top-2 accuracy, as Keras itself works it out."""
    metric = keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top2_accuracy")
    built = model(loss="sparse_categorical_crossentropy", metrics=[metric])
    found = data.evaluate_model(built, dataset(), batch_size=7)
    order = np.argsort(built(X).numpy(), axis=1)[:, -2:]
    assert found.metric == "top2_accuracy"
    assert found.value == pytest.approx((order == Y[:, None]).any(axis=1).mean())
    assert found.per_class is not None


def test_metric_without_a_known_direction():
    def wobble(_, y_pred):
        return keras.ops.mean(y_pred, axis=-1)

    built = model(loss="sparse_categorical_crossentropy", metrics=[wobble])
    with pytest.raises(errors.ConfigError, match=r"whether more is better.*wobble:max"):
        Task.for_model(built, dataset())
    stated = data.load(dataset(), metric="wobble:min")
    found = data.evaluate_model(built, stated)
    assert (found.metric, found.higher_is_better) == ("wobble", False)
    assert found.value == pytest.approx(1 / 3, rel=1e-5)


def test_options_win_over_the_compiled_model():
    built = model(loss="mse", metrics=["mse"])
    made = data.load(dataset(), loss="sparse_categorical_crossentropy", metric="f1")
    task = Task.for_model(built, made)
    assert type(task.loss()) is keras.losses.SparseCategoricalCrossentropy
    assert task.metric == "f1"


def test_a_stated_default_metric_wins_too():
    top = keras.metrics.SparseTopKCategoricalAccuracy(k=5)
    built = model(loss="sparse_categorical_crossentropy", metrics=[top])
    made = data.load(dataset(), metric="accuracy")
    assert Task.for_model(built, made).metric == "accuracy"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "no_such_loss"}, "no such loss"),
        ({"metric": "no_such_metric"}, "no such metric.*accuracy, mean_recall"),
        ({"metric": "auc:up"}, "direction is unknown"),
    ],
)
def test_options_that_are_wrong(settings, message):
    with pytest.raises(errors.ConfigError, match=message):
        data.load(dataset(), **settings)


def test_a_stated_metric_that_the_model_does_not_have():
    made = data.load(dataset(), metric="mine:max")
    with pytest.raises(errors.ConfigError, match="compiled model has accuracy"):
        Task.for_model(model(loss="mse", metrics=["accuracy"]), made)


def two_heads(**compiled):
    inputs = keras.Input((4,))
    kind = keras.layers.Dense(3, activation="softmax", name="kind")(inputs)
    size = keras.layers.Dense(1, name="size")(inputs)
    built = keras.Model(inputs, [kind, size])
    if compiled:
        built.compile("sgd", **compiled)
    return built


HEADS = {"size": Y / 7, "kind": Y}  # not in the model's order


def test_several_outputs():
    built = two_heads(
        loss={"kind": "sparse_categorical_crossentropy", "size": "mae"},
        loss_weights={"kind": 1.0, "size": 0.5},
        metrics={"kind": ["accuracy"], "size": ["mse"]},
    )
    made = dataset(HEADS)
    task = Task.for_model(built, made)
    assert list(task.outputs) == ["kind", "size"]
    assert [o.metric for o in task.outputs.values()] == ["accuracy", "mse"]
    assert task.loss_weights() == {"kind": 1.0, "size": 0.5}
    found = data.evaluate_model(built, made)
    kind, size = (output.numpy() for output in built(X))
    assert found.value == pytest.approx((kind.argmax(1) == Y).mean())
    assert found.outputs["size"].value == pytest.approx(
        np.mean((size[:, 0] - Y / 7) ** 2), rel=1e-4
    )
    built.compile(
        "sgd", task.loss(), metrics=task.metrics(), loss_weights=task.loss_weights()
    )
    built.fit(made.train(8), verbose=0)


CROSSENTROPY = "sparse_categorical_crossentropy"


@pytest.mark.parametrize(
    "compiled",
    [
        {"loss": [CROSSENTROPY, "mse"], "loss_weights": [1.0, 0.0]},
        {
            "loss": {"kind": CROSSENTROPY, "size": "mse"},
            "loss_weights": {"kind": 1, "size": 0},
        },
        {"loss": [CROSSENTROPY, None]},
        {"loss": {"kind": CROSSENTROPY, "size": None}},
    ],
)
def test_outputs_that_are_not_learned(compiled):
    """A weight of 0, or no loss, keeps an output out of the training."""
    task = Task.for_model(two_heads(**compiled), dataset(HEADS))
    assert task.loss_weights() == {"kind": 1.0, "size": 0.0}


def test_several_outputs_by_order():
    made = dataset((Y, Y / 7))
    built = two_heads()
    task = Task.for_model(built, made)
    assert list(task.outputs) == ["kind", "size"]
    built.compile("sgd", task.loss(), metrics=task.metrics())
    built.fit(made.train(8), verbose=0)
    assert data.evaluate_model(built, made).outputs["size"].metric == "mae"


def test_metric_of_one_output():
    task = data.load(dataset(HEADS), metric="size.rmse").task
    assert task.outputs["size"].metric == "rmse"
    assert task.outputs["kind"].metric == "accuracy"


def test_labels_that_do_not_pair():
    with pytest.raises(errors.DataError, match=r"do not pair.*kind, weight"):
        Task.for_model(two_heads(), dataset({"kind": Y, "weight": Y}))


def test_evaluation_matches_keras():
    """Our streaming accuracy is Keras' own."""
    built = model(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    found = data.evaluate_model(built, dataset(), batch_size=6)
    _, expected = built.evaluate(X, Y, verbose=0)
    assert found.value == pytest.approx(expected)


def test_evaluating_an_unknown_part():
    with pytest.raises(errors.ConfigError, match="split='tests'"):
        data.evaluate_model(model(), dataset(), split="tests")


def test_several_inputs():
    a, b = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    built = keras.Model([a, b], keras.layers.Dense(3)(keras.layers.Subtract()([a, b])))
    by_name = Dataset.from_arrays(({"right": X, "left": 2 * X}, Y))
    by_order = Dataset.from_arrays(((2 * X, X), Y))
    found = [data.evaluate_model(built, made) for made in (by_name, by_order)]
    assert found[0] == found[1]
