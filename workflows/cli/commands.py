"""Every command but `run`: its flags and what carries it out.

A command's own modules are imported when it is called, so that `--help` stays quick.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

exit codes: 0 succeeded, 1 failed, 2 wrong input, 75 try again later, 130/143 stopped by a signal
"""


@dataclass(frozen=True)
class Command:
    """A command: one line of help, what adds its flags, and what carries it out.

    `carry_out` returns the exit code.
    """

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
    top.add_argument("--version", action=flags.VersionFlag)
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
    """For a command without flags."""


def _add_json_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")


def _add_port_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="Port to listen on (default: a free one)."
    )


def _list(found: argparse.Namespace) -> int:
    if found.json:
        output.say(json.dumps(catalog.FLOWS))
        return 0
    width = max(map(len, catalog.FLOWS)) + 2
    for name, summary in catalog.FLOWS.items():
        output.say(f"{name:<{width}}{summary}")
    return 0


def _describe_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("flow", metavar="FLOW", help="Name of the flow.")
    parser.add_argument(
        "--json", action="store_true", help="Print JSON, with the JSON Schema of the parameters."
    )


def _describe(found: argparse.Namespace) -> int:
    from workflows.cli import describe

    return describe.describe_flow(catalog.find(found.flow), as_json=found.json)


def _completion_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell", choices=("bash", "zsh", "tcsh"), help="The shell to complete commands in."
    )


def _completion(found: argparse.Namespace) -> int:
    import shtab

    flows = tuple(catalog.find(name) for name in catalog.FLOWS)
    output.say(shtab.complete(top_parser(flows), shell=found.shell))
    return 0


def _demo_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", action="store_true", help="Keep the GitLab running until Ctrl-C.")


def _demo(found: argparse.Namespace) -> int:
    from workflows.cli.local import demo

    return demo.demo(keep=found.keep)


def _git_flags(parser: argparse.ArgumentParser) -> None:
    _add_port_flag(parser)
    parser.add_argument(
        "--root", metavar="DIR", help="Folder of the repositories (default: a new one)."
    )
    parser.add_argument(
        "--token", default="demo-token", help="Access token of a Maintainer (default: demo-token)."
    )


