"""Tests of `tfcompress.slimming`."""
