"""`workflows local …` and `workflows demo`: the embedded stack."""
