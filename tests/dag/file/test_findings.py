"""Each mistake a DAG file can hold, with its line, its column and its step."""

from __future__ import annotations

import pytest

from tests.dag.support import TASK, findings, steps

A = f"- {{id: a, {TASK}}}"

# what is wrong, the text, and (line, column, step, words of the message and the suggestion)
CASES = [
    ("empty", "", (1, 1, None, "the file is empty")),
    ("only space", " \n\n", (1, 1, None, "the file is empty")),
    ("only a comment", "# nothing\n", (1, 1, None, "must be a mapping")),
    ("a list", "- a\n", (1, 1, None, "must be a mapping")),
    ("a text", "hello", (1, 1, None, "must be a mapping")),
    ("no steps", "name: x\n", (1, 1, None, "there are no `steps`")),
    ("steps empty", "name: x\nsteps: []\n", (2, 8, None, "there are no steps")),
    ("steps a text", "steps: x\n", (1, 8, None, "`steps` must be a list")),
    ("steps a mapping", "steps: {a: 1}\n", (1, 8, None, "`steps` must be a list")),
    ("a step a text", steps(A, "- b"), (4, 5, None, "a step must be a mapping")),
    ("unknown key above", f"nane: x\nsteps: [{A[2:]}]\n", (1, 1, None, "did you mean 'name'?")),
    ("unknown key", steps(A, "  imageuri: x"), (4, 5, None, "not readable")),
    (
        "unknown key of a step",
        steps("- id: a", f"  {TASK}", "  dependson: []"),
        (5, 5, "a", "unknown key 'dependson' (did you mean 'dependsOn'?)"),
    ),
    (
        "unknown key of a task",
        steps("- id: a", "  task:", "    imageUri: x", "    arg: [1]"),
        (6, 7, "a", "unknown key 'arg' (did you mean 'args'?)"),
    ),
    (
        "unknown key that is like none",
        steps("- id: a", f"  {TASK}", "  zzz: 1"),
        (5, 5, "a", "there are id, description"),
    ),
    ("number as key", steps("- id: a", f"  {TASK}", "  7: 1"), (5, 5, "a", "unknown key '7'")),
    (
        "merge key",
        steps("- id: a", f"  {TASK}", "  <<: {retries: 1}"),
        (5, 5, "a", "merge keys are not supported"),
    ),
    (
        "two spellings",
        steps("- id: a", f"  {TASK}", "  dependsOn: []", "  depends_on: []"),
        (5, 16, "a", "'dependsOn' is there in two spellings"),
    ),
    ("no id", steps(f"- {TASK}"), (3, 5, None, "the step has no `id`")),
    ("id a number", steps("- id: 7", f"  {TASK}"), (3, 9, None, "put it in quotes")),
    ("id a list", steps("- id: [a]", f"  {TASK}"), (3, 9, None, "not a list")),
    ("id with a space", steps("- id: a b", f"  {TASK}"), (3, 9, "a b", "`id` may not be 'a b'")),
    ("id with a slash", steps("- id: a/b", f"  {TASK}"), (3, 9, "a/b", "`id` may not be")),
    ("id that begins with -", steps('- id: "-a"', f"  {TASK}"), (3, 9, "-a", "`id` may not be")),
    (
        "id of 129",
        steps(f"- id: {'a' * 129}", f"  {TASK}"),
        (3, 9, "a" * 129, "at most 128"),
    ),
    ("duplicate id", steps(A, "- id: a", f"  {TASK}"), (4, 9, "a", "the id of step number 1 too")),
    ("neither", steps("- id: a"), (3, 5, "a", "neither `task` nor `workflow`")),
    (
        "both",
        steps("- id: a", f"  {TASK}", "  workflow: push_feature"),
        (5, 5, "a", "both `task` and `workflow`"),
    ),
    ("task a text", steps("- id: a", "  task: echo"), (4, 11, "a", "`task` must be a mapping")),
    ("no image", steps("- id: a", "  task: {args: [1]}"), (4, 11, "a", "has no `imageUri`")),
    (
        "image a number",
        steps("- id: a", "  task:", "    imageUri: 3"),
        (5, 17, "a", "`imageUri` must be a text, not a number (3) (put it in quotes"),
    ),
    (
        "image of two words",
        steps("- id: a", "  task:", "    imageUri: a b"),
        (5, 17, "a", "no image is called 'a b'"),
    ),
    (
        "args a text",
        steps("- id: a", "  task:", "    imageUri: x", "    args: run"),
        (6, 13, "a", "`args` must be a list, not a text ('run')"),
    ),
    (
        "an arg a list",
        steps("- id: a", "  task:", "    imageUri: x", "    args: [ok, [no]]"),
        (6, 18, "a", "must be a text, a number or a boolean, not a list"),
    ),
    (
        "an arg null",
        steps("- id: a", "  task:", "    imageUri: x", "    args: [ok, null]"),
        (6, 18, "a", "not nothing"),
    ),
    (
        "job name of two lines",
        steps("- id: a", "  task:", "    imageUri: x", '    name: "a\\nb"'),
        (6, 13, "a", "no name"),
    ),
    (
        "unknown dependency",
        steps(A, "- id: bee", f"  {TASK}", "  dependsOn: [a, be]"),
        (6, 20, "bee", "unknown step 'be'"),
    ),
    (
        "misspelt dependency",
        steps("- {id: prepare, task: {imageUri: x}}", f"- {{id: b, dependsOn: [prepair], {TASK}}}"),
        (4, 25, "b", "did you mean 'prepare'?"),
    ),
    ("itself", steps("- id: a", f"  {TASK}", "  dependsOn:", "  - a"), (6, 7, "a", "on itself")),
    (
        "twice",
        steps(A, "- id: b", f"  {TASK}", "  dependsOn: [a, a]"),
        (6, 20, "b", "depends on 'a' twice"),
    ),
    (
        "dependencies a text",
        steps("- id: a", f"  {TASK}", "  dependsOn: b"),
        (5, 16, "a", "`dependsOn` must be a list"),
    ),
    (
        "a dependency a number",
        steps("- id: a", f"  {TASK}", "  dependsOn: [1]"),
        (5, 17, "a", "a step id must be a text"),
    ),
    (
        "cycle of two",
        steps(
            f"- {{id: a, {TASK}, dependsOn: [b]}}",
            f"- {{id: b, {TASK}, dependsOn: [a]}}",
        ),
        (3, 77, "a", "steps wait for each other: a -> b -> a"),
    ),
    *(
        (
            f"timeout {value}",
            steps("- id: a", f"  {TASK}", f"  timeout: {value}"),
            (5, 14, "a", "`timeout` may not be"),
        )
        for value in ["0", "-1", "3w", ".nan", ".inf", "true", "[1]", "8000000", '"169h"']
    ),
    *(
        (
            f"retries {value}",
            steps("- id: a", f"  {TASK}", f"  retries: {value}"),
            (5, 14, "a", "`retries` must be a whole number from 0 to 100"),
        )
        for value in ["-1", "1.5", "101", "true", "many", '"1"']
    ),
    (
        "env a list",
        steps("- id: a", f"  {TASK}", "  env: [A=1]"),
        (5, 10, "a", "`env` must be a mapping"),
    ),
    (
        "env name",
        steps("- id: a", f"  {TASK}", "  env:", "    1A: x"),
        (6, 7, "a", "no environment variable is called '1A'"),
    ),
    (
        "env value",
        steps("- id: a", f"  {TASK}", "  env: {A: [1]}"),
        (5, 14, "a", "must be a text, a number or a boolean"),
    ),
    (
        "env of a flow",
        steps("- id: a", "  workflow: push_feature", "  env: {A: b}"),
        (5, 10, "a", "`env` without `task`"),
    ),
    (
        "when",
        steps("- id: a", f"  {TASK}", "  when: on_sucess"),
        (5, 11, "a", "did you mean 'on_success'?"),
    ),
    (
        "when a list",
        steps("- id: a", f"  {TASK}", "  when: [always]"),
        (5, 11, "a", "use one of on_success, always, on_failure"),
    ),
    (
        "on_failure of nothing",
        steps("- id: a", f"  {TASK}", "  when: on_failure"),
        (5, 11, "a", "without a dependency that could fail"),
    ),
    ("maxParallel 0", f"maxParallel: 0\nsteps: [{A[2:]}]\n", (1, 14, None, "from 1 to 100,000")),
    ("maxParallel text", f"maxParallel: x\nsteps: [{A[2:]}]\n", (1, 14, None, "not a text ('x')")),
    ("onFailure", f"onFailure: halt\nsteps: [{A[2:]}]\n", (1, 12, None, "one of continue, stop")),
    ("name a number", f"name: 1\nsteps: [{A[2:]}]\n", (1, 7, None, "`name` must be a text")),
    ("name empty", f"name: ''\nsteps: [{A[2:]}]\n", (1, 7, None, "use 1 to 256 printable")),
    ("unknown flow", steps("- {id: a, workflow: push_featur}"), (3, 23, "a", "'push_feature'?")),
    (
        "parameters of a task",
        steps("- id: a", f"  {TASK}", "  parameters: {a: 1}"),
        (5, 5, "a", "`parameters` without `workflow`"),
    ),
    (
        "parameters a list",
        steps("- id: a", "  workflow: push_feature", "  parameters: [1]"),
        (5, 17, "a", "`parameters` must be a mapping"),
    ),
    (
        "infinite parameter",
        steps("- id: a", "  workflow: push_feature", "  parameters: {a: {b: [.inf]}}"),
        (5, 26, "a", "something JSON has"),
    ),
    (
        "parameter not given",
        steps("- id: a", "  task:", "    imageUri: x", '    args: ["{{ params.day }}"]'),
        (6, 14, "a", "no value for parameter 'day' (give --param day=VALUE)"),
    ),
    (
        "unknown template",
        steps("- id: a", "  task:", "    imageUri: x", '    args: ["{{ env.X }}"]'),
        (6, 14, "a", "unknown template `{{ env.X }}`"),
    ),
    (
        "template not closed",
        steps("- id: a", "  task:", "    imageUri: x", '    args: ["{{ params.x"]'),
        (6, 14, "a", "`{{` without `}}`"),
    ),
    (
        "job id of no dependency",
        steps(A, "- id: b", "  task:", "    imageUri: x", '    args: ["{{ steps.a.jobId }}"]'),
        (7, 14, "b", "needs the job id of 'a', which it does not depend on"),
    ),
    (
        "job id of nobody",
        steps("- id: b", "  task:", "    imageUri: x", '    args: ["{{ steps.a.jobId }}"]'),
        (6, 14, "b", "template of unknown step 'a'"),
    ),
    (
        "job id in env",
        steps(A, "- id: b", f"  {TASK}", '  env: {A: "{{ steps.a.jobId }}"}'),
        (6, 14, "b", "job ids are known in args only"),
    ),
    ("NUL", steps("- {id: a, task: {imageUri: x, args: ['a', \"b\\0\"]}}"), (3, 45, "a", "NUL")),
    ("duplicate key", steps("- id: a", f"  {TASK}", "  id: b"), (5, 5, "b", "'id' is there twice")),
    ("duplicate key above", f"name: a\nname: b\n{steps(A)[11:]}", (2, 1, None, "'name' is there")),
    ("steps twice", f"{steps(A)}steps: []\n", (4, 1, None, "'steps' is there twice")),
    ("two documents", f"{steps(A)}---\n{steps(A)}", (4, 1, None, "a second document")),
    ("tag", steps("- id: a", f"  {TASK}", "  env: !x {}"), (5, 10, "a", "the tag !x is not")),
    (
        "python tag",
        f"name: !!python/object/apply:os.system [ls]\n{steps(A)[11:]}",
        (1, 7, None, "python/object/apply:os.system is not supported"),
    ),
    ("no anchor", steps("- id: a", f"  {TASK}", "  env: *e"), (5, 10, "a", "no anchor &e")),
    ("anchor in itself", "steps: &s [*s]\n", (1, 12, None, "&s contains itself")),
    ("tab", "name: x\nsteps:\n\t- id: a\n", (3, 1, None, "indent with spaces")),
    ("control character", "name: a\nsteps: \x01\n", (2, 8, None, "a control character")),
    ("a key that is a list", f"{steps(A)}? [x]\n: 1\n", (4, 3, None, "a key must be a text")),
    ("colon", f"name: a: b\n{steps(A)[11:]}", (1, 8, None, "not readable as YAML")),
    ("open quote", f'name: "a\n{steps(A)[11:]}', (4, 1, None, "not readable as YAML")),
    (
        "too large a number",
        f"name: {10**20}\n{steps(A)[11:]}",
        (1, 7, None, "not readable as YAML: name: invalid type: integer"),
    ),
]


