"""The state of the embedded GitLab: people, projects, repositories, and their JSON."""
