"""Page after page of one list -> the way on, or an error where it has no end."""

from crmsync.errors import Unavailable

_MOST_EMPTY = 100


class Way:
    """
    The way through one list, whose pages each say where the next one is.

    A mark is left at the first, second, fourth, eighth ... page: who comes by it again goes round in circles, however
    large they are, and a list of any length costs no memory.

    Args:
        what: the list, for the error: `contacts`.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._pages = 0
        self._empty = 0
        self._mark: tuple[str | None, str | None] = None, None

    def on(self, after: str | None, first: str | None) -> str | None:
        """
        Go on to the next page.

        Args:
            after: where it is said to be; None: this was the last.
            first: the first id on this page; None: it shows nobody.

        *Raises* Unavailable when this page was there before, or many in a row show nobody.
        """
        if after is None:
            return None
        self._pages += 1
        self._empty = 0 if first else self._empty + 1
        was_here = after == self._mark[0] or (first is not None and first == self._mark[1])
        if was_here or self._empty > _MOST_EMPTY:
            raise Unavailable(
                f"HubSpot's paging of {self._what} does not advance: "
                f"{'a page came again' if was_here else 'its pages are empty'}.",
                next_step="Nothing to do unless it stays: the next cycle tries again.",
            )
        if self._pages & (self._pages - 1) == 0:
            self._mark = after, first
        return after
