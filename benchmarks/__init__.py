"""Benchmarks of the toolkit: ratios measured side by side in one run."""
