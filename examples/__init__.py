"""One runnable script per method: ``python -m examples.prune``."""
