"""What people do to issues, comments and merge requests, by API, page or quick action."""
