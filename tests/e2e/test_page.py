"""The page for people, in a real browser on the real stack. Slow: two minutes by itself.

With PAGE_PICTURES its screenshots are in the folder that this names, to be looked at.
"""

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Route, expect, sync_playwright

from . import stack
from .browser import NARROW, Tab, tab
from .daemon import Agent
from .faults import Faults
from .stack import BRIDGE, V10, V20, own, virsh
from .test_access import agent_token

NAME = own("ns.example.com")
OFF = {"memory": 64, "disks": [1], "networks": [V10], "start": False}
RUNS = {**OFF, "start": True}
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Of the module: what drives it has an event loop in this thread."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield started
        started.close()


@pytest.fixture
def shown(browser: Browser, agent: Agent) -> Iterator[Tab]:
    """A tab on the agent that most tests ask; what goes away, or off, while it is read, may."""
    with tab(browser, agent.address, 404, 409) as new:
        yield new


def make(agent: Agent, name: str = NAME, **body: Any) -> Any:
    """Make a host without the page."""
    answer = agent.post("hosts", name, body={**OFF, **body})
    assert answer.status == 200, answer.body
    return answer.body


def row(shown: Tab, name: str) -> Locator:
    """The row of a table that begins with a name."""
    head = shown.page.get_by_role("rowheader", name=name, exact=True)
    return shown.page.get_by_role("row").filter(has=head)


# What there is.


