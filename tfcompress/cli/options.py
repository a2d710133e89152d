"""Options that several commands share, so that they read and behave alike."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from tfcompress.cli import state

F = TypeVar("F", bound=Callable[..., Any])

# Not `exists=True`: our own message says more than click's, with exit code 1.
PATH = click.Path(path_type=pathlib.Path)


DATA_SETTINGS = (
    "image_size",
    "preprocess",
    "task",
    "loss",
    "metric",
    "augment",
    "class_weights",
    "limit",
)


class ShapeType(click.ParamType):  # type: ignore[type-arg] # generic in new stubs only
    """Integers with commas, such as ``224,224,3``; with ``name=`` before, a pair.

    Args:
        named: Whether there may be a name.
    """

    name = "shape"

    def __init__(self, *, named: bool = True) -> None:
        self._named = named

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return a tuple of integers, or (name, tuple)."""
        if not isinstance(value, str):
            return value
        name, _, numbers = value.rpartition("=") if self._named else ("", "", value)
        try:
            shape = tuple(int(part) for part in numbers.replace("x", ",").split(","))
        except ValueError:
            like = "224,224,3 or image=224,224,3" if self._named else "224,224"
            self.fail(f"{value!r} is not like {like}", param, ctx)
        if min(shape) < 1:
            self.fail(f"{value!r} has a size below 1", param, ctx)
        return (name, shape) if name else shape


def chain(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Make one decorator of several options, shown in this order in the help."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 -- click's
    ctx.ensure_object(state.State).debug = value


model_argument = click.argument("model", type=PATH)

output_option = click.option(
    "-o", "--output", required=True, type=PATH, help="File to write."
)
directory_option = click.option(
    "-o", "--output", required=True, type=PATH, help="Run directory to write or resume."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of a table."
)
force_option = click.option(
    "--force", is_flag=True, help="Overwrite output that exists."
)
debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_set_debug,
    help="Show the traceback of an error.",
)
seed_option = click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of all random choices."
)

runner_options = chain(
    click.option(
        "--runner",
        type=click.Choice(["auto", "native", "classic", "litert", "app"]),
        help="What measures on the device, as in `tfcompress benchmark`.  "
        "[default: auto]",
    ),
    click.option("--runner-file", type=PATH, help="Program of the runner."),
    click.option("--library", type=PATH, help="LiteRT's libLiteRt.so for it."),
    click.option("--apk", type=PATH, help="The Android app, to install first."),
)

calibration_option = click.option(
    "--calibration-examples",
    type=click.IntRange(1),
    help="Training examples that set the ranges of integers.  [default: 500]",
)


def integer_recipe_option(help_text: str) -> Callable[[F], F]:
    """Return the option for one of the recipes that layers can be trained for."""
    return click.option(
        "--recipe",
        type=click.Choice(["int8", "int8_w4", "int16x8"]),
        help=f"{help_text}  [default: int8]",
    )


loading_options = chain(
    click.option(
        "--import",
        "imports",
        multiple=True,
        metavar="MODULE",
        help="Import a module first: it registers custom layers. May be repeated.",
    ),
    click.option(
        "--input-shape",
        multiple=True,
        type=ShapeType(),
        metavar="SHAPE",
        help="Fixed input shape without the batch, such as 224,224,3, for a flexible "
        "or unbuilt model; image=224,224,3 for one input of several.",
    ),
    click.option(
        "--allow-lambda",
        is_flag=True,
        help="Run the Python code in the file's Lambda layers. Only if you trust it.",
    ),
)


def data_options(*, required: bool) -> Callable[[F], F]:
    """Return the options that say what the data set is and what is learned."""
    return chain(
        click.option(
            "--data",
            required=required,
            metavar="SOURCE",
            help="fashion-mnist, a .npz file, an image folder, or package.module:"
            "function.",
        ),
        click.option(
            "--image-size",
            type=ShapeType(named=False),
            metavar="H,W",
            help="Resize images to this.  [default: as they are]",
        ),
        click.option(
            "--preprocess",
            metavar="HOW",
            help="How pixels become inputs: scale/mean/std such as "
            "scale=1/255,mean=0.5,std=0.5, or package.module:function.",
        ),
        click.option(
            "--task",
            metavar="KIND",
            help="classification, multilabel, regression or segmentation; default: "
            "by the compiled model or the data.",
        ),
        click.option("--loss", help="Keras loss; default: the compiled model's."),
        click.option("--metric", help="Metric to report; default: the task's."),
        click.option(
            "--augment",
            metavar="HOW",
            help="Random changes of training images, such as flip,crop=4.",
        ),
        click.option(
            "--class-weights",
            type=click.Choice(["balanced"]),
            help="Weigh rare classes up in training.",
        ),
        click.option(
            "--limit",
            type=click.IntRange(1),
            help="Train and decide on only so many examples; the test part stays "
            "whole.",
        ),
    )


common_options = chain(json_option, force_option, debug_option)


def given(**settings: Any) -> dict[str, Any]:
    """Return the settings that were given; the others keep their config's default.

    Example:
        >>> given(macs=0.5, params=None, exclude=(), plan=pathlib.Path("plan.json"))
        {'macs': 0.5, 'plan': 'plan.json'}
    """
    return {
        key: _plain(value)
        for key, value in settings.items()
        if value is not None and value != ()
    }


def _plain(value: Any) -> Any:
    """Return what a workflow's TOML file would hold."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, pathlib.Path) else value


def shape_setting(shapes: tuple[Any, ...]) -> Any:
    """Return the `--input-shape` options as one shape or a mapping by input name.

    Example:
        >>> shape_setting(((8, 8, 3),)), shape_setting((("a", (4,)), ("b", (2,))))
        ([8, 8, 3], {'a': [4], 'b': [2]})
    """
    if not shapes:
        return None
    named = [isinstance(shape[0], str) for shape in shapes]
    if all(named):
        return {name: list(shape) for name, shape in shapes}
    if len(shapes) > 1:
        raise click.UsageError("Name the inputs: --input-shape image=224,224,3 ...")
    return list(shapes[0])


def split(options: dict[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Take the model's and the data's settings out of a command's options."""
    model = given(
        path=options.pop("model"),
        imports=options.pop("imports", None),
        input_shape=shape_setting(options.pop("input_shape", ())),
        allow_lambda=options.pop("allow_lambda", None) or None,
    )
    data = given(
        source=options.pop("data", None),
        **{key: options.pop(key, None) for key in DATA_SETTINGS},
    )
    return model, data
