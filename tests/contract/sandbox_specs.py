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


def validate(name: str, template: str, method: str, status: int, body: Any) -> None:
    """The body of an answer against the document. *Raises* ValidationError, KeyError for an unknown operation."""
    responses = document(name)["paths"][template][method.lower()]["responses"]
    good = next(code for code in responses if code.startswith("2"))
    code = str(status) if str(status) in responses else good if status < 300 else "default"
    if status >= 400:
        schema: Any = {"$ref": "#/components/schemas/Error"}
    else:
        schema = responses[code]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(_whole(name, schema)).validate(body)


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
    if isinstance(properties, dict):
        _loosen(properties)
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
