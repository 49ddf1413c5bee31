"""Associations with their consequences: which of several companies is the primary one, and what repeats it."""

from crmsync.sandbox.state.graph import Pair
from crmsync.sandbox.state.kinds import ONE_PRIMARY, PRIMARY
from crmsync.sandbox.state.record import Act
from crmsync.sandbox.state.world import World

PRIMARY_COMPANY = "associatedcompanyid"


def connect(world: World, pair: Pair, ends: tuple[int, int], types: list[int], act: Act) -> None:
    """Associate with labels. The first company of a contact becomes its primary one."""
    world.associate(pair, *ends, act)
    for type_ in types:
        if type_ == PRIMARY.get(pair):
            world.graph.make_primary(pair, *ends)
        else:
            world.graph.add_label(pair, *ends, type_)
    settle_primary(world, pair, ends, act)


def cut(world: World, pair: Pair, ends: tuple[int, int], act: Act) -> None:
    """End an association, if there is one."""
    if world.dissociate(pair, *ends, act):
        settle_primary(world, pair, ends, act)


def settle_primary(world: World, pair: Pair, ends: tuple[int, int], act: Act) -> None:
    """After an association came or went: somebody with companies and no primary one gets the first."""
    if pair[::-1] in ONE_PRIMARY:
        pair, ends = (pair[1], pair[0]), (ends[1], ends[0])
    if pair not in ONE_PRIMARY or pair[1] != "companies":
        return
    others = world.linked(pair[0], ends[0], pair[1])
    if others and world.graph.primary(pair[0], ends[0], pair[1]) not in others:
        world.graph.make_primary(pair, ends[0], others[0])
    if pair[0] == "contacts":
        follow_primary(world, ends[0], act)


def follow_primary(world: World, contact_id: int, act: Act) -> None:
    """Keep `associatedcompanyid` the primary company; only that moves the contact's last change."""
    record = world.shelf("contacts").live.get(contact_id)
    wanted = primary_company(world, contact_id)
    if record is not None and record.text(PRIMARY_COMPANY) != wanted:
        world.change(record, {PRIMARY_COMPANY: wanted}, act)


def primary_company(world: World, contact_id: int) -> str:
    """Its id as text, "" without a living one."""
    primary = world.graph.primary("contacts", contact_id, "companies")
    return "" if primary is None or primary not in world.shelf("companies").live else str(primary)
