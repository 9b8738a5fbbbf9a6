"""One run works on an issue at a time: the claim and its marker on GitLab."""
