"""Package distill."""
