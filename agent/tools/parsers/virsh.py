"""What virsh prints as lines and tables."""

import re
from dataclasses import dataclass

from agent.errors import InvalidOutput

# virDomainState, as virsh words it in `list` and `domstate`.
STATES = (
    "no state",
    "running",
    "idle",
    "paused",
    "in shutdown",
    "shut off",
    "crashed",
    "pmsuspended",
)
# A UUID as libvirt prints it, for a regular expression.
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UUID_NAMES = re.compile(rf"\n*(?:{UUID} [^\n]+\n)*+\n*")
_STATE = re.compile(r"^Domain: '(.*)'\n  state\.state=(.*)$", re.MULTILINE)
_DOMSTATS = re.compile(r"(?:(?:Domain: '[^\n]*'|  [^\n]*)?\n)*+")
# A domain, or one of the figures that are asked for.
_FIGURE = re.compile(
    r"^(?:Domain: '(.*)'|  (cpu\.time|balloon\.rss|(?:block|net)\.\d+\."
    r"(?:name|rd\.bytes|wr\.bytes|rx\.bytes|tx\.bytes))=(.*))$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a domain has used since it started, as its QEMU process and libvirt count it.

    cpu_ns: nanoseconds of all processors. rss_kib: KiB of the hypervisor's memory that it has now.
    Either is None where libvirt could not tell. read_bytes, written_bytes: by a disk's target.
    received_bytes, sent_bytes: by a card's port. What is not counted is missing.
    """

    cpu_ns: int | None
    rss_kib: int | None
    read_bytes: dict[str, int]
    written_bytes: dict[str, int]
    received_bytes: dict[str, int]
    sent_bytes: dict[str, int]


def replies(stdout: str, stderr: str, mark: str, count: int) -> list[tuple[str, str]]:
    """The outputs of a batch, cut at its marks: stdout and stderr of each command in turn.

    count: how many commands there were. Raises InvalidOutput when there are not as many
    marks, as when virsh was cut off.

    >>> replies("a\\n--\\n--\\n", "error: --\\nerror: x\\nerror: --\\n", "--", 2)
    [('a\\n', ''), ('', 'error: x\\n')]
    """
    outs = stdout.split(f"{mark}\n")[:-1]
    errors = stderr.split(f"error: {mark}\n")[:-1]
    if not len(outs) == len(errors) == count:
        raise InvalidOutput("virsh", stdout + stderr, f"not the {count} answers asked for")
    return list(zip(outs, errors, strict=True))


def uuid_names(text: str) -> dict[str, str]:
    """`list --uuid --name`: the domains' names by UUID.

    >>> uuid_names("6f1c1c3e-0000-4000-8000-000000000001 ns.example.com\\n\\n")
    {'6f1c1c3e-0000-4000-8000-000000000001': 'ns.example.com'}
    """
    # In one go: it is polled every second with a thousand domains in it.
    lines = _lines(text)
    if not _UUID_NAMES.fullmatch(f"{text}\n"):
        bad = next((line for line in lines if not _UUID_NAMES.fullmatch(f"{line}\n")), text)
        raise InvalidOutput("virsh list", bad, "not a UUID and a name")
    return dict(line.split(" ", 1) for line in lines)


def uuids(text: str) -> list[str]:
    """`list --uuid` or `net-list --uuid`: the UUIDs."""
    found = [line.strip() for line in _lines(text)]
    for uuid in found:
        if not re.fullmatch(UUID, uuid):
            raise InvalidOutput("virsh", uuid, "not a UUID")
    return found


def port_uuids(text: str) -> list[str]:
    """`net-port-list`: the UUIDs of the ports, under the table's two lines of heading."""
    return uuids("\n".join(_lines(text)[2:]))


def names(text: str) -> list[str]:
    """`net-list --name`: the names."""
    return _lines(text)


def domain_states(text: str) -> dict[str, str]:
    """`domstats --state`: the state of each domain in virsh's words, by name.

    >>> domain_states("Domain: 'ns'\\n  state.state=5\\n  state.reason=2\\n\\n")
    {'ns': 'shut off'}
    """
    _see_domstats(text)
    words = {str(number): word for number, word in enumerate(STATES)}
    found = dict(_STATE.findall(text))
    for number in found.values():
        if number not in words:
            raise InvalidOutput("virsh domstats", f"  state.state={number}", "an unknown state")
    return {name: words[number] for name, number in found.items()}


def usages(text: str) -> dict[str, Usage]:
    """`domstats --cpu-total --balloon --block --interface`: what each domain uses, by its name.

    >>> usages("Domain: 'ns'\\n  cpu.time=5\\n  balloon.rss=7\\n\\n")["ns"].cpu_ns
    5
    """
    _see_domstats(text)
    found: dict[str, dict[str, str]] = {}
    figures: dict[str, str] = {}
    for name, key, value in _FIGURE.findall(text):
        if key:
            figures[key] = value
        else:
            figures = found[name] = {}
    return {name: _usage(figures) for name, figures in found.items()}


def _see_domstats(text: str) -> None:
    """Raise InvalidOutput for a line that is neither a domain's nor a figure's."""
    if not _DOMSTATS.fullmatch(f"{text}\n"):
        bad = next((line for line in _lines(text) if not _DOMSTATS.fullmatch(f"{line}\n")), text)
        raise InvalidOutput("virsh domstats", bad, "not a domain and not a figure")


def _usage(figures: dict[str, str]) -> Usage:
    try:
        return Usage(
            cpu_ns=int(figures["cpu.time"]) if "cpu.time" in figures else None,
            rss_kib=int(figures["balloon.rss"]) if "balloon.rss" in figures else None,
            read_bytes=_counted(figures, "block", "rd.bytes"),
            written_bytes=_counted(figures, "block", "wr.bytes"),
            received_bytes=_counted(figures, "net", "rx.bytes"),
            sent_bytes=_counted(figures, "net", "tx.bytes"),
        )
    except ValueError as error:
        raise InvalidOutput("virsh domstats", str(error), "not a figure") from error


def _counted(figures: dict[str, str], kind: str, counter: str) -> dict[str, int]:
    return {
        name: int(figures[counted])
        for key, name in figures.items()
        if key.startswith(kind)
        and key.endswith(".name")
        # An empty drive, say, may have a name alone.
        and (counted := f"{key.removesuffix('name')}{counter}") in figures
    }


def state_reason(text: str) -> tuple[str, str]:
    """`domstate --reason`: the state, and why it is in it.

    >>> state_reason("shut off (shutdown)\\n\\n")
    ('shut off', 'shutdown')
    """
    match = re.fullmatch(r"(.*\S) \((.*)\)", text.strip())
    if not match:
        raise InvalidOutput("virsh domstate", text, "not a state and a reason")
    return match[1], match[2]


def disk_capacities(text: str) -> dict[str, int]:
    """`domstats --block` of one domain: the capacity in bytes of each disk, by target.

    A disk whose image cannot be read has none.
    """
    found: dict[str, dict[str, str]] = {}
    for line in _lines(text):
        match = re.fullmatch(r"  block\.(\d+)\.(name|capacity)=(.*)", line)
        if match:
            found.setdefault(match[1], {})[match[2]] = match[3]
    try:
        return {
            disk["name"]: int(disk["capacity"]) for disk in found.values() if "capacity" in disk
        }
    except (KeyError, ValueError) as error:
        raise InvalidOutput("virsh domstats", text, f"no {error} in it") from error


def key_values(text: str) -> dict[str, str]:
    """`dominfo`, `pool-info`, `nodememstats`: the values by key.

    >>> key_values("Name:           staging\\nState:          running\\n")
    {'Name': 'staging', 'State': 'running'}
    """
    pairs: dict[str, str] = {}
    for line in _lines(text):
        key, colon, value = line.partition(":")
        if not colon:
            raise InvalidOutput("virsh", line, "not a key and a value")
        pairs[key.strip()] = value.strip()
    return pairs


def memory_mib(text: str) -> int:
    """`nodememstats`: the hypervisor's memory in MiB.

    >>> memory_mib("total  :             24684092 KiB\\nfree   :             24341436 KiB\\n")
    24105
    """
    total = key_values(text).get("total", "")
    number, _, unit = total.partition(" ")
    if not number.isdigit() or unit != "KiB":
        raise InvalidOutput("virsh nodememstats", text, "no total in KiB")
    return int(number) // 1024


def volumes(text: str) -> list[str]:
    """`vol-list`: the volumes' names. The table gives each its path, which ends in the name.

    One that has gone while they were listed has the path "unknown", and is left out. Raises
    InvalidOutput for a row in which it does not: no pool of files.
    """
    rows = _lines(text)[2:]
    found = []
    for row in rows:
        match = re.fullmatch(r" (?P<name>[^/]+) +/(.*/)?(?P=name)", row)
        if not match and re.fullmatch(r" [^/]+ +unknown", row):
            continue
        if not match:
            raise InvalidOutput("virsh vol-list", row, "not a volume and its path")
        found.append(match["name"])
    return found


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]