def test_a_host_that_curl_has_made_is_shown_within_three_seconds(
    shown: Tab, agent: Agent, tmp_path: Path
) -> None:
    """Of the page's own clock, which stands still else; and a hidden tab asks nothing."""
    clock = shown.page.clock
    clock.install()
    page = shown.go()
    expect(page.get_by_role("status")).to_have_text("Live")
    clock.pause_at(page.evaluate("Date.now()") + 100)
    made = make(agent, networks=[V10, V20])
    picture = page.get_by_role("group", name=re.compile("networks"))
    cards = picture.get_by_role("link").filter(has_text=re.compile(NAME))
    expect(cards).to_have_count(0)
    clock.run_for(3000)
    expect(cards).to_have_count(2)
    cells = row(shown, NAME).get_by_role("cell")
    expect(cells).to_have_text(["shut off", "64 MB", "1", f"{V10}, {V20}", "", "Start"])
    expect(page.get_by_role("list", name="What is wrong")).to_be_visible()
    for card in made["interfaces"]:
        assert card["mac"] in " ".join(cards.locator("title").all_text_contents())

    page.evaluate("""() => {
        Object.defineProperty(document, "hidden", { get: () => window.away ?? true });
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    clock.run_for(10_000)  # what is under way may end
    page.wait_for_load_state("networkidle")
    before = len(shown.asked)
    clock.run_for(600_000)
    assert shown.asked[before:] == []
    assert agent.delete("hosts", NAME).status == 200
    page.evaluate("""() => {
        window.away = false;
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    expect(cards).to_have_count(0)


def test_with_a_hundred_hosts(shown: Tab, tmp_path: Path) -> None:
    """Each is in the picture and in the table, which can be sorted, and searched."""
    five = tmp_path / "five"
    for each in range(5):
        stack.define_domain(own(f"few{each}"), _card(V10 if each % 2 else V20))
    page = shown.go()
    expect(row(shown, own("few4"))).to_be_visible()
    links = ["Overview", "Operations", "New host", "New network", "Manual"]
    expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(links)
    five.mkdir()
    shown.picture(five, "overview-5")
    names = [own(f"node{each}.example.com") for each in range(1, 101)]
    definitions = []
    for each, name in enumerate(names):
        path = tmp_path / f"{each}.xml"
        path.write_text(stack.domain_xml(name, _card(V20 if each % 3 else V10)))
        definitions.append(f"define {path}")
    virsh("; ".join(definitions))
    heads = page.get_by_role("rowheader").filter(has_text=re.compile(own("node")))
    expect(heads).to_have_text(names)  # node2 before node10
    cards = page.get_by_role("group", name=re.compile("networks")).get_by_role("link")
    expect(cards.filter(has_text=own("node"))).to_have_count(100)
    page.set_viewport_size({"width": NARROW, "height": 1000})
    expect(page.get_by_role("button", name="name", exact=True)).to_have_count(0)
    shown.see_no_violations("100 hosts")
    shown.picture(tmp_path, "overview-100")
    page.get_by_role("button", name="name", exact=True).click()
    head = page.get_by_role("columnheader", name="name").first
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(heads).to_have_text(names[::-1])
    page.get_by_label("Filter by name or network").fill(f"{own('NODE')}9")
    expect(heads).to_have_text([own(f"node{each}.example.com") for each in (*range(99, 89, -1), 9)])


def _card(network: str) -> str:
    return f"<interface type='network'><source network='{network}'/></interface>"


def test_what_is_wrong_is_said_first(shown: Tab, agent: Agent) -> None:
    """A stale port, a network that is off under a host, and parts that fail."""
    made = make(agent)
    page = shown.go()
    wrong = page.get_by_role("list", name="What is wrong")
    port = f"h{own('x')[-8:]}"
    gone = f"external-ids:vm-id={made['id']}"
    stack.vsctl("add-port", BRIDGE, port, "--", "set", "Interface", port, "type=internal", gone)
    expect(wrong.get_by_text("Stale ports")).to_contain_text(port)
    expect(page.locator("g.stale").filter(has_text=port)).to_be_visible()
    stack.define_network(own("dark"), stack.on_bridge("<vlan><tag id='77'/></vlan>"), start=False)
    stack.define_domain(own("in-the-dark"), _card(own("dark")))
    inactive = f"Network {own('dark')} is inactive: hosts on it cannot start"
    expect(wrong.get_by_text(inactive)).to_be_visible()

    failing = {
        **shown.json("/health"),
        "status": "failing",
        "libvirt": {"status": "failing", "detail": "libvirt is out of reach"},
        "journal": {"status": "failing", "detail": "not yet taken back", "unsettled": ["a-b"]},
    }
    with tab_of(shown, 503) as other:
        other.page.route("**/health", lambda route: route.fulfill(status=503, json=failing))
        problem = {"status": 503, "title": "Service Unavailable", "detail": "nobody is there"}
        other.page.route("**/overview", lambda route: route.fulfill(status=503, json=problem))
        said = other.go().get_by_role("list", name="What is wrong").get_by_role("listitem")
        expect(said).to_have_text(
            [
                "Hosts and networks cannot be read: nobody is there",
                "libvirt is failing: libvirt is out of reach",
                "The journal is failing: not yet taken back What was run",
            ]
        )
        expect(said.get_by_role("link")).to_have_attribute("href", "#/operations/a-b")
        expect(other.page.get_by_role("status")).to_contain_text("Not up to date")
        other.see_no_violations("what is wrong")
        other.page.unroute_all()
        expect(other.page.get_by_role("status")).to_have_text("Live")


def tab_of(shown: Tab, *errors: int) -> Any:
    """Another tab of the same browser on the same agent."""
    assert shown.context.browser is not None
    return tab(shown.context.browser, shown.base.removeprefix("http://"), *errors)


def test_a_view_that_was_left_draws_over_no_other(shown: Tab) -> None:
    """Though what it has asked for comes when the next one is there."""
    page = shown.go("operations")
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/overview", hold_the_first)
    with page.expect_request("**/overview"):
        page.get_by_role("link", name="New host").click()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("status")).to_have_text("Live")
    with page.expect_response(lambda response: response.request == held[0].request):
        held[0].continue_()
    with page.expect_response("**/overview"):
        pass  # and it is read anew
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_a_host_that_is_not_there_yet(shown: Tab, agent: Agent) -> None:
    """That is said without a flicker, until it is there."""
    page = shown.go("hosts", NAME)
    expect(page.get_by_role("listitem")).to_have_text(f"there is no host '{NAME}'")
    back = page.get_by_role("main").get_by_role("link", name="Overview")
    back.focus()
    page.evaluate("""() => {
        window.headings = [];
        new MutationObserver(() => {
            headings.push(document.querySelector("h1")?.textContent);
        }).observe(document.querySelector("main"), { childList: true, subtree: true });
    }""")
    for _ in range(2):
        with page.expect_response(f"**/hosts/{NAME}"):
            pass
    expect(back).to_be_focused()
    make(agent)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{NAME} shut off")
    seen = page.evaluate("headings")
    assert {*seen} == {f"{NAME} shut off"}, seen


def test_names_and_consoles_are_text(shown: Tab, agent: Agent) -> None:
    """Whatever a guest, a client or a person at virsh has written, none of it becomes markup."""
    odd = own('<img src=x onerror=alert(1)> & "\'"')
    bold = own("<b>net")
    stack.define_network(bold, stack.on_bridge("<vlan><tag id='40'/></vlan>"))
    stack.define_domain(odd, _card("").replace("''", f"'{bold.replace('<', '&lt;')}'"))
    page = shown.go()
    expect(row(shown, odd)).to_contain_text(bold)
    shown.see_no_violations("odd names")
    row(shown, odd).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{odd} shut off")
    assert page.locator("main img, main b, main script").count() == 0

    made = make(agent)
    script = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    log = stack.CONSOLE_DIR / f"{made['id']}.console.log"
    log.write_bytes(f"{script}\r\n\x1b[31mred\x1b[0m\xff\r\n".encode("latin-1"))
    shown.go("hosts", NAME)
    console = page.get_by_label("The end of the serial console")
    expect(console).to_have_text(f"{script}\nred\N{REPLACEMENT CHARACTER}")
    shown.button("Whole log").click()
    expect(page.get_by_label("The whole serial console")).to_contain_text(script)
    with page.expect_download() as downloads:
        shown.button("Download").click()
    assert downloads.value.suggested_filename == f"{NAME}.console.log"
    assert Path(downloads.value.path()).read_bytes() == log.read_bytes()
    assert page.locator("main img, main script").count() == 0


# What can be made.


def test_a_host_by_the_form_after_its_script_was_read(shown: Tab, agent: Agent) -> None:
    """What is wrong is said in the API's words; the script that was read is the one that runs."""
    page = shown.go("new", "host")
    assert page.url.endswith("#/new/host")
    said = {
        "Name": "no_name",
        "Memory, MB": "lots",
        "Disks, GB": "1, x",
        "MAC of the card": "zz",
    }
    for label, text in said.items():
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_label("Network of the card").select_option(V10)
    body = {"memory": "lots", "disks": [1, "x"], "networks": [{"network": V10, "mac": "zz"}]}
    told = agent.request("POST", "/hosts/no_name?dry_run=true", body).body
    words = {each["field"]: each["detail"] for each in told["errors"]}
    assert set(words) == {"name", "memory", "disks[1]", "networks[0].mac"}
    shown.errors.add(400)
    shown.button("Read the script").click()
    name = page.get_by_label("Name", exact=True)
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description(f"an RFC 1123 host name {words['name']}")
    expect(name).to_be_focused()
    for field in ("memory", "disks[1]", "networks[0].mac"):
        expect(page.locator(".why").filter(has_text=words[field])).to_be_visible()
    shown.see_no_violations("a form with errors")

    for label, text in zip(said, (NAME, "64", "1, 2", ""), strict=True):
        page.get_by_label(label, exact=True).fill(text)
    shown.button("Add a card").click()
    page.get_by_label("Network of the card").last.select_option(V20)
    page.get_by_label("Start it when it is made").uncheck()
    with stack.unchanged():
        page.get_by_label("Name", exact=True).press("Enter")
        script = page.get_by_label("Script")
        expect(script).to_contain_text("virt-install")
        read = script.inner_text()
        assert page.locator("[aria-invalid]").count() == 0
        shown.see_no_violations("a script")
    shown.button("Create it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{NAME} shut off")
    assert page.url.endswith(f"#/hosts/{NAME}")
    made = agent.get("hosts", NAME).body
    assert [disk["size"] for disk in made["disks"]] == [1, 2]
    assert [card["network"] for card in made["interfaces"]] == [V10, V20]
    found = agent.get("operations").body[0]
    target = f"/operations/{found['id']}"
    ran = agent.text("GET", target, None, {"Accept": "text/x-shellscript"}).text
    assert _commands(read) == _commands(ran)


def _commands(script: str) -> list[str]:
    """A script's lines but for the comments, its UUIDs and what is made of them by their order."""
    script = "\n".join(line for line in script.splitlines() if line and line[0] != "#")
    uuids = list(dict.fromkeys(UUID.findall(script)))
    for number, uuid in enumerate(uuids):
        script = script.replace(uuid, f"UUID{number}").replace(
            uuid.replace("-", "")[:10], f"DIGITS{number}"
        )
    return script.splitlines()


def test_a_network_by_the_form_and_its_end(shown: Tab) -> None:
    """A trunk, made, shown in the picture, and deleted after a question."""
    shown.errors.add(400)
    page = shown.go("new", "network")
    page.get_by_label("Bridge").select_option(BRIDGE)
    page.get_by_label("VLAN", exact=True).fill("5000")
    page.get_by_label("Name", exact=True).fill(own("uplink"))
    shown.button("Create it").click()
    expect(page.locator(".why").filter(has_text="5000")).to_be_visible()
    shown.see_no_violations("a network's form")
    page.get_by_label("VLAN", exact=True).fill("10")
    page.get_by_label("Trunk").fill("20, 30")
    shown.button("Create it").click()
    lane = page.locator("text.title").filter(has_text="Trunk 10 untagged, 20, 30")
    expect(lane.first).to_be_visible()
    cells = row(shown, own("uplink")).get_by_role("cell")
    expect(cells).to_have_text(["active", BRIDGE, "10", "20, 30", "0", "Delete"])
    remove = shown.button(f"Delete network {own('uplink')}")
    remove.click()
    asked = shown.answer("Cancel")
    assert f"on bridge {BRIDGE}, VLAN 10, trunk 20, 30" in asked
    expect(remove).to_be_focused()
    assert own("uplink") in stack.networks()
    remove.click()
    shown.answer("Delete")
    expect(row(shown, own("uplink"))).to_have_count(0)
    assert own("uplink") not in stack.networks()


def test_a_create_that_fails(
    browser: Browser, start_agent: Callable[..., Agent], faults: Faults
) -> None:
    """What failed is shown, with its command to paste, and that nothing of it was left."""
    agent = start_agent(path=faults.path)
    with tab(browser, agent.address) as shown, stack.unchanged():
        page = shown.go("new", "host")
        page.get_by_label("Name", exact=True).fill(NAME)
        page.get_by_label("Memory, MB").fill("64")
        page.get_by_label("Network of the card").select_option(V10)
        shown.button("Add a card").click()
        page.get_by_label("Network of the card").last.select_option(V20)
        page.get_by_label("Install an operating system").check()
        page.get_by_label("From", exact=True).fill("http://127.0.0.1:9/")
        page.get_by_label("Install an operating system").uncheck()
        faults.at("virt-install", 1, "after")
        page.route("**/operations/*", _as("waiting"))
        shown.button("Create it").click()
        expect(page.get_by_text("It waits for its turn")).to_be_visible()
        page.unroute_all()
        page.route("**/operations/*", lambda route: route.abort("connectionrefused"))
        expect(page.get_by_text("How far it is cannot be read")).to_be_visible()
        page.unroute_all()
        expect(page.get_by_text("nothing of it is left")).to_be_visible()
        expect(page.get_by_role("listitem").filter(has_text="define and start")).to_contain_text(
            "failed"
        )
        operation = agent.get("operations").body[0]
        assert operation["status"] == "undone"
        expect(page.locator("pre")).to_have_text(operation["error"]["command"])
        assert page.url.endswith("#/new/host")
        shown.see_no_violations("a create that failed")
        page.get_by_role("link", name="Everything that was run").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"create host {NAME}")
        expect(page.locator("summary").filter(has_text="undo").first).to_be_visible()
        expect(page.get_by_text("a fault that the test made").last).to_be_visible()
        shown.see_no_violations("an operation that failed")
        page.go_back()
        expect(page.get_by_label("Name", exact=True)).to_have_value(NAME)
        expect(page.get_by_label("Memory, MB")).to_have_value("64")
        networks = page.get_by_label("Network of the card")
        expect(networks).to_have_count(2)
        assert [each.input_value() for each in networks.all()] == [V10, V20]
        expect(page.get_by_label("From", exact=True)).to_be_hidden()
        page.get_by_label("Install an operating system").check()
        expect(page.get_by_label("From", exact=True)).to_have_value("http://127.0.0.1:9/")
        refused = "error: Failed to load resource: net::ERR_CONNECTION_REFUSED"
        shown.faults[:] = [each for each in shown.faults if each != refused]


