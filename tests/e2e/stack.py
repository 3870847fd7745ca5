"""What libvirt, QEMU and Open vSwitch hold, as their own tools tell it, and the tests' part of it.

The agent's code is not used here. Everything that the tests make has `PREFIX` in front of its
name or lies on `BRIDGE`, in `POOL` or in `CONSOLE_DIR`, so that nobody else's is ever touched.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest
import sh

PREFIX = f"e2e{os.getpid()}"
POOL = PREFIX
POOL_PATH = Path("/var/lib/libvirt/images") / PREFIX
BRIDGE = PREFIX
LOG_DIR = Path("/var/log/libvirt/qemu")
CONSOLE_DIR = LOG_DIR / PREFIX
BOOT_DIR = Path("/var/lib/libvirt/boot")
# Where libvirt keeps the definitions of domains, and those of their snapshots.
DEFINITIONS = Path("/etc/libvirt/qemu")
SNAPSHOTS = Path("/var/lib/libvirt/qemu/snapshot")
GIB = 1 << 30

# Networks that are there for every test: their VLAN tags by name.
VLANS = {f"{PREFIX}-v10": 10, f"{PREFIX}-v20": 20}
V10, V20 = VLANS

Snapshot = dict[str, set[str]]


def own(name: str) -> str:
    """A name that is the tests' own."""
    return f"{PREFIX}-{name}"


def tool(name: str, *words: str, stdin: str = "") -> str:
    """Run a tool to its end and answer what it printed; a failure raises sh.ErrorReturnCode."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    # sh's own _timeout would make each command wait for a tenth of a second.
    command = sh.timeout.bake("300", name, _env=environment, _tty_out=False)
    return str(command(*words, _in=stdin))


def virsh(*words: str, stdin: str = "") -> str:
    """Run virsh on the system's libvirt."""
    return tool("virsh", "--connect=qemu:///system", *words, stdin=stdin)


def vsctl(*words: str) -> str:
    """Run ovs-vsctl; answers what it printed without the last newline."""
    return tool("ovs-vsctl", "--timeout=20", *words).rstrip("\n")


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 240) -> Any:
    """Wait until a condition holds, and answer its value; fails after a generous limit."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            pytest.fail(f"after {seconds:g} s there is still not {what}")
        time.sleep(0.05)
    return value


# What there is.


def domains() -> set[str]:
    """The names of the tests' own domains."""
    return _own_lines(virsh("list", "--all", "--name"))


def networks() -> set[str]:
    """The names of the tests' own networks."""
    return _own_lines(virsh("net-list", "--all", "--name"))


def volumes() -> set[str]:
    """The names of the volumes that libvirt knows in the tests' pool."""
    rows = virsh("vol-list", POOL).splitlines()[2:]
    return {row.rpartition(f" {POOL_PATH}/")[2].strip() for row in rows if row.strip()}


def volume(domain: str, index: int) -> str:
    """The name that the agent gives a volume of a domain; 0 is sda."""
    end = f".{uuid(domain)}.{index}.qcow2"
    return domain[: 255 - len(end)] + end


def ports() -> set[str]:
    """The ports on the tests' bridge."""
    return set(vsctl("list-ports", BRIDGE).split())


def tag(port: str) -> str:
    """The VLAN tag of a port as ovs-vsctl prints it: "10", or "[]" for none."""
    return vsctl("get", "Port", port, "tag")


def snapshot() -> Snapshot:
    """All that a host or a network consists of, as far as it is the tests' own."""
    return {
        "domains": domains(),
        "definitions": {
            without_empty_metadata(path.read_text()) for path in DEFINITIONS.glob(f"{PREFIX}*.xml")
        },
        "snapshots": {str(path) for path in SNAPSHOTS.glob(f"{PREFIX}*/*")},
        "networks": networks(),
        "volumes": volumes(),
        "pool files": _files(POOL_PATH),
        "ports": ports(),
        "console logs": _files(CONSOLE_DIR),
    }


