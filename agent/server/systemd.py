"""Tells systemd how the daemon is (Type=notify); nobody is told where systemd does not ask."""

import logging
import os
import socket
import time

_log = logging.getLogger("agent")


def ready() -> None:
    """Say that requests are answered, or that the configuration was read again."""
    _tell("READY=1")


def reloading() -> None:
    """Say that the configuration is read again, until `ready`."""
    _tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping(seconds: float) -> None:
    """Say that the daemon ends, and that it may take so long."""
    _tell(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")


def _tell(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # The kernel's abstract names begin with a zero, which no environment can hold.
    name = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
            teller.sendto(state.encode(), name)
    except OSError as error:
        _log.warning("systemd cannot be told %r at %s: %s", state, address, error)
