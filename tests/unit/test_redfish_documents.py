"""Redfish's documents, each whole, over recorded output."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import falcon.testing
import pytest

from agent.redfish import documents

from .recorded import Read, virsh, virsh_error
from .test_redfish_boot import HOST, system
from .web import (
    EMPTY_LIST,
    LIST,
    NET_UUIDS,
    NETWORKS,
    ODD,
    POOL_XML,
    STATES,
    Agent,
    details,
    uuid,
)

ROOT = "/redfish/v1"
RUNNING, SPACES, OFF = (f"{ROOT}/Systems/{uuid(number)}" for number in (1, 4, 3))
BMC = f"{ROOT}/Managers/{uuid(1)}"
OK = {"State": "Enabled", "Health": "OK"}
GIB = 1 << 30


def link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


def links(path: str, *ids: str) -> list[dict[str, str]]:
    return [link(f"{path}/{id_}") for id_ in ids]


def resource(path: str, kind: str, version: str, name: str) -> dict[str, str]:
    """What every resource has."""
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}.{version}.{kind}",
        "Id": path.rpartition("/")[2],
        "Name": name,
    }


def collection(path: str, kind: str, name: str, *ids: str) -> dict[str, Any]:
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": name,
        "Members": links(path, *ids),
        "Members@odata.count": len(ids),
    }


def boot() -> dict[str, Any]:
    return {
        "BootSourceOverrideEnabled": "Disabled",
        "BootSourceOverrideEnabled@Redfish.AllowableValues": ["Once", "Continuous", "Disabled"],
        "BootSourceOverrideTarget": "None",
        "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Hdd", "Cd"],
        "BootSourceOverrideMode": "Legacy",
        "BootSourceOverrideMode@Redfish.AllowableValues": ["Legacy"],
    }


def computer(path: str, name: str, sockets: int, *, on: bool) -> dict[str, Any]:
    """The document of a system of 16 MiB."""
    id_ = path.rpartition("/")[2]
    parts = ("Processors", "EthernetInterfaces", "Storage", "SimpleStorage", "VirtualMedia")
    return {
        **resource(path, "ComputerSystem", "v1_20_0", name),
        "SystemType": "Virtual",
        "Manufacturer": "Staging compute agent",
        "UUID": id_,
        "PowerState": "On" if on else "Off",
        "Status": {"State": "Enabled" if on else "Disabled", "Health": "OK"},
        "MemorySummary": {"TotalSystemMemoryGiB": 0.015625},
        "ProcessorSummary": {
            "Count": sockets,
            "CoreCount": sockets,
            "LogicalProcessorCount": sockets,
        },
        "Boot": boot(),
        **{part: link(f"{path}/{part}") for part in parts},
        "Links": {"ManagedBy": [link(f"{ROOT}/Managers/{id_}")]},
        "Actions": {
            "#ComputerSystem.Reset": {
                "target": f"{path}/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": [
                    *("On", "ForceOff", "GracefulShutdown", "GracefulRestart"),
                    *("ForceRestart", "PushPowerButton", "Nmi"),
                ],
            }
        },
    }


def drive(path: str, target: str, capacity: int | None) -> dict[str, Any]:
    of = [] if capacity is None else [link(f"{path}/Volumes/{target}")]
    return {
        **resource(f"{path}/Drives/{target}", "Drive", "v1_17_0", target),
        "CapacityBytes": capacity,
        "MediaType": "HDD",
        "Protocol": "OEM",
        "Links": {"Volumes": of},
        "Status": OK,
    }


def storage(path: str, controller: str, *targets: str) -> dict[str, Any]:
    return {
        **resource(path, "Storage", "v1_15_0", "Storage"),
        "StorageControllers": [
            {
                "@odata.id": f"{path}#/StorageControllers/0",
                "MemberId": "0",
                "Name": controller,
                "SupportedDeviceProtocols": [],
                "Status": OK,
            }
        ],
        "Controllers": link(f"{path}/Controllers"),
        "Drives": links(f"{path}/Drives", *targets),
        "Drives@odata.count": len(targets),
        "Volumes": link(f"{path}/Volumes"),
        "Status": OK,
    }


def volumes(path: str, *targets: str) -> dict[str, Any]:
    return {
        **collection(path, "Volume", "Volumes", *targets),
        "@Redfish.OperationApplyTimeSupport": {
            "@odata.type": "#Settings.v1_3_5.OperationApplyTimeSupport",
            "SupportedValues": ["Immediate"],
        },
    }


def simple_storage(path: str, **capacities: int | None) -> dict[str, Any]:
    return {
        **resource(path, "SimpleStorage", "v1_3_1", "Simple storage"),
        "Devices": [
            {"Name": target, "CapacityBytes": capacity, "Status": OK}
            for target, capacity in capacities.items()
        ],
        "Status": OK,
    }


def media(path: str) -> dict[str, Any]:
    action = f"{path}/Actions/VirtualMedia"
    return {
        **resource(path, "VirtualMedia", "v1_6_2", "Virtual CD"),
        "MediaTypes": ["CD", "DVD"],
        "Image": None,
        "ImageName": None,
        "Inserted": False,
        "ConnectedVia": "NotConnected",
        "WriteProtected": True,
        "Actions": {
            "#VirtualMedia.InsertMedia": {"target": f"{action}.InsertMedia"},
            "#VirtualMedia.EjectMedia": {"target": f"{action}.EjectMedia"},
        },
    }


def processor(path: str, number: str) -> dict[str, Any]:
    return {
        **resource(f"{path}/{number}", "Processor", "v1_18_0", f"Processor {number}"),
        "ProcessorType": "CPU",
        "ProcessorArchitecture": "x86",
        "InstructionSet": "x86-64",
        "Socket": number,
        "TotalCores": 1,
        "TotalThreads": 1,
        "Status": OK,
    }


def card(path: str, number: str, mac: str) -> dict[str, Any]:
    return {
        **resource(f"{path}/{number}", "EthernetInterface", "v1_9_0", f"Card {number}"),
        "MACAddress": mac,
        "PermanentMACAddress": mac,
        "InterfaceEnabled": True,
        "Status": OK,
    }


def volume(path: str, target: str, capacity: int) -> dict[str, Any]:
    return {
        **resource(f"{path}/Volumes/{target}", "Volume", "v1_9_0", target),
        "CapacityBytes": capacity,
        "VolumeType": "RawDevice",
        "Links": {"Drives": [link(f"{path}/Drives/{target}")]},
        "Status": OK,
    }


def see_document(answer: falcon.testing.Result, document: dict[str, Any]) -> None:
    """Fail unless an answer is this document, as the standard wants one to be answered."""
    headers = answer.headers
    assert (answer.status_code, answer.json) == (200, document)
    assert (headers["content-type"], headers["odata-version"]) == ("application/json", "4.0")
    assert len(headers["etag"]) == len('"0123456789abcdef0123456789abcdef"')


@pytest.mark.parametrize("path", ["/redfish", "/redfish/"])
def test_versions(agent: Agent, path: str) -> None:
    see_document(agent("GET", path), {"v1": "/redfish/v1/"})


@pytest.mark.parametrize("path", [ROOT, f"{ROOT}/"])
def test_service_root(agent: Agent, path: str) -> None:
    answer = agent("GET", path)
    own = answer.json["UUID"]
    see_document(
        answer,
        {
            "@odata.id": f"{ROOT}/",
            "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
            "Id": "RootService",
            "Name": "Staging compute agent",
            "RedfishVersion": "1.15.0",
            "UUID": own,
            "Systems": link(f"{ROOT}/Systems"),
            "Managers": link(f"{ROOT}/Managers"),
            "SessionService": link(f"{ROOT}/SessionService"),
            "Links": {"Sessions": link(f"{ROOT}/SessionService/Sessions")},
        },
    )
    assert agent("GET", path).json["UUID"] == own


@pytest.mark.parametrize(("name", "kind"), [("Systems", "ComputerSystem"), ("Managers", "Manager")])
def test_collections_of_hosts(agent: Agent, name: str, kind: str) -> None:
    """All of them, by whoever they were made, in libvirt's order."""
    agent.reads(STATES, LIST)
    path = f"{ROOT}/{name}"
    ids = (uuid(number) for number in (1, 2, 4, 3))
    see_document(agent("GET", path), collection(path, kind, name, *ids))