def fetched_files() -> set[str]:
    """The kernels that virt-install has fetched, whoever's: it deletes them in the end."""
    return _files(BOOT_DIR)


def wait_for_no_more_than(files: set[str]) -> None:
    """Wait until virt-install keeps none of the other files that it keeps now.

    Another agent may have fetched some, and may fetch more at any time.
    """
    left = fetched_files() - files

    def gone() -> bool:
        left.intersection_update(fetched_files())
        return not left

    wait_for(gone, f"an end to new files in {BOOT_DIR}")


@contextmanager
def unchanged() -> Iterator[None]:
    """See that everything is in the end as it was before."""
    before, fetched = snapshot(), fetched_files()
    yield
    assert snapshot() == before
    wait_for_no_more_than(fetched)


def state(domain: str) -> str:
    """A domain's state in virsh's word."""
    return virsh("domstate", domain).strip()


def uuid(domain: str) -> str:
    """A domain's UUID."""
    return virsh("domuuid", domain).strip()


def definition(domain: str, *options: str) -> ElementTree.Element:
    """A domain's XML. options: such as "--inactive"."""
    return ElementTree.fromstring(virsh("dumpxml", *options, domain))


def without_empty_metadata(xml: str) -> str:
    """A definition without what libvirt leaves where the last note was taken out."""
    return xml.replace("  <metadata/>\n", "")


def kernel_parameters(domain: str) -> str | None:
    """The command line that a domain gives the kernel which it boots, None for no such."""
    return definition(domain).findtext("os/cmdline")


def image(path: Path) -> dict[str, Any]:
    """What qemu-img tells of an image that may be in use."""
    told: dict[str, Any] = json.loads(tool("qemu-img", "info", "-U", "--output=json", str(path)))
    return told


def console(domain: str) -> str:
    """What a domain's serial port has said, by the file that its definition names."""
    log = definition(domain).find("devices/serial/log")
    assert log is not None, f"domain {domain} logs no console"
    return Path(log.attrib["file"]).read_bytes().decode(errors="replace").replace("\r\n", "\n")


def wait_for_console(domain: str, text: str) -> str:
    """Wait until a domain's serial port has said a text; answers all that it said."""
    said: str = wait_for(
        lambda: text in (told := console(domain)) and told, f"{text!r} on {domain}'s console"
    )
    return said


