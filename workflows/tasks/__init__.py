"""The steps that flows are made of.

The files and folders directly in this folder do not import each other.
"""
