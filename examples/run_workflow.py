"""A whole run from Python: stages, records, resuming, report.

Run: python -m examples.run_workflow
"""

from __future__ import annotations

import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from examples.original import EPOCHS, EXAMPLES
from tfcompress import pipeline

WORKFLOW = f"""
[model]
builder = "tfcompress.pipeline.demo:build_network"  # or path = "model.keras"
train = {{ epochs = {EPOCHS}, learning_rate = 2e-3 }}

[data]
source = "fashion-mnist-small"
limit = {EXAMPLES}

[prune]
criterion = "geometric_median"
macs = 0.6

[finetune]
epochs = {EPOCHS}

[convert]
recipe = "int8"

[verify]
max_drop = 0.05

[report]
"""


def main() -> None:
    """Run it, and again: the second time nothing is left to do."""
    folder = pathlib.Path(tempfile.mkdtemp())
    path = folder / "workflow.toml"
    path.write_text(WORKFLOW, encoding="utf-8")
    workflow = pipeline.read_workflow(path)
    for _ in range(2):
        result = pipeline.run_workflow(workflow, folder / "run")
        for record in result.records:
            print(f"{record['name']}: {record.get('seconds', 0):.1f} s")
    print("passed" if result.passed else result.failures)
    print(f"report: {folder / 'run' / 'report.html'}")


if __name__ == "__main__":
    main()
