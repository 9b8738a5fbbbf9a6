"""The pages that people click through."""
