"""Which failure a command ended with, and what its client is told."""

import shlex
import signal

import pytest

from agent import errors
from agent.errors import command_failure
from agent.tools.commands import virsh as tolerated
from agent.tools.commands.curl import fetch

from .recorded import recorded, virsh_error

INSTALL = ("virt-install", "--name=a", '--location=location="http://127.0.0.1:1/"')


@pytest.mark.parametrize(
    ("fixture", "kind", "detail"),
    [
        (
            "virsh-9.0.0.out-of-reach.err",
            errors.OutOfReach,
            "virsh cannot reach its daemon: failed to connect to the hypervisor; Failed to connect"
            " socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
        ),
        (
            "virsh-9.0.0.daemon-killed.err",
            errors.OutOfReach,
            "virsh cannot reach its daemon: failed to connect to the hypervisor; Cannot recv data:"
            " Connection reset by peer",
        ),
        (
            "virsh-9.0.0.pool-inactive.err",
            errors.PoolOff,
            "virsh cannot use the storage pool: Failed to list volumes; Requested operation is not"
            " valid: storage pool 'fixture-pool' is not active",
        ),
        (
            "virsh-9.0.0.pool-not-found.err",
            errors.PoolOff,
            "virsh cannot use the storage pool: failed to get pool 'fixture-pool'; Storage pool not"
            " found: no storage pool with matching name 'fixture-pool'",
        ),
        (
            "virt-install-4.1.0.out-of-reach.err",
            errors.OutOfReach,
            "virt-install cannot reach its daemon: Failed to connect socket to"
            " '/var/run/libvirt/libvirt-sock': No such file or directory",
        ),
        (
            "ovs-vsctl-3.1.0.out-of-reach.err",
            errors.OutOfReach,
            "ovs-vsctl cannot reach its daemon: ovs-vsctl: unix:/var/run/openvswitch/db.sock:"
            " database connection failed (No such file or directory)",
        ),
        (
            "virsh-9.0.0.net-define-taken.err",
            errors.NameTaken,
            "virsh found the name or a MAC taken: Failed to define network from /dev/stdin;"
            " operation failed: network 'fixture: żółw' already exists with uuid"
            " 00000000-0000-4000-8000-000000000011",
        ),
        (
            "virsh-9.0.0.define-taken.err",
            errors.NameTaken,
            "virsh found the name or a MAC taken: Failed to define domain from /dev/stdin;"
            " operation failed: domain 'fixture.example.com' already exists with uuid"
            " 00000000-0000-4000-8000-000000000001",
        ),
        (
            "virt-install-4.1.0.name-taken.err",
            errors.NameTaken,
            "virt-install found the name or a MAC taken: Guest name 'fixture.example.com' is"
            " already in use.",
        ),
        (
            "virt-install-4.1.0.mac-taken.err",
            errors.NameTaken,
            "virt-install found the name or a MAC taken: The MAC address '52:54:00:00:03:00' is in"
            " use by another virtual machine. (Use --check mac_in_use=off or --check all=off to"
            " override)",
        ),
        (
            "virsh-9.0.0.snapshot-create-as-taken.err",
            errors.NameTaken,
            "virsh found the name or a MAC taken: operation failed: domain moment clean already"
            " exists",
        ),
        (
            "virsh-9.0.0.vol-create-as-no-room.err",
            errors.NoRoom,
            "virsh found too little disk space or memory: Failed to create vol v; internal error:"
            " Child process (/usr/bin/qemu-img create -f qcow2 -o compat=0.10"
            " /var/lib/libvirt/images/small/v 1048576K) unexpected exit status 1: qemu-img:"
            " /var/lib/libvirt/images/small/v: Could not write refcount table: No space left on"
            " device",
        ),
        (
            "virt-install-4.1.0.location-refused.err",
            errors.BadLocation,
            "virt-install cannot install from location: Error validating install location: Could"
            " not find an installable distribution at URL 'http://127.0.0.1:1/': The URL could not"
            " be accessed, maybe you mistyped?",
        ),
        (
            "virt-install-4.1.0.location-no-tree.err",
            errors.BadLocation,
            "virt-install cannot install from location: Error validating install location: Could"
            " not find an installable distribution at URL 'http://127.0.0.1:8099/'",
        ),
        (
            "virsh-9.0.0.trial-fails.err",
            errors.CommandFailed,
            "virsh failed: Failed to create domain from /dev/stdin; unsupported configuration:"
            " CPU mode 'host-passthrough' for x86_64 qemu domain on x86_64 host is not supported"
            " by hypervisor; failed to get domain 'fixture-trial'",
        ),
    ],
)
def test_a_recorded_failure(fixture: str, kind: type, detail: str) -> None:
    tool = fixture.partition(".")[0].rpartition("-")[0]
    argv = INSTALL if tool == "virt-install" else (tool, "x")
    stderr = recorded(fixture)
    error = command_failure(argv, 1, stderr)
    assert (type(error), error.detail) == (kind, detail)
    assert error.facts() == {
        "command": shlex.join(argv),
        "exit_code": 1,
        "stderr": stderr.strip(),
    }


