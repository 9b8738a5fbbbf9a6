"""How we serve HTTP."""
