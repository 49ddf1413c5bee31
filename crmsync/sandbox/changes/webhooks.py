"""Webhooks: what happened in the portal, told to somebody's address with a signature, now and then twice or late."""

import base64
import hashlib
import hmac
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson

from crmsync.sandbox.state.kinds import BY_NAME
from crmsync.sandbox.state.record import Act, Record
from crmsync.sandbox.times import SECOND
from crmsync.sandbox.wire import Body

MOST_EVENTS = 100
TRIES = 10
FIRST_WAIT_MS = 80 * SECOND
"""Doubled each time, ten tries fill the 24 hours."""
TOLD_KINDS = frozenset({"contacts", "companies", "deals", "tickets"})
SILENT_PROPERTIES = frozenset({"num_unique_conversion_events", "hs_lastmodifieddate", "lastmodifieddate"})
"""*Source*: portal facts, section 8: nobody can subscribe to these."""

Send = Callable[[str, bytes, dict[str, str]], int]
"""Address, body, headers -> the status of the answer; 0 when there was none within 5 s."""


def is_address(url: str) -> bool:
    """Whether a webhook can be sent there; the sandbox speaks plain HTTP only."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and bool(parts.hostname) and parts.port != 0 and url.isascii()
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Subscription:
    """`event` is for example `contact.propertyChange`; `property` is wanted by property changes only."""

    event: str
    property: str = ""


@dataclass(slots=True)
class Delivery:
    """A batch of events on its way."""

    due_ms: int
    events: list[Body]
    attempt: int = 0


@dataclass
class Webhooks:
    """
    A watcher that tells.

    Attributes:
        duplicates: share of events that come twice.
        shuffles: whether the events of a batch lose their order.
        given_up: events nobody took in ten tries.
    """

    portal_id: int
    app_id: str
    seed: int
    url: str = ""
    secret: str = "webhook-secret"  # noqa: S105 - a made-up one, of a made-up portal
    subscriptions: list[Subscription] = field(default_factory=list)
    duplicates: float = 0.05
    shuffles: bool = True
    waiting: list[Body] = field(default_factory=list)
    on_the_way: list[Delivery] = field(default_factory=list)
    given_up: list[Body] = field(default_factory=list)
    delivered: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._events = 0

    def created(self, record: Record, act: Act, /) -> None:
        self._tell(record, "creation", act)

    def changed(self, record: Record, before: Mapping[str, str], act: Act, /) -> None:
        for name in before:
            if name not in SILENT_PROPERTIES:
                value = {"propertyName": name, "propertyValue": record.text(name)}
                self._tell(record, "propertyChange", act, value)

    def gone(self, record: Record, how: str, act: Act, /) -> None:
        """Forgetting a person tells twice: that it is gone, and why."""
        if how == "privacyDeletion":
            self._tell(record, "deletion", act)
        self._tell(record, how, act)

    def merged(self, old: tuple[int, int], into: Record, act: Act, /) -> None:
        more = {
            "primaryObjectId": old[0],
            "mergedObjectIds": [old[1]],
            "newObjectId": into.id,
            "numberOfPropertiesMoved": 1,
        }
        self._tell(into, "merge", act, more)

    def associated(self, pair: tuple[str, str], ids: tuple[int, int], act: Act, /) -> None:
        self._tell_association(pair, ids, act, is_removed=False)

    def dissociated(self, pair: tuple[str, str], ids: tuple[int, int], act: Act, /) -> None:
        self._tell_association(pair, ids, act, is_removed=True)

    def _tell_association(
        self, pair: tuple[str, str], ids: tuple[int, int], act: Act, *, is_removed: bool
    ) -> None:
        """Both ends are told, each to those who listen to its kind."""
        if not TOLD_KINDS.issuperset(pair):
            return
        for here, there in ((0, 1), (1, 0)):
            one, other = BY_NAME[pair[here]].singular, BY_NAME[pair[there]].singular
            more = {
                "associationType": f"{one.upper()}_TO_{other.upper()}", "fromObjectId": ids[here],
                "toObjectId": ids[there], "associationRemoved": is_removed, "isPrimaryAssociation": False,
            }  # fmt: skip
            self._queue(f"{one}.associationChange", ids[here], act, more)

    def _tell(self, record: Record, what: str, act: Act, more: Body | None = None) -> None:
        if record.kind.name in TOLD_KINDS:
            self._queue(f"{record.kind.singular}.{what}", record.id, act, more or {})

    def _queue(self, event: str, id_: int, act: Act, more: Body) -> None:
        number = next((place for place, one in enumerate(self.subscriptions, 1) if one.event == event
                       and one.property in ("", more.get("propertyName", ""))), None)  # fmt: skip
        if number is None or not self.url:
            return
        self._events += 1
        self.waiting.append({
            "eventId": self._rng.randrange(1 << 31), "subscriptionId": number, "portalId": self.portal_id,
            "appId": int(self.app_id), "occurredAt": act.at_ms, "subscriptionType": event, "attemptNumber": 0,
            "objectId": id_, "changeSource": act.source.type, "sourceId": act.source.id, **more,
        })  # fmt: skip

    def collect(self, now_ms: int) -> list[Delivery]:
        """Everything that is to be sent now: new events in batches, and what failed before."""
        events, self.waiting = self.waiting, []
        events += [one for one in events if self._rng.random() < self.duplicates]
        if self.shuffles:
            self._rng.shuffle(events)
        batches = [events[start : start + MOST_EVENTS] for start in range(0, len(events), MOST_EVENTS)]
        self.on_the_way += [Delivery(now_ms, batch) for batch in batches]
        due = [one for one in self.on_the_way if one.due_ms <= now_ms]
        self.on_the_way = [one for one in self.on_the_way if one.due_ms > now_ms]
        return due

    def settle(self, delivery: Delivery, status: int, now_ms: int) -> None:
        """The address answered, or did not: again later, up to ten times within 24 hours."""
        if 200 <= status < 300:
            self.delivered += len(delivery.events)
            return
        delivery.attempt += 1
        if delivery.attempt > TRIES:
            self.given_up += delivery.events
            return
        wait_ms = FIRST_WAIT_MS * 2 ** (delivery.attempt - 1)
        delivery.due_ms = now_ms + wait_ms + self._rng.randrange(SECOND)
        self.on_the_way.append(delivery)

    def send(self, delivery: Delivery, now_ms: int, send: Send) -> int:
        """Send one delivery; gives the status."""
        body = orjson.dumps([one | {"attemptNumber": delivery.attempt} for one in delivery.events])
        return send(self.url, body, self.headers(body, now_ms))

    def headers(self, body: bytes, now_ms: int) -> dict[str, str]:
        """Signature v3 over method, address, body and timestamp; and the old one beside it."""
        text = f"POST{self.url}".encode() + body + str(now_ms).encode()
        signed = base64.b64encode(hmac.new(self.secret.encode(), text, hashlib.sha256).digest()).decode()
        old = hashlib.sha256(self.secret.encode() + body).hexdigest()
        return {
            "Content-Type": "application/json", "X-HubSpot-Signature-v3": signed,
            "X-HubSpot-Request-Timestamp": str(now_ms), "X-HubSpot-Signature": old, "X-HubSpot-Signature-Version": "v1",
        }  # fmt: skip
