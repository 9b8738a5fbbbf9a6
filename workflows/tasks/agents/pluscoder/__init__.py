"""PlusCoder, run as a separate program."""
