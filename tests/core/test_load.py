"""What a definition may not say: each mistake is reported at its place, with what is allowed."""

from pathlib import Path

import pytest

from crmsync.definition.load import load
from crmsync.definition.nouns import ANY_SOURCES
from crmsync.errors import DefinitionError

BASE = {
    "definition": '{id: base, version: "1"}',
    "facts": """
  country: contact.country
  size: {from: company.size, type: number}
  seen: {from: contact.seen, type: date}
  out: {from: contact.out, type: bool}
  likes: {from: contact.likes, type: list}
  deals: deals.open""",
    "events": """
  visit: {from: pages}
  book: {from: forms, where: {form: {starts_with: book}}}""",
    "fit": "{criteria: [{id: f, points: 1, when: {size: 5}}, {id: t, table: size, rows: [{else: true, points: 1}]}]}",
    "engagement": "{groups: {g: {criteria: [{id: e, event: visit, points: 1}]}}}",
    "stages": """
  order: [lead, customer]
  human_only: [other]
  rules: {customer: {enter: {id: g.in, size: {at_least: 5}}}}""",
}


def text(**sections: str) -> str:
    return "\n".join(f"{name}: {body}" for name, body in {**BASE, **sections}.items())


def problems(**sections: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load(text(**sections), name="d.yaml")
    return [f"{problem.path}: {problem.text}" for problem in caught.value.problems]


def when(condition: str) -> dict[str, str]:
    return {"fit": f"{{criteria: [{{id: f, points: 1, when: {condition}}}]}}"}


def criterion(body: str) -> dict[str, str]:
    return {"engagement": f"{{groups: {{g: {{criteria: [{{id: e, {body}}}]}}}}}}"}


def rule(body: str) -> dict[str, str]:
    return {"stages": f"{{order: [lead, customer], rules: {{customer: {body}}}}}"}


def campaign(override: str) -> dict[str, str]:
    head = "id: c, owner: a, applies_when: {country: be}, from: 2026-01-01, until: 2027-01-01"
    return {"campaigns": f"[{{{head}, override: {override}}}]"}


def test_the_base_is_valid() -> None:
    loaded = load(text())

    assert loaded.needs.contact == {"country", "seen", "out", "likes", "lifecyclestage"}
    assert loaded.needs.company == {"size"}
    assert (loaded.needs.deals, loaded.needs.any_event) == (True, False)
    assert loaded.needs.sources == {"pages", "forms"}


def test_event_any_needs_every_source() -> None:
    loaded = load(text(**criterion("event: any, points: 1")))

    assert loaded.needs.any_event
    assert loaded.needs.sources == set(ANY_SOURCES)


def test_counters_and_dates_name_the_properties_they_watch() -> None:
    watching = (
        "{c: {from: counter, of: contact.opens}, d: {from: date, of: contact.at}, visit: {from: pages}}"
    )
    needs = load(text(events=watching)).needs

    assert needs.counters == {"opens"}
    assert needs.dates == {"at"}
    assert {"opens", "at"} <= needs.contact


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        # types against operators
        (
            when("{size: {contains: x}}"),
            "fit.criteria[0].when.size.contains: `contains` does not suit `size`",
        ),
        (when("{country: {at_least: 5}}"), "fit.criteria[0].when.country.at_least: `at_least` does not suit"),
        (when("{seen: 2026-01-01}"), "fit.criteria[0].when.seen: `is` does not suit `seen`, which is a date"),
        (when("{out: [true]}"), "fit.criteria[0].when.out: `in` does not suit `out`, which is a bool"),
        (when("{likes: a}"), "fit.criteria[0].when.likes: `is` does not suit `likes`, which is a list"),
        (when('{size: "5"}'), "fit.criteria[0].when.size: must be a number, not the text `5`"),
        (when("{size: {between: [1]}}"), "fit.criteria[0].when.size.between: must be [low, high]"),
        (when("{seen: {within: 30}}"), "fit.criteria[0].when.seen.within: must be a duration like 45m"),
        (when("{seen: {within: 0d}}"), "fit.criteria[0].when.seen.within: must be above zero"),
        (when("{country: {known: maybe}}"), "fit.criteria[0].when.country.known: must be true or false"),
        (when("{country: {}}"), "fit.criteria[0].when.country: no test; allowed for text: is, is_not"),
        (when("{country: {in: be}}"), "fit.criteria[0].when.country.in: must be a list"),
        (
            {"facts": "{x: deals.open}", **when("{x: {contains: a}}")},
            "fit.criteria[0].when.x.contains: `contains`",
        ),
        # names
        (when("{contry: be}"), "fit.criteria[0].when.contry: unknown fact `contry`; did you mean `country`?"),
        (when("{country: {strats_with: b}}"), "fit.criteria[0].when.country.strats_with: unknown operator"),
        (
            when("{event.vist: {}}"),
            "fit.criteria[0].when.event.vist: unknown event `vist`; did you mean `visit`?",
        ),
        (criterion("event: vist, points: 1"), "engagement.groups.g.criteria[0].event: unknown event `vist`"),
        (rule("{enter: {engagement.h: 1}}"), "stages.rules.customer.enter.engagement.h: unknown fact"),
        (rule("{enter: {points.x: 1}}"), "stages.rules.customer.enter.points.x: unknown fact"),
        ({"facts": "{tier: contact.x}"}, "facts.tier: `tier` is reserved"),
        ({"facts": "{any: contact.x}"}, "facts.any: `any` is reserved"),
        ({"facts": "{a b: contact.x}"}, "facts.a b: `a b` is not a name"),
        ({"events": "{any: {from: pages}}"}, "events.any: `any` is reserved"),
        ({"facts": "{x: contct.y}"}, "facts.x: `contct.y` is not a path"),
        ({"facts": "{x: deals.lots}"}, "facts.x: unknown path `deals.lots`"),
        ({"extra": "1"}, "extra: unknown key `extra`"),
        # scores where they may not be tested
        (when("{fit: 5}"), "fit.criteria[0].when.fit: `fit` may not be tested here"),
        (when("{stage: lead}"), "fit.criteria[0].when.stage: `stage` may not be tested here"),
        (rule("{enter: {tier: A}}"), "stages.rules.customer.enter.tier: there are no `fit.tiers`"),
        (rule("{enter: {level: 1}}"), "stages.rules.customer.enter.level: there are no `engagement.levels`"),
        (rule("{enter: {grade: A1}}"), "stages.rules.customer.enter.grade: a grade needs"),
        (
            rule("{enter: {evidence: satisfied}}"),
            "stages.rules.customer.enter.evidence: there is no `evidence`",
        ),
        (rule("{enter: {evidence.count: 1}}"), "stages.rules.customer.enter.evidence.count: there is no"),
        (rule("{enter: {outcome: nurture}}"), "stages.rules.customer.enter.outcome: `outcome` may be tested"),
        # gates
        (
            when("{id: g, country: be}"),
            "fit.criteria[0].when.id: a gate (`id` inside a condition) may stand in",
        ),
        (
            rule("{enter: {id: g}, stay: {id: g}}"),
            "stages.rules.customer.stay.id: gate id `g` is already used",
        ),
        # criteria
        (criterion("points: 1"), "engagement.groups.g.criteria[0]: a criterion needs one of"),
        (criterion("event: visit"), "engagement.groups.g.criteria[0]: `points` is missing"),
        (
            criterion("event: visit, points: .inf"),
            "engagement.groups.g.criteria[0].points: .inf is not a finite",
        ),
        (
            criterion("event: visit, points: 1, cap: 0"),
            "engagement.groups.g.criteria[0].cap: must be above zero",
        ),
        (
            criterion("event: visit, points: 1, half_life: 0d"),
            "engagement.groups.g.criteria[0].half_life: must be",
        ),
        (
            criterion("event: visit, points: 1, else_points: 2"),
            "engagement.groups.g.criteria[0].else_points: unkn",
        ),
        (
            criterion("event: visit, count: {}, points: 1"),
            "engagement.groups.g.criteria[0]: a criterion is of one",
        ),
        (
            criterion("count: {event: visit, within: 7d}, points: 1"),
            "engagement.groups.g.criteria[0].count: a count",
        ),
        (
            criterion("table: size, rows: [{points: 1}]"),
            "engagement.groups.g.criteria[0].rows[0]: a row needs",
        ),
        (
            criterion("table: size, rows: [{else: true, is: 1, points: 1}]"),
            "engagement.groups.g.criteria[0].rows[0]: `else: true` stands alone",
        ),
        (
            {"fit": "{criteria: [{id: e, points: 1, when: {size: 1}}]}"},
            "engagement.groups.g.criteria[0].id: criterion id `e` is already used",
        ),
        # bands and ranges
        ({"fit": "{tiers: {A: 10, B: 10}}"}, "fit.tiers.B: limits must fall: 10 is not below 10 of A"),
        ({"fit": "{tiers: {AA: 10}}"}, "fit.tiers.AA: tier `AA` must be a single capital letter"),
        ({"engagement": "{levels: {one: 10}}"}, "engagement.levels.one: level `one` must be an integer"),
        ({"fit": "{range: [10, 0]}"}, "fit.range: the low end 10 is above the high end 0"),
        ({"fit": "{key_facts: [sise]}"}, "fit.key_facts[0]: unknown fact `sise`; did you mean `size`?"),
        # events
        ({"events": "{c: {from: counter}}"}, "events.c: `of` is missing"),
        (
            {"events": "{c: {from: counter, of: company.x}}"},
            "events.c.of: `company.x` must be contact.<property>",
        ),
        (
            {"events": "{c: {from: date, of: contact.x, where: {}}}"},
            "events.c.where: a date event has no attributes",
        ),
        (
            {"events": "{c: {from: notes, of: contact.x}}"},
            "events.c.of: `of` belongs to counter and date events",
        ),
        (
            {"events": "{c: {from: forms, where: {fom: x}}}"},
            "events.c.where.fom: unknown attribute of forms `fom`",
        ),
        ({"events": "{c: {from: emial}}"}, "events.c.from: unknown source `emial`; did you mean `emails`?"),
        ({"events": "{c: {from: notes, phase: late}}"}, "events.c.phase: unknown phase `late`"),
        # stages
        (
            {"stages": "{order: [lead], rules: {leed: {}}}"},
            "stages.rules.leed: unknown stage `leed`; did you mean",
        ),
        (
            {"stages": "{order: [lead, x], human_only: [x], rules: {x: {}}}"},
            "stages.rules.x: `x` is in `human_only`; such a stage has no rule",
        ),
        (
            {"stages": "{order: [lead, x], human_only: [X], rules: {x: {}}}"},
            "stages.rules.x: `x` is in `human_only`; such a stage has no rule",
        ),
        ({"stages": "{order: [lead, Lead], rules: {}}"}, "stages.order[1]: `Lead` stands twice"),
        ({"stages": "{rules: {}}"}, "stages: `order` is missing"),
        (
            {"definition": '{id: base, version: "1", handoff_stage: custmer}'},
            "definition.handoff_stage: unknown stage `custmer`; did you mean `customer`?",
        ),
        (
            {"definition": '{id: Base, version: "1"}'},
            "definition.id: `Base` is not a name; allowed: a-z, 0-9 and -",
        ),
        (
            {"definition": "{id: base, version: 2026.10}"},
            "definition.version: must be text, not the number 2026.10",
        ),
        ({"definition": "{id: base}"}, "definition: `version` is missing"),
        # evidence, vetoes, recycle
        ({"evidence": "{items: {a: {size: 1}}, require: 2}"}, "evidence.require: 2 cannot be reached"),
        (
            {"evidence": "{items: {a: {size: 1}}, must_include: [b]}"},
            "evidence.must_include[0]: unknown evidence",
        ),
        (
            {"disqualify": "[{id: a, when: {size: 1}, class: odd}]"},
            "disqualify[0].class: unknown class `odd`",
        ),
        ({"recycle": "{reason: size, reasons: {}}"}, "recycle.reason: fact `size` must be of type text"),
        (
            {"recycle": "{reason: country, returned_at: country, reasons: {}}"},
            "recycle.returned_at: fact `country` must be of type date",
        ),
        # campaigns
        (campaign("{gates: {g.out: {}}}"), "campaigns[0].override.gates.g.out: unknown gate `g.out`"),
        (campaign("{gates: {g.in: {id: g.x}}}"), "campaigns[0].override.gates.g.in.id: a gate"),
        (campaign("{groups: {h: {range: [0, 1]}}}"), "campaigns[0].override.groups.h: unknown group `h`"),
        (campaign("{points: {t: 1}}"), "campaigns[0].override.points.t: `t` is a table"),
        (campaign("{points: {zz: 1}}"), "campaigns[0].override.points.zz: unknown criterion `zz`"),
        (campaign("{disqualify: {}}"), "campaigns[0].override.disqualify: unknown key"),
        (campaign("{never_demote_from: []}"), "campaigns[0].override.never_demote_from: unknown key"),
        ({"campaigns": "[{id: c}]"}, "campaigns[0]: `until` is missing"),
        # examples
        (
            {"examples": "[{name: x, given: {facts: {siz: 1}}, expect: {}}]"},
            "examples[0].given.facts.siz: unknown fact `siz`; did you mean `size`?",
        ),
        (
            {"examples": "[{name: x, given: {}, expect: {action: go}}]"},
            "examples[0].expect.action: unknown action",
        ),
        ({"sla": "{calendar: {timezone: Europe/Copenhagn}}"}, "sla.calendar.timezone: unknown time zone"),
    ],
)
def test_a_mistake_is_reported_at_its_place(sections: dict[str, str], expected: str) -> None:
    found = problems(**sections)

    assert any(problem.startswith(expected) for problem in found), found


