"""Coding agents: programs that edit a folder, all behind one Protocol."""
