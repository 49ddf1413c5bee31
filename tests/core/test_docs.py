"""What the pages for contributors name exists: a path that moved is found here, not by a newcomer."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import crmsync
from crmsync.store.writer import COLUMNS

ROOT = Path(__file__).parents[2]
CODE = ROOT / "crmsync"
NAMED = re.compile(r"(?<![\w:/.-])((?:[a-z_0-9]+/)*[a-z_0-9]+\.(?:py|md))\b")
LIFE = (ROOT / "docs" / "life-of-a-contact.md").read_text(encoding="utf-8")
BUNDLED = {"verify.py"}  # the name that store/audit/standalone.py has in a bundle
DOTTED = sorted(set(re.findall(r"`((?:[a-z_]+\.)+[A-Za-z_.]+)`", LIFE)))


@pytest.mark.parametrize("name", DOTTED)
def test_each_function_the_life_of_a_contact_names_is_there(name: str) -> None:
    assert _found(f"crmsync.{name}") is not None


def test_each_file_that_a_page_or_a_docstring_names_is_there() -> None:
    pages = [*CODE.rglob("*.py"), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    known = _endings() | BUNDLED
    missing = {
        str(page.relative_to(ROOT)): unknown
        for page in pages
        if (unknown := set(NAMED.findall(page.read_text(encoding="utf-8"))) - known)
    }

    assert missing == {}


def test_the_map_of_the_package_names_each_of_its_parts() -> None:
    parts = {one.name for one in CODE.iterdir() if one.is_dir() and any(one.glob("*.*"))} - {"__pycache__"}
    files = {one.name for one in CODE.glob("*.py") if not one.name.startswith("__")}

    assert {f"{part}/" for part in parts} | files <= set(
        re.findall(r"[a-z]+/|[a-z]+\.py", crmsync.__doc__ or "")
    )


@pytest.mark.parametrize("key", COLUMNS)
def test_the_page_on_the_trail_explains_each_key_of_an_entry(key: str) -> None:
    assert f"`{key}`" in (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")


def test_decisions_are_numbered_once_each() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")]

    assert len(numbers) == len(set(numbers))


def _endings() -> set[str]:
    """Return what a page may call a file: its path from the root or from any folder below; not those of `.venv`."""
    tops = [one for one in ROOT.iterdir() if not one.name.startswith(".")]
    files = [*tops, *(file for top in tops for file in top.rglob("*.*"))]
    parts = [file.relative_to(ROOT).parts for file in files if file.suffix in {".py", ".md"}]
    return {"/".join(path[start:]) for path in parts for start in range(len(path))}


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
