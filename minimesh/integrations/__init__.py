"""What other tools' files say of a project, as a minimesh.toml to start from."""
