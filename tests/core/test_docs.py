"""What the pages for contributors name exists: a path that moved is found here, not by a newcomer."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIFE = (ROOT / "docs" / "life-of-a-contact.md").read_text(encoding="utf-8")
DOTTED = sorted(set(re.findall(r"`((?:[a-z_]+\.)+[A-Za-z_.]+)`", LIFE)))


@pytest.mark.parametrize("name", DOTTED)
def test_each_function_the_life_of_a_contact_names_is_there(name: str) -> None:
    assert _found(f"crmsync.{name}") is not None


def test_decisions_are_numbered_once_each() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")]

    assert len(numbers) == len(set(numbers))


def _found(dotted: str) -> object:
    """Import as much as is a module, then look up the rest as attributes."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        return found
    return None
