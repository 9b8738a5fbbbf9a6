"""The Cloud Functions: adapters around `workflows.trigger`, and how their sources are staged."""
