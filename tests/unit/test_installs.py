"""Installs: what each needs next, and that it gets it, whatever comes in between."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from agent.compute import installs as module
from agent.compute.installs import Installs, Next, decide
from agent.errors import CommandTimeout, NotFound, OutOfReach
from agent.hypervisor.facts import InstallLook
from agent.operations.journal import Journal
from agent.operations.locks import Claim, Locks
from agent.operations.operation import DONE, Outcome, Request
from agent.operations.steps import Steps
from agent.plans.plan import Install, Plan, Step
from agent.tools.command import Command, Result

from .processes import wait_until

UUID, OTHER = "uuid-1", "uuid-2"
RUNS = InstallLook("running", "booted", True)
ENDED = InstallLook("shut off", "shutdown", False)
DESTROYED = InstallLook("shut off", "destroyed", False)
STARTED = InstallLook("running", "booted", False)
STOPPED_BY_HAND = "the host was stopped by hand while its installer ran"
DELETED = "the host was deleted while its installer ran"
NOT_TAKEN_OVER = "libvirtd stopped the host at its own start: it could not reconnect to it"


@pytest.mark.parametrize(
    ("state", "reason", "installing", "needs", "why"),
    [
        *(
            (state, reason, True, Next.WAIT, "")
            for state, reason in (
                ("running", "booted"),
                ("running", "restored"),
                ("idle", "unknown"),
                ("paused", "user"),
                ("paused", "I/O error"),
                ("in shutdown", "user"),
                ("pmsuspended", "unknown"),
                ("no state", "unknown"),
            )
        ),
        ("running", "booted", False, Next.DONE, ""),
        ("paused", "starting up", False, Next.DONE, ""),
        ("shut off", "shutdown", False, Next.START, ""),
        ("shut off", "unknown", False, Next.START, ""),
        ("shut off", "shutdown", True, Next.START, ""),
        ("shut off", "saved", False, Next.WAIT, ""),
        ("shut off", "destroyed", False, Next.FAIL, STOPPED_BY_HAND),
        *(
            ("shut off", reason, False, Next.FAIL, f"the host stopped during its install: {reason}")
            for reason in ("crashed", "failed", "migrated")
        ),
        ("shut off", "daemon", False, Next.FAIL, NOT_TAKEN_OVER),
        ("crashed", "panicked", True, Next.FAIL, "the host crashed during its install: panicked"),
        ("crashed", "panicked", False, Next.FAIL, "the host crashed during its install: panicked"),
    ],
)
def test_what_an_install_needs(
    state: str, reason: str, installing: bool, needs: Next, why: str
) -> None:
    look = InstallLook(state, reason, installing)
    assert decide(look) == decide(look, "start") == (needs, why)
    # One that is to stay off then differs in that alone.
    off = Next.DONE if needs is Next.START else needs
    assert decide(look, "off") == (off, why)


def test_what_an_install_of_a_host_that_is_gone_needs() -> None:
    assert decide(None) == decide(None, "off") == (Next.FAIL, DELETED)


def command(word: str) -> Command:
    return Command(("tool", word))


PORTS, START, CHECK = command("ports"), command("start"), command("check")
STOP = command("stop")
PLAN = Plan(
    "start host ns",
    (Step("remove ports", PORTS), Step("start", START, (STOP,)), Step("check", CHECK)),
    leave=True,
)


class Runner:
    """Stands in for the runner: notes commands, and goes wrong where a test says."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.wrong: dict[str, list[Exception | str]] = {}

    def run(
        self,
        argv: Sequence[str],
        stdin: str | None,
        operation: str,
    ) -> Result:
        self.ran.append(argv[1])
        wrong = self.wrong.get(argv[1])
        what = wrong.pop(0) if wrong else None
        if isinstance(what, Exception):
            raise what
        return Result(tuple(argv), 0 if what is None else 1, "", what or "", 0.0)

    def interrupt(self) -> None:
        """Nothing runs for long here."""


class Hypervisor:
    """Stands in for the hypervisor: how domains are, and how often that was looked at.

    then: how they are from the next look on, one after the other.
    """

    def __init__(self) -> None:
        self.looks: dict[str, InstallLook] = {}
        self.then: list[dict[str, InstallLook] | Exception] = []
        self.looked = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def installs(self, uuids: Sequence[str]) -> dict[str, InstallLook]:
        if self.then:
            now = self.then.pop(0)
            if isinstance(now, Exception):
                self.looked += 1
                raise now
            self.looks = now
        found = {uuid: look for uuid, look in self.looks.items() if uuid in uuids}
        self.meanwhile()
        self.looked += 1
        return found