@pytest.mark.parametrize(
    ("text", "expected"), [pytest.param(text, where, id=name) for name, text, where in CASES]
)
def test_a_mistake_is_told_with_its_place(
    text: str, expected: tuple[int, int, str | None, str]
) -> None:
    line, column, step, words = expected

    found = findings(text)

    said = [(one.line, one.column, one.step) for one in found if words in one.text("")]
    assert said == [(line, column, step)], [one.text("f") for one in found]


def test_a_byte_that_is_no_utf8_is_told_with_its_place() -> None:
    (found,) = findings("name: é\nsteps: ".encode("latin-1"))

    assert (found.line, found.column) == (1, 7)
    assert found.suggestion == "save the file as UTF-8"


def test_places_count_characters_behind_a_byte_order_mark_and_crlf() -> None:
    text = "\ufeff" + steps("- id: a", "  task: {imageUri: x, args: ['ä😀', [no]]}")

    (found,) = findings(text.replace("\n", "\r\n"))

    assert (found.line, found.column) == (4, 38)


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order() -> None:
    text = steps(
        "- id: a",
        "  task: {imageUri: 1}",
        "- id: a",
        f"  {TASK}",
        "  dependsOn: [b, a]",
        "  retries: x",
        "- task: 3",
    )

    found = findings(text)

    places = [(one.line, one.column) for one in found]
    assert places == [(4, 22), (5, 9), (7, 17), (7, 20), (8, 14), (9, 5), (9, 11)]


