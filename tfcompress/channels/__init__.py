"""Package channels."""
