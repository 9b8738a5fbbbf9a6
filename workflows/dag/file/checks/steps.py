"""From plain values to steps: each step by itself, and the keys around the steps.

What must hold between steps is checked in `dependencies`, `cycles` and `job_ids`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.dag.file import fields
from workflows.dag.file.checks import scalars
from workflows.dag.file.checks.arguments import check_args, check_env
from workflows.dag.file.checks.flow_calls import check_flow_call
from workflows.dag.file.checks.keys import complain_of_keys, documented_values
from workflows.dag.file.checks.settings import check_choice, check_timeout, check_whole_number
from workflows.dag.file.checks.texts import check_image, check_name, check_step_id, check_text
from workflows.dag.file.model import OnFailure, Step, Task, When

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflows.dag.file.checks.context import CheckContext
    from workflows.dag.file.findings import ValuePath

# makes a named tuple without its own `__new__`, which costs four times as much
_new = tuple.__new__


def check_head(context: CheckContext, raw: Mapping[Any, Any]) -> fields.Head:
    """The keys around the steps; `steps` itself is left to the caller."""
    found, wrong = documented_values(raw, fields.DAG_KEYS)
    complain_of_keys(context, (), wrong, found, fields.DAG_KEYS)
    if found.get("description") is not None:
        check_text(context, ("description",), found["description"])
    name, most = found.get("name"), found.get("maxParallel")
    chosen = check_choice(context, ("onFailure",), found.get("onFailure"), OnFailure.CONTINUE)
    return fields.Head(
        None if name is None else check_name(context, ("name",), name),
        None
        if most is None
        else check_whole_number(context, ("maxParallel",), most, fields.DAG[2]),
        chosen,
    )


def check_step(context: CheckContext, index: int, raw: Any) -> Step:
    """The step at this place of the file; where it is wrong, something in its place."""
    path: ValuePath = ("steps", index)
    if not isinstance(raw, dict):
        context.step_id = None
        says = "a step must be a mapping with `id` and `task` or `workflow`"
        context.complain_of_kind(path, says, raw)
        return Step("")
    found, wrong = documented_values(raw, fields.STEP_KEYS)
    get = found.get
    check_step_id(context, path, get("id"))  # first: every mistake names the step
    if wrong:
        complain_of_keys(context, path, wrong, found, fields.STEP_KEYS)
    task, flow, parameters = get("task"), get("workflow"), get("parameters")
    if task is None or flow is not None or parameters is not None:
        _check_work(context, path, found)
    needs, description = get("dependsOn"), get("description")
    made = (  # in the order of `Step`
        context.step_id or "",
        () if needs is None else _check_depends_on(context, (*path, "dependsOn"), needs),
        None if task is None else _check_task(context, (*path, "task"), task),
        None if flow is None else check_flow_call(context, path, flow, parameters),
        check_text(context, (*path, "description"), description),
        *_check_settings(context, path, found),
    )
    return _new(Step, made)


def _check_settings(
    context: CheckContext, path: ValuePath, found: Mapping[str, Any]
) -> tuple[float | None, int, Mapping[str, str] | None, When]:
    """Timeout in seconds, retries, variables and condition, each with its default."""
    get = found.get
    timeout, retries, env, when = get("timeout"), get("retries"), get("env"), get("when")
    return (
        None if timeout is None else check_timeout(context, (*path, "timeout"), timeout),
        0
        if retries is None
        else check_whole_number(context, (*path, "retries"), retries, fields.STEP[7]),
        None if env is None else check_env(context, (*path, "env"), env),
        When.ON_SUCCESS
        if when is None
        else check_choice(context, (*path, "when"), when, When.ON_SUCCESS),
    )


def _check_work(context: CheckContext, path: ValuePath, found: Mapping[str, Any]) -> None:
    """A step has either a task or a flow, and only keys that belong to it."""
    task, flow = found.get("task"), found.get("workflow")
    if (task is None) == (flow is None):
        says, at = "neither `task` nor `workflow`", path
        if task is not None:
            says, at = "both `task` and `workflow`", (*path, "workflow")
        context.complain(at, f"the step has {says}", "give it one of them", at_key=True)
    if found.get("parameters") is not None and flow is None:
        at, fix = (*path, "parameters"), "parameters are a flow's; a task has `args` and `env`"
        context.complain(at, "`parameters` without `workflow`", fix, at_key=True)
    if found.get("env") is not None and flow is not None:
        context.complain((*path, "env"), "`env` without `task`", "a flow has `parameters`")


def _check_task(context: CheckContext, path: ValuePath, raw: Any) -> Task | None:
    if type(raw) is not dict:
        context.complain_of_kind(path, "`task` must be a mapping with `imageUri`", raw)
        return None
    found, wrong = documented_values(raw, fields.TASK_KEYS)
    if wrong:
        complain_of_keys(context, path, wrong, found, fields.TASK_KEYS)
    image, name, args = found.get("imageUri"), found.get("name"), found.get("args")
    if image is None:
        context.complain(path, "the task has no `imageUri`", "name the image to run")
    else:
        image = check_image(context, (*path, "imageUri"), image)
    if name is None or (name == context.step_id and not context.problems):  # an id is a name
        name = context.step_id or ""
    else:
        name = check_name(context, (*path, "name"), name)
    made = () if args is None else check_args(context, (*path, "args"), args)
    return _new(Task, (name, image or "", made))


def _check_depends_on(context: CheckContext, path: ValuePath, value: Any) -> tuple[str, ...]:
    """The ids; an empty text stands for a wrong one, so that the others keep their places."""
    if not context.is_of_kind(path, value, list, "`dependsOn` must be a list of step ids"):
        return ()
    share = context.shared.setdefault
    if scalars.only_texts(map(type, value)):
        return tuple(map(share, value, value))
    ids = []
    for index, one in enumerate(value):
        if type(one) is str:
            ids.append(share(one, one))
        else:
            context.complain_of_kind((*path, index), "a step id must be a text", one)
            ids.append("")
    return tuple(ids)
