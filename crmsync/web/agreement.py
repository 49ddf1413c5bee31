"""A definition -> what the page says about it: sentences, signatures, the difference to another one. Pure."""

from collections.abc import Iterator

from crmsync.definition.nouns import Definition
from crmsync.definition.words import phrase, stage_name
from crmsync.web.desk import Paragraph, SignatureLine


def paragraphs(definition: Definition) -> tuple[Paragraph, ...]:
    return tuple(part for part in _paragraphs(definition) if part.sentences)


def _paragraphs(definition: Definition) -> Iterator[Paragraph]:
    for rule in definition.stages.rules:
        sentences = tuple(f"{key.replace('_', ' ')}: {phrase(part, definition)}." for key, part in rule.conditions())
        yield Paragraph(stage_name(rule.stage), sentences)


def signatures(definition: Definition) -> tuple[SignatureLine, ...]:
    return tuple(
        SignatureLine(one.role, one.who, one.at, one.sha256 == definition.ref.sha256)
        for one in definition.terms.agreed_by
    )


def sentences_between(old: Definition, new: Definition) -> tuple[str, ...]:
    before = {sentence for part in paragraphs(old) for sentence in part.sentences}
    after = {sentence for part in paragraphs(new) for sentence in part.sentences}
    return (*(f"No longer: {one}" for one in sorted(before - after)), *(f"New: {one}" for one in sorted(after - before)))