@pytest.mark.parametrize(("name", "kind"), [("Systems", "ComputerSystem"), ("Managers", "Manager")])
def test_collections_without_hosts(agent: Agent, name: str, kind: str) -> None:
    agent.reads(Read("domstats --state", virsh("empty-domstats-state")), EMPTY_LIST)
    path = f"{ROOT}/{name}"
    see_document(agent("GET", path), collection(path, kind, name))


STORAGE = f"{RUNNING}/Storage/1"
DOCUMENTS = [
    (RUNNING, computer(RUNNING, "fixture.example.com", 1, on=True)),
    (f"{RUNNING}/Processors", collection(f"{RUNNING}/Processors", "Processor", "Processors", "0")),
    (f"{RUNNING}/Processors/0", processor(f"{RUNNING}/Processors", "0")),
    (
        f"{RUNNING}/EthernetInterfaces",
        collection(
            f"{RUNNING}/EthernetInterfaces", "EthernetInterface", "Ethernet interfaces", "0", "1"
        ),
    ),
    *(
        (
            f"{RUNNING}/EthernetInterfaces/{number}",
            card(f"{RUNNING}/EthernetInterfaces", number, f"52:54:00:00:01:0{number}"),
        )
        for number in ("0", "1")
    ),
    (f"{RUNNING}/Storage", collection(f"{RUNNING}/Storage", "Storage", "Storage", "1")),
    (STORAGE, storage(STORAGE, "virtio-scsi", "sda", "sdb")),
    (
        f"{STORAGE}/Controllers",
        collection(f"{STORAGE}/Controllers", "StorageController", "Controllers", "0"),
    ),
    (
        f"{STORAGE}/Controllers/0",
        {
            **resource(f"{STORAGE}/Controllers/0", "StorageController", "v1_7_0", "virtio-scsi"),
            "Status": OK,
        },
    ),
    (f"{STORAGE}/Drives/sdb", drive(STORAGE, "sdb", GIB)),
    (f"{STORAGE}/Volumes", volumes(f"{STORAGE}/Volumes", "sda", "sdb")),
    (f"{STORAGE}/Volumes/sda", volume(STORAGE, "sda", GIB)),
    (
        f"{RUNNING}/SimpleStorage",
        collection(f"{RUNNING}/SimpleStorage", "SimpleStorage", "Simple storage", "1"),
    ),
    (
        f"{RUNNING}/SimpleStorage/1",
        simple_storage(f"{RUNNING}/SimpleStorage/1", sda=GIB, sdb=GIB),
    ),
    (
        BMC,
        {
            **resource(BMC, "Manager", "v1_18_0", "BMC of fixture.example.com"),
            "ManagerType": "BMC",
            "VirtualMedia": link(f"{BMC}/VirtualMedia"),
            "Links": {"ManagerForServers": [link(RUNNING)]},
            "Status": OK,
        },
    ),
    *(
        (
            f"{above}/VirtualMedia",
            collection(f"{above}/VirtualMedia", "VirtualMedia", "Virtual media", "Cd"),
        )
        for above in (RUNNING, BMC)
    ),
    *((f"{above}/VirtualMedia/Cd", media(f"{above}/VirtualMedia/Cd")) for above in (RUNNING, BMC)),
]


