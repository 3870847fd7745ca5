"""The query of a request, where a resource takes one."""

import falcon

from agent.errors import FieldError


def unknown(req: falcon.Request, known: tuple[str, ...]) -> list[FieldError]:
    """An error for each query parameter that the resource does not know."""
    return [
        FieldError(name, f"there is no such query parameter; there are {', '.join(known)}")
        for name in sorted(set(req.params) - set(known))
    ]
