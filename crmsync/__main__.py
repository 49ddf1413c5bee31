"""`python -m crmsync` and the console script."""

import sys

_INTERRUPTED = 130  # errors.Stopped has it too; nothing is imported yet


def main() -> None:
    """Run the command line; Ctrl-C while it still starts ends as quietly as later."""
    try:
        from crmsync.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
