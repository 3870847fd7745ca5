"""The contract as an OpenAPI 3.1 document, over the schemas that requests are validated with.

To document a new route, add it to the `paths` of the file of its tag: hosts.py, networks.py,
operations.py, or service.py for the tag agent.
"""
