"""Long work on a terminal: bars on standard error, gone when it ends. In a pipe: nothing, and nothing is counted."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from crmsync.app import App
from crmsync.cycle.watching import EVALUATE, FORMS, WRITE
from crmsync.errors import PortalError
from crmsync.model import Kind

_T = TypeVar("_T")
_STOPPING = "Stopping after what is in flight; Ctrl-C once more stops at once."
_EVERY = 500  # lines are counted in gulps of so many
_NAMES = {
    Kind.CONTACT.value: "contacts",
    Kind.COMPANY.value: "companies",
    Kind.DEAL.value: "deals",
    Kind.CALL.value: "calls",
    Kind.EMAIL.value: "e-mails",
    Kind.MEETING.value: "meetings",
    Kind.NOTE.value: "notes",
    Kind.TASK.value: "tasks",
    Kind.COMMUNICATION.value: "communications",
    FORMS: "submissions",
    EVALUATE: "evaluated",
    WRITE: "changes written",
}


class Bars:
    """A bar for each step, visible once there is something to show; a Watcher of the cycle."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._steps: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def begin(self, step: str, total: Callable[[], int | None]) -> None:
        if self._add(step):
            self._shown.update(self._steps[step], total=_known(total))
        elif step == WRITE:  # an approved plan, then the one of this cycle
            task = next(one for one in self._shown.tasks if one.id == self._steps[step])
            self._shown.update(task.id, total=task.completed + (_known(total) or 0))

    def advance(self, step: str, count: int) -> None:
        self._add(step)
        if count:
            self._shown.update(self._steps[step], advance=count, visible=True)

    def _add(self, step: str) -> bool:
        """Add a step unless it is there."""
        with self._lock:
            if step in self._steps:
                return False
            is_waiting = step not in _NAMES
            self._steps[step] = self._shown.add_task(_NAMES.get(step, step), total=None, visible=is_waiting)
        return True


@contextmanager
def watched(app: App) -> Iterator[None]:
    """Show how far the app's cycle has come."""
    if not sys.stderr.isatty():
        yield
        return
    with _progress(lambda: _STOPPING if app.should_stop() else "") as shown:
        app.watcher = Bars(shown)
        yield


def counted(items: Iterable[_T], name: str, total: Callable[[], int | None]) -> Iterator[_T]:
    """Pass the items on, showing how many have passed."""
    if not sys.stderr.isatty():
        yield from items
        return
    with _progress() as shown:
        task = shown.add_task(name, total=_known(total))
        for number, item in enumerate(items, start=1):
            if number % _EVERY == 0:
                shown.update(task, completed=number)
            yield item


@contextmanager
def waiting(name: str) -> Iterator[None]:
    """Show that something goes on whose progress nobody can tell."""
    if not sys.stderr.isatty():
        yield
        return
    with _progress() as shown:
        shown.add_task(name, total=None)
        yield


def _known(total: Callable[[], int | None]) -> int | None:
    try:
        return total() or None
    except PortalError:  # a bar without an end is no reason to stop
        return None


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        done = f"{task.completed:,.0f}" if task.completed or task.total else ""
        return Text(f"{done} of {task.total:,.0f}" if task.total else done, style="progress.download")


class _Noted(Progress):
    """Bars with a line below, when there is something to say."""

    note: Callable[[], str] = staticmethod(lambda: "")

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if said := self.note():
            yield Text(said)


def _progress(note: Callable[[], str] = lambda: "") -> Progress:
    shown = _Noted(
        TextColumn("{task.description:<15}"),
        BarColumn(24),
        _Count(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )
    shown.note = note
    return shown
