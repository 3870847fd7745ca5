r"""The contract of the API: what requests may hold, what answers hold, and the OpenAPI document.

A module a resource says all about it: the schema that its request bodies are validated with, the
schemas of its answers (SCHEMAS, by their names in the document), and its methods (METHODS). To
document a new route, add it to the METHODS of its resource; document.py joins them. What they
share: values.py (JSON Schema of values), methods.py (OpenAPI's operations), names.py,
install_texts.py, problems.py and validator.py.

Patterns are ECMA 262's, as JSON Schema has it: no `\Z`, and `$` is the very end.
"""
