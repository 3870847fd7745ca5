"""README and the manual: what of them can be checked without a hypervisor."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from agent.config import Config
from agent.server.reload import LIVE

from .web import Agent

PROJECT = Path(__file__).resolve().parents[2]
MANUAL = PROJECT / "agent" / "manual"
README = PROJECT / "README.md"
PAGES = sorted(MANUAL.glob("*.md"))
MOST_README_LINES = 250

each_file = pytest.mark.parametrize("file", [README, *PAGES], ids=lambda file: file.name)


def _text(file: Path) -> str:
    """A file without its blocks of code."""
    text = re.sub(r"^```\w*\n.*?^```$", "", file.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)


def _headings(file: Path) -> list[tuple[str, str]]:
    """The marks and the text of each heading."""
    return re.findall(r"^(#+) (.*)$", _text(file), re.MULTILINE)


def _anchors(file: Path) -> list[str]:
    return [heading.lower().replace(" ", "-") for _, heading in _headings(file)]


def _links(file: Path) -> list[str]:
    return re.findall(r"\]\((.*?)\)", _text(file))


def _rows(file: Path, head: str) -> list[list[str]]:
    """The cells of each row of the table whose head begins with `head`."""
    lines = file.read_text().partition(f"\n{head}")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= MOST_README_LINES


def test_every_page_is_linked_from_readme() -> None:
    assert PAGES
    linked = {link.partition("#")[0] for link in _links(README)}
    assert {f"agent/manual/{page.name}" for page in PAGES} == linked


@each_file
def test_it_has_one_title_and_plain_headings(file: Path) -> None:
    """Of which every renderer of Markdown makes the same, and different, anchors."""
    headings = _headings(file)
    assert [marks for marks, _ in headings].count("#") == 1
    assert headings[0][0] == "#"
    assert [text for _, text in headings if not re.fullmatch(r"[A-Za-z]+( [A-Za-z]+)*", text)] == []
    assert len(set(_anchors(file))) == len(headings)


@each_file
def test_every_link_leads_to_a_part_of_a_page(file: Path) -> None:
    for link in _links(file):
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        assert target in {README, *PAGES}, link
        assert not anchor or anchor in _anchors(target), link


def test_the_table_of_the_api_has_every_route_and_no_other(agent: Agent) -> None:
    served = {f"{method} {path}" for method, path in agent.routes()}
    listed = [
        f"{method} {path}"
        for methods, _, path in (
            cells[0].rpartition(" ") for cells in _rows(README, "| method and path")
        )
        for method in methods.split(", ")
    ]
    assert sorted(listed) == sorted(served)


def test_the_table_of_the_settings_has_each_with_its_default() -> None:
    listed = {
        name.strip("`"): default.strip("`")
        for name, default, _ in _rows(MANUAL / "settings.md", "| setting")
    }
    assert listed == {
        field.name: json.dumps(field.default if field.default != () else [])
        for field in dataclasses.fields(Config)
    }


def test_the_settings_that_a_reload_applies() -> None:
    part = (MANUAL / "settings.md").read_text().partition("\n## Reload\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z]+_[a-z_]+)`", part)) == set(LIVE)
