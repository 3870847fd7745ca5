"""Builders: values in, a `Command` out. They never run, log or read configuration."""
