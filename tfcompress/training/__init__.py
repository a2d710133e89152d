"""Train models: fast, resumable, and the same way for every method.

`accelerate` gives a twin that shares the model's weights and trains faster; `train` is
the loop the methods call; `arms` are the ways to retrain a pruned model.
"""

from tfcompress.training import arms
from tfcompress.training.acceleration import accelerate
from tfcompress.training.loop import TrainResult, train
from tfcompress.training.settings import TrainConfig
from tfcompress.training.watching import Progress

__all__ = ["Progress", "TrainConfig", "TrainResult", "accelerate", "arms", "train"]
