"""Make the small real file that the Android modules are tested and shown with.

Trains a network of 5,000 weights on Fashion-MNIST, converts it to int8 and writes, for
`android_bench/app`: the file, one picture, and what this toolkit's Python code makes of
pictures (`expected.json`), which the Java code must reproduce.  Run by hand when the
note inside a file changes::

    python -m tests.android_bench.write_app_fixture
"""

from __future__ import annotations

import base64
import json
import pathlib

import keras
import numpy as np
from PIL import Image

from tfcompress import data, files, tflite

APP = pathlib.Path(__file__).parents[2] / "android_bench" / "app"
RESOURCES = APP / "modelfile" / "src" / "test" / "resources"
ASSETS = APP / "example" / "src" / "main" / "assets"
PREPROCESS = "scale=1/255, mean=0.286, std=0.353, channels=1"
CASES = (  # of Preprocessing: what it is told, and the shape of the picture
    ({"scale": 1 / 255}, (5, 7, 3)),
    ({"image_size": (3, 4)}, (9, 10, 3)),  # smaller: with antialiasing
    ({"image_size": (8, 11)}, (5, 7, 1)),  # larger
    ({"image_size": (4, 9), "channels": 3, "scale": 0.5}, (8, 6, 1)),
    ({"channels": 1}, (4, 5, 3)),  # stays 8-bit, and is rounded
    ({"image_size": (3, 3), "channels": 1}, (4, 5, 3)),
    ({"scale": 2.0, "mean": (1.0, 2.0, 3.0), "std": (0.5, 4.0, 0.3)}, (3, 2, 3)),
)


def network() -> keras.Model:
    layers = keras.layers
    x = inputs = keras.Input((20, 20, 1), name="picture")
    for filters in (8, 16, 24):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(10, activation="softmax", name="class")(x)
    return keras.Model(inputs, outputs)


def encoded(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def case(number: int) -> dict[str, object]:
    settings, shape = CASES[number]
    pixels = np.random.default_rng(number).integers(0, 256, shape, np.uint8)
    preprocessing = data.Preprocessing(**settings)
    return {
        "preprocessing": json.loads(json.dumps(preprocessing.to_dict())),
        "shape": shape,
        "pixels": encoded(pixels),
        "expected": [float(v) for v in preprocessing(pixels[None]).reshape(-1)],
    }


def picture(runner: tflite.Runner, preprocessing: data.Preprocessing, raw) -> dict:
    made = runner._interpreter
    detail, out = made.get_input_details()[0], made.get_output_details()[0]
    scale, zero_point = detail["quantization"]
    floats = preprocessing(raw[None])
    steps = np.round(floats / np.float32(scale)) + zero_point
    tensor = np.clip(steps, -128, 127).astype(np.int8)
    scores = runner(floats)[0]
    made.set_tensor(detail["index"], tensor)
    made.invoke()
    return {
        "pixels": encoded(raw),
        "input": encoded(tensor),
        "output": encoded(made.get_tensor(out["index"])[0]),
        "scores": [float(v) for v in scores],
    }


def main() -> None:
    keras.utils.set_random_seed(0)
    dataset = data.load("fashion-mnist-small", image_size=20, preprocess=PREPROCESS)
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(dataset.train(128, seed=0), epochs=6, verbose=2)
    content = tflite.convert(
        model,
        "int8",
        calibration=dataset.calibration(300),
        inputs="int8",
        metadata={
            "labels": list(dataset.class_names),
            "preprocessing": dataset.preprocessing.to_dict(),
        },
    ).content
    plain = data.load("fashion-mnist-small", preprocess="none").test(64)
    raw = next(iter(plain))[0].numpy().astype(np.uint8)
    runner = tflite.Runner(content)
    pictures = [picture(runner, dataset.preprocessing, raw[i]) for i in (0, 7, 21)]
    record = {
        "note": tflite.inspect(content).metadata,
        "pictures": pictures,
        "cases": [case(number) for number in range(len(CASES))],
    }
    for folder in (RESOURCES, ASSETS):
        folder.mkdir(parents=True, exist_ok=True)
        files.write_bytes(folder / "model.tflite", content)
    files.write_json(RESOURCES / "expected.json", record)
    Image.fromarray(raw[0][..., 0]).save(ASSETS / "picture.png")


if __name__ == "__main__":
    main()
