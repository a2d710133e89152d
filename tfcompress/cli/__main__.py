"""``python -m tfcompress.cli``: the command line without its console script."""

from __future__ import annotations

from tfcompress.cli.main import main

if __name__ == "__main__":
    main()
