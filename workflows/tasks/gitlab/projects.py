"""Projects, and single files of their repositories.

API: https://docs.gitlab.com/api/projects/ and https://docs.gitlab.com/api/repository_files/
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from workflows.tasks.gitlab.addresses import parse_project
from workflows.tasks.gitlab.answers import Json, read_answer
from workflows.tasks.gitlab.client import GitLabClient, url_quoted


@dataclass(frozen=True, slots=True)
class Project:
    """A project. `path` is the full one, such as `group/sub/shop`.

    `clone_url` is built from GITLAB_URL, so that it is right behind a proxy too.
    `default_branch` is None while the repository is empty. `visibility` is private, internal or
    public. `ci_config_path` is the file of this repository in place of `.gitlab-ci.yml`.
    """

    id: int
    path: str
    name: str
    web_url: str
    clone_url: str
    default_branch: str | None
    archived: bool
    merge_requests_enabled: bool
    issues_enabled: bool
    visibility: str
    ci_config_path: str | None


class Projects(GitLabClient):
    """Reading projects."""

    def project(self, ref: int | str) -> Project:
        """A project by its id, its full path or its web address; one that has moved is found.

        Raises:
            ParametersInvalid: `ref` names no project on this GitLab.
            ResourceNotFound: there is none, or the token may not see it.
        """
        name = parse_project(ref, self.url)
        return read_answer(self._project, self._get(f"/projects/{url_quoted(str(name))}"))

    def _project(self, found: Json) -> Project:
        path = str(found["path_with_namespace"])
        return Project(
            id=int(found["id"]),
            path=path,
            name=str(found.get("name") or path),
            web_url=str(found["web_url"]),
            clone_url=f"{self.url}/{quote(path)}.git",
            default_branch=found.get("default_branch") or None,
            archived=bool(found.get("archived")),
            merge_requests_enabled=found.get("merge_requests_enabled") is not False,
            issues_enabled=found.get("issues_enabled") is not False,
            visibility=str(found.get("visibility") or "public"),
            ci_config_path=_ci_file(found.get("ci_config_path")),
        )


def _ci_file(setting: str | None) -> str | None:
    """The setting, where it is no address and no file of another project (`a.yml@group/x`)."""
    if not setting or "@" in setting or "://" in setting:
        return None
    return setting.lstrip("/")
