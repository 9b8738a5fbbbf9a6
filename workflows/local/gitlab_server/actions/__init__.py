"""Changes to issues, comments and merge requests, by API, page or quick action."""
