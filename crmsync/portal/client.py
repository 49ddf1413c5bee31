"""The SDK's API objects, made once and kept, all sending through one transport."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hubspot import HubSpot

from crmsync.portal.transport import Answer, Transport


class Client:
    """
    The requests crmsync makes, built by the SDK, answered as JSON.

    The SDK makes a new client and connection pool on every property access, so its objects are kept; its models are
    never made, they cost seven times the parsing. Every method *raises* PortalError.
    """

    def __init__(self, transport: Transport, base_url: str) -> None:
        self._transport = transport
        self._base = base_url.rstrip("/")
        sdk = HubSpot(api_factory=self._made, host=self._base, base_url=self._base)
        self._objects = sdk.crm.objects.basic_api
        self._batches = sdk.crm.objects.batch_api
        self._search = sdk.crm.objects.search_api
        self._properties = sdk.crm.properties.core_api
        self._property_batches = sdk.crm.properties.batch_api
        self._groups = sdk.crm.properties.groups_api
        self._pipelines = sdk.crm.pipelines.pipelines_api
        self._associations = sdk.crm.associations.v4.batch_api
        self._forms = sdk.marketing.forms.forms_api

    def _made(self, package: Any, api: str, config: Mapping[str, Any]) -> Any:
        """Build an API object of the SDK on our transport: the SDK's `api_factory`."""
        configuration = package.Configuration()
        configuration.host = config["host"]
        client = package.ApiClient(configuration=configuration)
        client.rest_client = self._transport
        return getattr(package, api)(client)

    def list_page(
        self,
        kind: str,
        *,
        properties: Sequence[str],
        associations: Sequence[str] = (),
        after: str | None = None,
        archived: bool = False,
        limit: int = 100,
    ) -> Answer:
        """GET a list page. Names go in one comma-separated parameter: half the URL of the SDK's repeated ones."""
        asked: dict[str, Any] = {"limit": limit, "archived": archived}
        if properties:
            asked["properties"] = [",".join(properties)]
        if associations:
            asked["associations"] = [",".join(associations)]
        if after is not None:
            asked["after"] = after
        return _sent(self._objects.get_page, kind, **asked)

    def one(self, kind: str, object_id: str, *, properties: Sequence[str]) -> Answer:
        return _sent(self._objects.get_by_id, kind, object_id, properties=[",".join(properties)])

    def update_one(self, kind: str, object_id: str, properties: Mapping[str, str]) -> Answer:
        return _sent(self._objects.update, kind, object_id, {"properties": properties})

    def batch_read(
        self, kind: str, ids: Sequence[str], *, properties: Sequence[str], history: Sequence[str] = ()
    ) -> Answer:
        body = {
            "inputs": [{"id": one} for one in ids],
            "properties": list(properties),
            "propertiesWithHistory": list(history),
        }
        return _sent(self._batches.read, kind, body)

    def batch_update(self, kind: str, inputs: Sequence[Mapping[str, Any]]) -> Answer:
        return _sent(self._batches.update, kind, {"inputs": list(inputs)})

    def search(self, kind: str, body: Mapping[str, Any]) -> Answer:
        return _sent(self._search.do_search, kind, body)

    def associations(self, kind: str, to: str, inputs: Sequence[Mapping[str, str]]) -> Answer:
        return _sent(self._associations.get_page, kind, to, {"inputs": list(inputs)})

    def pipelines(self, kind: str) -> Answer:
        return _sent(self._pipelines.get_all, kind)

    def properties(self, kind: str, *, archived: bool = False) -> Answer:
        return _sent(self._properties.get_all, kind, archived=archived)

    def property(self, kind: str, name: str) -> Answer:
        return _sent(self._properties.get_by_name, kind, name)

    def create_properties(self, kind: str, inputs: Sequence[Mapping[str, Any]]) -> Answer:
        return _sent(self._property_batches.create, kind, {"inputs": list(inputs)})

    def groups(self, kind: str) -> Answer:
        return _sent(self._groups.get_all, kind)

    def create_group(self, kind: str, body: Mapping[str, Any]) -> Answer:
        return _sent(self._groups.create, kind, body)

    def forms(self, *, form_types: Sequence[str], after: str | None = None) -> Answer:
        asked: dict[str, Any] = {"limit": 100, "form_types": list(form_types)}
        if after is not None:
            asked["after"] = after
        return _sent(self._forms.get_page, **asked)

    # The SDK knows no account-info, and its forms and calling packages lack these two.

    def account(self) -> Answer:
        return self._get("/account-info/v3/details")

    def dispositions(self) -> Answer:
        return self._get("/calling/v1/dispositions")

    def submissions(self, form_id: str, after: str | None) -> Answer:
        query = [("limit", "50")] + ([("after", after)] if after is not None else [])
        return self._get(f"/form-integrations/v1/submissions/forms/{form_id}", query)

    def _get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Answer:
        return self._transport.request("GET", self._base + path, query_params=query)


def _sent(call: Callable[..., Any], *given: Any, **asked: Any) -> Answer:
    """Call an SDK method for its answer as it came, not as a model."""
    answer: Answer = call(*given, _preload_content=False, **asked)
    return answer
