"""The paths of the agent itself: its health, what it measures, and its contract."""

from typing import Any

from agent.http.openapi.methods import read
from agent.http.openapi.responses import JSON, answer, one

_Json = dict[str, Any]


def paths() -> _Json:
    """Every path of the tag agent."""
    return {
        "/health": {"get": _health()},
        "/metrics": {
            "get": read(
                "getMetrics",
                "agent",
                "What the agent counts and measures, for Prometheus.",
                {
                    "text/plain": {"schema": {"type": "string"}},
                    "application/openmetrics-text": {"schema": {"type": "string"}},
                },
            )
        },
        "/openapi.json": {
            "get": read(
                "getOpenapi", "agent", "This document.", {JSON: {"schema": {"type": "object"}}}
            )
        },
        "/docs": {
            "get": read(
                "getDocs",
                "agent",
                "This document for a person.",
                {"text/html": {"schema": {"type": "string"}}},
            )
        },
    }


def _health() -> _Json:
    health = read(
        "getHealth",
        "agent",
        "Say whether libvirt, the pool, Open vSwitch and the journal answer.",
        one("Health"),
    )
    health["responses"]["503"] = answer("One of them does not answer.", one("Health"))
    return health
