"""The texts of an install: its location, the kernel command line of the installer, an image's URL.

Each has a pattern for the schema, and code that says better what is wrong with it.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from agent.errors import FieldError

# Linux cuts a command line off there on x86.
MOST_CMDLINE_BYTES = 2047

# What urlsplit takes for a URL with a host. A number of a bracketed host is read by code.
_PORT = (
    r"0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
_HTTP = "[Hh][Tt][Tt][Pp][Ss]?"
_REST = (
    r'://(?:[!"$-.0->@-Z\\^-~]*@)?'
    r"(?:[A-Za-z0-9._%-]+|\[[A-Za-z0-9._:%-]+\])"
    rf"(?::(?:{_PORT})?)?(?:[/?#][!-~]*)?$"
)
LOCATION = rf"^(?:{_HTTP}|[Ff][Tt][Pp]){_REST}"
IMAGE = f"^{_HTTP}{_REST}"
# No control characters, and no space at either end.
_INNER = r"\u0000-\u001f\u007f-\u009f\ufffe\uffff"
CMDLINE = rf"^(?:[^ {_INNER}](?:[^{_INNER}]*[^ {_INNER}])?)?$"


def text_errors(body: Any, needs: str) -> Iterator[FieldError]:
    """What is wrong with the texts of a body.

    needs: the one without which no other may be there at all.
    """
    if not isinstance(body, dict) or needs not in body:
        return
    for name, why_not in _TEXTS.items():
        text = body.get(name)
        if isinstance(text, str):
            why = why_not(text)
            if why is not None:
                yield FieldError(name, why)


def _why_no_url(location: str, *schemes: str) -> str | None:
    # virt-install's libraries crash on much of what is not a URL; it would also take a path on
    # the hypervisor, which is not the client's to read.
    if not re.fullmatch(r"[!-~]+", location):
        return "it has characters that a URL must have percent-encoded"
    try:
        url = urlsplit(location)
        port = url.port
        host = url.hostname
    except ValueError as error:
        return f"it is not a URL: {error}"
    if url.scheme not in schemes:
        return f"it is not an {', '.join(schemes[:-1])} or {schemes[-1]} URL"
    if not host or not re.fullmatch(r"[A-Za-z0-9._:%-]+", host) or port == 0:
        return "it is a URL without a usable host"
    return None


def _why_no_cmdline(cmdline: str) -> str | None:
    bad = next((char for char in cmdline if not _passes(char)), None)
    if bad is not None:
        return f"it has the character {bad!r}, which no kernel command line can hold"
    if cmdline != cmdline.strip(" "):
        return "it begins or ends with a space, which would be lost"
    size = len(cmdline.encode())
    if size > MOST_CMDLINE_BYTES:
        return f"it has {size} bytes, and the kernel reads {MOST_CMDLINE_BYTES}"
    return None


_TEXTS: dict[str, Callable[[str], str | None]] = {
    "location": lambda text: _why_no_url(text, "http", "https", "ftp"),
    "cmdline": _why_no_cmdline,
    "image": lambda text: _why_no_url(text, "http", "https"),
}


def _passes(char: str) -> bool:
    """Whether libvirt's XML carries a character, and a kernel command line can hold it."""
    code = ord(char)
    return code >= 0x20 and not (
        0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code & 0xFFFE == 0xFFFE
    )


def with_plain_scheme(given: str | None) -> str | None:
    """A location as virt-install knows it for a URL: with its scheme in lower case."""
    if given is None:
        return None
    scheme, colon, rest = given.partition(":")
    return scheme.lower() + colon + rest
