"""The folders of `agent/` have one order: imports go down it and never up."""

import ast
from pathlib import Path

import pytest

AGENT = Path(__file__).resolve().parent.parent.parent / "agent"
# From the top floor down. Those of one floor do not import each other.
FLOORS = (
    ("__main__",),
    ("cli",),
    ("server",),
    ("redfish",),
    ("http",),
    ("access", "compute"),
    ("operations",),
    ("plans",),
    ("hypervisor",),
    ("tools",),
    ("config",),
    ("errors",),
)
FLOOR = {place: floor for floor, places in enumerate(FLOORS) for place in places}
MODULES = sorted(AGENT.rglob("*.py"))
MOST_ENTRIES = 16


def _place(path: Path) -> str:
    return path.relative_to(AGENT).with_suffix("").parts[0]


def _imported(path: Path) -> set[str]:
    """The places that a module imports from."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names += [f"{node.module}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            names += [each.name for each in node.names]
    return {name.split(".")[1] for name in names if name.startswith("agent.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(AGENT)))
def test_imports_go_down(path: Path) -> None:
    place = _place(path)
    if place == "__init__":
        assert _imported(path) == set()
        return
    up = {other for other in _imported(path) if other != place and FLOOR[other] <= FLOOR[place]}
    assert up == set()


def test_no_folder_is_a_crowd() -> None:
    folders = [AGENT, *(path for path in AGENT.rglob("*") if path.is_dir())]
    crowds = {
        str(folder.relative_to(AGENT)): len(entries)
        for folder in folders
        if folder.name != "__pycache__"
        and len(entries := [each for each in folder.iterdir() if each.name != "__pycache__"])
        > MOST_ENTRIES
    }
    assert crowds == {}
