"""The stages of a change; each takes what the one before it returned.

Issue (`issue`) or request -> base (`base`) -> attempts (`attempt`, `commit`, `check`, repeated by
`attempt_loop`) -> pushed (`push`) -> merge request (`merge_request`). A flow's body is a list of
these; no stage knows which flow calls it.
"""
