"""Hides passwords: puts `***` in their place. Pure: text or JSON in, the same without them out.

What may be one: an installer's kernel command line, as a whole, since nobody knows which of its
words is, and what a URL has before the @ of its host, but for the user's name.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any
from xml.sax.saxutils import escape

from agent.tools.command import Command

HIDDEN = "***"
_CMDLINE = "--extra-args="
# What one is called in the bodies of requests, in lower case.
_FIELDS = ("cmdline", "password")
_SIGNS = re.compile(rb"://|cmdline|password|--extra-args=", re.IGNORECASE)
# To the last @ before what ends the part of a URL that names the host.
_USER = re.compile(r"://(?:([^\s/?#\[\]@:]+):)?[^\s/?#\[\]]*@")
# As a word of a shell or of Python that is in single quotes, in double quotes, or in none.
_WORD = re.compile(
    rf"""(?P<single>'){_CMDLINE}(?:\\?'"'"'|\\'|[^'])*'"""
    rf'''|(?P<double>"){_CMDLINE}(?:\\.|[^"\\])*"'''
    rf"""|{_CMDLINE}(?:'[^']*'|"[^"]*"|\S)*""",
    re.DOTALL,
)
_QUOTED = re.compile(r"""(?:"[^"]*"|'[^']*'|\S)+""")
_QUOTES = {'"': "&quot;", "'": "&apos;"}


def may_have_passwords(document: bytes) -> bool:
    """Whether there is anything in a document, as JSON, by which passwords are told."""
    return _SIGNS.search(document) is not None


def masked_text(text: str) -> str:
    """A text, or a word of a command, without what is a password by what is around it."""
    if text.startswith(_CMDLINE):
        return f"{_CMDLINE}{HIDDEN}"
    if _CMDLINE in text:
        text = _WORD.sub(_masked_word, text)
    if "://" in text:
        text = _USER.sub(_masked_user, text)
    return text


def masked_error(error: BaseException) -> str:
    """The text of an error without passwords, those of the command that failed included."""
    return _Masks(_of_cmdlines(_of_argv(getattr(error, "argv", ())))).text(str(error))


def masked(document: Any) -> Any:
    """A JSON document without passwords.

    A command line that it has anywhere, in the body of a request or the words of a command, is
    hidden wherever else in it a tool has printed it.
    """
    if isinstance(document, list):
        # What is in one of many is not looked for in all of them.
        return [masked(each) for each in document]
    return _Masks(_of_cmdlines(_found(document))).value(document)


class _Masks:
    """Hides passwords, and these texts wherever they are words of their own."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def value(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.value(each) for each in value]
            case {"argv": list() as argv, "shell": str()}:
                words = [self.text(word) for word in argv]
                rest = {name: self._field(name, each) for name, each in value.items()}
                # Not the line itself, in which quotes may be anywhere.
                return {**rest, "shell": str(Command(tuple(words), rest.get("stdin")))}
            case dict():
                return {name: self._field(name, each) for name, each in value.items()}
        return value

    def text(self, text: str) -> str:
        # First, as they stand in the text.
        for each in self._texts:
            if each in text:
                text = re.sub(rf"(?<!\w){re.escape(each)}(?!\w)", HIDDEN, text)
        return masked_text(text)

    def _field(self, name: str, value: Any) -> Any:
        hides = name.lower() in _FIELDS and isinstance(value, str) and value
        return HIDDEN if hides else self.value(value)


def _masked_word(found: "re.Match[str]") -> str:
    quote = found["single"] or found["double"] or ""
    return f"{quote}{_CMDLINE}{HIDDEN}{quote}"


def _masked_user(found: "re.Match[str]") -> str:
    user = f"{found[1]}:" if found[1] is not None else ""
    return f"://{user}{HIDDEN}@"


def _found(value: Any) -> Iterator[str]:
    """The command lines that a document has."""
    match value:
        case str():
            yield from _of_argv([value])
        case list():
            for each in value:
                yield from _found(each)
        case dict():
            for name, each in value.items():
                if name == "cmdline" and isinstance(each, str):
                    yield each
                else:
                    yield from _found(each)


def _of_argv(argv: Sequence[str]) -> Iterator[str]:
    """The command lines that the words of a command have."""
    return (word.removeprefix(_CMDLINE) for word in argv if word.startswith(_CMDLINE))


def _of_cmdlines(cmdlines: Iterator[str]) -> list[str]:
    """The texts by which command lines are found in what tools print, the longest first.

    A single word without a value is none: it would hide half of what is printed.
    """
    texts = set()
    for cmdline in cmdlines:
        words = cmdline.split()
        if len(words) > 1:
            texts.add(cmdline)
        # What is in quotes is one word, which tools print with its quotes and without them.
        words += _QUOTED.findall(cmdline)
        with suppress(ValueError):
            words += shlex.split(cmdline)
        texts |= {word for word in words if "=" in word}
    # As libvirt quotes the XML that it refuses.
    texts |= {escape(text, _QUOTES) for text in texts}
    return sorted(texts, key=len, reverse=True)