@pytest.mark.parametrize(
    ("case", "words", "kind", "why"),
    [
        (
            "wait-until-never",
            "wait-until Port a tag=99",
            errors.WrongVlan,
            "did not see the host's port come up on its bridge with its VLANs",
        ),
        (
            "switch-down",
            "-- --if-exists del-port a",
            errors.OutOfReach,
            "cannot reach its daemon",
        ),
    ],
)
def test_an_ovs_vsctl_that_ended_itself(case: str, words: str, kind: type, why: str) -> None:
    """Its recorded message has a date."""
    stderr = recorded(f"ovs-vsctl-3.1.0.{case}.err").strip()
    argv = ("ovs-vsctl", "--timeout=1", *words.split())
    error = command_failure(argv, -signal.SIGALRM, stderr)
    assert (type(error), error.detail) == (kind, f"ovs-vsctl {why}: {stderr}")


IMAGE = "http://deb.example.com/a.iso"
FETCH = fetch(IMAGE, "/var/lib/staging-agent/a.media", 1 << 30).argv
TOO_LARGE = "it is larger than the setting media_gb allows"


@pytest.mark.parametrize(
    ("case", "exit_code", "kind", "detail"),
    [
        (
            "missing",
            22,
            errors.ImageUnavailable,
            f"cannot fetch {IMAGE}: curl: (22) The requested URL returned error: 404",
        ),
        (
            "refused",
            7,
            errors.ImageUnavailable,
            f"cannot fetch {IMAGE}: curl: (7) Failed to connect to 127.0.0.1 port 1 after 0 ms:"
            " Couldn't connect to server",
        ),
        (
            "cut",
            18,
            errors.ImageUnavailable,
            f"cannot fetch {IMAGE}: curl: (18) transfer closed with 1 bytes remaining to read",
        ),
        (
            "elsewhere",
            1,
            errors.ImageUnavailable,
            f'cannot fetch {IMAGE}: curl: (1) Protocol "file" not supported or disabled in libcurl',
        ),
        ("large", 63, errors.ImageUnavailable, f"cannot fetch {IMAGE}: {TOO_LARGE}"),
        ("endless", -signal.SIGXFSZ, errors.ImageUnavailable, f"cannot fetch {IMAGE}: {TOO_LARGE}"),
        (
            "no-room",
            23,
            errors.NoRoom,
            "prlimit found too little disk space or memory: curl: (23) Failure writing output to"
            " destination",
        ),
    ],
)
def test_an_image_that_cannot_be_fetched(
    case: str, exit_code: int, kind: type, detail: str
) -> None:
    stderr = recorded(f"curl-7.88.1.{case}.err")
    error = command_failure(FETCH, exit_code, stderr)
    told = f"{stderr}\n{TOO_LARGE}" if detail.endswith(TOO_LARGE) else stderr
    assert (type(error), error.detail) == (kind, detail)
    assert error.facts() == {
        "command": shlex.join(FETCH),
        "exit_code": exit_code,
        "stderr": told.strip(),
    }


@pytest.mark.parametrize(
    ("argv", "told", "kind", "detail"),
    [
        (
            FETCH,
            "it printed '204', not '200'",
            errors.ImageUnavailable,
            f"cannot fetch {IMAGE}: it printed '204', not '200'",
        ),
        (
            ("virsh", "domstate", "--domain=a"),
            "it printed 'running', not 'shut off'",
            errors.StateChanged,
            "virsh found something that changed meanwhile: it printed 'running', not 'shut off'",
        ),
    ],
)
def test_a_command_that_printed_something_else(
    argv: tuple[str, ...], told: str, kind: type, detail: str
) -> None:
    error = command_failure(argv, 0, told)
    assert (type(error), error.detail) == (kind, detail)
    assert error.facts() == {"command": shlex.join(argv), "exit_code": 0, "stderr": told}


def test_too_much_memory_is_no_room() -> None:
    stderr = recorded("virt-install-4.1.0.no-memory.err")
    error = command_failure(INSTALL, 1, stderr)
    (line,) = [line for line in stderr.splitlines() if line.startswith("ERROR")]
    told = line.removeprefix("ERROR").strip()
    assert type(error) is errors.NoRoom
    assert error.detail == f"virt-install found too little disk space or memory: {told}"


