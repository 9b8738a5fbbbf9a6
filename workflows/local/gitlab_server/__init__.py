"""A GitLab that lives in this process: REST v4, git over HTTP, webhooks and small pages.

It follows GitLab's documentation where a client can see a difference. State is in memory, git is
real. Start `server.GitLabServer`; fill and read its base class, `state.gitlab_state.GitLabState`.
"""
