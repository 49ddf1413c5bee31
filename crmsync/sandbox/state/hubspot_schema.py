"""The properties a portal starts with: HubSpot's own, and the custom ones of the seeded company."""

from dataclasses import replace
from typing import Any

from crmsync.sandbox.state.kinds import ACTIVITY_NAMES, KINDS, Kind
from crmsync.sandbox.state.schema import STAGES, Property, Schema, choice, flag

CONTACT_GROUPS = {
    "contactinformation": "Contact information",
    "analyticsinformation": "Web analytics history",
    "emailinformation": "Email information",
    "sales_properties": "Sales properties",
    "conversioninformation": "Conversion information",
    "contact_activity": "Contact activity",
    "qualification": "Qualification",
}

DISPOSITIONS = (
    ("9d9162e7-6cf3-4944-bf63-4dff82258764", "Busy"),
    ("f240bbac-87c9-4f6e-bf70-924b57d47db7", "Connected"),
    ("a4c4c377-d246-4b32-a13b-75a56a4cd0ff", "Left live message"),
    ("b2cf5968-551e-4856-9783-52b3da59a7d0", "Left voicemail"),
    ("73a0d17f-1163-4015-bdd5-ec830791da20", "No answer"),
    ("17b47fee-58de-441e-a44c-c6300d46f273", "Wrong number"),
)

_TEXTS = {
    "contacts": "firstname lastname phone mobilephone jobtitle company country city website message "
    "hs_latest_source_data_1 hs_latest_source_data_2 hs_analytics_source_data_1 hs_additional_emails "
    "mql_return_reason",
    "companies": "name domain country city state phone website description",
    "deals": "dealname description",
    "tickets": "subject content",
    "leads": "hs_lead_name",
    "calls": "hs_call_title hs_call_body hs_call_from_number hs_call_to_number hs_call_recording_url "
    "hs_activity_type",
    "meetings": "hs_meeting_title hs_meeting_body hs_internal_meeting_notes hs_activity_type hs_meeting_location",
    "emails": "hs_email_subject hs_email_text hs_email_html hs_email_headers",
    "tasks": "hs_task_subject hs_task_body hs_task_reminders",
    "notes": "hs_note_body hs_attachment_ids",
    "communications": "hs_communication_body",
}
_READ_ONLY = {
    "contacts": {
        "number": "hs_analytics_num_page_views hs_analytics_num_visits hs_analytics_num_event_completions "
        "hs_email_open hs_email_click "
        "hs_email_delivered hs_email_bounce hs_email_replied hs_email_sends_since_last_engagement "
        "num_conversion_events "
        "num_unique_conversion_events num_contacted_notes num_notes num_associated_deals hubspotscore "
        "hs_time_to_first_engagement",
        "datetime": "hs_analytics_first_timestamp hs_analytics_last_timestamp hs_analytics_last_visit_timestamp "
        "hs_latest_source_timestamp "
        "hs_email_first_open_date hs_email_last_open_date hs_email_last_click_date "
        "hs_email_last_reply_date hs_email_last_send_date "
        "recent_conversion_date first_conversion_date notes_last_contacted notes_last_updated "
        "notes_next_activity_date "
        "hs_sales_email_last_opened hs_sales_email_last_clicked hs_sales_email_last_replied "
        "hs_last_sales_activity_timestamp "
        "hs_latest_meeting_activity engagements_last_meeting_booked hs_sa_first_engagement_date "
        "first_deal_created_date "
        "recent_deal_close_date hs_lastmodifieddate",
        "string": "recent_conversion_event_name first_conversion_event_name hs_analytics_last_url "
        "hs_last_sales_activity_type "
        "hs_merged_object_ids hs_calculated_merged_vids hs_all_contact_vids",
        "bool": "hs_email_bad_address hs_email_quarantined hs_is_unworked currentlyinworkflow "
        "hs_sequences_is_enrolled",
    },
    "companies": {
        "number": "num_associated_contacts num_associated_deals",
        "string": "hs_merged_object_ids",
        "datetime": "notes_last_updated",
    },
    "deals": {
        "bool": "hs_is_closed hs_is_closed_won",
        "number": "hs_deal_stage_probability",
        "string": "hs_merged_object_ids",
    },
    "emails": {"string": "hs_email_from_email hs_email_to_email"},
}
_NUMBERS = {
    "contacts": "associatedcompanyid",
    "companies": "numberofemployees annualrevenue",
    "deals": "amount",
    "calls": "hs_call_duration",
    "emails": "hs_email_open_count hs_email_click_count hs_email_reply_count",
}
_INSTANTS = {
    "contacts": "closedate",
    "deals": "closedate",
    "meetings": "hs_meeting_start_time hs_meeting_end_time",
    "emails": "hs_email_last_open_date",
}
_ACTIVITY_CHOICES = {
    "calls": {
        "hs_call_direction": "INBOUND OUTBOUND",
        "hs_call_status": "BUSY CALLING_CRM_USER CANCELED COMPLETED CONNECTING FAILED IN_PROGRESS MISSED NO_ANSWER "
        "QUEUED RINGING",
    },
    "meetings": {"hs_meeting_outcome": "SCHEDULED COMPLETED RESCHEDULED NO_SHOW CANCELED CANCELLED"},
    "emails": {
        "hs_email_direction": "EMAIL INCOMING_EMAIL FORWARDED_EMAIL",
        "hs_email_status": "BOUNCED FAILED SCHEDULED SENDING SENT",
    },
    "tasks": {
        "hs_task_status": "NOT_STARTED IN_PROGRESS WAITING COMPLETED DEFERRED",
        "hs_task_priority": "NONE LOW MEDIUM HIGH",
        "hs_task_type": "TODO CALL EMAIL LINKED_IN",
    },
    "communications": {
        "hs_communication_channel_type": "WHATS_APP LINKEDIN_MESSAGE SMS",
        "hs_communication_logged_from": "CRM",
    },
}
PIPELINE_PROPERTIES = {
    "deals": ("pipeline", "dealstage"),
    "tickets": ("hs_pipeline", "hs_pipeline_stage"),
    "leads": ("hs_pipeline", "hs_pipeline_stage"),
}
"""Kind -> the properties that name its pipeline and the stage in it."""
_SYSTEM_TEXTS = "hs_object_source hs_object_source_label hs_object_source_id hs_object_source_detail_1"
_LEAD_STATUS = "NEW OPEN IN_PROGRESS OPEN_DEAL UNQUALIFIED ATTEMPTED_TO_CONTACT CONNECTED BAD_TIMING"
_SOURCES = (
    "ORGANIC_SEARCH PAID_SEARCH EMAIL_MARKETING SOCIAL_MEDIA REFERRALS OTHER_CAMPAIGNS DIRECT_TRAFFIC OFFLINE "
    "PAID_SOCIAL"
)
INDUSTRIES = (
    "SOFTWARE FINANCE MANUFACTURING LOGISTICS RETAIL EDUCATION HEALTHCARE ENERGY CONSULTING MEDIA "
    "COMPUTER_SOFTWARE FINANCIAL_SERVICES INFORMATION_TECHNOLOGY_AND_SERVICES"
)


