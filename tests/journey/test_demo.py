"""A newcomer's first minute: the demo in a pipe, twice in a row."""

from pathlib import Path

from tests.journey.command import run


def test_the_demo_tells_the_whole_story_and_works_twice_in_a_row(tmp_path: Path) -> None:
    for _ in range(2):
        done = run("demo", "--contacts", "100", cwd=tmp_path)

        assert done.returncode == 0, done.stderr
        for part in ("1. A HubSpot portal", "2. A plan", "3. The writes", "4. A second cycle", "6. Why?"):
            assert part in done.stdout
        idle = done.stdout.partition("4. A second cycle")[2].partition("5. ")[0]
        assert "0 applied" in idle
        assert "evaluated  0 contacts" in idle
        assert "\x1b[" not in done.stdout
        assert max(len(line) for line in done.stdout.splitlines()) <= 80
