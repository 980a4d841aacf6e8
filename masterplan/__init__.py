"""The ground: settings, database, roles, places, errors, language, jobs and the private cluster."""
