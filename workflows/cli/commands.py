"""Every command but `run`: its flags and what it does. Heavy imports wait until it is called."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import workflows
from workflows.cli import agent, catalog, flags, output, task_runner
from workflows.cli.local import stack as local_stack

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from workflows.core.flow import Flow

EPILOG = """\
examples:
  workflows run hello_world --git-url https://gitlab.example.com/group/project.git
  workflows describe hello_world
  WORKFLOW_NAME=hello_world python -m workflows --git_url URL      (as a Cloud Run Job)

exit codes: 0 done, 1 failed, 2 wrong input, 75 may work later, 130/143 stopped by a signal
"""


@dataclass(frozen=True)
class Command:
    """A command: one line of help, its flags, and what carries it out (returns the exit code)."""

    summary: str
    configure: Callable[[argparse.ArgumentParser], None]
    carry_out: Callable[[argparse.Namespace], int]


def top_parser(flows: tuple[Flow, ...] = ()) -> flags.Parser:
    """The whole command line for help and completion; flags of flows only for `flows`."""
    top = flags.Parser(
        prog="workflows",
        description="From a GitLab issue or a feature request to a pushed branch and a merge"
        " request.",
        epilog=EPILOG,
    )
    top.add_argument("--version", action="version", version=f"workflows {workflows.__version__}")
    groups = {"": top.add_subparsers(metavar="COMMAND", title="commands", dest="command")}
    run = groups[""].add_parser("run", help="run a flow", description="Run a flow.")
    names = run.add_subparsers(metavar="FLOW", title="flows", dest="flow")
    built = {flow.name: flow for flow in flows}
    for name, summary in catalog.FLOWS.items():
        one = names.add_parser(name, help=summary, description=summary)
        if name in built:
            flags.add_parameter_flags(one, flags.flags_of_flow(built[name]))
            flags.add_run_flags(one)
    for full_name, command in COMMANDS.items():
        group, _, name = full_name.rpartition(" ")
        if group not in groups:
            parent = groups[""].add_parser(group, help=GROUPS[group])
            parts = parent.add_subparsers(metavar="PART", title="parts", dest="part", required=True)
            groups[group] = parts
        command.configure(groups[group].add_parser(name, help=command.summary))
    return top


def _no_flags(_: argparse.ArgumentParser) -> None:
    """This command has none."""


def _list_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def _list(found: argparse.Namespace) -> int:
    if found.json:
        output.say(json.dumps(catalog.FLOWS))
        return 0
    width = max(map(len, catalog.FLOWS)) + 2
    for name, summary in catalog.FLOWS.items():
        output.say(f"{name:<{width}}{summary}")
    return 0


def _describe_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("flow", metavar="FLOW", help="name of the flow")
    parser.add_argument("--json", action="store_true", help="as JSON, with the parameters' schema")


def _describe(found: argparse.Namespace) -> int:
    from workflows.cli import describe  # noqa: PLC0415

    return describe.describe_flow(catalog.find(found.flow), as_json=found.json)


def _completion_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="which shell")


def _completion(found: argparse.Namespace) -> int:
    import shtab  # noqa: PLC0415

    flows = tuple(catalog.find(name) for name in catalog.FLOWS)
    output.say(shtab.complete(top_parser(flows), shell=found.shell))
    return 0


def _demo_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", action="store_true", help="leave the GitLab up, until Ctrl-C")


def _demo(found: argparse.Namespace) -> int:
    from workflows.cli.local import demo  # noqa: PLC0415

    return demo.demo(keep=found.keep)


def _git_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, metavar="N", help="default: a free one")
    parser.add_argument("--root", metavar="DIR", help="where the repositories are (default: new)")
    parser.add_argument("--token", default="demo-token", help="a Maintainer's token")


def _git(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers  # noqa: PLC0415

    return servers.git(port=found.port, root=found.root, token=found.token)


def _gitlab_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, metavar="N", help="default: a free one")
    parser.add_argument(
        "--env-file", metavar="F", help="write GITLAB_URL, GITLAB_TOKEN, … to this file"
    )


def _gitlab(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers  # noqa: PLC0415

    return servers.gitlab(port=found.port, env_file=found.env_file)


def _model_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, metavar="N", help="default: a free one")
    parser.add_argument(
        "--recordings", metavar="DIR", help="where the answers are (default: the demo's)"
    )
    parser.add_argument(
        "--record", action="store_true", help="ask OPENAI_API_KEY's model what is not recorded"
    )
    parser.add_argument(
        "--upstream", metavar="URL", help="where to record from (default: OPENAI_BASE_URL, OpenAI)"
    )


def _model(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers  # noqa: PLC0415

    return servers.model(
        port=found.port,
        recordings=found.recordings,
        record=found.record,
        upstream=found.upstream,
    )


def _prefect_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=4200, metavar="N", help="default: 4200")


def _prefect(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers  # noqa: PLC0415

    return servers.prefect(port=found.port)


def _dag_run_flags(parser: argparse.ArgumentParser) -> None:
    from workflows.cli.dag import run as dag_run  # noqa: PLC0415

    dag_run.add_dag_run_flags(parser)


def _dag_run(found: argparse.Namespace) -> int:
    from workflows.cli.dag import run as dag_run  # noqa: PLC0415

    return dag_run.run_dag_file(found)


def _dag_status_flags(parser: argparse.ArgumentParser) -> None:
    from workflows.cli.dag import status as dag_status  # noqa: PLC0415

    dag_status.add_status_flags(parser)


def _dag_status(found: argparse.Namespace) -> int:
    from workflows.cli.dag import status as dag_status  # noqa: PLC0415

    return dag_status.show_status(found)


def _dag_file_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="YAML or JSON: a path, or gs://BUCKET/OBJECT")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what {{ params.NAME }} stands for; as often as needed",
    )


def _dag_validate_flags(parser: argparse.ArgumentParser) -> None:
    _dag_file_flags(parser)
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def _dag_validate(found: argparse.Namespace) -> int:
    from workflows.cli.dag import files as dag_files  # noqa: PLC0415

    return dag_files.validate_dag(found.file, found.param, as_json=found.json)


def _dag_show_flags(parser: argparse.ArgumentParser) -> None:
    _dag_file_flags(parser)
    parser.add_argument(
        "--format", choices=("mermaid", "dot", "svg"), default="mermaid", help="default: mermaid"
    )
    parser.add_argument("--output", metavar="F", help="write to this file instead of printing")


def _dag_show(found: argparse.Namespace) -> int:
    from workflows.cli.dag import files as dag_files  # noqa: PLC0415

    return dag_files.show_dag(found.file, found.param, form=found.format, target=found.output)


def _dag_schema_flags(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def _dag_schema(_found: argparse.Namespace) -> int:
    from workflows.cli.dag import files as dag_files  # noqa: PLC0415

    return dag_files.print_dag_schema()


def _cloud_run_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, metavar="N", help="default: a free one")
    parser.add_argument(
        "--image",
        action="append",
        metavar="IMAGE=COMMAND",
        help="entrypoint of an image, repeatable",
    )


def _cloud_run(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers  # noqa: PLC0415

    return servers.cloud_run(port=found.port, images=found.image or [])


def _pubsub_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, metavar="N", help="default: a free one")
    parser.add_argument(
        "--kind",
        choices=("auto", "emulator", "stand-in"),
        default="auto",
        help="default: Google's emulator where it is installed, else the stand-in",
    )


def _pubsub(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers  # noqa: PLC0415

    return servers.pubsub(port=found.port, kind=found.kind)


def _trigger_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("flow", metavar="FLOW", help="name of the flow")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter, as often as there are",
    )
    parser.add_argument("--params", metavar="JSON", help="parameters as one JSON object")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def _trigger(found: argparse.Namespace) -> int:
    from workflows.cli import trigger  # noqa: PLC0415

    return trigger.trigger(found.flow, found.param, found.params, as_json=found.json)


GROUPS = {
    "agent": "the coding agents: programs of their own, installed apart",
    "dag": "a workflow of container tasks, in a file",
    "local": "run a part of the embedded stack on this machine",
    "task-runner": "run container tasks for whoever asks over HTTP",
}
COMMANDS = {
    "list": Command("list the flows", _list_flags, _list),
    "describe": Command("show a flow's parameters", _describe_flags, _describe),
    "demo": Command("turn an issue into a merge request, offline", _demo_flags, _demo),
    "agent install": Command(
        "install a coding agent, from a lock", agent.install_flags, agent.install_agent
    ),
    "trigger": Command("start a flow in the cloud, by a message", _trigger_flags, _trigger),
    "local up": Command(
        "the whole stack, wired as in the cloud", local_stack.up_flags, local_stack.up
    ),
    "local status": Command("what of it runs", _no_flags, local_stack.status),
    "local publish": Command(
        "start a flow in it, by a message", _trigger_flags, local_stack.publish
    ),
    "local logs": Command("what its parts have logged", local_stack.logs_flags, local_stack.logs),
    "local down": Command("stop it", _no_flags, local_stack.down),
    "dag run": Command("run a workflow file against a Task Runner", _dag_run_flags, _dag_run),
    "dag status": Command("show what a run's journal says", _dag_status_flags, _dag_status),
    "local git": Command("a git server over HTTP, on 127.0.0.1", _git_flags, _git),
    "local gitlab": Command("a GitLab with a demo project", _gitlab_flags, _gitlab),
    "local model": Command("a model that plays recorded answers", _model_flags, _model),
    "local cloud-run": Command("Cloud Run jobs as processes", _cloud_run_flags, _cloud_run),
    "local pubsub": Command("a Pub/Sub with the topic `workflows`", _pubsub_flags, _pubsub),
    "local prefect": Command("a Prefect server with its UI", _prefect_flags, _prefect),
    "dag validate": Command(
        "check a DAG file: every mistake with its line", _dag_validate_flags, _dag_validate
    ),
    "dag show": Command("draw a DAG file", _dag_show_flags, _dag_show),
    "dag schema": Command("print the JSON Schema of DAG files", _dag_schema_flags, _dag_schema),
    "task-runner serve": Command(
        "a Task Runner: mock, processes here, Cloud Run", task_runner.configure, task_runner.serve
    ),
    "completion": Command("print a shell completion script", _completion_flags, _completion),
}
