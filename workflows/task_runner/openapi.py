"""The protocol as an OpenAPI document, and as an HTML page that loads nothing else."""

from __future__ import annotations

from html import escape
from typing import Any

import workflows
from workflows.task_runner.job import TaskJobState

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{background:#f2f2f2;padding:.1em .3em}pre{padding:1em;overflow:auto}"
    "h2 b{display:inline-block;min-width:4em}table{border-collapse:collapse}"
    "td,th{text-align:left;padding:.2em 1em .2em 0;vertical-align:top}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}"
    "code,pre{background:#222}}"
)
_JOB_ID = {
    "name": "job_id",
    "in": "query",
    "required": True,
    "schema": {"type": "string"},
    "description": "jobId of POST /job, URL-encoded",
}
_WAIT = {
    "name": "wait",
    "in": "query",
    "schema": {"type": "number", "minimum": 0, "maximum": 55},
    "description": "hold the answer until the job has ended, at most so many seconds (55)",
}
_NAME = {"name": "job_name", "in": "query", "required": True, "schema": {"type": "string"}}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 255},
    "description": "the same key and body find the job made before; another body is refused (409)",
}
_ERRORS = {
    "400": "a parameter or the body is wrong; every finding is named",
    "401": "the token is missing or wrong",
    "404": "there is no such job",
    "409": "the Idempotency-Key came with another body before",
    "413": "the body is larger than 4 MiB",
    "415": "the body is not application/json",
}


def openapi_document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    job = _answer("the job", _object({"job": {"$ref": "#/components/schemas/Job"}}))
    jobs = {"type": "array", "items": {"$ref": "#/components/schemas/Job"}}
    submit = _operation("Run a container image", job, [_KEY], (400, 401, 409, 413, 415))
    submit["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
    }
    known = (400, 401, 404)
    listed = _answer("newest first", _object({"jobs": jobs}))
    text = {"description": "what it wrote so far", "content": {"text/plain": {}}}
    abilities = _answer("what this runner can do besides", {"type": "object"})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Task Runner", "version": workflows.__version__},
        "paths": {
            "/job": {"post": submit},
            "/jobstatus": {
                "get": _operation("TaskJobState of a job", job, [_JOB_ID, _WAIT], known)
            },
            "/jobs": {"get": _operation("Jobs of a name", listed, [_NAME], (400, 401))},
            "/job/cancel": {"post": _operation("Cancel a job", job, [_JOB_ID], known)},
            "/job/log": {"get": _operation("Log of a job", text, [_JOB_ID], known)},
            "/capabilities": {"get": _operation("Extensions", abilities, [], (401,))},
            "/counters": {
                "get": _operation("How often each name really ran", abilities, [], (401,))
            },
        },
        "components": {
            "schemas": {"Order": _order_schema(), "Job": _job_schema()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}, {}],
    }


def _order_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["job_name", "imageUri"],
        "additionalProperties": False,
        "properties": {
            "job_name": {**text, "minLength": 1, "maxLength": 256},
            "imageUri": {**text, "minLength": 1},
            "args": {"type": ["array", "null"], "items": text},
            "env": {"type": ["object", "null"], "additionalProperties": text},
        },
    }


def _job_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["jobId", "state"],
        "properties": {
            "jobId": {"type": "string"},
            "state": {"enum": [state.value for state in TaskJobState]},
            "message": {"type": "string"},
            "exitCode": {"type": "integer"},
        },
    }


def _operation(
    summary: str, good: dict[str, Any], parameters: list[dict[str, Any]], errors: tuple[int, ...]
) -> dict[str, Any]:
    failed = _object({"error": _object({"message": {"type": "string"}})})
    responses = {"200": good}
    responses |= {str(n): _answer(_ERRORS[str(n)], failed) for n in errors}
    return {"summary": summary, "parameters": parameters, "responses": responses}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def openapi_page() -> str:
    """The document as HTML with an example, without scripts or external files."""
    parts = []
    for path, methods in openapi_document()["paths"].items():
        for method, operation in methods.items():
            rows = [
                (f"<code>{escape(one['name'])}</code>", escape(one.get("description", "")))
                for one in operation["parameters"]
            ]
            rows += [
                (code, escape(one["description"])) for code, one in operation["responses"].items()
            ]
            lines = "".join(f"<tr><td>{left}<td>{right}" for left, right in rows)
            parts.append(
                f"<h2><b>{method.upper()}</b> <code>{path}</code></h2>"
                f"<p>{escape(operation['summary'])}.<table>{lines}</table>"
            )
    states = ", ".join(state.value for state in TaskJobState)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Task Runner</title>"
        f"<style>{_STYLE}</style><h1>Task Runner</h1>"
        f"<p>States of a job: {states}. Errors are <code>{{&quot;error&quot;: {{&quot;message"
        "&quot;: …}}</code>. The same as <a href=openapi.json>OpenAPI</a>."
        "<pre>curl -H 'Content-Type: application/json' \\\n"
        '  -d \'{"job_name":"hello","imageUri":"demo/echo","args":["hello"]}\' HOST/job</pre>'
        + "".join(parts)
    )
