"""What marketing sees of people: forms and their submissions, events of e-mails, page views."""

from dataclasses import dataclass, field

from crmsync.sandbox.times import iso
from crmsync.sandbox.wire import Body

_STYLE = {
    "backgroundWidth": "100%", "fontFamily": "arial", "helpTextColor": "#7C98B6", "helpTextSize": "11px",
    "labelTextColor": "#33475b", "labelTextSize": "13px", "legalConsentTextColor": "#33475b",
    "legalConsentTextSize": "14px",
    "submitAlignment": "left", "submitColor": "#ff7a59", "submitFontColor": "#ffffff", "submitSize": "12px",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Submission:
    """One submission; `email` is what the visitor typed."""

    at_ms: int
    email: str
    page: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Form:
    """
    Attributes:
        submissions: oldest first.
        type: `hubspot`, `flow`, `captured` or `blog_comment`; HubSpot gives out no submissions of the last.
    """

    id: str
    name: str
    created_ms: int
    type: str = "hubspot"
    submissions: list[Submission] = field(default_factory=list)

    def json(self) -> Body:
        at = iso(self.created_ms)
        return {
            "id": self.id, "name": self.name, "formType": self.type, "createdAt": at, "updatedAt": at,
            "archived": False,
            "fieldGroups": [{"groupType": "default_group", "richTextType": "text", "fields": []}],
            "configuration": {"language": "en", "cloneable": True, "editable": True, "archivable": True,
            "recaptchaEnabled": False,
                              "notifyContactOwner": False, "notifyRecipients": [], "createNewContactForNewEmail": True,
                              "prePopulateKnownValues": True, "allowLinkToResetKnownValues": False,
                              "lifecycleStages": [],
                "postSubmitAction": {"type": "thank_you", "value": "Thanks"}},
            "displayOptions": {"renderRawHtml": False, "theme": "default_style", "submitButtonText": "Submit",
            "style": _STYLE},
            "legalConsentOptions": {"type": "none"},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class EmailEvent:
    """One event of a marketing e-mail: OPEN, CLICK, DELIVERED, ..."""

    id: str
    at_ms: int
    recipient: str
    type: str
    campaign: int

    def json(self) -> Body:
        return {"id": self.id, "created": self.at_ms, "recipient": self.recipient, "type": self.type, "appId": 113,
                "appName": "Batch", "emailCampaignId": self.campaign, "portalId": 0}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Visit:
    """One page view of a contact."""

    id: str
    at_ms: int
    url: str


@dataclass(slots=True)
class Marketing:
    """
    Attributes:
        forms: by id.
        email_events: oldest first.
        visits: by the id of the contact.
        blocked: e-mail addresses that asked to be forgotten before anybody knew them.
    """

    forms: dict[str, Form] = field(default_factory=dict)
    email_events: list[EmailEvent] = field(default_factory=list)
    visits: dict[int, list[Visit]] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
