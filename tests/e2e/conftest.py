"""The tests' own corner of the machine, and agents that work in it."""

import itertools
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sh

from . import files, libvirtd, stack
from . import images as image_server
from .daemon import PROJECT, Agent, running, serving
from .faults import FAULTS, Faults


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of every agent's log with a failure."""
    report = yield
    if report.failed:
        for number, agent in enumerate(running):
            report.sections.append((f"stderr of agent {number}", agent.log()[-4000:]))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the process that tells of all the tests know of the faults of this one."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["faults"] = FAULTS


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the faults of a process that has ended."""
    for what, count in getattr(node, "workeroutput", {}).get("faults", {}).items():
        FAULTS[what] += count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults there were, and how many of them left something behind."""
    if FAULTS["injected"]:
        terminalreporter.section("faults in the middle of changes")
        for what, count in FAULTS.items():
            terminalreporter.write_line(f"{what:<10}{count:>6}")


@pytest.fixture(scope="session", autouse=True)
def whole_stack() -> Iterator[None]:
    """A pool, a bridge, two networks; at the end nothing that is the tests' own is left."""
    stack.require()
    try:
        stack.set_up()
        fetched = stack.fetched_files()
        yield
        stack.wait_for_no_more_than(fetched)
    finally:
        stack.tear_down()
    assert stack.remains() == []


@pytest.fixture(autouse=True)
def swept(whole_stack: None) -> Iterator[None]:
    """Remove what a test leaves, whether it meant to or failed."""
    yield
    stack.sweep()


@pytest.fixture(scope="session")
def agent(whole_stack: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """The agent that most tests ask."""
    with serving(Agent(tmp_path_factory.mktemp("agent"))) as started:
        yield started


@pytest.fixture(scope="session")
def cold_agent(whole_stack: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """An agent that starts a virsh for each read, and keeps none."""
    with serving(Agent(tmp_path_factory.mktemp("cold"), warm_virsh=0)) as started:
        yield started


@pytest.fixture(params=["agent", "cold_agent"])
def either_agent(request: pytest.FixtureRequest) -> Agent:
    """The agent that most tests ask, and one that keeps no virsh."""
    found: Agent = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def libvirt() -> Iterator[libvirtd.Libvirt]:
    """A libvirtd of the test's own, with a pool and a switch."""
    with libvirtd.running() as new:
        yield new


@pytest.fixture
def start_agent(tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    """Start agents with settings of their own; each must end with exit status 0."""
    with ExitStack() as started:
        numbers = itertools.count()

        def start(**settings: Any) -> Agent:
            new = Agent(tmp_path / f"agent{next(numbers)}", **settings)
            return started.enter_context(serving(new))

        yield start


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    """A folder of tools that go wrong, for an agent's PATH."""
    return Faults(tmp_path / "tools")


@pytest.fixture
def images() -> Iterator[image_server.Images]:
    """A server of images."""
    with image_server.serving() as server:
        yield server


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an install tree."""
    sh.timeout("900", str(PROJECT / "scripts/install-tree"), str(files.TREE))
    served = tmp_path_factory.mktemp("tree")
    for folder in (PLAIN_FOLDER, ODD_FOLDER, STALLING_FOLDER, WAITING_FOLDER):
        (served / folder).symlink_to(files.TREE / "debian")
    with files.served(served, _Handler) as url:
        yield f"{url}/{PLAIN_FOLDER}/{_IN_TREE}"


PLAIN_FOLDER = "debian"
ODD_FOLDER = "it's,kernel=\"a;$(b)\\"
STALLING_FOLDER = "stalling"
WAITING_FOLDER = "waiting"
_IN_TREE = "dists/bookworm/main/installer-amd64"


@pytest.fixture
def odd_tree(tree: str) -> str:
    """The URL of the same install tree with quotes, a comma and the like in its path."""
    return tree.replace(PLAIN_FOLDER, ODD_FOLDER, 1)


@pytest.fixture
def stalling_tree(tree: str) -> str:
    """The URL of the same install tree from a server that falls silent within the kernel."""
    return tree.replace(PLAIN_FOLDER, STALLING_FOLDER, 1)


@pytest.fixture
def waiting_tree(tree: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """The same from a server that does so until it is told to go on, and what tells it."""
    goes_on = _Handler.goes_on
    goes_on.clear()
    try:
        yield tree.replace(PLAIN_FOLDER, WAITING_FOLDER, 1), goes_on.set
    finally:
        goes_on.set()


class _Handler(files.Handler):
    goes_on = threading.Event()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file, or its beginning and no more until the client is gone, or all may go on."""
        folder = self.path.split("/")[1]
        if folder in (STALLING_FOLDER, WAITING_FOLDER) and self.path.endswith("/linux"):
            outputfile.write(source.read(1 << 20))
            outputfile.flush()
            if folder == STALLING_FOLDER:
                self.connection.settimeout(240)
                self.connection.recv(1)
                return
            self.goes_on.wait(240)
        super().copyfile(source, outputfile)