@pytest.mark.parametrize(("path", "document"), DOCUMENTS, ids=[path for path, _ in DOCUMENTS])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_document_of_a_running_host(
    agent: Agent, path: str, document: dict[str, Any], slash: str
) -> None:
    """Each costs one round trip, as the host itself does."""
    agent.reads(*details(1, "running"))
    see_document(agent("GET", path + slash), document)


def reads_off(agent: Agent) -> None:
    """Where the cards of a host that is off lead is its networks' to say, as for the API."""
    agent.reads(*details(3, "off"))
    agent.reads(NET_UUIDS)
    agent.reads(*NETWORKS)


OFF_STORAGE = f"{OFF}/Storage/1"
OFF_DOCUMENTS = [
    (OFF, computer(OFF, ODD, 2, on=False)),
    (f"{OFF}/Processors", collection(f"{OFF}/Processors", "Processor", "Processors", "0", "1")),
    (f"{OFF}/Processors/1", processor(f"{OFF}/Processors", "1")),
    (
        f"{OFF}/EthernetInterfaces/1",
        card(f"{OFF}/EthernetInterfaces", "1", "52:54:00:00:03:01"),
    ),
    (OFF_STORAGE, storage(OFF_STORAGE, "lsilogic", "sda", "sdb", "sde")),
    # Nobody knows the size of a disk whose file is gone, or of a device while the host is off.
    (f"{OFF_STORAGE}/Drives/sda", drive(OFF_STORAGE, "sda", GIB)),
    (f"{OFF_STORAGE}/Drives/sde", drive(OFF_STORAGE, "sde", None)),
    (f"{OFF_STORAGE}/Volumes", volumes(f"{OFF_STORAGE}/Volumes", "sda")),
    (
        f"{OFF}/SimpleStorage/1",
        simple_storage(f"{OFF}/SimpleStorage/1", sda=GIB, sdb=None, sde=None),
    ),
]