def _git(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers

    return servers.serve_git(port=found.port, root=found.root, token=found.token)


def _gitlab_flags(parser: argparse.ArgumentParser) -> None:
    _add_port_flag(parser)
    parser.add_argument(
        "--env-file", metavar="F", help="Write GITLAB_URL, GITLAB_TOKEN, … to this file."
    )


def _gitlab(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers

    return servers.serve_gitlab(port=found.port, env_file=found.env_file)


def _model_flags(parser: argparse.ArgumentParser) -> None:
    _add_port_flag(parser)
    parser.add_argument(
        "--recordings", metavar="DIR", help="Folder of the recorded answers (default: the demo's)."
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="Ask a real model for what is not recorded, with OPENAI_API_KEY.",
    )
    parser.add_argument(
        "--upstream",
        metavar="URL",
        help="Address of the real model (default: OPENAI_BASE_URL, else OpenAI).",
    )


def _model(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers

    return servers.serve_model(
        port=found.port,
        recordings=found.recordings,
        record=found.record,
        upstream=found.upstream,
    )


def _prefect_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=4200, metavar="N", help="Port to listen on (default: 4200)."
    )


def _prefect(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers

    return servers.serve_prefect(port=found.port)


def _dag_run_flags(parser: argparse.ArgumentParser) -> None:
    from workflows.cli.dag import run as dag_run

    dag_run.add_dag_run_flags(parser)


def _dag_run(found: argparse.Namespace) -> int:
    from workflows.cli.dag import run as dag_run

    return dag_run.run_dag_file(found)


def _dag_status_flags(parser: argparse.ArgumentParser) -> None:
    from workflows.cli.dag import status as dag_status

    dag_status.add_status_flags(parser)


def _dag_status(found: argparse.Namespace) -> int:
    from workflows.cli.dag import status as dag_status

    return dag_status.show_status(found)


def _dag_file_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", help="The DAG: a YAML or JSON file, or gs://BUCKET/OBJECT."
    )
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="What {{ params.NAME }} in the file stands for; can be repeated.",
    )


def _dag_validate_flags(parser: argparse.ArgumentParser) -> None:
    _dag_file_flags(parser)
    _add_json_flag(parser)


def _dag_validate(found: argparse.Namespace) -> int:
    from workflows.cli.dag import files as dag_files

    return dag_files.validate_dag(found.file, found.param, as_json=found.json)


def _dag_show_flags(parser: argparse.ArgumentParser) -> None:
    _dag_file_flags(parser)
    parser.add_argument(
        "--format",
        choices=("mermaid", "dot", "svg"),
        default="mermaid",
        help="Format (default: mermaid).",
    )
    parser.add_argument("--output", metavar="F", help="Write to this file instead of printing.")


def _dag_show(found: argparse.Namespace) -> int:
    from workflows.cli.dag import files as dag_files

    return dag_files.show_dag(found.file, found.param, form=found.format, target=found.output)


def _dag_schema(_found: argparse.Namespace) -> int:
    from workflows.cli.dag import files as dag_files

    return dag_files.print_dag_schema()


def _cloud_run_flags(parser: argparse.ArgumentParser) -> None:
    _add_port_flag(parser)
    parser.add_argument(
        "--image",
        action="append",
        metavar="IMAGE=COMMAND",
        help="The command that an image stands for; can be repeated.",
    )


def _cloud_run(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers

    return servers.serve_cloud_run(port=found.port, images=found.image or [])


def _pubsub_flags(parser: argparse.ArgumentParser) -> None:
    _add_port_flag(parser)
    parser.add_argument(
        "--kind",
        choices=("auto", "emulator", "stand-in"),
        default="auto",
        help="`auto`, the default, takes Google's emulator where there is one, else the stand-in.",
    )


def _pubsub(found: argparse.Namespace) -> int:
    from workflows.cli.local import servers

    return servers.serve_pubsub(port=found.port, kind=found.kind)


def _trigger_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("flow", metavar="FLOW", help="Name of the flow.")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="A parameter of the flow; can be repeated.",
    )
    parser.add_argument("--params", metavar="JSON", help="Parameters as one JSON object.")
    _add_json_flag(parser)


def _trigger(found: argparse.Namespace) -> int:
    from workflows.cli import trigger

    return trigger.publish_trigger(found.flow, found.param, found.params, as_json=found.json)


GROUPS = {
    "agent": "install coding agents",
    "dag": "run, check and draw DAGs of container tasks",
    "local": "run the embedded stack, or a part of it, on this machine",
    "task-runner": "serve a Task Runner, which carries out container tasks",
}
COMMANDS = {
    "list": Command("list the flows", _add_json_flag, _list),
    "describe": Command("show a flow's parameters", _describe_flags, _describe),
    "demo": Command(
        "turn an issue into a merge request on this machine, offline", _demo_flags, _demo
    ),
    "agent install": Command(
        "install a coding agent, in versions that are pinned",
        agent.add_install_flags,
        agent.install_agent,
    ),
    "trigger": Command("start a flow in the cloud, by a Pub/Sub message", _trigger_flags, _trigger),
    "local up": Command(
        "start the whole stack, connected as in the cloud",
        local_stack.add_stack_flags,
        local_stack.start_stack,
    ),
    "local status": Command(
        "show which parts of the stack answer", _no_flags, local_stack.show_stack_status
    ),
    "local publish": Command(
        "start a flow in the stack, by a Pub/Sub message",
        _trigger_flags,
        local_stack.publish_to_stack,
    ),
    "local logs": Command(
        "print what a part of the stack has logged",
        local_stack.add_log_flags,
        local_stack.show_stack_logs,
    ),
    "local down": Command("stop the stack", _no_flags, local_stack.stop_stack),
    "dag run": Command("run a DAG file on a Task Runner", _dag_run_flags, _dag_run),
    "dag status": Command(
        "show how a DAG run stands, from its journal", _dag_status_flags, _dag_status
    ),
    "local git": Command("serve git over HTTP on 127.0.0.1", _git_flags, _git),
    "local gitlab": Command("serve a GitLab with a demo project", _gitlab_flags, _gitlab),
    "local model": Command("serve a model that plays recorded answers", _model_flags, _model),
    "local cloud-run": Command(
        "serve Cloud Run's API; jobs are processes of this machine", _cloud_run_flags, _cloud_run
    ),
    "local pubsub": Command("serve a Pub/Sub with the topic `workflows`", _pubsub_flags, _pubsub),
    "local prefect": Command("serve Prefect, with its UI", _prefect_flags, _prefect),
    "dag validate": Command(
        "check a DAG file and print every mistake with its line", _dag_validate_flags, _dag_validate
    ),
    "dag show": Command("draw a DAG file as Mermaid, DOT or SVG", _dag_show_flags, _dag_show),
    "dag schema": Command("print the JSON Schema of DAG files", _no_flags, _dag_schema),
    "task-runner serve": Command(
        "serve a Task Runner: a mock, processes of this machine, or Cloud Run",
        task_runner.add_task_runner_flags,
        task_runner.serve_task_runner,
    ),
    "completion": Command("print a shell completion script", _completion_flags, _completion),
}
