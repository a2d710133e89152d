"""Tests of `tfcompress.channels`."""
