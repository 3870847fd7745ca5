"""Every plan, and every reason for none, against its golden file."""

import json

import pytest

from . import golden

NAMES = sorted(path.stem for path in golden.FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_of_a_request(name: str, request: pytest.FixtureRequest) -> None:
    case = golden.load(name)
    asked = {key: case[key] for key in ("kind", "request", "facts")}
    came = golden.outcome(asked)
    if request.config.getoption("--update-golden"):
        text = json.dumps({**asked, **came}, indent=2, ensure_ascii=False)
        (golden.FOLDER / f"{name}.json").write_text(f"{text}\n", "utf-8")
    else:
        assert {**asked, **came} == case


def test_there_are_golden_files() -> None:
    assert NAMES
