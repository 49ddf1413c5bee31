"""`python -m crmsync` and the console script."""

import signal
import sys

_INTERRUPTED = 130  # errors.Stopped has it too; nothing is imported yet


def main() -> None:
    """Run the command line; Ctrl-C and SIGTERM while it still starts end it as quietly as later."""
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        from crmsync.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
