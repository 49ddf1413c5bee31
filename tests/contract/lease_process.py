"""A crmsync process for the lease's tests: does what it is told on standard input, a word a line, and answers."""

import os
import signal
import sys
from datetime import UTC, datetime, timedelta

from crmsync.errors import LeaseLost, StoreError
from crmsync.model import Draft
from crmsync.store import Store, open_store


def obey(store: Store, word: str) -> str:
    try:
        match word:
            case "take":
                held = store.lease.take()
                return "taken" if held is None else f"held by {held.holder.pid}"
            case "append":
                return f"appended {store.trail.append([Draft('finding', cause=str(os.getpid()))])[0]}"
            case "stop-inside":
                with store.database.write():
                    os.kill(os.getpid(), signal.SIGSTOP)
                return "went on"
            case "append-forever":
                sys.stdout.write("appending\n")
                sys.stdout.flush()
                while True:
                    store.trail.append([Draft("finding", object="contact", id=str(n)) for n in range(200)])
            case _:
                store.lease.release()
                return "released"
    except LeaseLost:
        return "lost"
    except StoreError as error:
        return str(error)


def main() -> None:
    store = open_store(
        sys.argv[1],
        portal="1",
        now=lambda: datetime.now(UTC),
        lease_ttl=timedelta(seconds=float(sys.argv[2])),
        silence_s=float(sys.argv[3]),
        busy_timeout_s=0.5,
    )
    for line in sys.stdin:
        sys.stdout.write(obey(store, line.strip()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
