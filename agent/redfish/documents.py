"""Redfish's documents of hosts. Pure: what is so in, JSON out.

Each has what its clients ask for, and nothing that would be made up: a host has no BIOS settings,
no temperatures and no lamps. host: the one that it is about. path: where it is. A document is None
where the host does not have the part that it is about.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agent.access.control import SESSIONS
from agent.compute.hosts import RESETS
from agent.hypervisor.facts import DomainDetails
from agent.plans.boot_override import DISABLED, ENABLED, KINDS, active
from agent.tools.parsers.libvirt_xml import Domain

Json = dict[str, Any]
ROOT = "/redfish/v1"
SYSTEMS, MANAGERS = f"{ROOT}/Systems", f"{ROOT}/Managers"
SESSION_SERVICE = f"{ROOT}/SessionService"
# Of a system, which has one for all of its disks.
STORAGE = "Storage/1"
TARGETS = ("None", *KINDS)
_OK = {"State": "Enabled", "Health": "OK"}
_ARCHITECTURES = {
    "x86_64": ("x86", "x86-64"),
    "i686": ("x86", "x86"),
    "aarch64": ("ARM", "ARM-A64"),
}


@dataclass(frozen=True, slots=True)
class System:
    """A host as its documents have it.

    shown: as the API shows it. details: what was read of it.
    """

    shown: Json
    details: DomainDetails

    @property
    def kept(self) -> Domain:
        """Its definition that is kept."""
        return self.details.kept

    @property
    def path(self) -> str:
        """Where its document is."""
        return f"{SYSTEMS}/{self.shown['id']}"

    @property
    def manager(self) -> str:
        """Where that of its BMC is."""
        return f"{MANAGERS}/{self.shown['id']}"

    @property
    def topology(self) -> tuple[int, int, int]:
        """Its sockets, the cores in one, and the threads in one of those."""
        return self.kept.topology or (self.kept.vcpus, 1, 1)

    @property
    def targets(self) -> list[str]:
        """The names of its disks, such as sda."""
        return [disk["target"] for disk in self.shown["disks"]]

    @property
    def controller(self) -> str:
        """The name of the controller of its disks."""
        return self.kept.scsi or "Controller"

    def capacity(self, target: str) -> int | None:
        """The size of a disk in bytes, None where libvirt does not know it."""
        return self.details.capacities.get(target)

    @property
    def volumes(self) -> list[str]:
        """The targets of the disks that are a volume each: those whose size is known."""
        # Clients sort the sizes of volumes, and cannot sort one that is null.
        return [target for target in self.targets if self.capacity(target) is not None]


def versions() -> Json:
    """/redfish"""
    return {"v1": f"{ROOT}/"}


def service_root(uuid: str) -> Json:
    """/redfish/v1/. uuid: of this agent on this hypervisor."""
    return {
        **_resource(f"{ROOT}/", "ServiceRoot", "v1_15_0", "Staging compute agent"),
        "Id": "RootService",
        "RedfishVersion": "1.15.0",
        "UUID": uuid,
        "Systems": _link(SYSTEMS),
        "Managers": _link(MANAGERS),
        "SessionService": _link(SESSION_SERVICE),
        "Links": {"Sessions": _link(SESSIONS)},
    }


def systems(ids: Iterable[str]) -> Json:
    """The collection of systems. ids: of the hosts."""
    return _collection(SYSTEMS, "ComputerSystem", "Systems", ids)


def managers(ids: Iterable[str]) -> Json:
    """The collection of managers, one for each system."""
    return _collection(MANAGERS, "Manager", "Managers", ids)


def session_service(seconds: int) -> Json:
    """The service that sessions are begun at. seconds: how long one may be idle."""
    return {
        **_resource(SESSION_SERVICE, "SessionService", "v1_1_8", "Session Service"),
        "ServiceEnabled": True,
        "SessionTimeout": seconds,
        "Sessions": _link(SESSIONS),
    }


def sessions(ids: Iterable[str]) -> Json:
    """The collection of sessions."""
    return _collection(SESSIONS, "Session", "Sessions", ids)


def session(id_: str, user_name: str) -> Json:
    """A session, without what its client authenticates with."""
    resource = _resource(f"{SESSIONS}/{id_}", "Session", "v1_3_0", "User Session")
    return {**resource, "UserName": user_name}


def system(host: System, path: str) -> Json:
    """A system."""
    shown = host.shown
    on = shown["state"] != "shut off"
    sockets, cores, threads = host.topology
    return {
        **_resource(path, "ComputerSystem", "v1_20_0", shown["name"]),
        "SystemType": "Virtual",
        "Manufacturer": "Staging compute agent",
        "UUID": shown["id"],
        "PowerState": "On" if on else "Off",
        "Status": {"State": "Enabled" if on else "Disabled", "Health": "OK"},
        "MemorySummary": {
            "TotalSystemMemoryGiB": shown["memory"] / 1024,
        },
        "ProcessorSummary": {
            "Count": sockets,
            "CoreCount": sockets * cores,
            "LogicalProcessorCount": sockets * cores * threads,
        },
        "Boot": boot(host.kept),
        "Processors": _link(f"{path}/Processors"),
        "EthernetInterfaces": _link(f"{path}/EthernetInterfaces"),
        "Storage": _link(f"{path}/Storage"),
        "SimpleStorage": _link(f"{path}/SimpleStorage"),
        "VirtualMedia": _link(f"{path}/VirtualMedia"),
        "Links": {"ManagedBy": [_link(host.manager)]},
        "Actions": {
            "#ComputerSystem.Reset": {
                "target": f"{path}/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": list(RESETS),
            }
        },
    }


def boot(kept: Domain) -> Json:
    """What a system boots from next."""
    override = active(kept)
    mode = boot_mode(kept)
    return {
        "BootSourceOverrideEnabled": DISABLED if override is None else override.enabled,
        "BootSourceOverrideEnabled@Redfish.AllowableValues": list(ENABLED),
        "BootSourceOverrideTarget": "None" if override is None else override.target,
        "BootSourceOverrideTarget@Redfish.AllowableValues": list(TARGETS),
        "BootSourceOverrideMode": mode,
        "BootSourceOverrideMode@Redfish.AllowableValues": [mode],
    }


def boot_mode(kept: Domain) -> str:
    """The one mode that a system boots in, which is its firmware's."""
    return "UEFI" if kept.uefi else "Legacy"


