"""Settings: what the environment may say, and what is said back when it may not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from workflows.core.config.choices import LogFormat, LogLevel, PrefectMode
from workflows.core.config.settings import Settings, load, settings_table
from workflows.core.errors import SettingsInvalid

SECRET = "tok-hunter2-hunter2"
BAD = {
    "GIT_TIMEOUT_S": "soon",
    "WORKFLOWS_RETRIES": "-1",
    "WORKFLOWS_RETRY_DELAY_S": "61",
    "WORKFLOWS_ALLOW_LOCAL_REPOSITORIES": "perhaps",
    "NOTIFY_TIMEOUT_S": "0",
    "LOG_LEVEL": "LOUD",
    "LOG_FORMAT": "xml",
    "WORKFLOWS_RUN_ID": "a b",
    "PREFECT_API_URL": "ftp://prefect",
    "WORKFLOWS_PREFECT": "maybe",
    "WORKFLOWS_PREFECT_GRACE_S": "1000",
}


def test_every_default_is_accepted() -> None:
    """An empty environment is a valid one, and its settings hold no secret."""
    settings = load()

    assert (settings.git_token, settings.retries, settings.log_level) == (None, 3, LogLevel.INFO)
    assert settings.secrets() == []


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has exactly one line for each variable that cannot be used, and exits with 2."""
    for name, value in BAD.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsInvalid) as caught:
        load()

    named = [line.partition(": ")[0] for line in caught.value.why.splitlines()]
    assert sorted(named) == sorted(BAD)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("name", "value"), BAD.items())
def test_a_bad_value_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Each bad value alone is refused, in one line that says what is wrong with it."""
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsInvalid) as caught:
        load()

    assert re.fullmatch(rf"{name}: [a-z].+", caught.value.why)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize(
    "name",
    ["GIT_TIMEOUT_S", "WORKFLOWS_RETRY_DELAY_S", "NOTIFY_TIMEOUT_S", "WORKFLOWS_PREFECT_GRACE_S"],
)
def test_a_time_is_a_number_of_seconds(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Infinity and not-a-number are no times."""
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsInvalid, match="cannot be used"):
        load()


@pytest.mark.parametrize("name", BAD)
def test_a_refusal_does_not_repeat_the_value(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A secret pasted into the wrong variable does not come back in the message or its causes."""
    monkeypatch.setenv(name, f"{SECRET} !")

    with pytest.raises(SettingsInvalid) as caught:
        load()

    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_secrets_are_hidden_where_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr nor str shows a secret; `secrets` returns all of them."""
    names = ["GIT_TOKEN", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING"]
    for name in names:
        monkeypatch.setenv(name, f"{SECRET}-{name}")
    monkeypatch.setenv("NOTIFY_URLS", f"slack://{SECRET}-1 slack://{SECRET}-2\n")

    settings = load()

    assert SECRET not in repr(settings) + str(settings)
    assert sorted(settings.secrets()) == sorted(
        [
            *(f"{SECRET}-{name}" for name in names),
            f"slack://{SECRET}-1",
            f"slack://{SECRET}-2",
        ]
    )


def test_every_setting_is_described_and_has_its_variable() -> None:
    """Each field has one upper-case variable of its own and a sentence about it."""
    fields = Settings.declared().values()
    variables = [field.variable for field in fields]

    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", name) for name in variables)
    assert len(set(variables)) == len(variables)
    assert all(re.fullmatch(r"(?s)\S.*\.", field.description) for field in fields)


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("GIT_USERNAME", "ci", "git_username", "ci"),
        ("GIT_TOKEN_HOSTS", "a.example b:8443\n", "git_token_hosts", ("a.example", "b:8443")),
        ("GIT_TIMEOUT_S", "1.5", "git_timeout_s", 1.5),
        ("WORKFLOWS_RETRIES", "0", "retries", 0),
        ("WORKFLOWS_RETRY_DELAY_S", "0.05", "retry_delay_s", 0.05),
        ("WORKFLOWS_ALLOW_LOCAL_REPOSITORIES", "true", "allow_local_repositories", True),
        ("NOTIFY_TIMEOUT_S", "300", "notify_timeout_s", 300.0),
        ("LOG_LEVEL", "debug", "log_level", LogLevel.DEBUG),
        ("LOG_FORMAT", "json", "log_format", LogFormat.JSON),
        ("WORKFLOWS_RUN_ID", "run-1.a_b", "run_id", "run-1.a_b"),
        ("CLOUD_RUN_JOB", "hello", "cloud_run_job", "hello"),
        ("CLOUD_RUN_EXECUTION", "hello-x", "cloud_run_execution", "hello-x"),
        ("PREFECT_API_URL", "http://h:4200/api", "prefect_api_url", "http://h:4200/api"),
        ("WORKFLOWS_PREFECT", "off", "prefect_mode", PrefectMode.OFF),
        ("WORKFLOWS_PREFECT_GRACE_S", "60", "prefect_grace_s", 60.0),
    ],
)
def test_a_variable_sets_its_field(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str, expected: object
) -> None:
    """Each variable is read by its documented name into its field."""
    monkeypatch.setenv(variable, value)

    assert getattr(load(), field) == expected


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing leaves the default alone."""
    for field in Settings.declared().values():
        monkeypatch.setenv(field.variable, "")

    assert load() == Settings()
    assert load().retries == 3


def test_a_lower_case_variable_is_another_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are matched exactly: `git_username` is not GIT_USERNAME."""
    monkeypatch.setenv("git_username", "someone")

    assert load().git_username == "oauth2"


def test_settings_do_not_change() -> None:
    """A field cannot be assigned after the start."""
    with pytest.raises(AttributeError, match="does not change"):
        load().retries = 9


def test_overrides_go_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a flag says wins over the environment."""
    monkeypatch.setenv("LOG_LEVEL", "ERROR")

    assert load(log_level=LogLevel.DEBUG).log_level is LogLevel.DEBUG


@pytest.mark.parametrize(
    ("environment", "json_logs"),
    [
        ({}, False),
        ({"CLOUD_RUN_JOB": "hello"}, True),
        ({"LOG_FORMAT": "text", "CLOUD_RUN_JOB": "hello"}, False),
        ({"LOG_FORMAT": "json"}, True),
        ({"LOG_FORMAT": "auto", "CLOUD_RUN_JOB": ""}, False),
    ],
)
def test_json_logs_where_cloud_run_reads_them(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], *, json_logs: bool
) -> None:
    """`auto` is JSON exactly in a Cloud Run job; `text` and `json` are what they say."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert load().json_logs is json_logs


def test_the_table_lists_every_setting() -> None:
    """The table for the docs has a row for each field: variable, default, description."""
    rows = {variable: (default, text) for variable, default, text in settings_table()}

    assert list(rows) == [field.variable for field in Settings.declared().values()]
    shown = ("GIT_TOKEN", "GIT_USERNAME", "NOTIFY_URLS", "LOG_LEVEL", "WORKFLOWS_PREFECT")
    assert [rows[name][0] for name in shown] == ["", "oauth2", "", "INFO", "auto"]
    assert rows["WORKFLOWS_ALLOW_LOCAL_REPOSITORIES"][0] == "false"
    assert all(text for _, text in rows.values())


def test_defaults_in_the_table_are_accepted_as_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator may write every documented default into the environment: nothing changes."""
    before: Any = load()

    for variable, default, _ in settings_table():
        monkeypatch.setenv(variable, default)

    assert load() == before
