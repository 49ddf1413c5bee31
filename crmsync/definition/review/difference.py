"""Two definitions -> what changed in meaning, sentence by sentence; wording and layout are told apart."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from crmsync.definition.nouns import Campaign, Condition, Definition, Example, Rule
from crmsync.definition.review.comparing import (
    Difference,
    Part,
    Parts,
    changed,
    in_conditions,
    meaning,
    order,
    part_of,
    parts_of,
    range_words,
    things,
)
from crmsync.definition.review.difference_points import input_differences, score_differences
from crmsync.definition.text import fold
from crmsync.definition.wording.sentences import example_line, on
from crmsync.definition.wording.words import both, number, phrase, signed, spaced, span, stage_label


def compare(old: Definition, new: Definition) -> tuple[Difference, ...]:
    """Return what changed, meaning first, each part in the order of the file."""
    found = [
        *input_differences(old, new),
        *score_differences(old, new),
        *_vetoes(old, new),
        *_evidence(old, new),
        *_stages(old, new),
        *_recycle(old, new),
        *_sla(old, new),
        *_campaigns(old, new),
        *_tracks(old, new),
        *_wording(old, new),
    ]
    return tuple(sorted(found, key=lambda difference: not difference.is_meaning))


def is_same_text(old: Definition, new: Definition) -> bool:
    """Return whether both say the same word for word, but for layout, comments and signatures."""
    return old.ref.sha256 == new.ref.sha256


# --- who decides, and what is promised


def _vetoes(old: Definition, new: Definition) -> Iterator[Difference]:
    sides = [{veto.id: veto for veto in side.disqualify} for side in (old, new)]
    yield from things(
        "disqualify",
        "veto",
        {name: (part_of("class", veto.kind, str),) for name, veto in sides[0].items()},
        {name: (part_of("class", veto.kind, str),) for name, veto in sides[1].items()},
        lambda name, is_new: phrase(sides[is_new][name].when, (old, new)[is_new]),
    )
    for name in (name for name in sides[1] if name in sides[0]):
        whens = (sides[0][name].when, old), (sides[1][name].when, new)
        yield from in_conditions("disqualify", f"veto {name}", name, *whens)


def _evidence(old: Definition, new: Definition) -> Iterator[Difference]:
    yield from parts_of("evidence", "evidence", "evidence", _evidence_parts(old), _evidence_parts(new))
    sides = [
        {item.name: item for item in (side.evidence.items if side.evidence else ())} for side in (old, new)
    ]
    yield from things(
        "evidence",
        "evidence",
        dict.fromkeys(sides[0], ()),
        dict.fromkeys(sides[1], ()),
        lambda name, is_new: phrase(sides[is_new][name].condition, (old, new)[is_new]),
    )
    for name in (name for name in sides[1] if name in sides[0]):
        conditions = (sides[0][name].condition, old), (sides[1][name].condition, new)
        yield from in_conditions("evidence", f"evidence {name}", name, *conditions)


def _evidence_parts(definition: Definition) -> Parts:
    rule = definition.evidence
    if rule is None:
        return ()
    named = frozenset(rule.must_include)
    return (
        Part("require", rule.require, number(rule.require)),
        Part("must_include", named, both(map(spaced, rule.must_include)) if named else None),
    )


def _stages(old: Definition, new: Definition) -> Iterator[Difference]:
    yield from parts_of("stages", "stages", "stages", _stage_parts(old), _stage_parts(new))
    for stage in dict.fromkeys(rule.stage for side in (old, new) for rule in side.stages.rules):
        yield from _rule(stage, old, new)


def _stage_parts(definition: Definition) -> Parts:
    stages = definition.stages
    return (
        Part("order", stages.order, ", ".join(map(stage_label, stages.order))),
        Part("human_only", frozenset(stages.human_only), both(map(stage_label, stages.human_only))),
        Part(
            "never_demote_from",
            frozenset(stages.never_demote_from),
            both(map(stage_label, stages.never_demote_from)),
        ),
        part_of("handoff_stage", definition.terms.handoff_stage, stage_label),
    )


def _rule(stage: str, old: Definition, new: Definition) -> Iterator[Difference]:
    empty = Rule(stage)
    was, now = (side.stages.rule(stage) or empty for side in (old, new))
    label = stage_label(stage)
    for key in ("enter", "fast_track", "stay", "triage", "borderline"):
        conditions = (getattr(was, key), old), (getattr(now, key), new)
        yield from in_conditions("stages", f"{label} {spaced(key)}", f"{stage}.{key}", *conditions)
    spans = [
        part_of("min_stay", rule.min_stay if rule.min_stay and rule.min_stay.us else None, span)
        for rule in (was, now)
    ]
    yield from parts_of("stages", label, stage, spans[:1], spans[1:])


def _recycle(old: Definition, new: Definition) -> Iterator[Difference]:
    facts = [(_recycle_parts(side)) for side in (old, new)]
    yield from parts_of("recycle", "recycle", "recycle", *facts)
    sides = [{fold(r.text): r for r in (side.recycle.reasons if side.recycle else ())} for side in (old, new)]
    parts = [
        {key: (part_of("class", r.kind, str), part_of("revisit", r.revisit, span)) for key, r in side.items()}
        for side in sides
    ]
    yield from things("recycle", "reason", parts[0], parts[1], lambda name, is_new: sides[is_new][name].kind)


def _recycle_parts(definition: Definition) -> Parts:
    recycle = definition.recycle
    if recycle is None:
        return ()
    return (part_of("reason", recycle.reason, spaced), part_of("returned_at", recycle.returned_at, spaced))


def _sla(old: Definition, new: Definition) -> Iterator[Difference]:
    yield from parts_of("sla", "promise", "sla", _sla_parts(old), _sla_parts(new))


def _sla_parts(definition: Definition) -> Parts:
    sla = definition.sla
    if sla is None:
        return ()
    calendar = sla.calendar
    hours = calendar.opens_min, calendar.closes_min
    clock = "{:02}:{:02} to {:02}:{:02}".format(*divmod(hours[0], 60), *divmod(hours[1], 60))
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return (
        part_of("first_touch", sla.first_touch, span),
        part_of("fast_track_first_touch", sla.fast_track_first_touch, span),
        part_of("verdict", sla.verdict, span),
        Part("touch", frozenset(sla.touch), both(sla.touch)),
        Part("timezone", calendar.timezone, calendar.timezone),
        Part("days", calendar.days, both(days[day] for day in calendar.days)),
        Part("hours", hours, clock),
        part_of("holidays", calendar.holidays, str),
    )


def _campaigns(old: Definition, new: Definition) -> Iterator[Difference]:
    sides = [{campaign.id: campaign for campaign in side.campaigns} for side in (old, new)]
    yield from things(
        "campaigns",
        "campaign",
        {name: _campaign_parts(item, old) for name, item in sides[0].items()},
        {name: _campaign_parts(item, new) for name, item in sides[1].items()},
        lambda name, is_new: phrase(sides[is_new][name].applies_when, (old, new)[is_new]),
    )
    yield from order("campaigns", list(sides[0]), list(sides[1]))


def _campaign_parts(campaign: Campaign, definition: Definition) -> Parts:
    def said(condition: Condition) -> str:
        return phrase(condition, definition)

    return (
        Part("applies_when", meaning(campaign.applies_when), said(campaign.applies_when)),
        Part("from", campaign.from_us, str(campaign.starts_on)),
        Part("until", campaign.until_us, str(campaign.ends_on)),
        *(
            Part(f"gates.{gate}", meaning(condition), said(condition))
            for gate, condition in campaign.gates.items()
        ),
        *(
            Part(f"groups.{name}", limits or "none", range_words(limits) if limits else "no limits")
            for name, limits in campaign.groups.items()
        ),
        *(part_of(f"points.{name}", points, signed) for name, points in campaign.points.items()),
    )


def _tracks(old: Definition, new: Definition) -> Iterator[Difference]:
    sides = [{track.id: track for track in side.tracks} for side in (old, new)]
    yield from things(
        "tracks",
        "track",
        dict.fromkeys(sides[0], ()),
        dict.fromkeys(sides[1], ()),
        lambda name, is_new: phrase(sides[is_new][name].when, (old, new)[is_new]),
    )
    for name in (name for name in sides[1] if name in sides[0]):
        whens = (sides[0][name].when, old), (sides[1][name].when, new)
        yield from in_conditions("tracks", f"track {name}", name, *whens)
    yield from order("tracks", list(sides[0]), list(sides[1]))


# --- what decides nothing


def _wording(old: Definition, new: Definition) -> Iterator[Difference]:
    pairs = list(_wordings(old)), list(_wordings(new))
    before, after = (dict(side) for side in pairs)
    for path in dict.fromkeys((*before, *after)):
        was, now = before.get(path), after.get(path)
        if was != now:
            yield replace(changed(path.split(".")[0], path, path, was, now), is_meaning=False)


def _wordings(definition: Definition) -> Iterator[tuple[str, str]]:
    terms = definition.terms
    head: Mapping[str, object] = {
        "id": definition.ref.id,
        "version": definition.ref.version,
        "scope": terms.scope,
        "review_by": terms.review_by,
        **{f"learnings.{index}": text for index, text in enumerate(terms.learnings, start=1)},
        **{f"waive.{rule}": reason for rule, reason in terms.waive.items()},
        **{f"agreed_by.{s.role}": f"{s.who}{on(s.at)}, {s.sha256[:12]}" for s in terms.agreed_by},
    }
    yield from ((f"definition.{key}", str(value)) for key, value in head.items() if value is not None)
    for criterion in definition.criteria():
        yield from _said(f"criteria.{criterion.id}", name=criterion.name, why=criterion.why)
    for veto in definition.disqualify:
        yield from _said(f"disqualify.{veto.id}", why=veto.why)
    for campaign in definition.campaigns:
        yield from _said(f"campaigns.{campaign.id}", owner=campaign.owner, hypothesis=campaign.hypothesis)
    for example in definition.examples:
        yield f"examples.{example.name}", _example(example)


def _example(example: Example) -> str:
    return " ".join(part.text for part in example_line(example).parts)


def _said(path: str, **texts: str | None) -> Iterator[tuple[str, str]]:
    yield from ((f"{path}.{key}", text) for key, text in texts.items() if text is not None)