def _as(status: str, **fields: Any) -> Callable[[Route], None]:
    """What answers an operation as if it had that status, and those fields."""

    def answer(route: Route) -> None:
        found = route.fetch()
        route.fulfill(response=found, json={**found.json(), "status": status, **fields})

    return answer


def test_an_install_to_its_end(shown: Tab, agent: Agent, tree: str, tmp_path: Path) -> None:
    """Begun with the form, seen on the console and the screen, and begun again."""
    page = shown.go("new", "host")
    page.get_by_label("Name", exact=True).fill(NAME)
    page.get_by_label("Memory, MB").fill("256")
    page.get_by_label("Disks, GB").fill("1")
    page.get_by_label("Network of the card").select_option(V10)
    expect(page.get_by_label("From", exact=True)).to_be_hidden()
    page.get_by_label("Install an operating system").check()
    page.get_by_label("From", exact=True).fill(tree)
    shown.see_no_violations("an install's form")
    shown.button("Create it").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(f"{NAME} installing")
    expect(page.get_by_text(f"It is being installed from {tree}")).to_be_visible()
    console = page.get_by_label("The end of the serial console")
    expect(console).to_contain_text("installer: ")
    screen = page.get_by_label(f"The screen of {NAME}")
    shows = """canvas => canvas.getContext("2d")
        .getImageData(0, 0, canvas.width, canvas.height)
        .data.some((each, i) => i % 4 < 3 && each)"""
    stack.wait_for(lambda: screen.evaluate(shows), "anything on the screen")
    expect(console).to_contain_text("booted from disk")
    expect(heading).to_have_text(f"{NAME} running")
    install = page.locator("dt:text-is('install') + dd")
    expect(install).to_contain_text("done")
    for plot in ("Processor", "Memory", "Disks", "Network"):
        expect(page.get_by_role("img", name=re.compile(f"^{plot}: .*[0-9]"))).to_be_visible()
    drawn = page.get_by_role("img", name=re.compile("^Processor")).locator("path")
    expect(drawn).to_have_attribute("d", re.compile("L"))
    shown.picture(tmp_path, "host")
    shown.see_no_violations("a host")

    shown.button(f"Stop {NAME}").click()
    shown.answer("Stop")
    shown.button(f"Install {NAME} again").click()
    question = shown.question()
    expect(question).to_contain_text("sda, 1 GB")
    expect(question.get_by_label("From")).to_have_value(tree)
    expect(question.get_by_label("From")).to_be_focused()
    shown.see_no_violations("a question")
    question.get_by_label("Kernel parameters").fill("tree.hold")
    question.get_by_label("Kernel parameters").press("Enter")
    expect(heading).to_have_text(f"{NAME} installing")
    assert "tree.hold" in (stack.kernel_parameters(NAME) or "")
    assert agent.delete("hosts", NAME).status == 200
    expect(page.get_by_role("listitem")).to_have_text(f"there is no host '{NAME}'")