def processors(host: System, path: str) -> Json:
    """The collection of a system's processors, one a socket."""
    return _collection(path, "Processor", "Processors", _numbers(host.topology[0]))


def processor(host: System, path: str, number: str) -> Json | None:
    """A processor."""
    sockets, cores, threads = host.topology
    if number not in _numbers(sockets):
        return None
    architecture, instructions = _ARCHITECTURES.get(host.kept.arch, ("OEM", "OEM"))
    return {
        **_resource(path, "Processor", "v1_18_0", f"Processor {number}"),
        "ProcessorType": "CPU",
        "ProcessorArchitecture": architecture,
        "InstructionSet": instructions,
        "Socket": number,
        "TotalCores": cores,
        "TotalThreads": cores * threads,
        "Status": _OK,
    }


def cards(host: System, path: str) -> Json:
    """The collection of a system's network cards."""
    numbers = _numbers(len(host.shown["interfaces"]))
    return _collection(path, "EthernetInterface", "Ethernet interfaces", numbers)


def card(host: System, path: str, number: str) -> Json | None:
    """A network card, by its place among them."""
    found = host.shown["interfaces"]
    if number not in _numbers(len(found)):
        return None
    mac = found[int(number)]["mac"]
    return {
        **_resource(path, "EthernetInterface", "v1_9_0", f"Card {number}"),
        "MACAddress": mac,
        "PermanentMACAddress": mac,
        "InterfaceEnabled": True,
        "Status": _OK,
    }


def storages(host: System, path: str) -> Json:
    """The collection of a system's storage: one for all of its disks, none without any."""
    return _collection(path, "Storage", "Storage", ["1"] if host.targets else [])


def storage(host: System, path: str) -> Json | None:
    """A system's storage, with its controller."""
    if not host.targets:
        return None
    drives = [_link(f"{path}/Drives/{target}") for target in host.targets]
    return {
        **_resource(path, "Storage", "v1_15_0", "Storage"),
        "StorageControllers": [
            {
                "@odata.id": f"{path}#/StorageControllers/0",
                "MemberId": "0",
                "Name": host.controller,
                "SupportedDeviceProtocols": [],
                "Status": _OK,
            }
        ],
        "Controllers": _link(f"{path}/Controllers"),
        "Drives": drives,
        "Drives@odata.count": len(drives),
        "Volumes": _link(f"{path}/Volumes"),
        "Status": _OK,
    }


