"""The daemon around the application: sockets, signals, logs, settings that change."""
