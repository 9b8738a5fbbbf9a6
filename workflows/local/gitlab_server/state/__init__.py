"""What the embedded GitLab knows: people, projects, repositories, and how they look as JSON."""
