"""Endpoints of property definitions and their groups."""

import re
from dataclasses import replace
from typing import Any

from crmsync.sandbox.endpoints.batches import inputs
from crmsync.sandbox.endpoints.call import Call
from crmsync.sandbox.endpoints.objects import batch_frame
from crmsync.sandbox.state.schema import FIELD_TYPES, Option, Property, Schema
from crmsync.sandbox.times import iso
from crmsync.sandbox.wire import (
    NOTHING,
    ApiError,
    Body,
    Response,
    a_list,
    a_text,
    an_object,
    answer,
    malformed,
    not_found,
)

MOST_UNIQUE = 10
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_REQUIRED = ("name", "label", "type", "fieldType", "groupName")


def property_json(one: Property) -> Body:
    fixed = one.defined_by_hubspot
    body: Body = {
        "name": one.name, "label": one.label, "type": one.type, "fieldType": one.field_type,
        "description": one.description,
        "groupName": one.group, "options": [option.json() for option in one.options], "displayOrder": one.display_order,
        "calculated": one.calculated, "externalOptions": one.external_options, "archived": one.archived_ms is not None,
        "hasUniqueValue": one.unique, "hidden": one.hidden, "hubspotDefined": fixed, "formField": one.form_field,
        "dataSensitivity": "non_sensitive",
        "createdAt": iso(one.created_ms), "updatedAt": iso(one.updated_ms),
        "modificationMetadata": {"archivable": not fixed, "readOnlyDefinition": fixed, "readOnlyValue": one.read_only,
                                 "readOnlyOptions": fixed and one.external_options},
    }  # fmt: skip
    if one.refers_to:
        body["referencedObjectType"] = one.refers_to
    if one.archived_ms is not None:
        body["archivedAt"] = iso(one.archived_ms)
    return body


def _schema(call: Call) -> Schema:
    return call.world.schemas[call.kind().name]


def _frozen(call: Call, one: Property) -> Property:
    """As the API shows it: what an administrator made read-only is read-only."""
    return replace(one, read_only=True) if (call.kind().name, one.name) in call.world.settings.frozen else one


def list_all(call: Call) -> Response:
    schema = _schema(call)
    found = schema.archived if call.is_on("archived") else schema.properties
    return answer({"results": [property_json(_frozen(call, one)) for one in found.values()]})


def read_one(call: Call) -> Response:
    schema = _schema(call)
    one = (schema.archived if call.is_on("archived") else schema.properties).get(call.params["name"])
    if one is None:
        raise not_found(f'Property "{call.params["name"]}" does not exist')
    return answer(property_json(_frozen(call, one)))


def create_one(call: Call) -> Response:
    return answer(property_json(_create(call, call.body())), 201)


def create_batch(call: Call) -> Response:
    results, errors = [], []
    for given in inputs(call.body()):
        try:
            results.append(property_json(_create(call, given)))
        except ApiError as error:
            errors.append({"status": "error", "category": error.category, "message": error.message,
                           "context": {"name": [str(given.get("name"))]}})  # fmt: skip
    status = 200 if call.family == "2026-09" else 201
    return answer(batch_frame(call, results, errors), call.world.settings.mixed_status if errors else status)


def read_batch(call: Call) -> Response:
    schema = _schema(call)
    results, errors = [], []
    for given in inputs(call.body()):
        one = schema.get(str(given.get("name")))
        if one is None:
            errors.append({"status": "error", "category": "OBJECT_NOT_FOUND",
            "message": f"Property {given.get('name')} does not exist",
                           "context": {"name": [str(given.get("name"))]}})  # fmt: skip
        else:
            results.append(property_json(_frozen(call, one)))
    return answer(batch_frame(call, results, errors), 207 if errors else 200)


def update_one(call: Call) -> Response:
    schema = _schema(call)
    one = schema.get(call.params["name"])
    if one is None:
        raise not_found(f'Property "{call.params["name"]}" does not exist')
    if one.defined_by_hubspot:
        raise ApiError(400, f'Property "{one.name}" is defined by HubSpot and cannot be changed')
    body = call.body()
    changed = replace(
        one, label=str(body.get("label", one.label)), description=str(body.get("description", one.description)),
        group=_group(schema, body.get("groupName", one.group)), hidden=bool(body.get("hidden", one.hidden)),
        field_type=str(body.get("fieldType", one.field_type)), updated_ms=call.now_ms,
    )  # fmt: skip
    if "options" in body:
        changed = changed.with_options(_options(body["options"]))
    schema.put(changed)
    return answer(property_json(changed))


def archive_one(call: Call) -> Response:
    schema, name = _schema(call), call.params["name"]
    one = schema.get(name)
    if one is not None and one.defined_by_hubspot:
        raise ApiError(400, f'Property "{name}" is defined by HubSpot and cannot be archived')
    if one is not None:
        schema.archived[name] = replace(schema.properties.pop(name), archived_ms=call.now_ms)
    return NOTHING


