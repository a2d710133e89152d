"""All speed benchmarks, one after the other, each in a process of its own.

make bench        # or: python -m benchmarks.speed
"""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = {
    "graph_speed": [],
    "training_speed": ["--again"],
    "distill_speed": ["--again"],
    "slimming_speed": [],
    "amc_speed": [],
}


def main() -> None:
    """Run each benchmark; their results land in ``benchmarks/results``."""
    for name, options in BENCHMARKS.items():
        print(f"== {name}", flush=True)
        subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *options], check=True
        )
    subprocess.run([sys.executable, "-m", "benchmarks.readme"], check=True)


if __name__ == "__main__":
    main()
