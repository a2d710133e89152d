"""Options of the methods: how much to remove, how to train, slim and search."""

from __future__ import annotations

from collections.abc import Callable

import click

from tfcompress.cli import options

_limits = (
    click.option(
        "--macs",
        type=click.FloatRange(0, min_open=True),
        help="Multiply-accumulates to keep: a fraction up to 1, or a number above.",
    ),
    click.option(
        "--params",
        type=click.FloatRange(0, min_open=True),
        help="Parameters to keep, likewise.",
    ),
    click.option(
        "--size-bytes",
        type=click.FloatRange(0, min_open=True),
        help="Weight bytes of the int8 file to keep, likewise.",
    ),
)
_round_to = click.option(
    "--round-to",
    type=click.IntRange(1),
    help="Keep a multiple of so many channels.  [default: 8]",
)
_exclude = click.option(
    "--exclude",
    multiple=True,
    metavar="LAYER",
    help="Leave the channels of this layer alone. May be repeated.",
)

budget_options = options.chain(
    *_limits,
    click.option(
        "--scope",
        type=click.Choice(["global", "layer"]),
        help="Rank channels over all layers, or cut each alike.  [default: global]",
    ),
    _round_to,
    click.option(
        "--min-channels",
        type=click.IntRange(1),
        help="Keep at least so many channels of a group.  [default: 8]",
    ),
    _exclude,
)

search_options = options.chain(
    *_limits,
    click.option(
        "--milliseconds",
        type=click.FloatRange(0, min_open=True),
        help="Most that one inference may take, as --latency-table predicts it.",
    ),
    click.option(
        "--latency-table",
        type=options.PATH,
        help="What `tfcompress latency` has measured of this model on the target; on a "
        "device that is attached, the best plans are measured too.",
    ),
    options.runner_options,
    click.option(
        "--reward",
        type=click.Choice(["error", "macs", "params"]),
        help="What is optimised: the error within the budget; or the error times the "
        "logarithm of MACs or parameters, which needs no budget.  [default: error]",
    ),
    click.option(
        "--granularity",
        type=click.Choice(["channels", "weights"]),
        help="Remove whole channels, or single weights (the model keeps its shape).  "
        "[default: channels]",
    ),
    click.option(
        "--episodes",
        type=click.IntRange(1),
        help="Plans to try, the warm-up included.  [default: 400]",
    ),
    click.option(
        "--warmup-episodes",
        type=click.IntRange(0),
        help="Random plans before the agent learns.  [default: 100]",
    ),
    click.option(
        "--patience",
        type=click.IntRange(0),
        help="Stop after so many plans without a better one; 0: never.  [default: 0]",
    ),
    click.option(
        "--evaluation-examples",
        type=click.IntRange(1),
        help="Held-out examples that judge each plan.  [default: 3000]",
    ),
    click.option(
        "--min-ratio",
        type=click.FloatRange(0, 1, min_open=True),
        help="Smallest fraction of a group's channels to keep.  [default: 0.2]",
    ),
    _round_to,
    _exclude,
    click.option(
        "--baseline",
        "baselines",
        multiple=True,
        type=click.Choice(["uniform", "shallow", "deep", "random", "greedy"]),
        help="Judge this way to choose a plan too, for the report. May be repeated; "
        "random and greedy try as many plans as the agent.  [default: uniform, "
        "shallow, deep]",
    ),
    click.option(
        "--reconstruct/--no-reconstruct",
        default=None,
        help="Refit by least squares what reads the removed channels.  [default: do]",
    ),
)

training_options = options.chain(
    click.option("--epochs", type=click.IntRange(1), help="Epochs of training."),
    click.option("--batch-size", type=click.IntRange(1), help="Examples per step."),
    click.option(
        "--learning-rate",
        type=click.FloatRange(0, min_open=True),
        help="Highest learning rate of the schedule.",
    ),
    click.option(
        "--early-stopping",
        type=click.IntRange(0),
        help="Stop after so many epochs without a better validation metric.",
    ),
)

slim_options = options.chain(
    click.option(
        "--strength",
        type=click.FloatRange(0, min_open=True),
        help="Weight of the penalty on the scales.  [default: 1e-4]",
    ),
    click.option(
        "--proximal",
        is_flag=True,
        default=None,
        help="Drive scales to exact zeros by a soft threshold.",
    ),
    click.option(
        "--unfreeze",
        is_flag=True,
        default=None,
        help="Train frozen layers too, instead of refusing them.",
    ),
    click.option(
        "--sparse-epochs",
        type=click.IntRange(0),
        help="Epochs with the penalty, before the cut.  [default: 10]",
    ),
    click.option(
        "--passes",
        type=click.IntRange(1),
        help="Approach the budget in so many rounds.  [default: 1]",
    ),
    click.option(
        "--max-drop",
        type=click.FloatRange(0),
        help="Loss of the validation metric a round may leave.  [default: 0.01]",
    ),
    click.option(
        "--arm",
        type=click.Choice(["finetune", "scratch_e", "scratch_b"]),
        help="Keep the weights, or train the shape anew.  [default: finetune]",
    ),
)


def teacher_options(*, required: bool = False) -> Callable[[options.F], options.F]:
    """Return the options of a training on another model's answers, too."""
    return options.chain(
        click.option(
            "--teacher",
            required=required,
            type=options.PATH,
            help="Learn from the answers of this model, too.",
        ),
        click.option(
            "--temperature",
            type=click.FloatRange(0, min_open=True),
            help="Softens the teacher's answers.  [default: 4.0]",
        ),
        click.option(
            "--alpha",
            type=click.FloatRange(0, 1),
            help="Weight of the teacher's answers against the labels'.  [default: 0.9]",
        ),
    )


sparsify_options = options.chain(
    click.option(
        "--sparsity",
        type=float,
        help="Fraction of zeros in each pruned kernel, in [0, 1).  [default: 0.8]",
    ),
    click.option(
        "--initial-sparsity",
        type=float,
        help="Fraction of zeros at the first masks.  [default: 0]",
    ),
    click.option(
        "--pattern",
        metavar="PATTERN",
        help="unstructured, a block of inputs x outputs such as 1x4 or 4x1, or n:m "
        "such as 2:4.  [default: unstructured]",
    ),
    click.option(
        "--layer",
        "layers",
        multiple=True,
        metavar="LAYER",
        help="Prune this layer. May be repeated.  [default: all but first, last and "
        "depthwise ones]",
    ),
    click.option(
        "--plan",
        type=options.PATH,
        help="Sparsities by layer, as `amc --granularity weights` writes them.",
    ),
    click.option(
        "--begin-fraction",
        type=float,
        help="Part of the training before the first masks.  [default: 0]",
    ),
    click.option(
        "--end-fraction",
        type=float,
        help="Part of the training until the last masks.  [default: 0.7]",
    ),
)