class World:
    """Installs over what stands in for everything that they work with."""

    def __init__(self) -> None:
        self.runner = Runner()
        self.hypervisor = Hypervisor()
        self.journal = Journal(":memory:")
        self.locks = Locks()
        self.steps = Steps(self.runner, self.journal)  # type: ignore[arg-type]
        self.plan: Callable[[str], Plan] = lambda uuid: PLAN
        self.planned: list[str] = []
        self.installs = self._new()

    def _new(self) -> Installs:
        def start_plan(uuid: str) -> Plan:
            self.planned.append(uuid)
            return self.plan(uuid)

        return Installs(
            self.hypervisor,  # type: ignore[arg-type]
            self.steps,
            self.journal,
            self.locks,
            start_plan,
        )

    def begin(self, domain: str = UUID, host: str = "ns", after: str = "start") -> str:
        """Have the create of a host end, so that its install begins; answers the install's id."""
        operation = f"create {domain}"
        asked = Request("POST", f"/hosts/{host}", {}, "request", "client", host=host)
        install = Install(host, domain, "http://location", after)
        self.journal.begin(operation, asked, Plan(f"create host {host}", (), install))
        self.journal.end(operation, DONE)
        return str(next(i["id"] for i in self.journal.installs() if i["domain"] == domain))

    def follow(self, *looks: dict[str, InstallLook] | Exception) -> str:
        """Begin an install and have it followed; the last of the looks stays. Answers its id."""
        operation = self.begin()
        self.hypervisor.then = list(looks)
        self.installs.wake()
        return operation

    def of(self, operation: str) -> tuple[str, str | None]:
        """An install's status, and why it failed."""
        found = self.journal.get(operation)
        assert found is not None
        return found["status"], found["error"]["detail"] if found["error"] else None

    def ended(self, operation: str) -> tuple[str, str | None]:
        """The same once it has ended."""
        wait_until(lambda: self.of(operation)[0] not in ("waiting", "running"))
        return self.of(operation)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.001)
    new = World()
    yield new
    new.installs.close()
    assert not follows()


def follows() -> bool:
    """Whether installs are followed."""
    return "installs" in {thread.name for thread in threading.enumerate()}


def test_a_host_is_started_when_its_installer_has_ended(world: World) -> None:
    operation = world.follow({UUID: ENDED})
    assert world.ended(operation) == ("done", None)
    assert world.runner.ran == ["ports", "start", "check"]
    assert world.planned == [UUID]
    found = world.journal.get(operation)
    assert found is not None
    assert found["plan"] == PLAN.to_json()
    assert [(row["step"], row["undo"], row["ok"]) for row in found["commands"]] == [
        (0, False, True),
        (1, False, True),
        (2, False, True),
    ]
    # Its name is free again.
    wait_until(lambda: not follows())
    world.locks.acquire([Claim("host", "ns")], "another")


def test_a_host_that_is_to_stay_off_is_left(world: World) -> None:
    """Its install is done all the same, and begins no other one."""
    operation = world.begin(after="off")
    world.hypervisor.then = [{UUID: RUNS}, {UUID: ENDED}]
    world.installs.wake()
    assert world.ended(operation) == ("done", None)
    wait_until(lambda: not follows())
    assert (world.runner.ran, world.planned, world.journal.installs()) == ([], [], [])
    found = world.journal.get(operation)
    assert found is not None
    assert (
        found["plan"]
        == Plan(
            "finish the install of host ns",
            (),
            Install("ns", UUID, "http://location", "off"),
            leave=True,
        ).to_json()
    )
    assert [row["id"] for row in world.journal.find()] == [operation, f"create {UUID}"]
    assert world.journal.install(UUID) == {
        **(world.journal.install(UUID) or {}),
        "status": "done",
        "location": "http://location",
        "error": None,
    }


def test_installs_are_looked_at_until_there_are_none(world: World) -> None:
    operation = world.follow({UUID: RUNS})
    wait_until(lambda: world.hypervisor.looked > 2)
    assert world.of(operation) == ("waiting", None)
    world.hypervisor.looks = {UUID: ENDED}
    assert world.ended(operation) == ("done", None)
    wait_until(lambda: not follows())
    # The next install is followed again.
    world.hypervisor.looks = {OTHER: ENDED}
    operation = world.begin(OTHER, "other")
    world.installs.wake()
    assert world.ended(operation) == ("done", None)


