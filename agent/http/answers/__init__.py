"""What answers hold, as JSON Schema, for the OpenAPI document: one file per kind of answer.

Each file has its own as SCHEMAS, by their names in the document.
"""
