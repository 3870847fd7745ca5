"""What qemu-img prints."""

import json

from agent.errors import InvalidOutput


def backing_chain(text: str) -> tuple[str, ...]:
    """`info --backing-chain --output=json`: the files of the chain, without the first.

    >>> backing_chain('[{"filename": "/a"}, {"filename": "/b"}]')
    ('/b',)
    """
    try:
        return tuple(str(image["filename"]) for image in json.loads(text)[1:])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidOutput("qemu-img", text, "no images in JSON") from error
