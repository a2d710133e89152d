"""What `make demo` ends with, as a result that the README shows.

python -m benchmarks.demo            # runs the demo, or reads a finished run
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
from typing import Any

from benchmarks import timing
from tfcompress import files

ROOT = pathlib.Path(__file__).parent.parent
RUN = ROOT / "runs" / "demo"
RESULTS = ROOT / "benchmarks" / "results" / "demo.json"


def figures(run: pathlib.Path) -> dict[str, Any]:
    """Read a finished run: before and after, and what was verified."""
    report = files.read_json(run / "report.json")
    verify = files.read_json(run / "verify.json")
    stages = files.read_json(run / "run.json")["stages"]
    seconds = sum(
        files.read_json(run / f"{name}.json")["seconds"]
        for name in stages
        if (run / f"{name}.json").exists() and name != "report"
    )
    return {
        "command": "make demo",
        "summary": report["summary"],
        "steps": report["steps"],
        "parity": verify["details"]["parity"],
        "passed": verify["passed"],
        "minutes": round(seconds / 60, 1),
        "environment": timing.environment(),
    }


def main() -> None:
    """Run the demo (finished stages are not repeated) and keep its figures."""
    subprocess.run(
        [sys.executable, "-m", "tfcompress.cli", "demo", "-o", str(RUN)], check=True
    )
    files.write_json(RESULTS, figures(RUN))


if __name__ == "__main__":
    main()
