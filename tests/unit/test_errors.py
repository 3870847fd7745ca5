"""Which failure a command ended with, and what its client is told."""

import shlex
import signal

import pytest

from agent import errors
from agent.errors import command_failure
from agent.tools.commands import virsh as tolerated

from .recorded import recorded, virsh_error

INSTALL = ("virt-install", "--name=a", '--location=location="http://127.0.0.1:1/"')


@pytest.mark.parametrize(
    ("fixture", "argv", "exit_code", "kind", "detail"),
    [
        (
            "virsh-9.0.0.out-of-reach.err",
            ("virsh", "list"),
            1,
            errors.OutOfReach,
            "virsh cannot reach its daemon: failed to connect to the hypervisor; Failed to connect"
            " socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
        ),
        (
            "virsh-9.0.0.daemon-killed.err",
            ("virsh", "list"),
            1,
            errors.OutOfReach,
            "virsh cannot reach its daemon: failed to connect to the hypervisor; Cannot recv data:"
            " Connection reset by peer",
        ),
        (
            "virsh-9.0.0.pool-inactive.err",
            ("virsh", "vol-list"),
            1,
            errors.PoolOff,
            "virsh cannot use the storage pool: Failed to list volumes; Requested operation is not"
            " valid: storage pool 'fixture-pool' is not active",
        ),
        (
            "virsh-9.0.0.pool-not-found.err",
            ("virsh", "vol-list"),
            1,
            errors.PoolOff,
            "virsh cannot use the storage pool: failed to get pool 'fixture-pool'; Storage pool not"
            " found: no storage pool with matching name 'fixture-pool'",
        ),
        (
            "virt-install-4.1.0.out-of-reach.err",
            INSTALL,
            1,
            errors.OutOfReach,
            "virt-install cannot reach its daemon: Failed to connect socket to"
            " '/var/run/libvirt/libvirt-sock': No such file or directory",
        ),
        (
            "ovs-vsctl-3.1.0.out-of-reach.err",
            ("ovs-vsctl", "list-br"),
            1,
            errors.OutOfReach,
            "ovs-vsctl cannot reach its daemon: ovs-vsctl: unix:/var/run/openvswitch/db.sock:"
            " database connection failed (No such file or directory)",
        ),
        (
            "virsh-9.0.0.net-define-taken.err",
            ("virsh", "net-define"),
            1,
            errors.NameTaken,
            "virsh found the name taken: Failed to define network from /dev/stdin; operation"
            " failed: network 'fixture: żółw' already exists with uuid"
            " 00000000-0000-4000-8000-000000000011",
        ),
        (
            "virsh-9.0.0.define-taken.err",
            ("virsh", "define"),
            1,
            errors.NameTaken,
            "virsh found the name taken: Failed to define domain from /dev/stdin; operation"
            " failed: domain 'fixture.example.com' already exists with uuid"
            " 00000000-0000-4000-8000-000000000001",
        ),
        (
            "virt-install-4.1.0.name-taken.err",
            INSTALL,
            1,
            errors.NameTaken,
            "virt-install found the name taken: Guest name 'fixture.example.com' is already in"
            " use.",
        ),
        (
            "virsh-9.0.0.vol-create-as-no-room.err",
            ("virsh", "vol-create-as"),
            1,
            errors.NoRoom,
            "virsh found no room on the hypervisor: Failed to create vol v; internal error: Child"
            " process (/usr/bin/qemu-img create -f qcow2 -o compat=0.10"
            " /var/lib/libvirt/images/small/v 1048576K) unexpected exit status 1: qemu-img:"
            " /var/lib/libvirt/images/small/v: Could not write refcount table: No space left on"
            " device",
        ),
        (
            "virt-install-4.1.0.location-refused.err",
            INSTALL,
            1,
            errors.BadLocation,
            "virt-install cannot install from location: Error validating install location: Could"
            " not find an installable distribution at URL 'http://127.0.0.1:1/': The URL could not"
            " be accessed, maybe you mistyped?",
        ),
        (
            "virt-install-4.1.0.location-no-tree.err",
            INSTALL,
            1,
            errors.BadLocation,
            "virt-install cannot install from location: Error validating install location: Could"
            " not find an installable distribution at URL 'http://127.0.0.1:8099/'",
        ),
        (
            "ovs-vsctl-3.1.0.wait-until-never.err",
            ("ovs-vsctl", "--timeout=1", "wait-until", "Port", "a", "tag=99"),
            -signal.SIGALRM,
            errors.WrongVlan,
            None,
        ),
        (
            "ovs-vsctl-3.1.0.switch-down.err",
            ("ovs-vsctl", "--timeout=1", "--", "--if-exists", "del-port", "a"),
            -signal.SIGALRM,
            errors.OutOfReach,
            None,
        ),
        (
            "virsh-9.0.0.trial-fails.err",
            ("virsh", "create"),
            1,
            errors.CommandFailed,
            "virsh failed: Failed to create domain from /dev/stdin; unsupported configuration:"
            " CPU mode 'host-passthrough' for x86_64 qemu domain on x86_64 host is not supported"
            " by hypervisor; failed to get domain 'fixture-trial'",
        ),
    ],
)
def test_a_recorded_failure(
    fixture: str, argv: tuple[str, ...], exit_code: int, kind: type, detail: str | None
) -> None:
    stderr = recorded(fixture)
    error = command_failure(argv, exit_code, stderr)
    # ovs-vsctl dates what it says when it ends itself.
    told = detail or f"{argv[0]} {kind.why}: {stderr.strip()}"
    assert (type(error), error.detail) == (kind, told)
    assert error.facts() == {
        "command": shlex.join(argv),
        "exit_code": exit_code,
        "stderr": stderr.strip(),
    }


def test_too_much_memory_is_no_room() -> None:
    stderr = recorded("virt-install-4.1.0.no-memory.err")
    error = command_failure(INSTALL, 1, stderr)
    (line,) = [line for line in stderr.splitlines() if line.startswith("ERROR")]
    told = line.removeprefix("ERROR").strip()
    assert type(error) is errors.NoRoom
    assert error.detail == f"virt-install found no room on the hypervisor: {told}"


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
        (
            ("virsh", "x"),
            1,
            "error: Cannot write data: Broken pipe",
            errors.OutOfReach,
            "virsh cannot reach its daemon: Cannot write data: Broken pipe",
        ),
        (
            ("virsh", "x"),
            1,
            "error: internal error: client socket is closed",
            errors.OutOfReach,
            "virsh cannot reach its daemon: internal error: client socket is closed",
        ),
        (
            ("virsh", "x"),
            1,
            "error: End of file while reading data: Input/output error",
            errors.OutOfReach,
            "virsh cannot reach its daemon: End of file while reading data: Input/output error",
        ),
        (
            ("virsh", "x"),
            1,
            "error: no valid connection",
            errors.OutOfReach,
            "virsh cannot reach its daemon: no valid connection",
        ),
        (
            ("virsh", "x"),
            1,
            "error: Disk quota exceeded",
            errors.NoRoom,
            "virsh found no room on the hypervisor: Disk quota exceeded",
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
