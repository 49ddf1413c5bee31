"""HubSpot's OpenAPI documents as validators of answers, with the known differences to the wire."""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

SPECS = Path(__file__).resolve().parents[3] / "shared" / "hubspot-openapi"


def require_specs() -> None:
    """Skip where the documents are absent; never in CI."""
    if not SPECS.is_dir():
        reason = f"HubSpot's OpenAPI documents are not at ../shared/{SPECS.name}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@cache
def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SPECS / name).read_text())
    return loaded


def operations(name: str) -> set[tuple[str, str]]:
    """Every (method, path template) of a document."""
    methods = {"get", "post", "put", "patch", "delete"}
    return {
        (method.upper(), template)
        for template, found in document(name)["paths"].items()
        for method in methods & found.keys()
    }


def validate(name: str, template: str, method: str, status: int, body: Any) -> None:
    """
    The answer of an operation against its document: the status, and the body, which has no field the document lacks.

    Raises:
        ValidationError: the body is not as documented; None is no body.
        AssertionError: the status is not documented.
    """
    responses = document(name)["paths"][template][method.lower()]["responses"]
    schema = _schema_of(responses, status)
    if schema is None:
        assert body is None, f"{status} has a body"
        return
    jsonschema.Draft202012Validator(_whole(name, schema)).validate(body)


def _schema_of(responses: dict[str, Any], status: int) -> Any:
    """The schema of a status, None when it has no body."""
    if status >= 400:
        return {"$ref": "#/components/schemas/Error"}
    good = [code for code in responses if code.startswith("2")]
    # the documents of 2026-09 list one status only; a batch with errors is still a 207 on the wire
    code = str(status) if str(status) in good else good[0] if status == 207 else ""
    assert code, f"{status} is not documented, only {good} are"
    content = responses[code].get("content")
    return content["application/json"]["schema"] if content else None


def _whole(name: str, schema: Any) -> dict[str, Any]:
    components = _wire(document(name)["components"])
    return {**_wire(schema), "components": components}


def _wire(node: Any) -> Any:
    """OpenAPI 3.0 -> JSON Schema, and the differences between the documents and the wire (portal facts)."""
    if isinstance(node, list):
        return [_wire(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {key: _wire(value) for key, value in node.items() if key not in {"example", "nullable", "format"}}
    if node.get("nullable") and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    properties = made.get("properties")
    if isinstance(properties, dict) and made.get("type") == "object":
        _loosen(properties)
        made.setdefault("additionalProperties", False)
    if set(made.get("required", [])) >= {"category", "context", "errors", "links", "message", "status"}:
        made["required"] = [
            "category",
            "message",
            "status",
        ]  # a batch's error entries carry no errors and links
    return made


def _loosen(properties: dict[str, Any]) -> None:
    if "toObjectId" in properties and "associationTypes" in properties:
        properties["toObjectId"] = {"type": "integer"}  # a number on the wire, a string in the document
    if "subCategory" in properties:
        properties["subCategory"] = {"type": ["string", "object"]}
    if "label" in properties and "typeId" in properties:
        properties["label"] = {"type": ["string", "null"]}
    values = properties.get("properties")
    if isinstance(values, dict) and "additionalProperties" in values:
        values["additionalProperties"] = {"type": ["string", "null"]}  # asked for and empty is null
    if "correlationId" in properties:
        properties["status"] = {"const": "error"}  # stands in every refusal on the wire, in no document
    if "userId" in properties:
        properties["userId"] = {"type": ["integer", "null"]}


def template_of(name: str, path: str) -> str:
    """The path template of a document that a path belongs to; fixed words win over placeholders."""
    fitting: list[str] = [
        template
        for template in document(name)["paths"]
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path.partition("?")[0])
    ]
    return min(fitting, key=lambda template: template.count("{"))