def test_all_mistakes_are_reported_at_once_in_file_order() -> None:
    with pytest.raises(DefinitionError) as caught:
        load(text(facts="{x: contct.y}", extra="1", **when("{contry: be}")), name="d.yaml")

    found = caught.value.problems
    assert len(found) >= 3
    assert list(found) == sorted(found)
    assert str(caught.value).splitlines() == [str(problem) for problem in found]
    assert str(found[0]).startswith("d.yaml:2:12: facts.x: `contct.y` is not a path")


def test_a_misdeclared_fact_is_not_also_reported_where_it_is_used() -> None:
    assert len(problems(facts="{country: contct.y, size: {from: company.size, type: number}}")) == 1


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param("{}", id="an empty condition holds"),
        pytest.param("{all: []}", id="an empty all"),
        pytest.param("{any: []}", id="an empty any"),
        pytest.param("{country: {in: []}}", id="no choices"),
        pytest.param("{country: [1000, 02]}", id="numbers against text"),
        pytest.param("{event.visit: {}}", id="an event at least once"),
        pytest.param("{event.any: {within: 7d, is: 0}}", id="any event"),
        pytest.param("{event.visit: 3}", id="exactly three"),
        pytest.param("{size: {between: [5, 1]}}", id="an interval without content"),
        pytest.param("{seen: {before: 0d}}", id="in the past"),
        pytest.param("{not: {not: {not: {country: be}}}}", id="nested"),
    ],
)
def test_odd_but_sound_conditions_are_fine(condition: str) -> None:
    load(text(**when(condition)))


def test_a_file_that_is_not_there_is_a_definition_error(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"missing\.yaml:1:1: cannot be read: No such file"):
        load(tmp_path / "missing.yaml")


def test_only_the_head_is_required() -> None:
    loaded = load('definition: {id: scores-only, version: "1"}')

    assert loaded.stages.order == ()


def test_levels_are_integers_of_either_sign() -> None:
    loaded = load(text(engagement="{levels: {-1: 10}}"))

    assert loaded.engagement.levels[0].name == "-1"


def test_a_misspelt_type_is_one_problem_however_often_the_fact_is_used() -> None:
    facts = "{size: {from: company.size, type: numbr}, country: contact.country}"

    (problem,) = problems(facts=facts, **when("{size: {at_least: 50}}"))

    assert problem.startswith("facts.size.type: unknown type `numbr`; did you mean `number`?")


def test_a_time_zone_is_suggested_and_not_listed() -> None:
    (problem,) = problems(sla="{calendar: {timezone: Europe/Copenhagn}}")

    assert problem.endswith("did you mean `Europe/Copenhagen`?; allowed: a name like Europe/Copenhagen")
