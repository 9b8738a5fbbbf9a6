"""The git binary: how it is called, and what names, addresses and messages it takes."""
