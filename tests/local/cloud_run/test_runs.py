"""Runs of a job: arguments, variables, overrides."""

from __future__ import annotations

import json
import re

from tests.local.cloud_run.support import Cloud, error, template


def test_a_run_gets_the_jobs_args_and_env_and_cloud_runs_own_variables(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show", args=["--a=1"], env={"COLOUR": "blue"})

    execution = cloud.run("first")
    found = cloud.output(execution)

    assert re.fullmatch(r"first-[a-z0-9]{5}", execution)
    assert found["args"] == ["--a=1"]
    env = found["env"]
    assert env["COLOUR"] == "blue"
    assert {name: env[name] for name in env if name.startswith("CLOUD_RUN")} == {
        "CLOUD_RUN_JOB": "first",
        "CLOUD_RUN_EXECUTION": execution,
        "CLOUD_RUN_TASK_INDEX": "0",
        "CLOUD_RUN_TASK_ATTEMPT": "0",
        "CLOUD_RUN_TASK_COUNT": "1",
    }


def test_args_are_replaced_and_env_is_merged(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show", args=["a", "b"], env={"KEPT": "1", "CHANGED": "1"})
    env = [{"name": "CHANGED", "value": "2"}, {"name": "NEW", "value": "3"}]

    found = cloud.output(cloud.run("first", containerOverrides=[{"args": ["c"], "env": env}]))

    assert found["args"] == ["c"]
    assert [found["env"].get(name) for name in ("KEPT", "CHANGED", "NEW")] == ["1", "2", "3"]
    again = cloud.output(cloud.run("first"))
    assert (again["args"], again["env"].get("NEW")) == (["a", "b"], None)


def test_an_empty_list_of_args_is_no_override_and_clear_args_is(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show", args=["a"])

    kept = cloud.output(cloud.run("first", containerOverrides=[{"args": []}]))
    cleared = cloud.output(cloud.run("first", containerOverrides=[{"clearArgs": True}]))

    assert (kept["args"], cleared["args"]) == (["a"], [])


def test_there_is_no_other_override(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "show")
    for overrides in (
        {"containerOverrides": [{"command": ["sh"]}]},
        {"containerOverrides": [{"image": "other"}]},
        {"maxRetries": 0},
        {"containerOverrides": [{"name": "other"}]},
        {"containerOverrides": [{"env": [{"name": "CLOUD_RUN_JOB", "value": "x"}]}]},
    ):
        answer = cloud.ask("POST", "jobs/first:run", {"overrides": overrides})
        assert error(answer) == (400, "INVALID_ARGUMENT")
    assert cloud.run_.executions == []


def test_tasks_run_side_by_side_with_their_index(cloud: Cloud) -> None:
    cloud.run_.add_job("first", "py", args=["import os; print(os.environ['CLOUD_RUN_TASK_INDEX'])"])

    execution = cloud.run("first", taskCount=3)

    assert cloud.end(execution) == "succeeded"
    assert sorted(cloud.http.get(f"/logs/{execution}").text.split()) == ["0", "1", "2"]
    shown = cloud.get(f"jobs/first/executions/{execution}")
    assert (shown["taskCount"], shown["succeededCount"]) == (3, 3)


def test_a_secret_reaches_the_process_and_not_the_api(cloud: Cloud) -> None:
    reference = {"secretKeyRef": {"secret": "projects/p/secrets/git-token", "version": "1"}}
    container = {"image": "show", "env": [{"name": "GIT_TOKEN", "valueSource": reference}]}
    cloud.ask("POST", "jobs?jobId=first", template(containers=[container]))
    cloud.run_.secrets["git-token"] = "glpat-hush"

    execution = cloud.run("first")

    assert cloud.output(execution)["env"]["GIT_TOKEN"] == "glpat-hush"
    assert "hush" not in json.dumps(cloud.get("jobs/first/executions"))


def test_our_own_image_is_this_program(cloud: Cloud) -> None:
    cloud.run_.add_job("flow", args=["--version"])

    execution = cloud.run("flow")

    assert cloud.end(execution) == "succeeded"
    assert cloud.http.get(f"/logs/{execution}").text.startswith("workflows ")
