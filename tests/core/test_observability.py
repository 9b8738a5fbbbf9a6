"""Log lines: what is in them, what is not, and where they go."""

from __future__ import annotations

import json
import logging
import re
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from workflows.core import observability
from workflows.core.config.choices import LogFormat, LogLevel
from workflows.core.config.settings import load
from workflows.core.observability import configure_logs, current_context, log_context, logger
from workflows.core.redaction import redact, remember

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "tok-observed-9f3a"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """What a test configured is gone after it."""
    ours = logger()
    before = (list(ours.handlers), ours.propagate, ours.level)
    yield
    ours.handlers[:], ours.propagate = before[0], before[1]
    ours.setLevel(before[2])


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return Lines(capsys)


class Lines:
    """What was written to stderr since the last look."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def text(self) -> str:
        seen = self._capsys.readouterr()
        assert seen.out == ""
        return seen.err

    def json(self) -> dict[str, Any]:
        """The only line there is, as an object."""
        (line,) = self.text().split("\n")[:-1]
        entry: dict[str, Any] = json.loads(line)
        return entry


def fail(error: Exception) -> None:
    """Raise it, a frame away."""
    raise error


def test_a_json_line_says_what_cloud_logging_wants(lines: Lines) -> None:
    """A line holds severity, time in UTC, message, logger and the fields of the context."""
    configure_logs(load(log_format=LogFormat.JSON))

    with log_context(run_id="r1", flow="hello"), log_context(step="clone"):
        logger("git").warning("took %.1f s", 0.25)

    entry = lines.json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
    assert entry == {
        "severity": "WARNING",
        "message": "took 0.2 s",
        "logger": "workflows.git",
        "run_id": "r1",
        "flow": "hello",
        "step": "clone",
    }


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
def test_severity_is_the_level(lines: Lines, level: str) -> None:
    """Each level has the severity of the same name."""
    configure_logs(load(log_format=LogFormat.JSON, log_level=LogLevel.DEBUG))

    logger().log(logging.getLevelName(level), "x")

    assert lines.json()["severity"] == level


def test_json_stays_on_one_line(lines: Lines) -> None:
    """Line ends in the message, the context and a traceback are escaped, not written."""
    configure_logs(load(log_format=LogFormat.JSON))

    with log_context(step="a\nb"):
        try:
            fail(ValueError("first\nsecond\r\nthird"))
        except ValueError:
            logger().exception("it\nbroke")

    entry = lines.json()
    assert (entry["message"], entry["step"]) == ("it\nbroke", "a\nb")
    assert entry["exception"].startswith("Traceback")
    assert entry["exception"].endswith("ValueError: first\nsecond\r\nthird")


def test_a_text_line_is_for_people(lines: Lines) -> None:
    """A text line is the time of day, the level, the step where one is running, the message."""
    configure_logs(load(log_format=LogFormat.TEXT))

    logger("cli").info("ready")
    with log_context(step="clone repository", run_id="r1"):
        logger("progress").error("done in %d s", 2)

    first, second = lines.text().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO    ready", first)
    assert re.fullmatch(r"\d\d:\d\d:\d\d ERROR   clone repository: done in 2 s", second)


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.TEXT])
def test_a_secret_is_redacted_wherever_it_comes_from(lines: Lines, log_format: LogFormat) -> None:
    """Message, arguments, context and the whole traceback are written without secrets."""
    configure_logs(load(log_format=log_format))
    remember([SECRET])

    with log_context(step=f"with {SECRET}"):
        try:
            fail(KeyError(f"https://oauth2:{SECRET}@host/"))
        except KeyError:
            assert SECRET in traceback.format_exc()
            logger().exception("%s and {SECRET} and %r", SECRET, {"k": SECRET})

    shown = lines.text()
    assert SECRET not in shown
    assert shown.count("[redacted]") >= 4
    assert "Traceback" in shown


def test_configure_teaches_the_settings_secrets(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `configure_logs` the token of the environment is hidden without being named again."""
    monkeypatch.setenv("GIT_TOKEN", "configured-tok-77")
    configure_logs(load())

    logger().info("the token is configured-tok-77")

    assert "the token is [redacted]" in lines.text()


def test_configuring_twice_does_not_double_lines(lines: Lines) -> None:
    """The later configuration replaces the earlier one."""
    configure_logs(load(log_format=LogFormat.TEXT))
    configure_logs(load(log_format=LogFormat.JSON))

    logger().info("once")

    assert lines.json()["message"] == "once"


@pytest.mark.parametrize(
    ("how", "levels"),
    [
        ({}, ["INFO", "WARNING", "ERROR"]),
        ({"brief": True}, ["WARNING", "ERROR"]),
        ({"quiet": True}, ["ERROR"]),
        ({"quiet": True, "brief": True}, ["ERROR"]),
    ],
)
def test_quiet_and_brief_write_less(lines: Lines, how: dict[str, bool], levels: list[str]) -> None:
    """`quiet` leaves errors, `brief` warnings too."""
    configure_logs(load(), **how)

    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logger().log(level, "x")

    assert [line.split()[1] for line in lines.text().splitlines()] == levels


def test_other_handlers_hear_what_quiet_leaves_out(lines: Lines) -> None:
    """A handler that is added later gets every line of the settings' level, quiet or not."""
    configure_logs(load(), quiet=True)
    heard = Heard()
    logger().addHandler(heard)

    logger().info("for the API")

    assert lines.text() == ""
    assert heard.messages == ["for the API"]


class Heard(logging.Handler):
    """Keeps the messages."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.mark.parametrize(("job", "is_json"), [("hello-job", True), (None, False)])
def test_cloud_run_gets_json_by_itself(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, job: str | None, *, is_json: bool
) -> None:
    """With the format left at auto, lines are JSON exactly where CLOUD_RUN_JOB is set."""
    if job:
        monkeypatch.setenv("CLOUD_RUN_JOB", job)
    configure_logs(load())

    logger().info("x")

    assert lines.text().startswith("{") is is_json


def test_the_root_logger_hears_nothing(lines: Lines) -> None:
    """Lines of ours do not travel on to handlers of the root logger."""
    configure_logs(load(), quiet=True)
    heard = Heard()
    logging.getLogger().addHandler(heard)
    try:
        logger().info("ours")
    finally:
        logging.getLogger().removeHandler(heard)

    assert heard.messages == []
    assert lines.text() == ""


def test_the_context_ends_with_its_block() -> None:
    """Leaving a block, by an exception too, brings back the fields from before it."""
    with log_context(run_id="r1"):
        with pytest.raises(ZeroDivisionError), log_context(step="s", run_id="r2"):
            1 / len(current_context().keys() - {"run_id", "step"})
        assert current_context() == {"run_id": "r1"}

    assert current_context() == {}


def test_loggers_are_below_ours() -> None:
    """A named logger is a child of the one that `configure_logs` sets up."""
    assert logger("git").parent is logger()
    assert logger().name == observability.LOGGER_NAME


def test_a_variable_that_is_no_setting_but_named_as_a_secret_is_redacted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI_JOB_TOKEN", "b7d1f0a2c94e55a1")

    configure_logs(load())

    assert "b7d1f0a2c94e55a1" not in redact("it answered with b7d1f0a2c94e55a1")