def archive_batch(call: Call) -> Response:
    schema = _schema(call)
    for given in inputs(call.body()):
        one = schema.get(str(given.get("name")))
        if one is not None and not one.defined_by_hubspot:
            schema.archived[one.name] = replace(schema.properties.pop(one.name), archived_ms=call.now_ms)
    return NOTHING


def _create(call: Call, given: Body) -> Property:
    """*Raises* ApiError 400, 409."""
    schema = _schema(call)
    _must_be_new(schema, given)
    one = Property(
        str(given["name"]), str(given["type"]), str(given["fieldType"]), label=str(given["label"]),
        group=_group(schema, given["groupName"]),
        description=str(given.get("description") or ""), hidden=bool(given.get("hidden")),
        unique=bool(given.get("hasUniqueValue")),
        form_field=bool(given.get("formField")), display_order=_order(given.get("displayOrder"), -1),
        defined_by_hubspot=False,
        created_ms=call.now_ms, updated_ms=call.now_ms,
    ).with_options(_options(given.get("options") or []))  # fmt: skip
    schema.put(one)
    if one.unique:
        call.shelf().unique_names.add(one.name)
    return one


def _must_be_new(schema: Schema, given: Body) -> None:
    """*Raises* ApiError 400 for what cannot be a property, 409 for one there is already, archived or not."""
    lacking = [name for name in _REQUIRED if not given.get(name)]
    if lacking:
        raise malformed(f"some required fields were not set: {lacking}")
    name, type_, field_type = str(given["name"]), str(given["type"]), str(given["fieldType"])
    if name in schema or name in schema.archived:
        raise ApiError(409, f"A property named '{name}' already exists.", "OBJECT_ALREADY_EXISTS")
    if not _NAME.fullmatch(name) or name.startswith("hs_"):
        raise ApiError(400, f"Property name {name[:100]!r} is not valid")
    if field_type not in FIELD_TYPES.get(type_, ()):
        raise ApiError(400, f"fieldType {field_type!r} does not go with type {type_!r}")
    unique = sum(one.unique and not one.defined_by_hubspot for one in schema)
    if given.get("hasUniqueValue") and unique >= MOST_UNIQUE:
        said = f"An object has at most {MOST_UNIQUE} properties with unique values"
        raise ApiError(400, said, "LIMIT_EXCEEDED")


def _group(schema: Schema, name: Any) -> str:
    if a_text(name, "groupName") not in schema.groups:
        raise ApiError(400, f"Property group {name!r} does not exist")
    return str(name)


def _options(given: Any) -> list[Option]:
    found = []
    for place, raw in enumerate(a_list(given, "options")):
        one = an_object(raw, "options[]")
        if "value" not in one or "label" not in one:
            raise malformed("each option needs a label and a value")
        found.append(
            Option(
                str(one["value"]),
                str(one["label"]),
                _order(one.get("displayOrder"), place),
                bool(one.get("hidden")),
                str(one.get("description") or ""),
            )
        )
    return found


def _order(given: Any, default: int) -> int:
    return given if isinstance(given, int) and not isinstance(given, bool) else default


def list_groups(call: Call) -> Response:
    return answer({"results": list(_schema(call).groups.values())})


def read_group(call: Call) -> Response:
    group = _schema(call).groups.get(call.params["name"])
    if group is None:
        raise not_found(f"Property group {call.params['name']} does not exist")
    return answer(group)


def create_group(call: Call) -> Response:
    given, groups = call.body(), _schema(call).groups
    name = str(given.get("name") or "")
    if not name or not given.get("label"):
        raise malformed("some required fields were not set: [name, label]")
    if name in groups:
        raise ApiError(409, f"A property group named '{name}' already exists.", "OBJECT_ALREADY_EXISTS")
    if not _NAME.fullmatch(name):
        raise ApiError(400, f"Group name {name[:100]!r} is not valid")
    groups[name] = {
        "name": name,
        "label": str(given["label"]),
        "displayOrder": _order(given.get("displayOrder"), -1),
        "archived": False,
    }
    return answer(groups[name], 201)


def update_group(call: Call) -> Response:
    group = _schema(call).groups.get(call.params["name"])
    if group is None:
        raise not_found(f"Property group {call.params['name']} does not exist")
    body = call.body()
    group["label"] = a_text(body.get("label"), "label") or group["label"]
    group["displayOrder"] = _order(body.get("displayOrder"), -1)
    return answer(group)


def archive_group(call: Call) -> Response:
    schema, name = _schema(call), call.params["name"]
    if any(one.group == name for one in schema.properties.values()):
        raise ApiError(400, f"Property group {name} still has properties")
    schema.groups.pop(name, None)
    return NOTHING
