"""Definition -> plain sentences, in sections: what both teams read before they sign. Text here, HTML in page.py."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from crmsync.definition.nouns import (
    All,
    AnyOf,
    Band,
    Calendar,
    Campaign,
    Condition,
    Conditional,
    Counted,
    Criterion,
    Definition,
    Example,
    Fact,
    FactType,
    Gate,
    Group,
    Range,
    Recency,
    Rule,
    Table,
    Test,
)
from crmsync.definition.signing import signature_status
from crmsync.definition.wording.lines import Block, Line, Points, Section, line_text, points_text
from crmsync.definition.wording.words import (
    CLASSES,
    article,
    both,
    count_phrase,
    counted,
    either,
    event_label,
    lately,
    number,
    phrase,
    signed,
    source_label,
    spaced,
    span,
    stage_label,
    stage_name,
    tests_phrase,
)

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TYPES = {
    FactType.NUMBER: "a number",
    FactType.DATE: "a date",
    FactType.BOOL: "yes or no",
    FactType.LIST: "a list",
}
_TOUCHES = {"calls": "call", "emails": "e-mail", "meetings": "meeting", "notes": "note", "tasks": "task"}


def describe(definition: Definition) -> tuple[Section, ...]:
    """Return the definition in sentences; sections that would be empty are left out."""
    sections = [
        Section("The agreement", tuple(_agreement(definition))),
        Section("When a contact changes stage", tuple(_stages(definition))),
        Section("Never qualified", tuple(_vetoes(definition))),
        Section("What sales must know before a lead is sales-qualified", tuple(_evidence(definition))),
        Section("How well a contact fits", tuple(_fit(definition))),
        Section("How engaged a contact is", tuple(_engagement(definition))),
        Section("When sales hands a lead back", tuple(_recycle(definition))),
        Section("What sales promises", tuple(_sla(definition))),
        Section("Agreed exceptions", tuple(_campaign(item, definition) for item in definition.campaigns)),
        Section("Nurture tracks", tuple(_tracks(definition))),
        Section("Contacts both teams agreed on", tuple(example_line(item) for item in definition.examples)),
        Section("What the words mean", tuple(_glossary(definition))),
        Section("What we learnt", tuple(Line(text) for text in definition.terms.learnings)),
    ]
    return tuple(section for section in sections if section.blocks)


def as_text(definition: Definition) -> str:
    """Return all of it for a terminal, 80 columns wide."""
    title = f"{definition.ref.id}, version {definition.ref.version}"
    lines = [title, "=" * len(title)]
    for section in describe(definition):
        lines += ["", section.title, "-" * len(section.title)]
        for block in section.blocks:
            lines += points_text(block) if isinstance(block, Points) else line_text(block)
    return "\n".join(lines) + "\n"


# --- the head


def _agreement(definition: Definition) -> Iterator[Line]:
    terms = definition.terms
    if terms.scope:
        yield Line(f"It covers: {terms.scope}.")
    if terms.handoff_stage:
        yield Line(f"Marketing hands a contact to sales when it becomes {stage_name(terms.handoff_stage)}.")
    if terms.review_by:
        yield Line(f"Both teams review it by {terms.review_by}.")
    yield Line(f"Content hash: {definition.ref.sha256}")
    status = signature_status(definition)
    for held in status.signed:
        yield Line(f"Signed for {held.role} by {held.who}{on(held.at)}.")
    for void in status.void:
        yield Line(
            f"Void: {void.who} signed for {void.role}{on(void.at)}, and the content has changed since."
        )
    for role in status.missing:
        yield Line(f"Not signed for {role}.")


def on(at: datetime | None) -> str:
    """Return ` on 2026-11-24`, or nothing."""
    return f" on {at:%Y-%m-%d}" if at else ""


# --- stages


def _stages(definition: Definition) -> Iterator[Line]:
    stages = definition.stages
    if not stages.order:
        yield Line("Nobody is moved: there are no stages, only scores.")
        return
    yield Line(f"The way up: {', '.join(map(stage_label, stages.order))}.")
    for rule in stages.rules:
        yield from _rule(rule, definition)
    if stages.never_demote_from:
        yield Line(f"Nobody is moved back from {either(map(stage_label, stages.never_demote_from))}.")
    if stages.human_only:
        yield Line(f"Only people move contacts to or from {either(map(stage_label, stages.human_only))}.")


def _rule(rule: Rule, definition: Definition) -> Iterator[Line]:
    name, short = stage_name(rule.stage), stage_label(rule.stage)
    if rule.enter is not None:
        yield clause(f"Becomes {name} when", rule.enter, definition)
    if rule.fast_track is not None:
        yield clause(f"Becomes {short} at once (fast track) when", rule.fast_track, definition)
    if rule.stay is not None:
        least = f" for at least {span(rule.min_stay)}, and" if rule.min_stay and rule.min_stay.us else ""
        yield clause(f"Stays {short}{least} as long as", rule.stay, definition)
    if rule.triage is not None:
        yield clause(f"A person looks at it (triage), below {short}, when", rule.triage, definition)
    if rule.borderline is not None:
        yield clause(f"Counts as borderline, below {short}, when", rule.borderline, definition)


def clause(lead: str, condition: Condition, definition: Definition) -> Line:
    """Return `lead condition.`; several parts become lines of their own that still read as one sentence."""
    inner = condition.condition if isinstance(condition, Gate) else condition
    note = condition.id if isinstance(condition, Gate) else ""
    if isinstance(inner, All | AnyOf) and len(inner.parts) > 1:
        intro = lead if isinstance(inner, All) else f"{lead} one of these is so:"
        return Line(intro, tuple(_listed(inner, definition, end=".")), note)
    if isinstance(inner, All | AnyOf) and inner.parts:
        return clause(lead, inner.parts[0], definition)
    return Line(f"{lead} {phrase(inner, definition)}", note=note, tail=".")


def _listed(condition: All | AnyOf, definition: Definition, *, end: str) -> Iterator[Line]:
    joint = ", and" if isinstance(condition, All) else ", or"
    for index, part in enumerate(condition.parts):
        tail = end if index == len(condition.parts) - 1 else joint
        inner = part.condition if isinstance(part, Gate) else part
        note = part.id if isinstance(part, Gate) else ""
        if isinstance(inner, All | AnyOf) and len(inner.parts) > 1:
            lead = "all of these are so:" if isinstance(inner, All) else "one of these is so:"
            yield Line(lead, tuple(_listed(inner, definition, end=tail)), note)
        else:
            yield Line(phrase(part, definition), note=note, tail=tail)


def _vetoes(definition: Definition) -> Iterator[Line]:
    for veto in definition.disqualify:
        why = f": {veto.why}" if veto.why else ""
        yield Line(
            f"When {phrase(veto.when, definition)} ({CLASSES[veto.kind]}){why}", note=veto.id, tail="."
        )


def _evidence(definition: Definition) -> Iterator[Line]:
    rule = definition.evidence
    if rule is None:
        return
    among = f", among them {both(map(spaced, rule.must_include))}" if rule.must_include else ""
    is_all = rule.require == len(rule.items)
    yield Line(
        "All of these:" if is_all else f"At least {rule.require} of these {len(rule.items)}{among}:",
        tuple(Line(f"{spaced(item.name)}: {phrase(item.condition, definition)}") for item in rule.items),
    )


# --- points


def _fit(definition: Definition) -> Iterator[Block]:
    fit = definition.fit
    if fit.criteria:
        yield Points(tuple(points_row(criterion, definition) for criterion in fit.criteria))
    if fit.range:
        yield Line(f"The fit score stays {_range(fit.range)}.")
    if fit.tiers:
        yield Line(f"Fit is {_bands(fit.tiers, chr(ord(fit.tiers[-1].name) + 1))}.")
    if fit.key_facts:
        yield Line(f"Key facts, of which enough must be known: {both(map(spaced, fit.key_facts))}.")


def _engagement(definition: Definition) -> Iterator[Block]:
    engagement = definition.engagement
    for group in engagement.groups:
        yield Line(_group_sentence(group))
        yield Points(tuple(points_row(criterion, definition) for criterion in group.criteria))
    if engagement.range:
        yield Line(f"Engagement, the sum of the groups, stays {_range(engagement.range)}.")
    if engagement.levels:
        below = str(int(engagement.levels[-1].name) + 1)
        yield Line(f"The engagement level is {_bands(engagement.levels, below)}.")


def _group_sentence(group: Group) -> str:
    limits = f", {_range(group.range)}" if group.range else ""
    return f"{spaced(group.name).capitalize()} engagement{limits}:"


def points_row(criterion: Criterion, definition: Definition) -> tuple[str, str, str, str]:
    """Return (points, what for, why, id) of a criterion."""
    what = worth(criterion, definition)
    if criterion.name:
        what = f"{criterion.name}: {what}"
    points = "" if isinstance(criterion, Table) else signed(criterion.points)
    return points, what, criterion.why or "", criterion.id


def worth(criterion: Criterion, definition: Definition) -> str:
    """Return what gives the points, without the points themselves."""
    match criterion:
        case Recency():
            text = f"each {either(map(event_label, criterion.events))}"
            text += f" {lately(criterion.within)}" if criterion.within else ""
            text += f", worth half every {span(criterion.half_life)}" if criterion.half_life else ""
            text += f", together at most {number(criterion.cap)}" if criterion.cap is not None else ""
        case Counted():
            text = count_phrase(criterion.count)
        case Conditional():
            otherwise = f"; if not, {signed(criterion.else_points)}" if criterion.else_points else ""
            return phrase(criterion.when, definition) + otherwise
        case Table():
            rows = (f"{signed(row.points)} if it {_row(row.tests)}" for row in criterion.rows)
            text = f"{spaced(criterion.fact)}: {'; '.join(rows)}"
    return f"{text}; only when {phrase(criterion.when, definition)}" if criterion.when else text


def _row(tests: Sequence[Test]) -> str:
    return tests_phrase(tests) if tests else "is anything else"


def _bands(bands: Sequence[Band], below: str) -> str:
    return ", ".join(f"{band.name} from {number(band.least)}" for band in bands) + f", {below} below"


def _range(limits: Range) -> str:
    return f"between {number(limits.low)} and {number(limits.high)}"


# --- what people do


def _recycle(definition: Definition) -> Iterator[Line]:
    recycle = definition.recycle
    if recycle is None:
        return
    yield Line(
        f"Sales gives the reason in “{spaced(recycle.reason)}”; until then nothing moves the contact up:",
        tuple(
            Line(
                f"{spaced(reason.text)} ({CLASSES[reason.kind]}): "
                + (
                    f"comes back after {span(reason.revisit)}"
                    if reason.revisit
                    else "until a person clears it"
                )
            )
            for reason in recycle.reasons
        ),
    )
    asked = [
        article(event_label(kind.name)) for kind in definition.events.values() if kind.phase == "decision"
    ]
    if asked:
        yield Line(f"It comes back earlier with {either(asked)}.")


def _sla(definition: Definition) -> Iterator[Line]:
    sla = definition.sla
    if sla is None:
        return
    touch = either(article(_TOUCHES.get(name, name)) for name in sla.touch) if sla.touch else "a first touch"
    if sla.first_touch:
        yield Line(f"The first touch ({touch}) within {span(sla.first_touch)} of business time.")
    if sla.fast_track_first_touch:
        yield Line(f"After a fast track within {span(sla.fast_track_first_touch)} of business time.")
    if sla.verdict:
        yield Line(f"A verdict, taken or handed back, within {span(sla.verdict)}.")
    yield Line(f"Business time is {_calendar(sla.calendar)}.")


def _calendar(calendar: Calendar) -> str:
    days = _weekdays(calendar.days)
    hours = f"{_clock(calendar.opens_min)} to {_clock(calendar.closes_min)}"
    closed = f", but for public holidays in {calendar.holidays}" if calendar.holidays else ""
    return f"{days}, {hours} ({calendar.timezone}){closed}"


def _weekdays(days: Sequence[int]) -> str:
    is_run = len(days) > 2 and days[-1] - days[0] == len(days) - 1
    return f"{_DAYS[days[0]]} to {_DAYS[days[-1]]}" if is_run else both(_DAYS[day] for day in days)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _campaign(campaign: Campaign, definition: Definition) -> Line:
    changes = [
        *(f"{gate}: {phrase(condition, definition)}" for gate, condition in campaign.gates.items()),
        *(
            f"{spaced(name)} engagement stays {_range(limits) if limits else 'without limits'}"
            for name, limits in campaign.groups.items()
        ),
        *(f"{criterion}: {signed(points)} points" for criterion, points in campaign.points.items()),
    ]
    text = (
        f"From {campaign.starts_on} to {campaign.ends_on - timedelta(days=1)}, "
        f"when {phrase(campaign.applies_when, definition)} (owner: {campaign.owner})"
    )
    text += f". We expect: {campaign.hypothesis.rstrip('.')}." if campaign.hypothesis else ":"
    return Line(text, tuple(Line(change) for change in changes), campaign.id)


def _tracks(definition: Definition) -> Iterator[Line]:
    for index, track in enumerate(definition.tracks):
        yield clause(f"{'Else track' if index else 'Track'} {track.id} when", track.when, definition)


def example_line(example: Example) -> Line:
    """Return an agreed example: its name, and what is given and expected below."""
    given = [f"{spaced(name)}: {_value(value)}" for name, value in example.facts.items()]
    given += [f"{event_label(name)} {span(age)} before" for name, age in example.events]
    given += [f"stage: {stage_label(example.stage)}"] if example.stage else []
    days = example.days_in_stage
    given += [f"in it for {counted(days, 'day')}"] if days is not None else []
    got = [
        f"{key} {stage_label(value) if key == 'stage' else value}" for key, value in example.expect.items()
    ]
    got += [f"{name} {tests_phrase(tests)}" for name, tests in example.scores.items()]
    got += [f"{gate}: {_value(truth)}" for gate, truth in example.gates.items()]
    name = f"{example.name[:1].upper()}{example.name[1:]}"
    return Line(
        f"{name}.",
        (Line(f"Given {'; '.join(given) or 'nothing'}."), Line(f"Then {both(got)}.")),
    )


def _value(value: object) -> str:
    match value:
        case None:
            return "not known"
        case bool():
            return "yes" if value else "no"
        case float():
            return number(value)
        case tuple():
            return both(map(str, value))
        case _:
            return str(value)


# --- where the words come from


def _glossary(definition: Definition) -> Iterator[Line]:
    if definition.facts:
        yield Line("Facts", tuple(Line(_fact(fact)) for fact in definition.facts.values()))
    if definition.events:
        yield Line("Events", tuple(_event(name, definition) for name in definition.events))


def _fact(fact: Fact) -> str:
    kind = f" ({_TYPES[fact.type]})" if fact.type in _TYPES else ""
    mapped = f", translated: {_map(fact)}" if fact.map is not None else ""
    return f"{spaced(fact.name)}{kind}: {', else '.join(map(str, fact.paths))}{mapped}"


def _map(fact: Fact) -> str:
    pairs = [f"{key} = {value}" for key, value in (fact.map or {}).items()]
    return "; ".join([*pairs, f"anything else = {fact.otherwise}"] if fact.otherwise is not None else pairs)


def _event(name: str, definition: Definition) -> Line:
    kind = definition.events[name]
    where = f" where {phrase(kind.where, definition)}" if kind.where is not None else ""
    marks = ", ".join(
        filter(None, [kind.intent and f"{kind.intent} intent", kind.phase and f"{kind.phase} phase"])
    )
    return Line(f"{event_label(name)}: {source_label(kind)}{where}{f' ({marks})' if marks else ''}")
