"""From a GitLab issue or a feature request to a pushed branch and a merge request.

Flows are the top-level modules (`hello_world`); everything they stand on is in a folder.
Importing this package imports nothing else: start-up time is a feature.
"""

__version__ = "0.1.0"
