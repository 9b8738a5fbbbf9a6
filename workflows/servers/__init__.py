"""How we serve HTTP: the server itself, its request log, and faults for trying out clients."""
