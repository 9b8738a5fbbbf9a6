"""Every text we write or hand on: prompts, notes, merge requests."""
