"""Coding agents: programs that edit a folder.

`agent.py` has the Protocol `Agent` that each backend satisfies, `environment.py` what they share.
A backend is one file (`command.py`) or one folder (`pluscoder/`). `change.attempts.agents` chooses
one; CONTRIBUTING.md says what to touch to add one.
"""
