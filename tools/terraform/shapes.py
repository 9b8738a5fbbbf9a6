"""What made-up values look like where the configuration looks at them; not Google's answers."""

from __future__ import annotations

from typing import Any

_ACCOUNT = "{account_id}@made-up.iam.gserviceaccount.com"
_SHAPES = {
    "google_service_account": {
        "email": _ACCOUNT,
        "member": f"serviceAccount:{_ACCOUNT}",
        "name": f"projects/made-up/serviceAccounts/{_ACCOUNT}",
    },
    "google_artifact_registry_repository": {
        "id": "projects/made-up/locations/{location}/repositories/{repository_id}",
        "name": "{repository_id}",
    },
    "google_pubsub_topic": {"id": "projects/{project}/topics/{name}"},
    "google_monitoring_notification_channel": {"name": "projects/made-up/notificationChannels/1"},
}


def shape(kind: str, planned: dict[str, Any], unknown: object) -> None:
    """Give the unknown values of a resource of this type their form."""
    for name, form in _SHAPES.get(kind, {}).items():
        if planned.get(name) == unknown:
            planned[name] = form.format_map(planned)
