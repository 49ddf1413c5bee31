"""Merge and erase: two records become a new one; a person is forgotten."""

from crmsync.sandbox.changes.associating import PRIMARY_COMPANY, follow_primary, primary_company
from crmsync.sandbox.state.kinds import ONE_PRIMARY, PRIMARY, Kind
from crmsync.sandbox.state.record import Act, Record, Source, Version
from crmsync.sandbox.state.stages import STAGE
from crmsync.sandbox.state.world import World


def merge_records(world: World, primary: Record, other: Record, act: Act) -> Record:
    """
    A new record with a new id takes over from both. The primary's values win, the later lifecycle stage wins,
    the other's e-mail becomes an additional one, and both old ids lead to the new record.
    """
    kind, shelf = primary.kind, world.shelf(primary.kind)
    values = _merged_values(world, primary, other)
    for old in (primary, other):
        world.index.before(kind.name, old.id, old)
        shelf.archive(old, act.at_ms)
        shelf.forget(old)
        world.index.after(old, act.at_ms, gone=True)
    merged = world.create(kind, {}, act)
    merged.created_ms = min(primary.created_ms, other.created_ms)
    merged.own.update(values)
    merged.history = _merged_history(primary, other, values, act.at_ms)
    for old in (primary, other):
        shelf.merged[old.id] = merged.id
        world.note(old, act, after=f"merged into {merged.id}")
        _move_associations(world, kind, old.id, merged.id)
    if kind.name == "contacts":
        merged.own[PRIMARY_COMPANY] = primary_company(world, merged.id)
    elif kind.name == "companies":
        for contact in world.linked("companies", merged.id, "contacts"):
            follow_primary(world, contact, act)
    shelf.claim_all(merged)
    for watcher in world.watchers:
        watcher.merged((primary.id, other.id), merged, act)
    return merged


def _merged_values(world: World, primary: Record, other: Record) -> dict[str, str]:
    names = [*primary.base, *primary.own, *other.base, *other.own]
    values = {name: primary.text(name) or other.text(name) for name in dict.fromkeys(names)}
    order = world.schemas[primary.kind.name].stages()
    stages = [one.text(STAGE) for one in (primary, other) if one.text(STAGE)]
    if stages:
        values[STAGE] = max(stages, key=lambda stage: order.get(stage, 0))
    held = [id_ for one in (primary, other) for id_ in one.text("hs_merged_object_ids").split(";") if id_]
    values["hs_merged_object_ids"] = ";".join([*held, str(primary.id), str(other.id)])
    emails = [email for one in (primary, other)
              for email in (one.text("email"), *one.text("hs_additional_emails").split(";")) if email]  # fmt: skip
    if emails:
        values["email"] = emails[0]
        values["hs_additional_emails"] = ";".join(dict.fromkeys(emails[1:]))
    return values


def _merged_history(
    primary: Record, other: Record, values: dict[str, str], at_ms: int
) -> dict[str, list[Version]]:
    """Both histories keep their instants; a value that the primary did not have arrives with the merge."""
    source = Source("MERGE_OBJECTS", None)
    merged: dict[str, list[Version]] = {}
    for name in {*(primary.history or {}), *(other.history or {}), STAGE}:
        versions = sorted(primary.versions(name) + other.versions(name), key=lambda one: one.at_ms)
        if versions and versions[-1].value != values.get(name, ""):
            versions.append(Version(values.get(name, ""), at_ms, source))
        merged[name] = versions
    return merged


def _move_associations(world: World, kind: Kind, old: int, new: int) -> None:
    graph = world.graph
    for pair, other in graph.all_of(kind.name, old):
        types = graph.types(pair[0], old, pair[1], other)
        graph.cut(pair, old, other)
        graph.connect(pair, new, other)
        for type_ in types:
            if type_ != PRIMARY.get(pair):
                graph.add_label(pair, new, other, type_)
            elif pair not in ONE_PRIMARY or graph.primary(pair[0], new, pair[1]) is None:
                graph.make_primary(pair, new, other)


def erase(world: World, record: Record, act: Act) -> None:
    """The record is gone for good, with its associations."""
    world.archive(record, act, "privacyDeletion")
    shelf = world.shelf(record.kind)
    shelf.forget(record)
    shelf.erased.add(record.id)
    world.graph.clear(record.kind.name, record.id)