def controllers(host: System, path: str) -> Json | None:
    """The collection of the controllers of a storage: one."""
    if not host.targets:
        return None
    return _collection(path, "StorageController", "Controllers", ["0"])


def controller(host: System, path: str) -> Json | None:
    """The controller of a storage."""
    if not host.targets:
        return None
    return {**_resource(path, "StorageController", "v1_7_0", host.controller), "Status": _OK}


def drive(host: System, path: str, target: str) -> Json | None:
    """A drive of a storage, by the name that its disk has, such as sda."""
    if target not in host.targets:
        return None
    of = [target] if target in host.volumes else []
    return {
        **_resource(path, "Drive", "v1_17_0", target),
        "CapacityBytes": host.capacity(target),
        # As its system sees it: a disk that does not say that it has no rotating parts.
        "MediaType": "HDD",
        "Protocol": "OEM",
        "Links": {"Volumes": [_link(f"{host.path}/{STORAGE}/Volumes/{each}") for each in of]},
        "Status": _OK,
    }


def volumes(host: System, path: str) -> Json | None:
    """The collection of the volumes of a storage: each drive is one."""
    if not host.targets:
        return None
    return {
        **_collection(path, "Volume", "Volumes", host.volumes),
        "@Redfish.OperationApplyTimeSupport": {
            "@odata.type": "#Settings.v1_3_5.OperationApplyTimeSupport",
            "SupportedValues": ["Immediate"],
        },
    }


def volume(host: System, path: str, target: str) -> Json | None:
    """A volume of a storage."""
    if target not in host.volumes:
        return None
    return {
        **_resource(path, "Volume", "v1_9_0", target),
        "CapacityBytes": host.capacity(target),
        "VolumeType": "RawDevice",
        "Links": {"Drives": [_link(f"{host.path}/{STORAGE}/Drives/{target}")]},
        "Status": _OK,
    }


def simple_storages(host: System, path: str) -> Json:
    """The collection of a system's storage in its simple form."""
    return _collection(path, "SimpleStorage", "Simple storage", ["1"] if host.targets else [])


def simple_storage(host: System, path: str) -> Json | None:
    """A system's storage in its simple form: its disks."""
    if not host.targets:
        return None
    return {
        **_resource(path, "SimpleStorage", "v1_3_1", "Simple storage"),
        "Devices": [
            {"Name": target, "CapacityBytes": host.capacity(target), "Status": _OK}
            for target in host.targets
        ],
        "Status": _OK,
    }


def manager(host: System, path: str) -> Json:
    """The BMC of a system."""
    return {
        **_resource(path, "Manager", "v1_18_0", f"BMC of {host.shown['name']}"),
        "ManagerType": "BMC",
        "VirtualMedia": _link(f"{path}/VirtualMedia"),
        "Links": {"ManagerForServers": [_link(host.path)]},
        "Status": _OK,
    }


DRIVE = "Cd"


def media_collection(host: System, path: str) -> Json:
    """The collection of virtual media, of the manager or the system: one drive."""
    return _collection(path, "VirtualMedia", "Virtual media", [DRIVE])


def media(host: System, path: str) -> Json:
    """The drive for virtual media, of the manager or the system."""
    inside = host.shown["media"]
    image = None if inside is None else inside["image"]
    return {
        **_resource(path, "VirtualMedia", "v1_6_2", "Virtual CD"),
        "MediaTypes": ["CD", "DVD"],
        "Image": image,
        # Of the path: what is before it may hold a password.
        "ImageName": urlsplit(image or "").path.rpartition("/")[2] or None,
        "Inserted": inside is not None,
        "ConnectedVia": "NotConnected" if inside is None else "URI",
        "WriteProtected": True,
        "Actions": {
            f"#VirtualMedia.{action}": {"target": f"{path}/Actions/VirtualMedia.{action}"}
            for action in ("InsertMedia", "EjectMedia")
        },
    }


def _resource(path: str, kind: str, version: str, name: str) -> Json:
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}.{version}.{kind}",
        "Id": path.rpartition("/")[2],
        "Name": name,
    }


def _collection(path: str, kind: str, name: str, ids: Iterable[str]) -> Json:
    members = [_link(f"{path}/{id_}") for id_ in ids]
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": name,
        "Members": members,
        "Members@odata.count": len(members),
    }


def _link(path: str) -> Json:
    return {"@odata.id": path}


def _numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]