@pytest.mark.parametrize(
    ("argv", "exit_code", "stderr", "kind", "detail"),
    [
        (
            INSTALL,
            -signal.SIGSEGV,
            "",
            errors.BadLocation,
            "virt-install cannot install from location",
        ),
        (
            INSTALL,
            1,
            "ERROR    Validating install media '/nope' failed: Must specify storage creation"
            " parameters for non-existent path '/nope'.",
            errors.BadLocation,
            "virt-install cannot install from location: Validating install media '/nope' failed:"
            " Must specify storage creation parameters for non-existent path '/nope'.",
        ),
        (("virt-install",), -signal.SIGSEGV, "", errors.CommandFailed, "virt-install failed"),
        (("ovs-vsctl", "x"), 1, "a\nb\n\n", errors.CommandFailed, "ovs-vsctl failed: b"),
        (
            ("virsh", "x"),
            1,
            "warning\nerror: one\n\nerror: two\nlast\n",
            errors.CommandFailed,
            "virsh failed: one; two",
        ),
        *(
            (
                *(("virsh", "x"), 1, f"error: {said}"),
                *(errors.OutOfReach, f"virsh cannot reach its daemon: {said}"),
            )
            for said in (
                "Cannot write data: Broken pipe",
                "internal error: client socket is closed",
                "End of file while reading data: Input/output error",
                "no valid connection",
            )
        ),
        (
            ("virsh", "x"),
            1,
            "error: Disk quota exceeded",
            errors.NoRoom,
            "virsh found too little disk space or memory: Disk quota exceeded",
        ),
        (
            ("virt-install", "x"),
            1,
            "ERROR    internal error: Unable to add port h1-0 to OVS bridge br0\n"
            "Domain installation does not appear to have been successful.\n",
            errors.PortRefused,
            "virt-install could not put the host's port on its Open vSwitch bridge:"
            " internal error: Unable to add port h1-0 to OVS bridge br0",
        ),
    ],
)
def test_a_failure_that_is_not_recorded(
    argv: tuple[str, ...], exit_code: int, stderr: str, kind: type, detail: str
) -> None:
    error = command_failure(argv, exit_code, stderr)
    assert (type(error), error.detail) == (kind, detail)


@pytest.mark.parametrize(
    ("text", "case"),
    [
        (tolerated.DOMAIN_OFF, "destroy-off"),
        (tolerated.NO_DOMAIN[0], "destroy-gone"),
        (tolerated.NO_DOMAIN[0], "undefine-gone"),
        (tolerated.NO_DOMAIN[0], "dominfo-gone"),
        (tolerated.NO_DOMAIN[0], "dumpxml-gone"),
        (tolerated.NO_DOMAIN[0], "domstats-block-gone"),
        (tolerated.NO_VOLUME, "vol-delete-gone"),
        (tolerated.NO_DISK[0], "detach-disk-gone"),
        (tolerated.NO_DOMAIN[0], "detach-disk-no-domain"),
        (tolerated.NO_DOMAIN[0], "metadata-no-domain"),
        (tolerated.NO_SNAPSHOT, "snapshot-dumpxml-gone"),
        (tolerated.NO_SNAPSHOT, "snapshot-delete-gone"),
        (tolerated.NO_DOMAIN[0], "snapshot-list-gone"),
        (tolerated.NO_DOMAIN[0], "snapshot-delete-no-domain"),
        (tolerated.NETWORK_OFF, "net-destroy-inactive"),
        (tolerated.NO_NETWORK, "net-destroy-gone"),
        (tolerated.NO_NETWORK, "net-undefine-gone"),
        (tolerated.NO_NETWORK, "net-dumpxml-gone"),
        (tolerated.NO_NETWORK, "net-port-list-gone"),
    ],
)
def test_what_tells_that_there_was_nothing_to_do(text: str, case: str) -> None:
    assert text in virsh_error(case)


def test_an_invalid_request_names_every_field() -> None:
    error = errors.InvalidRequest(
        [errors.FieldError("memory", "is required"), errors.FieldError("disks[0]", "is odd")]
    )
    assert error.detail == "memory: is required; disks[0]: is odd"
    assert error.facts() == {
        "errors": [
            {"field": "memory", "detail": "is required"},
            {"field": "disks[0]", "detail": "is odd"},
        ]
    }


def test_unreadable_output_is_quoted_up_to_a_limit() -> None:
    error = errors.InvalidOutput("virsh", "x" * 1000, "odd")
    assert error.detail == (f"virsh printed what the agent cannot read (odd): {'x' * 300!r}")