# What can be done to a host.


def test_power(shown: Tab, agent: Agent) -> None:
    """Each is asked back with what will be lost; what was not agreed to is not done."""
    make(agent, start=True)
    page = shown.go("hosts", NAME)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(f"{NAME} running")
    stop = shown.button(f"Stop {NAME}")
    stop.click()
    assert "has not written to disk yet is lost" in shown.answer("Cancel")
    stop.click()
    page.keyboard.press("Escape")
    assert stack.state(NAME) == "running"
    stop.click()
    shown.answer("Stop")
    expect(heading).to_have_text(f"{NAME} shut off")
    expect(page.get_by_text("It is off.")).to_be_visible()
    assert stack.state(NAME) == "shut off"
    start = shown.button(f"Start {NAME}")
    page.route("**/start", lambda route: route.fulfill(status=409, json={"detail": "not now"}))
    start.click()
    expect(page.get_by_role("alert").filter(has_text="not now")).to_be_visible()
    shown.button("Close").click()
    expect(page.get_by_text("not now")).to_have_count(0)
    expect(page.get_by_role("main")).to_be_focused()
    page.unroute_all()
    page.route("**/screen", lambda route: route.fulfill(status=409, json={"detail": "no picture"}))
    page.route("**/usage", lambda route: route.fulfill(status=409, json={"detail": "no figures"}))
    start.click()
    expect(heading).to_have_text(f"{NAME} running")
    expect(page.get_by_text("no picture")).to_be_visible()
    expect(page.get_by_label(f"The screen of {NAME}")).to_be_hidden()
    expect(page.get_by_role("img", name="Memory: no figures")).to_be_visible()
    page.unroute_all()
    expect(page.get_by_label(f"The screen of {NAME}")).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("Processor, 0 to [0-9]+ %"))).to_be_visible()
    for verb, asked in (("Shut down", "power button"), ("Reboot", "asked to reboot")):
        shown.button(f"{verb} {NAME}").click()
        assert asked in shown.answer("Cancel")
    reset = shown.button(f"Reset {NAME}")
    reset.click()
    assert "restarts at once" in shown.answer("Reset")
    expect(page.get_by_role("link", name=f"reset host {NAME}")).to_be_visible()
    expect(reset).not_to_have_attribute("aria-busy", "true")
    assert agent.request("PUT", f"/hosts/{NAME}/stop").status == 200
    expect(heading).to_have_text(f"{NAME} shut off")


