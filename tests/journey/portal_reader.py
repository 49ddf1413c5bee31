"""Reads a portal by plain HTTP into offline records; shares no code with crmsync/portal: the judge of a sync."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import requests

DISPOSITIONS = {
    "9d9162e7-6cf3-4944-bf63-4dff82258764": "busy",
    "f240bbac-87c9-4f6e-bf70-924b57d47db7": "connected",
    "a4c4c377-d246-4b32-a13b-75a56a4cd0ff": "left live message",
    "b2cf5968-551e-4856-9783-52b3da59a7d0": "left voicemail",
    "73a0d17f-1163-4015-bdd5-ec830791da20": "no answer",
    "17b47fee-58de-441e-a44c-c6300d46f273": "wrong number",
}
ENGAGEMENTS: dict[str, dict[str, str]] = {
    "calls": {
        "direction": "hs_call_direction",
        "disposition": "hs_call_disposition",
        "status": "hs_call_status",
        "title": "hs_call_title",
        "duration": "hs_call_duration",
    },
    "emails": {
        "direction": "hs_email_direction",
        "status": "hs_email_status",
        "subject": "hs_email_subject",
        "opens": "hs_email_open_count",
        "clicks": "hs_email_click_count",
        "replies": "hs_email_reply_count",
    },
    "meetings": {"outcome": "hs_meeting_outcome", "type": "hs_activity_type", "title": "hs_meeting_title"},
    "notes": {},
    "tasks": {
        "status": "hs_task_status",
        "type": "hs_task_type",
        "priority": "hs_task_priority",
        "subject": "hs_task_subject",
    },
    "communications": {"channel": "hs_communication_channel_type"},
}
_NUMBERS = ("duration", "opens", "clicks", "replies")


class PortalReader:
    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        self.http.close()

    def listed(self, kind: str, properties: Sequence[str], associations: Sequence[str] = ()) -> Iterator[Any]:
        query = {"limit": "100", "properties": ",".join(properties), "associations": ",".join(associations)}
        while True:
            page = self._get(f"/crm/v3/objects/{kind}", query)
            yield from page["results"]
            if "paging" not in page:
                return
            query["after"] = page["paging"]["next"]["after"]

    def records(
        self, contact_properties: Sequence[str], company_properties: Sequence[str]
    ) -> list[dict[str, Any]]:
        """One offline record per contact (definition language, section 11), in id order."""
        companies = {one["id"]: one["properties"] for one in self.listed("companies", company_properties)}
        deals = self._deals()
        events = self._engagements()
        wanted = [*contact_properties, "email", "hs_additional_emails", "hs_v2_date_entered_current_stage"]
        contacts = list(self.listed("contacts", wanted, ("companies", "deals")))
        primary = self._primary([one["id"] for one in contacts])
        by_email = self._submissions()
        records = []
        for one in contacts:
            shown = one["properties"]
            emails = [shown.get("email") or "", *(shown.get("hs_additional_emails") or "").split(";")]
            submitted = [
                e
                for email in dict.fromkeys(_folded(email) for email in emails)
                for e in by_email.get(email, ())
            ]
            linked = one.get("associations", {}).get("deals", {"results": []})["results"]
            records.append(
                {
                    "id": one["id"],
                    "contact": {name: shown.get(name) for name in contact_properties},
                    "company": companies.get(primary.get(one["id"], "")),
                    "deals": [deals[d] for d in dict.fromkeys(link["id"] for link in linked) if d in deals],
                    "stage_entered_at": shown.get("hs_v2_date_entered_current_stage"),
                    "events": [*events.get(one["id"], ()), *submitted],
                }
            )
        return sorted(records, key=lambda record: int(record["id"]))

    def _deals(self) -> dict[str, dict[str, Any]]:
        states = {}
        for pipeline in self._get("/crm/v3/pipelines/deals")["results"]:
            for stage in pipeline["stages"]:
                is_closed = str(stage["metadata"].get("isClosed", "false")).lower() == "true"
                won = float(stage["metadata"].get("probability", 0)) == 1.0
                states[pipeline["id"], stage["id"]] = ("won" if won else "lost") if is_closed else "open"
        return {
            one["id"]: {
                "state": states.get((one["properties"]["pipeline"], one["properties"]["dealstage"]), "open"),
                "amount": one["properties"]["amount"],
            }
            for one in self.listed("deals", ("pipeline", "dealstage", "amount"))
        }

    def _engagements(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for kind, attributes in ENGAGEMENTS.items():
            instants = ("hs_timestamp", "hs_meeting_start_time")
            for one in self.listed(kind, (*attributes.values(), *instants), ("contacts",)):
                shown = one["properties"]
                at = (shown.get("hs_meeting_start_time") if kind == "meetings" else None) or shown.get(
                    "hs_timestamp"
                )
                event: dict[str, Any] = {"source": kind, "at": at}
                for name, source in attributes.items():
                    event[name] = _attribute(name, shown.get(source))
                links = one.get("associations", {}).get("contacts", {"results": []})["results"]
                for contact in dict.fromkeys(link["id"] for link in links):
                    found[contact].append(event)
        return found

    def _primary(self, contacts: Sequence[str]) -> dict[str, str]:
        primary: dict[str, str] = {}
        for start in range(0, len(contacts), 1000):
            body = {"inputs": [{"id": one} for one in contacts[start : start + 1000]]}
            answer = self.http.post(
                f"{self.url}/crm/v4/associations/contacts/companies/batch/read", json=body, timeout=30
            )
            for row in answer.json()["results"]:
                ends = row["to"]
                marked = [
                    end for end in ends if any(kind["typeId"] == 1 for kind in end["associationTypes"])
                ] or ends
                if marked:
                    primary[row["from"]["id"]] = str(min(int(end["toObjectId"]) for end in marked))
        return primary

    def _submissions(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for form in self._get(
            "/marketing/v3/forms?formTypes=hubspot&formTypes=flow&formTypes=captured", {"limit": "100"}
        )["results"]:
            query = {"limit": "50"}
            while True:
                page = self._get(f"/form-integrations/v1/submissions/forms/{form['id']}", query)
                for one in page["results"]:
                    email = next((v["value"] for v in one["values"] if v["name"] == "email"), "")
                    at = (
                        datetime.fromtimestamp(one["submittedAt"] / 1000, UTC)
                        .isoformat()
                        .replace("+00:00", "Z")
                    )
                    found[_folded(email)].append(
                        {
                            "source": "forms",
                            "at": at,
                            "form": form["name"],
                            "form_id": form["id"],
                            "page": one.get("pageUrl"),
                        }
                    )
                if "paging" not in page:
                    break
                query["after"] = page["paging"]["next"]["after"]
        found.pop("", None)
        return found

    def _get(self, path: str, query: dict[str, str] | None = None) -> Any:
        answer = self.http.get(self.url + path, params=query or {}, timeout=30)
        answer.raise_for_status()
        return answer.json()


def _attribute(name: str, text: str | None) -> Any:
    if text is None or text == "":
        return None
    if name == "disposition":
        return DISPOSITIONS.get(text, text)
    if name in _NUMBERS:
        return float(text) / 1000 if name == "duration" else float(text)
    return text


def _folded(email: str) -> str:
    return email.strip().casefold()