def words(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((word, word.replace("_", " ").capitalize()) for word in text.split())


def _contact_choices() -> list[Property]:
    custom: dict[str, Any] = {"group": "qualification", "defined_by_hubspot": False}
    return [
        choice("lifecyclestage", *STAGES, field_type="radio", external_options=True, label="Lifecycle Stage"),
        choice("hs_lead_status", *words(_LEAD_STATUS), field_type="radio", group="sales_properties"),
        choice("hs_latest_source", *words(_SOURCES), read_only=True),
        choice("hs_analytics_source", *words(_SOURCES)),
        choice("hs_marketable_status", ("true", "Marketing"), ("false", "Non-marketing"), read_only=True),
        choice("hs_buying_role", *words(
            "DECISION_MAKER CHAMPION BUDGET_HOLDER BLOCKER END_USER EXECUTIVE_SPONSOR INFLUENCER "
            "LEGAL_AND_COMPLIANCE OTHER "
            "decision_maker champion"), field_type="checkbox"),
        flag("hs_email_optout", read_only=True, group="emailinformation"),
        Property("email", label="Email", unique=True),
        Property("hubspot_owner_id", "enumeration", "select", refers_to="OWNER", external_options=True),
        Property("hubspot_owner_assigneddate", "datetime", "date", read_only=True),
        choice("interests", *words("crm integration analytics data_quality automation pricing security"),
        field_type="checkbox", **custom),
        Property("mql_returned_at", "date", "date", **custom),
        choice("bant_budget", *words("confirmed likely unlikely none unknown"), **custom),
        flag("bant_need", **custom),
        choice("bant_timing", ("0-3m", "0-3 months"), ("3-6m", "3-6 months"), ("6-12m", "6-12 months"), ("later",
        "Later"), **custom),
        choice("bant_authority", *words("confirmed likely unlikely unknown"), **custom),
    ]  # fmt: skip


def _company_choices() -> list[Property]:
    return [
        choice(
            "lifecyclestage", *STAGES, field_type="radio", external_options=True, group="companyinformation"
        ),
        choice("industry", *words(INDUSTRIES), group="companyinformation"),
        choice("type", *words("PROSPECT PARTNER RESELLER VENDOR OTHER"), group="companyinformation"),
        Property("hubspot_owner_id", "enumeration", "select", refers_to="OWNER", external_options=True),
    ]


def _activity_choices(kind: str) -> list[Property]:
    return [
        Property("hs_timestamp", "datetime", "date"),
        Property("hs_body_preview", read_only=True),
        Property("hubspot_owner_id", "enumeration", "select", refers_to="OWNER", external_options=True),
        *(choice(name, *words(values)) for name, values in _ACTIVITY_CHOICES.get(kind, {}).items()),
        *([choice("hs_call_disposition", *DISPOSITIONS)] if kind == "calls" else []),
    ]


def _pipeline_choices(kind: str) -> list[Property]:
    pipeline, stage = PIPELINE_PROPERTIES[kind]
    return [
        Property(pipeline, "enumeration", "select", external_options=True),
        Property(stage, "enumeration", "radio", external_options=True),
        Property("hubspot_owner_id", "enumeration", "select", refers_to="OWNER", external_options=True),
    ]


def _deal_choices() -> list[Property]:
    return [
        *_pipeline_choices("deals"),
        choice("dealtype", *words("newbusiness existingbusiness")),
    ]


def _stage_stamps() -> list[Property]:
    named = [f"hs_lifecyclestage_{stage}_date" for stage, _ in STAGES]
    named += [f"hs_v2_date_{way}_{stage}" for way in ("entered", "exited") for stage, _ in STAGES]
    named.append("hs_v2_date_entered_current_stage")
    return [Property(name, "datetime", "date", read_only=True, calculated=True) for name in named]


def stage_stamps_of(stage: str) -> list[Property]:
    """The stamp properties of one custom stage."""
    names = (f"hs_lifecyclestage_{stage}_date", f"hs_v2_date_entered_{stage}", f"hs_v2_date_exited_{stage}")
    return [Property(name, "datetime", "date", read_only=True, calculated=True) for name in names]


def _common(kind: Kind) -> list[Property]:
    fixed = [Property(name, "datetime", "date", read_only=True) for name in {kind.created, kind.cursor}]
    fixed.append(Property("hs_object_id", "number", "number", read_only=True))
    fixed += [Property(name, read_only=True) for name in _SYSTEM_TEXTS.split()]
    fixed += [
        Property(f"hs_{what}_by_user_id", "number", "number", read_only=True)
        for what in ("created", "updated")
    ]
    return fixed


def _plain(kind: str) -> list[Property]:
    found = [Property(name) for name in _TEXTS.get(kind, "").split()]
    found += [Property(name, "number", "number") for name in _NUMBERS.get(kind, "").split()]
    found += [Property(name, "datetime", "date") for name in _INSTANTS.get(kind, "").split()]
    for type_, names in _READ_ONLY.get(kind, {}).items():
        field_type = {"number": "number", "datetime": "date", "bool": "booleancheckbox", "string": "text"}[
            type_
        ]
        found += [
            Property(name, type_, field_type, read_only=True, calculated=True) for name in names.split()
        ]
    return found


def _chosen(kind: str) -> list[Property]:
    match kind:
        case "contacts":
            return _contact_choices() + _stage_stamps()
        case "companies":
            return _company_choices() + _stage_stamps()
        case "deals":
            return _deal_choices()
        case "tickets":
            return _pipeline_choices(kind)
        case "leads":
            return [
                *_pipeline_choices(kind),
                choice(
                    "hs_lead_type",
                    ("NEW BUSINESS", "New business"),
                    ("UPSELL", "Upsell"),
                    ("RE-ATTEMPTING", "Again"),
                ),
                choice("hs_lead_label", *words("HOT WARM COLD")),
            ]
        case _ if kind in ACTIVITY_NAMES:
            return _activity_choices(kind)
        case _:
            return []


def _dressed(one: Property, group: str) -> Property:
    label = one.label or one.name.removeprefix("hs_").replace("_", " ").capitalize()
    custom = one.name.startswith(("mql_", "bant_"))
    own_group = "qualification" if custom else one.group if one.group != "contactinformation" else group
    return replace(
        one, label=label, group=own_group, defined_by_hubspot=one.defined_by_hubspot and not custom
    )


def portal_schema() -> dict[str, Schema]:
    """Kind name -> its schema in a new portal."""
    made = {}
    for kind in KINDS:
        group = "contactinformation" if kind.name == "contacts" else f"{kind.singular}information"
        groups = (
            CONTACT_GROUPS
            if kind.name == "contacts"
            else {group: f"{kind.singular.capitalize()} information"}
        )
        found = _plain(kind.name) + _chosen(kind.name) + _common(kind)
        made[kind.name] = Schema((_dressed(one, group) for one in found), groups)
    return made