def test_snapshots_and_a_host_s_end(shown: Tab, agent: Agent) -> None:
    """What is lost is named in the question, down to the volumes."""
    make(agent, start=True)
    page = shown.go("hosts", NAME)
    heading = page.get_by_role("heading", level=1)
    called, take = page.get_by_label("New snapshot"), shown.button("Take snapshot")
    called.fill("no name")
    shown.errors.add(400)
    take.click()
    expect(called).to_have_attribute("aria-invalid", "true")
    expect(called).to_have_accessible_description(re.compile("'no name' is not letters"))
    expect(take).not_to_have_attribute("aria-busy", "true")
    expect(called).to_have_value("no name")
    called.fill("clean")
    take.click()
    expect(row(shown, "clean")).to_contain_text("running")
    expect(called).to_have_value("")
    assert virsh("snapshot-list", NAME, "--name").split() == ["clean"]
    assert agent.request("PUT", f"/hosts/{NAME}/stop").status == 200
    expect(heading).to_have_text(f"{NAME} shut off")
    shown.button("Revert to clean").click()
    assert "All that was written to its disks since" in shown.answer("Revert")
    expect(heading).to_have_text(f"{NAME} running")
    expect(take).not_to_have_attribute("aria-busy", "true")
    virsh("snapshot-create-as", NAME, "by-hand")
    expect(row(shown, "by-hand")).to_be_visible()
    shown.button("Delete snapshot clean").click()
    assert "Nobody can go back to it" in shown.answer("Delete")
    expect(row(shown, "clean")).to_have_count(0)
    assert virsh("snapshot-list", NAME, "--name").split() == ["by-hand"]

    volume = stack.volume(NAME, 0)
    virsh("snapshot-create-as", NAME, "just-now")
    # What the browser drops is read again.
    drop = "internetdisconnected"
    page.route(f"**/hosts/{NAME}/snapshots", lambda route: route.abort(drop), times=1)
    shown.button(f"Delete {NAME}").click()
    asked = shown.answer("Delete")
    assert f"sda, 1 GB: {volume}" in asked
    assert {*re.findall(r"its snapshots: (.*), (.*)", asked)[0]} == {"by-hand", "just-now"}
    expect(heading).to_have_text("Overview")
    shown.faults.remove("error: Failed to load resource: net::ERR_INTERNET_DISCONNECTED")
    assert NAME not in stack.domains()
    assert volume not in stack.volumes()


