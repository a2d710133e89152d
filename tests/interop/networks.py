"""Small Keras 2 networks, each with something that differs between Keras 2 and 3."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers


def randomise(model, seed: int = 0):
    """Give every weight of a Keras 2 model a random value; variances stay positive."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        shape, name = tuple(variable.shape), variable.name.rsplit("/", 1)[-1]
        if not variable.dtype.is_floating:
            continue
        if "variance" in name or "gamma" in name:
            value = rng.uniform(0.5, 1.5, shape)
        elif "mean" in name or "beta" in name or "bias" in name:
            value = rng.normal(0.0, 0.3, shape)
        else:
            fan_in = max(1, int(np.prod(shape[:-1])))
            value = rng.normal(0.0, (2.0 / fan_in) ** 0.5, shape)
        variable.assign(value.astype("float32"))
    return model


def inputs_of(model, batch: int = 3, seed: int = 1):
    """Return random inputs: floats, or small integers for an embedding."""
    rng = np.random.default_rng(seed)
    found = []
    for tensor in model.inputs:
        shape = (batch, *(size or 7 for size in tensor.shape[1:]))
        if "int" in str(tensor.dtype):
            found.append(rng.integers(0, 4, shape).astype("int32"))
        else:
            found.append(rng.normal(size=shape).astype("float32"))
    return found if len(found) > 1 else found[0]


def outputs_of(model, inputs):
    """Run a model of either Keras and list its outputs as arrays."""
    made = tf.nest.flatten(model(inputs, training=False))
    return [np.asarray(tensor) for tensor in made]


def relative_error(got, wanted) -> float:
    """Return the largest difference over all outputs, relative to the largest value."""
    return max(
        float(np.max(np.abs(a - b)) / (np.max(np.abs(b)) + 1e-12))
        for a, b in zip(got, wanted, strict=True)
    )


def of(shape, build):
    """Return the functional model that `build` makes of an input."""
    inputs = tf_keras.Input(shape)
    return tf_keras.Model(inputs, build(inputs))


def conv(x, filters=4, **settings):
    return layers.Conv2D(filters, 3, padding="same", **settings)(x)


