"""Tests of `tfcompress.amc`."""