@pytest.mark.parametrize(
    ("path", "document"), OFF_DOCUMENTS, ids=[path for path, _ in OFF_DOCUMENTS]
)
def test_a_document_of_an_oddly_named_host_that_is_off(
    agent: Agent, path: str, document: dict[str, Any]
) -> None:
    """It was made by hand, with disks of every kind and on another controller."""
    reads_off(agent)
    see_document(agent("GET", path), document)


BARE_DOCUMENTS = [
    (SPACES, computer(SPACES, "  fixture  spaces ", 1, on=False)),
    (
        f"{SPACES}/EthernetInterfaces",
        collection(f"{SPACES}/EthernetInterfaces", "EthernetInterface", "Ethernet interfaces"),
    ),
    (f"{SPACES}/Storage", collection(f"{SPACES}/Storage", "Storage", "Storage")),
    (
        f"{SPACES}/SimpleStorage",
        collection(f"{SPACES}/SimpleStorage", "SimpleStorage", "Simple storage"),
    ),
]


@pytest.mark.parametrize(
    ("path", "document"), BARE_DOCUMENTS, ids=[path for path, _ in BARE_DOCUMENTS]
)
def test_a_document_of_a_host_without_disks_and_cards(
    agent: Agent, path: str, document: dict[str, Any]
) -> None:
    agent.reads(*details(4, "spaces"))
    see_document(agent("GET", path), document)


@pytest.mark.parametrize(
    ("parts", "could_be"),
    [
        (("Processors/1", "Processors/00", "Processors/x"), True),
        (("EthernetInterfaces/2", "EthernetInterfaces/-1"), True),
        (("Storage/1/Drives/sdc", "Storage/1/Drives/0", "Storage/1/Volumes/sdc"), True),
        (("Storage/0", "Storage/2", "Storage/2/Controllers", "Storage/2/Volumes"), False),
        (("Storage/1/Controllers/1", "Storage/2/Controllers/0", "Storage/1/Drives"), False),
        (("Storage/2/Drives/sda", "Storage/2/Volumes/sda", "SimpleStorage/2"), False),
        (("VirtualMedia/Floppy", "Actions/ComputerSystem.Nope", "Bios", "Nope"), False),
    ],
)
def test_parts_that_are_not_there(agent: Agent, parts: tuple[str, ...], could_be: bool) -> None:
    """Of which only those are read for that could be."""
    for part in parts:
        path = f"{RUNNING}/{part}"
        if could_be:
            agent.reads(*details(1, "running"))
        answer = agent("GET", path)
        assert (answer.status_code, answer.json["error"]["message"]) == (
            404,
            f"there is nothing at {path}",
        )


@pytest.mark.parametrize(
    "part",
    [
        *("Storage/1", "Storage/1/Controllers", "Storage/1/Controllers/0", "Storage/1/Volumes"),
        "SimpleStorage/1",
    ],
)
def test_the_storage_of_a_host_without_disks(agent: Agent, part: str) -> None:
    agent.reads(*details(4, "spaces"))
    path = f"{SPACES}/{part}"
    answer = agent("GET", path)
    assert (answer.status_code, answer.json["error"]["message"]) == (
        404,
        f"there is nothing at {path}",
    )


def test_a_disc_that_is_no_disk(agent: Agent) -> None:
    reads_off(agent)
    assert agent("GET", f"{OFF_STORAGE}/Drives/sdc").status_code == 404


def test_a_drive_without_a_known_size_is_no_volume(agent: Agent) -> None:
    reads_off(agent)
    assert agent("GET", f"{OFF_STORAGE}/Volumes/sdb").status_code == 404


GONE = virsh_error("dumpxml-gone")


def gone(id_: str) -> tuple[Read, ...]:
    """The reads of a domain that is not there."""
    reads = (f"dominfo {id_}", f"dumpxml {id_}", f"dumpxml --inactive {id_}")
    return (
        *(Read(words, stderr=GONE) for words in (*reads, f"domstats --block {id_}")),
        POOL_XML,
    )


@pytest.mark.parametrize("part", ["", "/Storage/1", "/VirtualMedia/Cd"])
@pytest.mark.parametrize("above", ["Systems", "Managers"])
def test_a_host_that_is_not_there(agent: Agent, above: str, part: str) -> None:
    path = f"{ROOT}/{above}/{uuid(9)}{part}"
    if above == "Managers" and part == "/Storage/1":
        detail = f"there is nothing at {path}"
    else:
        detail = f"there is no host '{uuid(9)}'"
        agent.reads(*gone(uuid(9)))
    answer = agent("GET", path)
    assert (answer.status_code, answer.json["error"]["message"]) == (404, detail)


