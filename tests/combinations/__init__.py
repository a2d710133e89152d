"""Tests of methods that work together; no package owns them."""
