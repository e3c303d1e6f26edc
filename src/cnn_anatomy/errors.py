"""What a user's mistake is raised as."""


class ConfigError(ValueError):
    """A setting that can't work: its message is one sentence naming key, value and choices."""