def test_nothing_is_run_without_installs(world: World) -> None:
    world.installs.start()
    wait_until(lambda: not follows())
    assert (world.hypervisor.looked, world.runner.ran) == (0, [])


def test_an_install_that_begins_during_a_look_is_looked_at(world: World) -> None:
    first = world.begin()
    world.hypervisor.looks = {UUID: ENDED}
    looking, go_on = threading.Event(), threading.Event()

    def meanwhile() -> None:
        looking.set()
        assert go_on.wait(60)

    world.hypervisor.meanwhile = meanwhile
    world.installs.wake()
    assert looking.wait(60)
    world.hypervisor.looks = {UUID: ENDED, OTHER: ENDED}
    second = world.begin(OTHER, "other")
    world.installs.wake()
    go_on.set()
    assert world.ended(first) == ("done", None)
    assert world.ended(second) == ("done", None)


def test_an_agent_goes_on_with_what_an_earlier_one_followed(world: World) -> None:
    operation = world.begin()
    world.hypervisor.looks = {UUID: ENDED}
    world.installs.start()
    assert world.ended(operation) == ("done", None)


BECAME = [
    ({}, ("failed", DELETED)),
    ({OTHER: ENDED}, ("failed", DELETED)),
    ({UUID: DESTROYED}, ("failed", STOPPED_BY_HAND)),
    (
        {UUID: InstallLook("shut off", "crashed", False)},
        ("failed", "the host stopped during its install: crashed"),
    ),
    ({UUID: STARTED}, ("done", None)),
]


@pytest.mark.parametrize("first", [[], [{UUID: ENDED}]], ids=["at once", "before the start"])
@pytest.mark.parametrize(("look", "outcome"), BECAME)
def test_an_install_that_needs_nothing_more(
    world: World,
    first: list[dict[str, InstallLook]],
    look: dict[str, InstallLook],
    outcome: tuple[str, str | None],
) -> None:
    """Nothing is run for it, and it is never looked at again.

    A host is looked at anew before its start, once nobody else can be at work on it.
    """
    operation = world.follow(*first, look)
    assert world.ended(operation) == outcome
    wait_until(lambda: not follows())
    assert (world.runner.ran, world.planned, world.journal.installs()) == ([], [], [])


def test_a_host_that_runs_by_the_time_it_is_planned(world: World) -> None:
    world.plan = lambda uuid: Plan("start host ns", (), leave=True)
    operation = world.follow({UUID: ENDED})
    assert world.ended(operation) == ("done", None)
    assert world.runner.ran == []


def test_a_host_that_another_operation_holds(world: World) -> None:
    """It is waited for, and what comes of the operation is what counts."""
    world.locks.acquire([Claim("host", "ns")], "another")
    operation = world.follow({UUID: ENDED})
    wait_until(lambda: world.hypervisor.looked >= 3)
    assert (world.of(operation), world.runner.ran) == (("waiting", None), [])
    world.hypervisor.looks = {}
    world.locks.release("another")
    assert world.ended(operation) == ("failed", DELETED)
    assert world.runner.ran == []


@pytest.mark.parametrize(
    ("word", "wrong", "ran", "why"),
    [
        ("ports", "error: no", ["ports", "stop"], "tool failed: no"),
        ("start", "error: no disk", ["ports", "start", "stop"], "tool failed: no disk"),
        (
            "check",
            CommandTimeout(CHECK.argv, 2, ""),
            ["ports", "start", "check", "stop"],
            "tool was killed: it ran past its limit of 2 s",
        ),
    ],
)
def test_a_start_that_fails_is_taken_back(
    world: World, word: str, wrong: Exception | str, ran: list[str], why: str
) -> None:
    world.runner.wrong = {word: [wrong]}
    operation = world.follow({UUID: ENDED})
    assert world.ended(operation) == ("failed", f"it could not be started: {why}")
    assert world.runner.ran == ran
    wait_until(lambda: not follows())
    world.locks.acquire([Claim("host", "ns")], "another")


