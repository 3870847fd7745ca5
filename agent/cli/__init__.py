"""The subcommands of `python -m agent` for a person at a terminal. One thread, and `sh`."""
