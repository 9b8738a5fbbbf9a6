"""From plain values to steps: every rule about one value by itself. Rules between steps: `graph`.

Nothing is raised: mistakes are collected with their paths, and a value that is wrong is replaced
by one that is not, so that the rest of the file is looked at too.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from workflows.core.nearest import nearest
from workflows.dag.file import fields, scalars
from workflows.dag.file.findings import Path, Problem
from workflows.dag.file.limits import MAX_DEPTH
from workflows.dag.file.model import FlowCall, OnFailure, Step, Task, When
from workflows.dag.file.parse import Source
from workflows.dag.file.templates import MARK, expand_templates

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_MAX_PROBLEMS = 10_000  # more than anybody reads; the file is refused by then
# What a named tuple is made by in the end: its own way there costs four times as much.
_new = tuple.__new__
_only_texts = frozenset({str}).issuperset  # of types: a `Source` is none


class Checker:
    """Checks the values of one file; `params` fill in `{{ params.x }}`.

    `texts` are scalars as they are written, by path; `exact` says whether whole numbers and
    booleans are written as Python writes them, so that nobody need look; most files never ask.
    """

    def __init__(
        self,
        params: Mapping[str, str],
        *,
        texts: Mapping[Path, str] | None = None,
        exact: Callable[[], bool] = lambda: True,
        flows: Collection[str] | None = None,
    ) -> None:
        self.problems: list[Problem] = []
        self.unsure: list[Path] = []
        """Scalars whose notation is needed: check again with them in `texts`."""
        self._params = params
        self._texts = texts
        self._exact = cache(exact)
        self._flows = flows
        self._shared: dict[str, str] = {}
        self._images: dict[str, str] = {}
        self._step: str | None = None

    def head(self, raw: Mapping[Any, Any]) -> fields.Head:
        """The keys around the steps; `steps` itself is left to the caller."""
        found = self._known((), raw, fields.DAG_KEYS)
        if found.get("description") is not None:
            self._text(("description",), found["description"])
        name, most = found.get("name"), found.get("maxParallel")
        chosen = self._choice(("onFailure",), found.get("onFailure"), OnFailure.CONTINUE)
        return fields.Head(
            None if name is None else self._line(("name",), name, fields.MAX_TEXT),
            None if most is None else self._whole(("maxParallel",), most, fields.DAG[2]),
            chosen,
        )

    def step(self, index: int, raw: Any) -> Step:
        """One step; where it is wrong, something in its place and a problem."""
        path: Path = ("steps", index)
        if not isinstance(raw, dict):
            self._step = None
            self._wrong(path, "a step must be a mapping with `id` and `task` or `workflow`", raw)
            return Step("")
        get = self._known(path, raw, fields.STEP_KEYS, named=True).get
        task, flow, parameters, env = get("task"), get("workflow"), get("parameters"), get("env")
        if task is None or flow is not None or parameters is not None:
            self._work(path, task, flow, parameters, env)
        needs, description, timeout = get("dependsOn"), get("description"), get("timeout")
        retries, when = get("retries"), get("when")
        return _new(  # in the order of `Step`
            Step,
            (
                self._step or "",
                () if needs is None else self._dependencies(path, needs),
                None if task is None else self._task(path, task),
                None if flow is None else self._flow(path, flow, parameters),
                description
                if type(description) is str
                else self._text((*path, "description"), description),
                None if timeout is None else self._timeout((*path, "timeout"), timeout),
                0 if retries is None else self._whole((*path, "retries"), retries, fields.STEP[7]),
                None if env is None else self._env((*path, "env"), env),
                When.ON_SUCCESS
                if when is None
                else self._choice((*path, "when"), when, When.ON_SUCCESS),
            ),
        )

    def complain(self, path: Path, message: str, fix: str = "", *, at_key: bool = False) -> None:
        """Note a mistake at `path`, in the step that is being checked."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(Problem(path, message, fix, at_key, self._step))

    def _wrong(self, path: Path, message: str, value: Any) -> None:
        fix = scalars.quotes(value) if message.endswith(" a text") else ""
        self.complain(path, f"{message}, not {scalars.kind(value)}", fix)

    def _is(self, path: Path, value: Any, kind: type, message: str) -> bool:
        if type(value) is kind:
            return True
        self._wrong(path, message, value)
        return False

    def _known(
        self,
        path: Path,
        raw: Mapping[Any, Any],
        keys: Mapping[object, str],
        *,
        named: bool = False,
    ) -> Mapping[str, Any]:
        """The values by documented key; what is unknown or there in two spellings is a mistake.

        `named` says that this is a step, whose id is to stand in everything said about it.
        """
        if raw.keys() <= fields.DOCUMENTED[id(keys)]:  # most; nothing need be copied
            if named:
                self._name(path, raw.get("id"))
            return raw
        found: dict[str, Any] = {}
        strangers = []
        for key, value in raw.items():
            name = keys.get(key) if type(key) is str else None
            if name is None:
                strangers.append(key)
            elif name in found:
                strangers.append(name)
            else:
                found[name] = value
        if named:
            self._name(path, found.get("id"))
        for key in strangers:
            self._stranger(path, key, found, keys)
        return found

    def _stranger(
        self, path: Path, key: object, found: Mapping[str, Any], keys: Mapping[object, str]
    ) -> None:
        shown = str(key)
        if key == "<<":
            fix = "merge keys are not supported: write the keys out"
        elif shown in found:
            self.complain((*path, shown), f"the key {shown!r} is there in two spellings")
            return
        elif type(key) is str and (close := nearest(key, map(str, keys))):
            fix = f"did you mean {keys[close]!r}?"
        else:
            fix = "there are " + ", ".join(dict.fromkeys(keys.values()))
        self.complain((*path, shown), f"unknown key {shown[:60]!r}", fix, at_key=True)

    def _name(self, path: Path, value: Any) -> None:
        """Take up the step's id, which must be there."""
        self._step = None
        if value is None:
            self.complain(path, "the step has no `id`", "give it one")
        elif type(value) is not str:
            self._wrong((*path, "id"), "`id` must be a text", value)
        else:
            self._step = self._shared.setdefault(value, value)
            if fields.ID_PATTERN.fullmatch(value) is None:
                self.complain(
                    (*path, "id"),
                    f"`id` may not be {scalars.short(value)}",
                    "use letters, digits, `.`, `_` and `-`, at most 128, a letter or digit first",
                )

    def _work(self, path: Path, task: Any, flow: Any, parameters: Any, env: Any) -> None:
        """A step runs exactly one of the two, and has what belongs to it."""
        if (task is None) == (flow is None):
            says, at = "neither `task` nor `workflow`", path
            if task is not None:
                says, at = "both `task` and `workflow`", (*path, "workflow")
            self.complain(at, f"the step has {says}", "give it one of them", at_key=True)
        if parameters is not None and flow is None:
            fix = "parameters are a flow's; a task has `args` and `env`"
            self.complain(
                (*path, "parameters"), "`parameters` without `workflow`", fix, at_key=True
            )
        if env is not None and flow is not None:
            self.complain((*path, "env"), "`env` without `task`", "a flow has `parameters`")

    def _task(self, path: Path, raw: Any) -> Task | None:
        path = (*path, "task")
        if type(raw) is not dict:
            self._wrong(path, "`task` must be a mapping with `imageUri`", raw)
            return None
        get = self._known(path, raw, fields.TASK_KEYS).get
        image, name, args = get("imageUri"), get("name"), get("args")
        if image is None:
            self.complain(path, "the task has no `imageUri`", "name the image to run")
        else:
            # the same few images again and again
            known = self._images.get(image) if type(image) is str else None
            image = known or self._image((*path, "imageUri"), image)
        if name is None or (name == self._step and not self.problems):  # an id is a name
            name = self._step or ""
        else:
            name = self._line((*path, "name"), name, fields.MAX_TEXT)
        return _new(Task, (name, image or "", () if args is None else self._args(path, args)))

    def _flow(self, path: Path, name: Any, parameters: Any) -> FlowCall:
        at = (*path, "workflow")
        if type(name) is not str:
            self._wrong(at, "`workflow` must be a text", name)
        elif self._flows is not None and name not in self._flows:
            close = nearest(name, self._flows)
            fix = f"did you mean {close!r}?" if close else f"there are {', '.join(self._flows)}"
            self.complain(at, f"there is no flow {scalars.short(name)}", fix)
        elif fields.FLOW_PATTERN.fullmatch(name) is None:
            self.complain(at, f"no flow is called {scalars.short(name)}", "see `workflows list`")
        if parameters is None:
            return FlowCall(str(name), {})
        at = (*path, "parameters")
        if not self._is(at, parameters, dict, "`parameters` must be a mapping"):
            return FlowCall(str(name), {})
        return FlowCall(str(name), self._json(at, parameters))

    def _json(self, path: Path, value: Any) -> Any:
        """A parameter's value with its texts expanded; whatever is not JSON is a mistake."""
        if len(path) > MAX_DEPTH:
            self.complain(path, f"nested more than {MAX_DEPTH} levels deep", "write it flatter")
            return None
        if type(value) is dict:
            for key in value:
                if type(key) is not str:
                    self._wrong((*path, str(key)), "a key must be a text", key)
            return {str(key): self._json((*path, str(key)), one) for key, one in value.items()}
        if type(value) is list:
            return [self._json((*path, index), one) for index, one in enumerate(value)]
        return self._json_scalar(path, value)

    def _json_scalar(self, path: Path, value: Any) -> Any:
        if type(value) is str:
            return self._expanded(path, value)
        if type(value) is Source or type(value) is float:
            if scalars.finite(value) is None:
                self._wrong(path, "a parameter must be something JSON has", value)
            return scalars.finite(value)
        self._not_huge(path, value)
        return value

    def _not_huge(self, path: Path, value: Any) -> None:
        if scalars.is_huge(value):
            self.complain(path, "a number of more than 64 bits", "put it in quotes")

    def _dependencies(self, path: Path, value: Any) -> tuple[str, ...]:
        """The ids; an empty text stands for one that is wrong, so that places are kept."""
        path = (*path, "dependsOn")
        if not self._is(path, value, list, "`dependsOn` must be a list of step ids"):
            return ()
        if _only_texts(map(type, value)):
            return tuple(map(self._shared.setdefault, value, value))
        ids = []
        for index, one in enumerate(value):
            if type(one) is str:
                ids.append(self._shared.setdefault(one, one))
            else:
                self._wrong((*path, index), "a step id must be a text", one)
                ids.append("")
        return tuple(ids)

    def _args(self, path: Path, value: Any) -> tuple[str, ...]:
        path = (*path, "args")
        if not self._is(path, value, list, "`args` must be a list"):
            return ()
        if _only_texts(map(type, value)):
            texts = "".join(value)
            if MARK not in texts and "\0" not in texts:
                return tuple(value)
        return tuple(
            [self._word((*path, index), one, job_ids=True) for index, one in enumerate(value)]
        )

    def _env(self, path: Path, value: Any) -> dict[str, str]:
        if not self._is(path, value, dict, "`env` must be a mapping of names to texts"):
            return {}
        found = {}
        for name, one in value.items():
            if type(name) is not str or fields.ENV_PATTERN.fullmatch(name) is None:
                self.complain(
                    (*path, str(name)),
                    f"no environment variable is called {scalars.short(str(name))}",
                    "use letters, digits and `_`, no digit first",
                    at_key=True,
                )
                continue
            found[self._shared.setdefault(name, name)] = self._word(
                (*path, name), one, job_ids=False
            )
        return found

    def _word(self, path: Path, value: Any, *, job_ids: bool) -> str:
        """An arg or a variable's value: a text, or a number or boolean as it is written."""
        if type(value) is str:
            if MARK not in value and "\0" not in value:
                return value
            return self._expanded(path, value, job_ids=job_ids)
        if type(value) is Source:
            return str(value)
        if not scalars.is_plain(value):
            self._wrong(path, "must be a text, a number or a boolean", value)
            return ""
        return self._as_written(path, value)

    def _as_written(self, path: Path, value: Any) -> str:
        """A number or boolean in the file's own words: `1.10` stays `1.10`."""
        self._not_huge(path, value)
        if type(value) is not float and self._exact():
            return scalars.spelt(value)
        if self._texts is None:
            self.unsure.append(path)
            return ""
        if path not in self._texts:  # behind an alias
            self.complain(path, "it is not clear how this is written", "put it in quotes")
        return self._texts.get(path, "")

    def _expanded(self, path: Path, value: str, *, job_ids: bool = False) -> str:
        if "\0" in value:
            self.complain(path, "a text may not hold the character NUL", "take it out")
        if MARK not in value:
            return value
        made = expand_templates(value, self._params, job_ids=job_ids)
        for message, fix in made.problems:
            self.complain(path, message, fix)
        return made.text

    def _image(self, path: Path, value: Any) -> str:
        text = self._text(path, value)
        text = self._expanded(path, text)
        if len(text) > fields.MAX_IMAGE or text.split() != [text]:
            if type(value) is str:
                self.complain(
                    path, f"no image is called {scalars.short(text)}", "write registry/name:tag"
                )
            return ""
        self._images[value] = text
        return text

    def _line(self, path: Path, value: Any, length: int) -> str:
        """A name: one line of text that can be seen."""
        text = self._text(path, value)
        if type(value) is str and not (0 < len(text) <= length and text.isprintable()):
            says = f"no name: {scalars.short(text)}"
            self.complain(path, says, f"use 1 to {length} printable characters")
        return text

    def _text(self, path: Path, value: Any) -> str:
        if value is None or type(value) is str:
            return value or ""
        self._wrong(path, f"`{path[-1]}` must be a text", value)
        return ""

    def _whole(self, path: Path, value: Any, of: fields.Field) -> int:
        least, most = of.schema["minimum"], of.schema["maximum"]
        if type(value) is int and least <= value <= most:
            return value
        self._wrong(path, f"`{of.name}` must be a whole number from {least} to {most:,}", value)
        return 0 if of.name == "retries" else 1

    def _timeout(self, path: Path, value: Any) -> float | None:
        seconds = scalars.seconds(value)
        if seconds is None or not 0 < seconds <= fields.MAX_TIMEOUT_S:
            self.complain(
                path,
                f"`timeout` may not be {scalars.short(str(value))}",
                "write seconds, or a text such as 90s, 15m or 2h; at most 7 days",
            )
            return None
        return seconds

    def _choice(self, path: Path, value: Any, default: Any) -> Any:
        kind = type(default)
        if value is None:
            return default
        try:
            return kind(value)
        except ValueError:
            names = [str(one) for one in kind]
            close = nearest(value, names) if type(value) is str else None
            fix = f"did you mean {close!r}?" if close else f"use one of {', '.join(names)}"
            self.complain(path, f"`{path[-1]}` may not be {scalars.short(str(value))}", fix)
            return default
