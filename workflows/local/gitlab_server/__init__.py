"""A GitLab that lives in this process: REST v4, git over HTTP, webhooks and small pages.

True to GitLab's own documentation where a client can tell the difference; state is in memory,
git is real. `server.GitLabServer` is what to start, `state.GitLab` what to fill and to ask.
"""