@pytest.mark.parametrize(
    ("word", "ran"),
    [
        # libvirt went away before it had begun, and after it.
        ("start", ["ports", "start", "ports", "start", "check"]),
        ("check", ["ports", "start", "check", "check"]),
    ],
)
def test_a_start_is_carried_on_when_a_daemon_is_back(
    world: World, word: str, ran: list[str]
) -> None:
    later = ENDED if word == "start" else STARTED
    world.runner.wrong = {word: ["error: failed to connect to the hypervisor"]}
    operation = world.follow({UUID: ENDED}, {UUID: ENDED}, {UUID: later})
    assert world.ended(operation) == ("done", None)
    assert world.runner.ran == ran


def test_a_plan_that_cannot_be_made_yet_is_made_later(world: World) -> None:
    errors: list[Exception] = [OutOfReach(["ovs-vsctl"], 1, "error: no"), NotFound("no host")]

    def plan(uuid: str) -> Plan:
        if errors:
            raise errors.pop(0)
        return PLAN

    world.plan = plan
    operation = world.follow({UUID: ENDED})
    assert world.ended(operation) == ("done", None)
    assert world.planned == [UUID] * 3


def test_an_agent_that_stops_takes_nothing_back(world: World) -> None:
    """What it had begun is carried on by the next one."""
    world.steps.cut_off()
    operation = world.follow({UUID: ENDED})
    wait_until(lambda: bool(world.planned))
    world.installs.close()
    assert world.of(operation) == ("running", None)
    assert world.runner.ran == []


@pytest.mark.parametrize(
    ("begun", "ended", "ran"),
    [
        # Somebody else started it: not even the ports are touched.
        ((), 0, []),
        ((PORTS,), 0, []),
        ((PORTS,), 1, []),
        # The agent did: it may have seen how the start ended, and how the check did.
        ((PORTS, START), 1, ["start", "check"]),
        ((PORTS, START), 2, ["check"]),
        ((PORTS, START, CHECK), 2, ["check"]),
        ((PORTS, START, CHECK), 3, []),
    ],
)
def test_a_start_that_was_cut_off_is_carried_on(
    world: World, begun: tuple[Command, ...], ended: int, ran: list[str]
) -> None:
    """begun: the commands that were written down. ended: of how many it is known how."""
    operation = world.begin()
    world.journal.set_plan(operation, PLAN)
    for index, step in enumerate(begun):
        number = world.journal.begin_step(operation, index, step, undo=False)
        if index < ended:
            world.journal.end_step(operation, number, Outcome(0.0, 0, True, "", ""))
    world.hypervisor.looks = {UUID: STARTED}
    world.installs.start()
    assert world.ended(operation) == ("done", None)
    assert world.runner.ran == ran


def test_a_start_that_was_cut_off_may_fail_its_check(world: World) -> None:
    operation = world.begin()
    world.journal.set_plan(operation, PLAN)
    number = world.journal.begin_step(operation, 1, START, undo=False)
    world.journal.end_step(operation, number, Outcome(0.0, 0, True, "", ""))
    world.runner.wrong = {"check": ["error: no"]}
    world.hypervisor.looks = {UUID: STARTED}
    world.installs.start()
    assert world.ended(operation) == ("failed", "it could not be started: tool failed: no")
    assert world.runner.ran == ["check", "stop"]


def test_looks_go_on_while_libvirt_does_not_answer(world: World) -> None:
    no = OutOfReach(["virsh"], 1, "error: failed to connect to the hypervisor")
    operation = world.follow(no, ValueError("unforeseen"), no, {UUID: ENDED})
    assert world.ended(operation) == ("done", None)


def test_an_unforeseen_error_of_one_install_is_not_the_others(world: World) -> None:
    operations = [world.begin(), world.begin(OTHER, "other")]
    world.hypervisor.looks = {UUID: ENDED, OTHER: ENDED}
    broken = [True]

    def plan(uuid: str) -> Plan:
        if uuid == UUID and broken:
            raise ValueError("unforeseen")
        return PLAN

    world.plan = plan
    world.installs.wake()
    assert world.ended(operations[1]) == ("done", None)
    assert world.of(operations[0]) == ("waiting", None)
    broken.clear()
    assert world.ended(operations[0]) == ("done", None)


def test_close_leaves_installs_to_the_next_agent(world: World) -> None:
    operation = world.follow({UUID: RUNS})
    wait_until(lambda: world.hypervisor.looked > 0)
    world.installs.close()
    assert (follows(), world.of(operation)) == (False, ("waiting", None))
    world.installs.wake()
    assert not follows()
