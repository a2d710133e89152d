"""Data sets: sources, splits, preprocessing, tasks and how a model is judged.

`load` finds a data set by name, file, folder or function; `evaluate_model` judges a
model on a part of it; `check_fits` refuses what cannot work before time is spent.
"""

from tfcompress.data.augmentation import Augmentation
from tfcompress.data.checks import check_fits
from tfcompress.data.datasets import Dataset
from tfcompress.data.evaluation import Evaluation, evaluate_model, predictor
from tfcompress.data.preprocessing import Preprocessing
from tfcompress.data.sources import load, sized_for
from tfcompress.data.tasks import OutputTask, Task

__all__ = [
    "Augmentation",
    "Dataset",
    "Evaluation",
    "OutputTask",
    "Preprocessing",
    "Task",
    "check_fits",
    "evaluate_model",
    "load",
    "predictor",
    "sized_for",
]
