"""`workflows trigger`: publish the message that starts a workflow in the cloud."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from workflows.cli import catalog, flags, output
from workflows.core.config.settings import load
from workflows.core.errors import CommandLineInvalid, ParametersInvalid
from workflows.trigger import message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflows.core.config.settings import Settings
    from workflows.core.flow import Flow


def publish_trigger(
    name: str, words: Sequence[str], params_json: str | None, *, as_json: bool
) -> int:
    """Check the message as the flow itself would, then publish it to WORKFLOWS_TOPIC.

    `words` are `name=value`; `params_json` is an object that they are added to.

    Raises:
        WorkflowUnknown, ParametersInvalid, CommandLineInvalid: nothing was published.
        SettingsInvalid, AuthenticationFailed, …: as `tasks.pubsub.publish_to_topic`.
    """
    from workflows.tasks import pubsub

    flow = catalog.find(name)
    settings = load()
    given = _given(words, params_json)
    try:
        data = message.build_message(flow.name, given)
    except message.MessageRefused as error:
        raise ParametersInvalid(
            f"the message for {flow.name} is not right",
            why="\n".join(error.findings),
            fix=f"see `workflows describe {flow.name}`",
        ) from None
    _check(flow, given, settings)
    number = pubsub.publish_to_topic(settings, data, {"origin": "cli"})
    if as_json:
        output.say_json({"message_id": number, "topic": settings.topic, "workflow": flow.name})
    else:
        output.say(f"message {number} for {flow.name} was published to {settings.topic}")
    return 0


def _given(words: Sequence[str], params_json: str | None) -> dict[str, Any]:
    """The parameters as the message will have them."""
    try:
        found = json.loads(params_json or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CommandLineInvalid("--params is not a JSON object", fix='write {"name": "value"}')
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise CommandLineInvalid(f"--param {word!r} is not NAME=VALUE")
        found[name.replace("-", "_")] = value
    return found


def _check(flow: Flow, given: dict[str, Any], settings: Settings) -> None:
    """Read the parameters the way the job will: from flags, by the flow's own model."""
    parser = flags.Parser(prog=f"workflows trigger {flow.name}")
    flags.add_parameter_flags(parser, flags.flags_of_flow(flow))
    found, problems = flags.parse_with_problems(parser, message.flag_arguments(given))
    flow.validate(flags.flow_values(flow, found), settings, problems)