def sequential():
    return tf_keras.Sequential(
        [
            layers.Conv2D(4, 3, input_shape=(8, 8, 3), activation="swish"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )


def sequential_built_later():
    model = tf_keras.Sequential([layers.Dense(3, activation="gelu"), layers.Dense(2)])
    model.build((None, 4))
    return model


def hard_sigmoids():
    def build(x):
        x = conv(x, activation="hard_sigmoid")
        x = layers.TimeDistributed(layers.Dense(3, activation="hard_sigmoid"))(x)
        return layers.Activation("hard_sigmoid")(x)

    return of((6, 6, 3), build)


def rectifiers():
    def build(x):
        x = layers.LeakyReLU(alpha=0.25)(conv(x))
        x = layers.ReLU(max_value=6.0, negative_slope=0.1, threshold=0.2)(x)
        x = layers.ThresholdedReLU(0.1)(conv(x))
        x = layers.PReLU(shared_axes=[1, 2])(layers.ELU(0.5)(conv(x)))
        return conv(x, activation=layers.LeakyReLU(0.2))

    return of((6, 6, 3), build)


def norms():
    def build(x):
        x = layers.BatchNormalization(scale=False)(conv(x))
        x = layers.BatchNormalization(center=False, epsilon=0.1, axis=-1)(x)
        x = layers.BatchNormalization(trainable=False, momentum=0.9)(x)
        x = layers.BatchNormalization(axis=1)(x)
        x = layers.LayerNormalization(axis=[-1])(x)
        return layers.GroupNormalization(2)(x)

    return of((6, 6, 4), build)


def adapted_normalization():
    norm = layers.Normalization()
    rng = np.random.default_rng(0)
    norm.adapt(rng.normal(2.0, 3.0, (50, 4, 4, 3)).astype("float32"))
    norm.trainable = False
    inputs = tf_keras.Input((4, 4, 3))
    x = layers.RandomFlip(seed=3)(inputs)
    x = layers.Resizing(5, 6)(norm(layers.Rescaling(2.0, 0.1)(x)))
    return tf_keras.Model(inputs, x)


def convolutions():
    def build(x):
        x = layers.SeparableConv2D(5, 3, depth_multiplier=2, activation="relu")(x)
        x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation=tf.nn.relu6)(x)
        x = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
        return layers.Conv2D(4, 3, groups=2, dilation_rate=2)(x)

    return of((9, 9, 3), build)


def pools():
    def build(x):
        x = layers.AveragePooling2D(2, padding="same")(x)
        x = layers.MaxPooling2D(2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(x))
        x = layers.UpSampling2D(2, interpolation="bilinear")(x)
        x = layers.Cropping2D(1)(layers.Permute((2, 1, 3))(x))
        return [
            layers.GlobalAveragePooling2D(keepdims=True)(x),
            layers.GlobalMaxPooling2D()(x),
            layers.Reshape((-1, 3))(x),
        ]

    return of((10, 10, 3), build)


def shared_layers():
    def build(x):
        layer = layers.Conv2D(3, 3, padding="same", activation="hard_sigmoid")
        return layers.Concatenate()([layer(x), layer(layer(x))])

    return of((6, 6, 3), build)


def nested():
    inner_input = tf_keras.Input((6, 6, 4))
    x = layers.BatchNormalization(name="conv/bn")(conv(inner_input))
    inner = tf_keras.Model(inner_input, x, name="inner")
    frozen = tf_keras.Sequential([layers.Conv2D(4, 1, input_shape=(6, 6, 4))])
    frozen.trainable = False
    return of((6, 6, 3), lambda x: frozen(inner(inner(conv(x)), training=False)))


def several_inputs_and_outputs():
    first = tf_keras.Input((4,), name="first")
    second = tf_keras.Input((5,), name="second")
    x = layers.Concatenate()([layers.Dense(3)(first), layers.Dense(3)(second)])
    y = layers.Dot(axes=-1)([layers.Dense(3)(first), layers.Dense(3)(second)])
    outputs = {"size": layers.Dense(2)(x), "shape": layers.Dense(1)(x), "dot": y}
    return tf_keras.Model([first, second], outputs)


def operators():
    def build(x):
        y = tf.math.add(conv(x), conv(x)) + conv(x) * 2.0
        y = y - 3.0 / (1.0 + tf.nn.sigmoid(x[..., :1]))
        return y * tf.nn.relu6(y + 3.0) * (1 / 6.0)

    return of((6, 6, 3), build)


def reshapes():
    def build(x):
        flat = tf.reshape(x, [tf.shape(x)[0], -1, tf.shape(x)[-1]])
        parts = tf.split(x, 3, axis=-1)
        return [
            flat,
            tf.concat(parts[::-1], -1),
            tf.stack(tf.unstack(x, axis=-1), 1),
            tf.pad(x, [[0, 0], [1, 1], [0, 1], [0, 0]]),
            tf.squeeze(tf.expand_dims(x, 1), 1),
            tf.transpose(x, [0, 2, 1, 3]),
            x[:, 1:, ::2, 0],
        ]

    return of((4, 4, 6), build)


def arithmetic():
    def build(x):
        mean = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
        return [
            mean + tf.reduce_max(x, axis=-1, keepdims=True),
            tf.clip_by_value(x, -0.5, 0.5),
            tf.matmul(x, x, transpose_b=True),
            tf.cast(x > 0, "float32"),
            tf.where(x > 0, x, tf.square(x)),
            tf.maximum(tf.abs(x), 0.1) ** 2.0,
            tf.nn.softmax(tf.math.exp(-x)),
            tf.math.l2_normalize(x, axis=-1),
            tf.nn.leaky_relu(x, alpha=0.3),
            tf.nn.gelu(x, approximate=True),
        ]

    return of((4, 4, 6), build)


def recurrent():
    def build(x):
        forth = layers.LSTM(
            4, return_sequences=True, recurrent_activation="hard_sigmoid"
        )
        x = layers.Bidirectional(forth)(layers.Masking(0.0)(x))
        x, h, c = layers.LSTM(4, return_state=True, return_sequences=True)(x)
        x = layers.LSTM(4, return_sequences=True)(x, initial_state=[h, c])
        x = layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], return_sequences=True)(
            x
        )
        return layers.GRU(3, reset_after=False)(
            layers.TimeDistributed(layers.Dense(4))(x)
        )

    return of((5, 3), build)


def embedding():
    tokens = tf_keras.Input((5,), dtype="int32")
    x = layers.Embedding(10, 4, mask_zero=True, input_length=5)(tokens)
    x = layers.SpatialDropout1D(0.2)(layers.GaussianNoise(0.1)(x))
    return tf_keras.Model(tokens, layers.SimpleRNN(3)(x))


def stateful():
    """Its batch is fixed, as its states are kept from call to call."""
    inputs = tf_keras.Input(batch_shape=(3, 5, 2))
    x = layers.LSTM(4, stateful=True, dropout=0.2, recurrent_dropout=0.1)(inputs)
    x = layers.AlphaDropout(0.3, seed=1)(layers.Dropout(0.5, seed=7)(x))
    return tf_keras.Model(inputs, x)


def attention():
    def build(x):
        y = layers.MultiHeadAttention(2, 3)(x, x)
        return layers.Attention()([layers.LayerNormalization()(x + y), x])

    return of((5, 4), build)


def decorated():
    """Initializers, regularizers and constraints, none of which change an output."""
    return of(
        (8, 8, 3),
        lambda x: conv(
            x,
            kernel_regularizer=tf_keras.regularizers.L1L2(0.1, 0.2),
            kernel_constraint=tf_keras.constraints.MaxNorm(2),
            kernel_initializer=tf_keras.initializers.VarianceScaling(2.0, "fan_out"),
            activity_regularizer="l2",
        ),
    )


ALL = (
    sequential,
    sequential_built_later,
    hard_sigmoids,
    rectifiers,
    norms,
    adapted_normalization,
    convolutions,
    pools,
    shared_layers,
    nested,
    several_inputs_and_outputs,
    operators,
    reshapes,
    arithmetic,
    recurrent,
    embedding,
    stateful,
    attention,
    decorated,
)
