r"""What a request may hold: JSON Schema, and the rules that no schema says well.

The schemas are what requests are validated with, and what the OpenAPI document shows. Their
patterns are ECMA 262's, as JSON Schema has it: no `\Z`, and `$` is the very end.
"""