def press_enter(domain: ElementTree.Element, seen: Callable[[], Any]) -> None:
    """Send a machine's serial port a line, and hold the port open until that has been seen.

    QEMU looks once a second whether somebody has it open, and reads nothing before.
    """
    source = domain.find("devices/serial/source")
    assert source is not None, "there is no serial port"
    port = os.open(source.attrib["path"], os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(port, b"\n")
        wait_for(seen, "an end to the wait for a line")
    finally:
        os.close(port)


def values(elements: Iterable[ElementTree.Element], attribute: str) -> list[str | None]:
    """One attribute of each element."""
    return [element.get(attribute) for element in elements]


# What a person makes by hand.


def domain_xml(name: str, devices: str = "", uuid: str | None = None, memory: int = 64) -> str:
    """The definition of a domain. devices: XML. memory: in MiB."""
    given = f"<uuid>{uuid}</uuid>" if uuid else ""
    return (
        f"<domain type='qemu'><name>{escape(name)}</name>{given}"
        f"<memory unit='MiB'>{memory}</memory>"
        f"<os><type machine='q35'>hvm</type></os><devices>{devices}</devices></domain>"
    )


def define_domain(name: str, devices: str = "", uuid: str | None = None, memory: int = 64) -> None:
    """Define a domain, which is off."""
    virsh("define", "/dev/stdin", stdin=domain_xml(name, devices, uuid, memory))


def remove_domain(domain: str) -> None:
    """Stop a domain and forget it, if it is there."""
    tolerant(virsh, "destroy", domain)
    tolerant(virsh, "undefine", domain, "--managed-save", "--nvram", "--snapshots-metadata")


def define_network(name: str, inside: str, start: bool = True) -> None:
    """Define a network of any kind. inside: the XML after its name."""
    virsh(
        "net-define",
        "/dev/stdin",
        stdin=f"<network><name>{escape(name)}</name>{inside}</network>",
    )
    if start:
        virsh("net-start", name)


def on_bridge(vlan: str, bridge: str = BRIDGE) -> str:
    """The XML of a network on an Open vSwitch bridge. vlan: the element of that name."""
    return (
        f"<forward mode='bridge'/><bridge name={quoteattr(bridge)}/>"
        f"<virtualport type='openvswitch'/>{vlan}"
    )


# Before and after.


def require() -> None:
    """Fail with a message that helps when something that the tests need is not there."""
    if os.geteuid() != 0:
        pytest.fail("these tests run as root: they make bridges and machines", pytrace=False)
    for name, words in (
        ("virsh", ("--connect=qemu:///system", "version", "--daemon")),
        ("ovs-vsctl", ("--timeout=20", "show")),
        ("ovs-appctl", ("--timeout=20", "version")),
        ("virt-install", ("--version",)),
        ("qemu-img", ("--version",)),
    ):
        try:
            tool(name, *words)
        except sh.ErrorReturnCode as error:
            pytest.fail(
                "these tests need libvirt, virt-install, QEMU and Open vSwitch to be there and"
                f" to answer; scripts/setup sees to it. {name}: {error}",
                pytrace=False,
            )


def set_up() -> None:
    """Make the tests' pool, bridge, networks and folder for console logs."""
    virsh("pool-define-as", POOL, "dir", "--target", str(POOL_PATH))
    virsh("pool-build", POOL)
    virsh("pool-start", POOL)
    vsctl("add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev")
    CONSOLE_DIR.mkdir()
    for name, vlan in VLANS.items():
        define_network(name, on_bridge(f"<vlan><tag id='{vlan}'/></vlan>"))


def sweep() -> None:
    """Remove what a test made, without the agent's help."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(remove_domain, domains()))
    for name in networks() - set(VLANS):
        _remove_network(name)
    for folder in (POOL_PATH, CONSOLE_DIR):
        for name in _files(folder):
            (folder / name).unlink(missing_ok=True)
    if volumes():
        virsh("pool-refresh", POOL)
    for name in ports():
        vsctl("--if-exists", "del-port", name)


def tear_down() -> None:
    """Remove everything that is the tests' own."""
    tolerant(sweep)
    for name in networks():
        _remove_network(name)
    tolerant(virsh, "pool-destroy", POOL)
    tolerant(virsh, "pool-undefine", POOL)
    tolerant(vsctl, "--if-exists", "del-br", BRIDGE)
    for folder in (POOL_PATH, CONSOLE_DIR):
        shutil.rmtree(folder, ignore_errors=True)
    # libvirt keeps the log of a domain that is gone.
    for log in LOG_DIR.glob(f"{PREFIX}*.log*"):
        log.unlink()


def remains() -> list[str]:
    """Everything of the tests' own that is still there."""
    bridges = set(vsctl("list-br").split())
    interfaces = vsctl("--format=csv", "--columns=name,external_ids", "list", "Interface")
    return [
        *domains(),
        *networks(),
        *_own_lines(virsh("pool-list", "--all", "--name")),
        *(bridges & {BRIDGE}),
        *(line for line in interfaces.splitlines() if PREFIX in line),
        *map(str, Path("/var/lib/libvirt/images").glob(f"{PREFIX}*")),
        *map(str, LOG_DIR.glob(f"{PREFIX}*")),
    ]


def _remove_network(name: str) -> None:
    tolerant(virsh, "net-destroy", name)
    tolerant(virsh, "net-undefine", name)


def tolerant(action: Callable[..., Any], *words: str) -> None:
    """Remove what may be gone already, or half there: it must not keep the rest from going."""
    with suppress(sh.ErrorReturnCode):
        action(*words)


def _own_lines(text: str) -> set[str]:
    return {line for line in text.split("\n") if line.strip().startswith(PREFIX)}


def _files(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()
