"""One file per HTTP resource: a request in, an answer out, nothing decided in between."""