@pytest.mark.parametrize(
    "id_",
    [
        *(
            "fixture.example.com",
            "fixture-netboot",
            "1",
            "nope",
            " ",
            "a b",
            "..",
            "..%2f..%2fhosts",
        ),
        *(uuid(1).upper().replace("4", "A"), uuid(1)[:-1], f"{uuid(1)}0", f"{uuid(1)} ", "%00"),
        *(f"{uuid(1)}%0A", "--all", "%22;%20destroy%201", quote(ODD), "x" * 1_000_000),
    ],
    ids=lambda id_: id_[:40],
)
@pytest.mark.parametrize("above", ["Systems", "Managers"])
def test_only_an_id_is_an_identity(agent: Agent, above: str, id_: str) -> None:
    """Nothing is run for anything else: virsh would find a domain by its name or its number."""
    assert agent("GET", f"{ROOT}/{above}/{id_}").status_code == 404


def test_a_domain_whose_name_is_a_uuid(agent: Agent) -> None:
    """virsh finds it by its name, where there is none of that UUID."""
    named = uuid(9)
    agent.reads(
        Read(f"dominfo {named}", virsh("dominfo-running")),
        Read(f"dumpxml {named}", virsh("dumpxml-running")),
        Read(f"dumpxml --inactive {named}", virsh("dumpxml-inactive-running")),
        Read(f"domstats --block {named}", virsh("domstats-block-running")),
        POOL_XML,
    )
    answer = agent("GET", f"{ROOT}/Systems/{named}")
    assert (answer.status_code, answer.json["error"]["message"]) == (
        404,
        f"there is no host '{named}'",
    )


@pytest.mark.parametrize("path", ["/redfish", ROOT, f"{ROOT}/Systems", RUNNING])
def test_who_has_a_document_already(agent: Agent, path: str) -> None:
    def read() -> None:
        if path == RUNNING:
            agent.reads(*details(1, "running"))
        elif path.endswith("Systems"):
            agent.reads(STATES, LIST)

    read()
    tag = agent("GET", path).headers["etag"]
    for same in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        read()
        again = agent("GET", path, headers={"If-None-Match": same})
        assert (again.status_code, again.text, again.headers["etag"]) == (304, "", tag)
    read()
    assert agent("GET", path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_an_etag_is_another_one_of_another_document(agent: Agent) -> None:
    agent.reads(*details(1, "running"))
    agent.reads(*details(4, "spaces"))
    assert agent("GET", RUNNING).headers["etag"] != agent("GET", SPACES).headers["etag"]


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        (ROOT, "GET"),
        (RUNNING, "GET, PATCH"),
        (f"{RUNNING}/Storage/1", "GET"),
        (f"{RUNNING}/Storage/1/Volumes", "GET, POST"),
    ],
)
def test_what_may_be_done_there(agent: Agent, path: str, allow: str) -> None:
    if path != ROOT:
        agent.reads(*details(1, "running"))
    assert agent("GET", path).headers["allow"] == allow
    options = agent("OPTIONS", path)
    assert (options.status_code, options.headers["allow"]) == (200, allow)


def test_head(agent: Agent) -> None:
    for _ in range(2):
        agent.reads(*details(1, "running"))
    head, get = agent("HEAD", RUNNING), agent("GET", RUNNING)
    assert (head.status_code, head.text) == (200, "")
    for name in ("etag", "odata-version", "allow", "content-type", "content-length"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    ("topology", "vcpus", "summary"),
    [(None, 3, (3, 3, 3)), ((2, 3, 2), 12, (2, 6, 12)), ((1, 4, 1), 4, (1, 4, 4))],
)
def test_processors_of_a_topology(topology: Any, vcpus: int, summary: tuple[int, ...]) -> None:
    host = system(replace(HOST, topology=topology, vcpus=vcpus, arch="aarch64"))
    host.shown.update(id="a", name="b", state="paused", memory=2048)
    shown = documents.system(host, "/a")
    assert tuple(shown["ProcessorSummary"].values()) == summary
    assert (shown["PowerState"], shown["MemorySummary"]) == ("On", {"TotalSystemMemoryGiB": 2})
    found = documents.processor(host, "/a/0", "0")
    assert found is not None
    sockets, cores, threads = summary
    assert (found["TotalCores"], found["TotalThreads"]) == (cores // sockets, threads // sockets)
    assert (found["ProcessorArchitecture"], found["InstructionSet"]) == ("ARM", "ARM-A64")