@pytest.fixture
def image(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The URL of an image that comes half, and what has the other half come."""
    goes_on = threading.Event()
    half = b"\0" * (1 << 20)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(2 * len(half)))
            self.end_headers()
            self.wfile.write(half)
            goes_on.wait(240)
            self.wfile.write(half)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/disc.iso", goes_on.set
        goes_on.set()
        server.shutdown()
        thread.join()


def test_media_and_boot_order(
    shown: Tab, agent: Agent, image: tuple[str, Callable[[], None]]
) -> None:
    """A fetch says at its button how far it is."""
    url, goes_on = image
    make(agent)
    page = shown.go("hosts", NAME)
    expect(page).to_have_title(re.compile(rf"^{re.escape(NAME)} shut off · "))
    expect(page.get_by_text("Nothing was measured yet: the host is off")).to_be_visible()
    expect(page.get_by_text("The drive is empty.")).to_be_visible()
    page.get_by_label("Image").fill("ftp://example.com/x")
    shown.errors.add(400)
    shown.button("Insert").click()
    expect(page.get_by_label("Image")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Image").fill(url)
    put = page.locator("button", has_text="Insert")
    put.click()
    expect(put).to_have_attribute("data-phase", re.compile(r"1\.0 .*MB"))
    goes_on()
    expect(page.get_by_text(url)).to_be_visible()
    assert agent.get("hosts", NAME).body["media"] == {"image": url}
    shown.button("Eject the image").click()
    expect(page.get_by_text("The drive is empty.")).to_be_visible()
    assert agent.get("hosts", NAME).body["media"] is None

    order = page.get_by_label("From the next start on")
    expect(order).to_have_value("disk, network")
    order.select_option("network, disk")
    shown.button("Set").click()
    expect(page.get_by_role("paragraph").filter(has_text="network, disk")).to_be_visible()
    assert agent.get("hosts", NAME).body["boot"] == ["network", "disk"]


def test_operations(shown: Tab, agent: Agent) -> None:
    """Filtered, opened, with their commands, and as a script to copy or download."""
    name = own("operated")
    make(agent, name)
    make(agent, own("other"))
    assert agent.request("PUT", f"/hosts/{name}/start").status == 200
    page = shown.go("operations")
    shown.see_no_violations("operations")
    page.get_by_label("Host", exact=True).fill(name)
    heads = page.get_by_role("rowheader")
    expect(heads).to_have_text([f"start host {name}", f"create host {name}"])
    page.get_by_label("Status").select_option("failed")
    expect(page.get_by_text("There is no such operation.")).to_be_visible()
    page.get_by_label("Status").select_option("done")
    page.get_by_label("Network", exact=True).fill(own("nope"))
    expect(page.get_by_text("There is no such operation.")).to_be_visible()
    page.get_by_label("Network", exact=True).fill("")
    page.get_by_role("link", name=f"create host {name}", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"create host {name}")
    operation = agent.get("operations", page.url.rpartition("/")[2]).body
    commands = page.locator("details.command:has(code)")
    assert commands.count() == len(operation["commands"]) == 2
    for command, ran in zip(commands.all(), operation["commands"], strict=True):
        command.locator("summary").click()
        expect(command.locator("pre").first).to_have_text(ran["shell"])
        expect(command).to_contain_text("exit 0")
    page.get_by_text("Commands that undo it, should a step fail").click()
    expect(page.locator("#undo")).to_contain_text("vol-delete")
    script = agent.text(
        "GET", f"/operations/{operation['id']}", None, {"Accept": "text/x-shellscript"}
    ).text
    shown.button("Show").click()
    expect(page.get_by_label("Script")).to_have_text(script)
    with page.expect_download() as downloads:
        shown.button("Download").click()
    assert downloads.value.suggested_filename == f"{operation['id']}.sh"
    assert Path(downloads.value.path()).read_text() == script
    page.get_by_role("button", name="Copy", exact=True).last.click()
    expect(shown.button("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == script

    # What was opened stays so while the view is read again, which ends with the operation.
    page.route(f"**/operations/{operation['id']}", _as("running"))
    page.clock.install()
    page.reload()
    expect(page.get_by_role("status")).to_have_text("Live")
    commands.first.locator("summary").click()
    for _ in range(2):
        with page.expect_response(f"**/operations/{operation['id']}"):
            pass
    expect(commands.first).to_have_attribute("open", "")
    page.unroute_all()
    expect(page.get_by_role("status")).to_have_text("")
    before = len(shown.asked)
    page.clock.run_for(10_000)
    assert shown.asked[before:] == []
    shown.see_no_violations("an operation")


def test_an_operation_that_was_cut_off(shown: Tab, agent: Agent) -> None:
    """Its last command has no outcome; and who goes back finds the filters that were set."""
    name = own("cut-off")
    make(agent, name)
    make(agent, own("other"))
    page = shown.go("operations")
    page.get_by_label("Host", exact=True).fill(name)
    page.get_by_label("Status").select_option("done")
    heads = page.get_by_role("rowheader")
    expect(heads).to_have_text([f"create host {name}"])
    (found,) = agent.request("GET", f"/operations?host={name}").body
    operation = agent.get("operations", found["id"]).body
    last = {**operation["commands"].pop(), "ok": None}
    cut_off = _as("undone", commands=[*operation["commands"], last])
    page.route(f"**/operations/{operation['id']}", cut_off)
    heads.get_by_role("link").click()
    expect(page.locator("summary").filter(has_text="interrupted")).to_have_count(1)
    expect(page.get_by_role("listitem").filter(has_text="interrupted")).to_have_count(1)
    page.go_back()
    expect(heads).to_have_text([f"create host {name}"])
    expect(page.get_by_label("Host", exact=True)).to_have_value(name)
    expect(page.get_by_label("Status")).to_have_value("done")


def test_with_the_keyboard_alone(shown: Tab, agent: Agent) -> None:
    """To a host and its buttons; questions; and no update takes the focus away."""
    make(agent)
    page = shown.go()
    expect(row(shown, NAME)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    assert not page.url.endswith("#view")
    _tab_to(shown, row(shown, NAME).get_by_role("link"))
    _tab_to(shown, shown.button(f"Start {NAME}"))
    # Hosts come before and after it: the button is still this host's.
    make(agent, own("aa"))
    make(agent, own("zz"))
    expect(row(shown, own("zz"))).to_be_visible()
    expect(shown.button(f"Start {NAME}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row(shown, NAME)).to_contain_text("running")
    expect(shown.button(f"Shut down {NAME}")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    question = shown.question()
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(shown.button(f"Stop {NAME}")).to_be_focused()
    assert stack.state(NAME) == "running"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(question.get_by_role("button", name="Stop", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(row(shown, NAME)).to_contain_text("shut off")
    expect(shown.button(f"Start {NAME}")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{NAME} shut off")
    expect(page.get_by_role("main")).to_be_focused()


def _tab_to(shown: Tab, wanted: Locator) -> None:
    """Press the tabulator until an element has the focus."""
    for _ in range(1000):
        if wanted.evaluate("each => each === document.activeElement"):
            return
        shown.page.keyboard.press("Tab")
    pytest.fail(f"1000 tabulators lead past {wanted}")


# Who may come in.


def test_tokens(browser: Browser, start_agent: Callable[..., Agent], tmp_path: Path) -> None:
    """One is asked for, a read-only one has no buttons, and a revoked one is asked for again."""
    agent = start_agent(tokens_file=str(tmp_path / "tokens"))
    full = agent_token(agent.config, "add", "full")
    reads = agent_token(agent.config, "add", "reads", "--read-only")
    with tab(browser, agent.address, 401) as shown:
        page = shown.go()
        question = page.get_by_label("Token")
        expect(question).to_be_focused()
        navigation = page.get_by_role("navigation").get_by_role("link")
        expect(navigation).to_have_text(["Overview", "Operations"])
        shown.see_no_violations("the question for a token")
        question.fill("wrong")
        question.press("Enter")
        expect(page.get_by_text("does not know this token")).to_be_visible()
        give(shown, full)
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        page.get_by_role("link", name="New host").click()
        page.get_by_label("Name", exact=True).fill(NAME)
        page.get_by_label("Start it when it is made").uncheck()
        page.get_by_label("Memory, MB").fill("64")
        shown.button("Create it").click()
        expect(shown.button(f"Start {NAME}")).to_be_visible()
        assert shown.context.cookies() == []
        stored = page.evaluate("[JSON.stringify(localStorage), document.cookie, location.href]")
        assert stored == ["{}", "", f"{shown.base}/#/hosts/{NAME}"]

        page.get_by_role("link", name="New host").click()
        page.get_by_label("Name", exact=True).fill("typed")
        shown.button("Forget the token").click()
        give(shown, full)
        expect(page.get_by_label("Name", exact=True)).to_have_value("")
        page.go_back()
        shown.button("Forget the token").click()
        expect(navigation).to_have_text(["Overview", "Operations"])
        give(shown, reads)
        expect(page.get_by_role("heading", level=1)).to_contain_text(NAME)
        expect(page.get_by_text("create host")).to_be_visible()
        for place in ((), ("hosts", NAME)):
            shown.go(*place)
            expect(page.get_by_role("status")).to_have_text("Live")
            assert _changing(shown) == []
        expect(page.get_by_role("link", name="New host")).to_be_hidden()
        shown.go("new", "host")
        expect(page.get_by_text("Your token is read-only")).to_be_visible()
        shown.go("hosts", NAME)
        shown.see_no_violations("a host that may only be read")
        agent_token(agent.config, "revoke", "reads")
        expect(page.get_by_label("Token")).to_be_focused()
        expect(page.get_by_text("was revoked")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0
    with tab(browser, agent.address, 401) as other:
        # Of another tab it knows nothing.
        expect(other.go().get_by_label("Token")).to_be_visible()


def give(shown: Tab, token: str) -> None:
    """Answer the question for a token."""
    shown.page.get_by_label("Token").fill(token)
    shown.page.get_by_label("Token").press("Enter")


def test_a_token_for_some_hosts(
    browser: Browser, start_agent: Callable[..., Agent], tmp_path: Path
) -> None:
    """Others are not there, and networks are to be looked at."""
    agent = start_agent(tokens_file=str(tmp_path / "tokens"))
    team = agent_token(agent.config, "add", "team", f"--host={own('team')}-*")
    stack.define_domain(own("other"))
    stack.define_domain(own("team-1"))
    with tab(browser, agent.address, 401) as shown:
        page = shown.go()
        give(shown, team)
        expect(page.get_by_role("rowheader").filter(has_text=own(""))).to_have_text(
            [own("team-1"), V10, V20]
        )
        assert _changing(shown) == ["Start"]
        expect(page.get_by_role("link", name="New host")).to_be_visible()
        expect(page.get_by_role("link", name="New network")).to_be_hidden()
        shown.go("new", "network")
        expect(page.get_by_text("Your token may change no network.")).to_be_visible()


READING = {"Forget the token", "Whole log", "Download", "name", "state", "memory", "processors"}


def _changing(shown: Tab) -> list[str]:
    """The buttons that are no reader's."""
    texts = [each.text_content() or "" for each in shown.page.get_by_role("button").all()]
    return [text for text in texts if text not in READING]


def test_nothing_runs_in_a_page_that_is_not_its_own(shown: Tab) -> None:
    """What somebody gets into it is no script of the agent's."""
    page = shown.go()
    refused = page.evaluate("""() => new Promise((resolve) => {
        document.addEventListener("securitypolicyviolation", (event) => {
            resolve(event.effectiveDirective);
        });
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
    })""")
    assert (refused, page.evaluate("window.ran ?? null")) == ("script-src-elem", None)
    assert [each for each in shown.faults if "Content Security Policy" not in each] == []
    shown.faults.clear()
