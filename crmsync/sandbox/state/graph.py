"""Which object is associated with which, and under which labels."""

from collections.abc import Iterable, Iterator

from crmsync.sandbox.state.kinds import ONE_PRIMARY, PLAIN, PRIMARY

Pair = tuple[str, str]
FIRST_OWN_TYPE = 1_001
_NONE: tuple[int, ...] = ()


class Graph:
    """
    Associations in both directions.

    An association without a label costs one number in a list; labels are kept beside.
    """

    def __init__(self) -> None:
        self._links: dict[Pair, dict[int, list[int]]] = {}
        self._labels: dict[Pair, dict[tuple[int, int], tuple[int, ...]]] = {}
        self.custom: dict[Pair, dict[int, str]] = {}

    def to(self, from_kind: str, id_: int, to_kind: str) -> list[int]:
        """The ids at the other end, in the order they were associated. Do not change it."""
        return self._links.get((from_kind, to_kind), {}).get(id_, [])

    def types(self, from_kind: str, id_: int, to_kind: str, other: int) -> tuple[int, ...]:
        """The type ids of one association, labels first."""
        pair = (from_kind, to_kind)
        labels = self._labels.get(pair, {}).get((id_, other), _NONE)
        plain = PLAIN.get(pair)
        return labels if plain is None else (*labels, plain)

    def label(self, pair: Pair, type_id: int) -> str | None:
        if PRIMARY.get(pair) == type_id:
            return "Primary"
        return self.custom.get(pair, {}).get(type_id)

    def name_label(self, pair: Pair, label: str) -> int:
        """A new label of the portal's own; gives its type id."""
        type_id = FIRST_OWN_TYPE + sum(len(held) for held in self.custom.values())
        self.custom.setdefault(pair, {})[type_id] = label
        self.custom.setdefault(pair[::-1], {})[type_id] = label
        return type_id

    def knows(self, pair: Pair, type_id: int) -> bool:
        return type_id in (PLAIN.get(pair), PRIMARY.get(pair)) or type_id in self.custom.get(pair, {})

    def primary(self, from_kind: str, id_: int, to_kind: str) -> int | None:
        wanted = PRIMARY.get((from_kind, to_kind))
        labels = self._labels.get((from_kind, to_kind), {})
        return next((other for other in self.to(from_kind, id_, to_kind)
                     if wanted in labels.get((id_, other), _NONE)), None)  # fmt: skip

    def connect(self, pair: Pair, id_: int, other: int) -> bool:
        """Associate without a label; False when they already were."""
        here = self._links.setdefault(pair, {}).setdefault(id_, [])
        if other in here:
            return False
        here.append(other)
        self._links.setdefault(pair[::-1], {}).setdefault(other, []).append(id_)
        return True

    def fill(self, pair: Pair, links: Iterable[tuple[int, int]]) -> None:
        """Associate many that are not associated yet, quickly."""
        there, back = self._links.setdefault(pair, {}), self._links.setdefault(pair[::-1], {})
        for id_, other in links:
            there.setdefault(id_, []).append(other)
            back.setdefault(other, []).append(id_)

    def add_label(self, pair: Pair, id_: int, other: int, type_id: int) -> None:
        held = self._labels.setdefault(pair, {})
        labels = held.get((id_, other), _NONE)
        if type_id not in labels and type_id != PLAIN.get(pair):
            held[id_, other] = (*labels, type_id)

    def drop_label(self, pair: Pair, id_: int, other: int, type_id: int) -> None:
        held = self._labels.get(pair, {})
        left = tuple(one for one in held.get((id_, other), _NONE) if one != type_id)
        if left:
            held[id_, other] = left
        else:
            held.pop((id_, other), None)

    def make_primary(self, pair: Pair, id_: int, other: int) -> None:
        """Move the label Primary to this association, in both directions. Who can have only one loses the others."""
        if pair not in ONE_PRIMARY:
            pair, id_, other = (pair[1], pair[0]), other, id_
        here, back = PRIMARY[pair], PRIMARY.get(pair[::-1])
        for held in list(self.to(pair[0], id_, pair[1])):
            self.drop_label(pair, id_, held, here)
            if back is not None:
                self.drop_label(pair[::-1], held, id_, back)
        self.add_label(pair, id_, other, here)
        if back is not None:
            self.add_label(pair[::-1], other, id_, back)

    def cut(self, pair: Pair, id_: int, other: int) -> bool:
        """Remove an association with all its labels; False when there was none."""
        here = self._links.get(pair, {}).get(id_, [])
        if other not in here:
            return False
        here.remove(other)
        self._links[pair[::-1]][other].remove(id_)
        self._labels.get(pair, {}).pop((id_, other), None)
        self._labels.get(pair[::-1], {}).pop((other, id_), None)
        return True

    def all_of(self, kind: str, id_: int) -> Iterator[tuple[Pair, int]]:
        """Every association of one object."""
        for pair, links in list(self._links.items()):
            if pair[0] == kind:
                for other in list(links.get(id_, ())):
                    yield pair, other

    def clear(self, kind: str, id_: int) -> None:
        for pair, other in self.all_of(kind, id_):
            self.cut(pair, id_, other)
