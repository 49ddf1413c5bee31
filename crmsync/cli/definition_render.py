"""How `check`, `definition` and `sign` print: for people and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from crmsync.cli.output import console
from crmsync.definition.nouns import Definition
from crmsync.definition.review.comparing import Difference
from crmsync.definition.signing import SignatureStatus, signature_status
from crmsync.definition.text import iso, micros
from crmsync.definition.wording.sentences import describe
from crmsync.definition.wording.words import both, counted
from crmsync.errors import Problem
from crmsync.model import DefinitionRef

if TYPE_CHECKING:  # what a check needs takes a second to start; the other commands do without
    from crmsync.definition.review.check import Checkup
    from crmsync.definition.review.examples import Verdict
    from crmsync.definition.review.lint import Caution

_SHORT = 12

# --- check


def print_checkup(done: "Checkup", complaint: str) -> None:
    """Print errors, warnings and examples; each problem stays on one line, for editors and grep."""
    out = console()
    if complaint:
        _headed(out, "Settings", complaint.splitlines(), "red")
    _headed(out, "Errors", map(str, done.problems), "red")
    _headed(out, "Warnings", map(str, done.warnings), "yellow")
    _headed(out, "Waived", (f"{c} ({c.waived})" for c in done.cautions if c.waived is not None), "dim")
    if done.verdicts:
        out.print("[bold]Agreed examples[/]")
        for verdict in done.verdicts:
            _print_verdict(out, verdict)
    out.print(_summary(done, complaint), soft_wrap=True, markup=False)


def _headed(out: Console, title: str, lines: Iterable[str], style: str) -> None:
    lines = list(lines)
    if lines:
        out.print(f"[bold {style}]{title}[/]")
        for line in lines:
            out.print(line, soft_wrap=True, markup=False)


def _print_verdict(out: Console, verdict: "Verdict") -> None:
    mark = "[green]holds[/] " if verdict.is_met else "[red]BROKEN[/]"
    out.print(f"{mark} {escape(verdict.name)}", soft_wrap=True)
    for mismatch in verdict.mismatches:
        out.print(f"       {mismatch}", soft_wrap=True, markup=False)
    for line in verdict.arithmetic:
        out.print(f"       {line}", soft_wrap=True, markup=False, style="dim")


def _summary(done: "Checkup", complaint: str) -> str:
    found = [
        counted(len(done.problems), "error"),
        counted(len(done.warnings), "warning"),
        f"examples: {sum(v.is_met for v in done.verdicts)} of {len(done.verdicts)} hold",
    ]
    which = f" ({_ref(done.definition.ref)})" if done.definition else ""
    settings = ", settings with errors" if complaint else ""
    return f"{done.name}{which}: {', '.join(found if done.definition else found[:1])}{settings}"


def checkup_document(done: "Checkup", complaint: str) -> dict[str, Any]:
    return {
        "file": done.name,
        "ok": done.is_sound and not complaint,
        "definition": asdict(done.definition.ref) if done.definition else None,
        "settings": complaint.splitlines(),
        "errors": [_problem(problem) for problem in done.problems],
        "warnings": [_caution(caution) for caution in done.warnings],
        "waived": [_caution(caution) for caution in done.cautions if caution.waived is not None],
        "examples": [_verdict(verdict) for verdict in done.verdicts],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {"line": problem.line, "column": problem.column, "path": problem.path, "text": problem.text}


def _caution(caution: "Caution") -> dict[str, Any]:
    waived = {} if caution.waived is None else {"reason": caution.waived}
    return {"rule": caution.rule, **_problem(caution.problem), **waived}


def _verdict(verdict: "Verdict") -> dict[str, Any]:
    return {
        "name": verdict.name,
        "line": verdict.at.line,
        "holds": verdict.is_met,
        "differences": [asdict(mismatch) for mismatch in verdict.mismatches],
        "arithmetic": list(verdict.arithmetic),
    }


# --- show


def definition_document(definition: Definition) -> dict[str, Any]:
    return {
        **asdict(definition.ref),
        "sections": [asdict(section) for section in describe(definition)],
        "signatures": signatures_document(definition),
    }


def _ref(ref: DefinitionRef) -> str:
    return f"{ref.id} {ref.version}, {ref.sha256[:_SHORT]}"


# --- diff


def print_differences(
    old: Definition, new: Definition, found: Sequence[Difference], *, is_same: bool
) -> None:
    """Print what changed in meaning, then the wording."""
    out = console()
    out.print(f"[dim]from[/] {escape(_ref(old.ref))}\n[dim]to[/]   {escape(_ref(new.ref))}")
    meaning = [difference for difference in found if difference.is_meaning]
    wording = [difference for difference in found if not difference.is_meaning]
    if not meaning:
        same = "Word for word the same agreement." if is_same else "The same in meaning."
        out.print(same)
    section = ""
    for difference in meaning:
        if difference.section != section:
            section = difference.section
            out.print(f"[bold]{section}[/]")
        _print_difference(out, difference)
    if wording:
        out.print("[bold]Wording, dates and signatures[/] [dim](decide nothing)[/]")
        for difference in wording:
            _print_difference(out, difference)


_MARKS = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}


def _print_difference(out: Console, difference: Difference) -> None:
    out.print(f"  {_MARKS[difference.kind.value]} {escape(difference.sentence)}", soft_wrap=True)


def difference_document(old: Definition, new: Definition, found: Sequence[Difference]) -> dict[str, Any]:
    told = [asdict(difference) for difference in found]
    return {
        "old": asdict(old.ref),
        "new": asdict(new.ref),
        "meaning": [_without_kind(one) for one in told if one["is_meaning"]],
        "wording": [_without_kind(one) for one in told if not one["is_meaning"]],
    }


def _without_kind(told: dict[str, Any]) -> dict[str, Any]:
    """Leave the kind out: the list it stands in says it."""
    return {key: value for key, value in told.items() if key != "is_meaning"}


# --- sign


def print_signatures(definition: Definition, status: SignatureStatus, role: str) -> None:
    """Print who has signed this content now, and who is missing."""
    out = console()
    out.print(f"Signed for {role}: {escape(_ref(definition.ref))}")
    if status.missing:
        out.print(f"Missing: {both(status.missing)}")
    else:
        out.print("Signed by marketing and sales.")
    void = dict.fromkeys(signature.role for signature in status.void)
    if void:
        out.print(f"Void, another content: {both(void)}")


def signatures_document(definition: Definition) -> dict[str, Any]:
    status = signature_status(definition)
    return {
        "definition": asdict(definition.ref),
        "is_signed": status.is_signed,
        "signed": [
            {"role": s.role, "who": s.who, "at": iso(micros(s.at)) if s.at else None} for s in status.signed
        ],
        "void": [
            {"role": s.role, "who": s.who, "at": iso(micros(s.at)) if s.at else None, "sha256": s.sha256}
            for s in status.void
        ],
        "missing": list(status.missing),
    }
