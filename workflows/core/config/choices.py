"""The words that settings may have for a value."""

from __future__ import annotations

from enum import StrEnum


class PrefectMode(StrEnum):
    """Whether a run is shown in Prefect."""

    AUTO = "auto"
    OFF = "off"
    EPHEMERAL = "ephemeral"


class LogFormat(StrEnum):
    """How log lines look; `auto` is JSON in Cloud Run and text elsewhere."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe log line that is written."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Sandbox(StrEnum):
    """How an agent and a check command are kept apart from the rest of the machine."""

    AUTO = "auto"
    BUBBLEWRAP = "bubblewrap"
    OFF = "off"


class FlowSteps(StrEnum):
    """Where steps of a DAG that are flows run."""

    LOCAL = "local"
    CLOUD = "cloud"
