"""One JSON document on standard output, whatever it is made of."""

import json
from collections.abc import Iterator

import pytest

from crmsync.cli.output import print_json


def numbered(count: int) -> Iterator[dict[str, object]]:
    return ({"n": n, "text": 'a "line"\nand\tanother', "list": [n]} for n in range(count))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_that_comes_one_by_one_prints_as_one_that_was_there(
    count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    print_json({"plan": "p-1", "changes": numbered(count), "guard": {"parked": False, "reasons": []}})
    by_and_by = capsys.readouterr().out
    print_json({"plan": "p-1", "changes": list(numbered(count)), "guard": {"parked": False, "reasons": []}})

    assert by_and_by == capsys.readouterr().out
    assert len(json.loads(by_and_by)["changes"]) == count


def test_no_more_of_a_long_list_is_held_than_one_item(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []

    def watched() -> Iterator[int]:
        for n in range(3):
            seen.append(capsys.readouterr().out)
            yield n

    print_json({"numbers": watched()})

    assert seen == ['{\n  "numbers": ', "[\n    0", ",\n    1"]
    assert capsys.readouterr().out == ",\n    2\n  ]\n}\n"
