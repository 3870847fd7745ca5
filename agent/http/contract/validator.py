"""Validates with JSON Schema, with messages that name the field and what is wrong with it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from agent.errors import FieldError, InvalidRequest

_REFUSAL = "x-refusal"


def refused(why: str, **rule: Any) -> dict[str, Any]:
    """A rule of a schema with the message for what breaks it; without a rule every value does."""
    return {**(rule or {"not": {}}), _REFUSAL: why}


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    # Python's $ is before a last newline, too.
    if validator.is_type(instance, "string") and not re.fullmatch(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _unique_items(
    validator: Any, wanted: bool, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    # Of texts and numbers only, which are all that such lists may have here: other items are
    # compared each with each, and as deep as they go.
    if wanted and validator.is_type(instance, "array"):
        plain = [item for item in instance if isinstance(item, str | int | float)]
        if len({*plain}) < len(plain):
            yield ValidationError(f"{instance!r} has non-unique elements")


# Every pattern here is of the whole text.
Validator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": _pattern, "uniqueItems": _unique_items}
)


def check(schema: dict[str, Any], body: Any, first: Iterable[FieldError] = ()) -> None:
    """Raise InvalidRequest, which names every field that is wrong, unless a schema takes a body.

    first: what is wrong besides, which is said in the place of what the schema finds.
    """
    refuse([*first, *schema_errors(schema, body)])


def refuse(errors: Sequence[FieldError]) -> None:
    """Raise InvalidRequest of these errors, if any.

    Of several of a field the first says it, and a second would only confuse.
    """
    if errors:
        by_field = {error.field: error for error in reversed(errors)}
        raise InvalidRequest(list(by_field.values())[::-1])


def schema_errors(schema: dict[str, Any], body: Any) -> Iterator[FieldError]:
    """What a schema finds wrong with a body; a field may come more than once."""
    try:
        for error in Validator(schema).iter_errors(body):
            yield from _field_errors(error)
    except RecursionError:
        # Python has read it, and cannot quote it from further up the stack.
        yield FieldError("body", "it is nested too deeply")


def _field_errors(error: ValidationError) -> Iterator[FieldError]:
    given: Any = error.instance
    path = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
    )
    rule: Any = error.schema
    if error.validator == "required":
        # The validator tells of each that is missing by itself.
        missing = next(each for each in rule["required"] if error.message.startswith(repr(each)))
        yield FieldError(f"{path}.{missing}".removeprefix("."), "is required")
    elif error.validator == "additionalProperties":
        has = ", ".join(rule["properties"])
        for name in sorted(set(given) - set(rule["properties"])):
            told = f"there is no such field; the fields are {has}"
            yield FieldError(cut(f"{path}.{name}".removeprefix(".")), told)
    else:
        message = error.message
        if error.validator == "maxItems":
            # Its own message has all the items, and not how many there may be.
            message = f"{len(given)} are more than the maximum of {error.validator_value}"
        why = rule.get(_REFUSAL) if isinstance(rule, dict) else None
        yield FieldError(path.removeprefix(".") or "body", cut(why or message))


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """A body that its schema has found valid, of immutable values, its integers without a point.

    JSON Schema takes 8.0 for an integer, and a command must not read "8.0".
    """
    return {name: _plain(value) for name, value in body.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_plain, value))
    return int(value) if isinstance(value, float) else value


def cut(text: str) -> str:
    """A text as an error shows it: its first 200 characters."""
    return text if len(text) <= 200 else text[:200] + "..."
