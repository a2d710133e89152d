"""The documentation, and the program that writes its command line reference."""