def test_more_mistakes_than_anybody_reads_are_counted() -> None:
    found = findings(steps(*["- {id: a, task: 1}"] * 500))

    assert len(found) == 201
    assert found[-1].message == "799 more findings are not shown"


def test_every_strongly_connected_component_gives_one_cycle() -> None:
    text = steps(
        *(
            f"- {{id: {name}, {TASK}, dependsOn: [{on}]}}"
            for name, on in zip("abcdefg", "bcacfee", strict=True)
        )
    )

    said = [one.message for one in findings(text)]

    assert said == [
        "steps wait for each other: a -> b -> c -> a",
        "steps wait for each other: e -> f -> e",
    ]


def test_a_long_cycle_is_cut_in_the_middle() -> None:
    text = steps(
        *(
            f"- {{id: s{number}, {TASK}, dependsOn: [s{(number + 1) % 1000}]}}"
            for number in range(1000)
        )
    )

    (found,) = findings(text)

    assert found.message == (
        "steps wait for each other:"
        " s0 -> s1 -> s2 -> s3 -> s4 -> s5 -> … 989 more … -> s995 -> s996 -> s997 -> s998"
        " -> s999 -> s0"
    )


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ('{"name": "x",\n "steps": [}', 2, 12, "not readable as JSON"),
        ('{"name": "x",\n "steps": [],\n "name": "y"}', 3, 2, "'name' is there twice"),
        ('{"steps": [{"id": "a",\n "task": {"imageUri": 1}}]}', 2, 23, "must be a text"),
        ('{"steps": [{"id": "\\ud800"}]}', 1, 19, "half a surrogate pair"),
        ('{"steps": NaN}', 1, 1, "NaN is no JSON"),
        ("[1]", 1, 1, "must be a mapping"),
        ("", 1, 1, "the file is empty"),
        ('{"steps": [' + "[" * 100_000, 1, 74, "nested more than 64 levels"),
    ],
)
def test_mistakes_in_json_have_places_too(text: str, line: int, column: int, words: str) -> None:
    found = findings(text, file="dag.json")

    assert [(one.line, one.column) for one in found if words in one.text("")] == [(line, column)]
