"""A portal as the cycle sees it. `connect` builds one; it matches the Protocols `Portal` and `Sink`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import requests

from crmsync.errors import PortalError
from crmsync.model import (
    STAGE,
    Association,
    ContactId,
    Form,
    Intent,
    Kind,
    Outcome,
    Page,
    Reading,
    Result,
    Seen,
    Sighting,
    SubmissionPage,
    Version,
)
from crmsync.portal.ahead import ReadAhead
from crmsync.portal.associating import read_associations
from crmsync.portal.client import Client
from crmsync.portal.config import PortalConfig, Time
from crmsync.portal.freshness import Freshness
from crmsync.portal.lookups import Lookups
from crmsync.portal.readback import ReadBack
from crmsync.portal.reading import Reader
from crmsync.portal.schema import Account, Schema
from crmsync.portal.snapshots import Snapshots
from crmsync.portal.submissions import Submissions
from crmsync.portal.traffic import Tallied
from crmsync.portal.transport import Transport
from crmsync.portal.versions import Versions
from crmsync.portal.wire import HttpWire
from crmsync.portal.writing import Writer

_CLOCK_NOISE = timedelta(seconds=5)


class Gateway:
    """
    One portal. Safe to use from several threads, which share the budget.

    Attributes:
        schema: setup and check-up, see `Schema`.
    """

    def __init__(
        self,
        config: PortalConfig,
        time: Time,
        wire: HttpWire,
        may_write: Callable[[], None],
        keep_app_id: Callable[[str], None],
    ) -> None:
        self._wire = wire
        freshness = Freshness(time.monotonic, may_write)
        self._transport = Transport(config, time, wire, freshness)
        self._client = Client(self._transport, config.base_url)
        lookups = Lookups(self._client, time)
        snapshots = Snapshots(lookups)
        self._reader = Reader(
            self._client, snapshots, ReadAhead(config.read_ahead, time.monotonic), freshness
        )
        self._versions = Versions(self._client, config.app_id, keep_app_id)
        self._submissions = Submissions(self._client)
        self.schema = Schema(self._client, self._transport.clock, time, lookups)
        self._read_back = ReadBack(self._reader, self._versions)
        self._writer = Writer(self._client, self._reader, self._read_back, freshness, self.schema, time)
        self._account: Account | None = None

    def account(self) -> Account:
        """Say which portal this is; asked once. The daily limit's midnight is known from here on."""
        if self._account is None:
            self._account = self.schema.account()
        return self._account

    @property
    def app_id(self) -> str | None:
        """HubSpot's id of our own app, once learnt from a write; the store remembers it for PortalConfig.app_id."""
        return self._versions.app_id

    def recognise(self, app_id: str) -> None:
        """Know our own writes by this id, which another process of ours has learnt."""
        self._versions.app_id = app_id

    def traffic(self) -> Tallied:
        """Tell what was sent since the start."""
        return self._transport.traffic.tallied()

    @property
    def burst_limit(self) -> int:
        return self._transport.budget.burst_limit

    @property
    def daily_limit(self) -> int | None:
        return self._transport.budget.daily_limit

    @property
    def daily_remaining(self) -> int | None:
        return self._transport.budget.daily_remaining

    def close(self) -> None:
        """Let connections and threads go."""
        self._reader.close()
        self._wire.close()

    def now(self) -> datetime:
        """Tell the portal's clock, never ahead of it; asks for the account when no answer told the time yet."""
        if not self._transport.clock.is_set:
            self.account()
        return self._transport.clock.now()

    def count(self, kind: Kind) -> int | None:
        """
        Tell how many living objects a kind has, as the search index knows it; None when the portal does not say.

        One search, so ask where a person waits for a bar to fill and nowhere else; `traffic().listed` grows towards
        the sum over the kinds while a first pull lasts. *Raises* PortalError.
        """
        return self._reader.count(kind)

    def page(
        self,
        kind: Kind,
        *,
        properties: Sequence[str],
        associations: Sequence[Kind],
        after: str | None,
        archived: bool = False,
    ) -> Page:
        page = self._reader.page(
            kind, properties=properties, associations=associations, after=after, archived=archived
        )
        self._transport.traffic.listed(len(page.snapshots))
        return page

    def changed(self, kind: Kind, since: datetime, until: datetime) -> Iterator[tuple[Sighting, ...]]:
        return self._reader.changed(kind, since, until)

    def read(self, kind: Kind, ids: Sequence[str], *, properties: Sequence[str]) -> Reading:
        return self._reader.read(kind, ids, properties=properties)

    def associations(self, kind: Kind, to: Kind, ids: Sequence[str]) -> Mapping[str, tuple[Association, ...]]:
        return read_associations(self._client, kind, to, ids)

    def history(
        self, property_name: str, ids: Sequence[ContactId]
    ) -> Mapping[ContactId, tuple[Version, ...]]:
        return self._versions.history(property_name, ids)

    def forms(self) -> tuple[Form, ...]:
        return self._submissions.forms()

    def submissions(self, form: Form, after: str | None) -> SubmissionPage:
        return self._submissions.page(form, after)

    def shown(self, contacts: Sequence[ContactId], properties: Sequence[str]) -> Reading:
        self.schema.look_again()  # not before the write itself: nothing may stand between comparing and writing
        return self._reader.shown(contacts, properties)

    def look_back(self, intents: Sequence[Intent]) -> tuple[Seen, ...]:
        return self._read_back.look_back(intents)

    def update(self, intents: Sequence[Intent]) -> Iterator[Outcome]:
        """
        Send them, see `Sink.update`; after the first write, look once at whom HubSpot names as its source.

        Not of a stage: another app could have written the same at the same moment, and would be taken for us.
        """
        began = self.now() - _CLOCK_NOISE if intents else None
        for outcome in self._writer.update(intents):
            yield outcome
            if (
                began is not None
                and outcome.result is Result.APPLIED
                and outcome.intent.change.property != STAGE
            ):
                self._learn_app_id(outcome, began)

    def _learn_app_id(self, outcome: Outcome, began: datetime) -> None:
        change = outcome.intent.change
        with suppress(
            PortalError
        ):  # not knowing our own id costs only a look more; the write itself went well
            self._versions.learn(outcome.contact or change.contact, change.property, change.after, began)


def connect(
    config: PortalConfig,
    *,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    utcnow: Callable[[], datetime],
    session: requests.Session | None = None,
    may_write: Callable[[], None] = lambda: None,
    keep_app_id: Callable[[str], None] = lambda _: None,
) -> Gateway:
    """
    Build a portal. Sends nothing yet.

    Args:
        may_write: asked before each write leaves; raises when the right to write is somebody else's by now.
        keep_app_id: told HubSpot's id of our own app as soon as it is learnt: a crash later must not forget it.
        session: with its own adapter mounted, to reach a portal in this process; None: a pooled one.
    """
    time = Time(monotonic, sleep, utcnow)
    return Gateway(config, time, HttpWire(config, time, session), may_write, keep_app_id)
