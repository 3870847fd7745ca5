"""The agent itself: its health, what it measures, and its contract."""

from agent.http.contract import hosts, networks
from agent.http.contract.methods import JSON, answer, in_path, one, read
from agent.http.contract.values import Json, array, boolean, enum, integer, record, ref, text
from agent.http.problems import MEDIA_TYPE

_STATUS = enum(["ok", "failing"])
_PART: Json = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": _STATUS,
        "detail": text("why it is failing"),
        "version": text(null=True),
        "name": text(),
        "capacity_bytes": integer(minimum=0),
        "available_bytes": integer(minimum=0),
        "unsettled": array(text(), "the ids of unsettled operations"),
        "command": text(),
        "exit_code": integer(null=True),
        "stderr": text(),
    },
}
_PARTS = dict.fromkeys(("libvirt", "pool", "openvswitch", "journal"), _PART)

# Where a program finds what.
ENTRIES = {
    "overview": "/overview",
    "hosts": "/hosts",
    "networks": "/networks",
    "operations": "/operations",
    "health": "/health",
    "metrics": "/metrics",
    "openapi": "/openapi.json",
    "docs": "/docs",
    "redfish": "/redfish/v1/",
}
SCHEMAS: Json = {
    "Health": record({"status": _STATUS, **_PARTS}),
    "EntryPoints": record(
        {
            "hypervisor": text("the host name of the hypervisor"),
            "read_only": boolean("whether the client's token is read-only"),
            "some_hosts": boolean("whether it is for some hosts only, and cannot change networks"),
            **{name: text("a path") for name in ENTRIES},
        }
    ),
    "Overview": record(
        {
            "hosts": array(record(hosts.SUMMARY)),
            "networks": array(record(networks.SUMMARY)),
            "bridges": array(text(), "of Open vSwitch"),
            "memory": integer("MB (of 2^20 bytes) of the hypervisor"),
            "stale_ports": array(text(), "ports that a crash left behind"),
        }
    ),
}

_HEALTH = read(
    "GET /health",
    "getHealth",
    "Check whether libvirt, the pool, Open vSwitch and the journal respond.",
    one("Health"),
)
_HEALTH.operation["responses"]["503"] = answer(
    "One of them is failing; or, as a problem, the agent cannot read its tokens.",
    {**one("Health"), MEDIA_TYPE: {"schema": ref("Problem")}},
    "Retry-After",
)
_PAGE = {"text/html": {"schema": text()}}
_FILE = read(
    "GET /page/{file}",
    "getPageFile",
    "Return a file of the web page.",
    {
        kind: {"schema": text()}
        for kind in ("text/html", "text/javascript", "text/css", "image/svg+xml")
    },
    in_path("file", "the file's name", example="app.js"),
)
_FILE.operation["responses"]["304"] = answer("If-None-Match has its ETag.", {})

METHODS = [
    read(
        "GET /",
        "getEntryPoints",
        "Return the web page or, for programs, the API's entry points.",
        {**one("EntryPoints"), **_PAGE},
    ),
    _FILE,
    read(
        "GET /overview",
        "getOverview",
        "Return the data of the web page's overview: all hosts and networks.",
        one("Overview"),
        errors=(504,),
    ),
    _HEALTH,
    read(
        "GET /metrics",
        "getMetrics",
        "Return counts and durations for Prometheus.",
        {"text/plain": {"schema": text()}, "application/openmetrics-text": {"schema": text()}},
    ),
    read(
        "GET /openapi.json",
        "getOpenapi",
        "Return this document.",
        {JSON: {"schema": {"type": "object"}}},
    ),
    read("GET /docs", "getDocs", "Return this document as a web page.", _PAGE),
    read(
        "GET /docs/{page}",
        "getManualPage",
        "Return a page of the manual.",
        _PAGE,
        in_path("page", "the page's name", example="install"),
    ),
]
