"""Errors that a person is told about, each with words in the catalogues."""

from __future__ import annotations

from masterplan.language import translator


class MasterplanError(Exception):
    """The base of every error with words for the reader.

    `msgid` is the English sentence and the key of its translations;
    `facts` fill its `{placeholders}`.
    """

    http_status = 500

    def __init__(self, msgid: str, **facts: object) -> None:
        super().__init__(msgid.format(**facts))
        self.msgid = msgid
        self.facts = facts

    def message(self, language: str) -> str:
        """The sentence in `language` ("ro" or "en")."""
        return translator(language)(self.msgid).format(**self.facts)


class ConfigurationError(MasterplanError):
    """The installation lacks something; the sentence names the remedy."""


class Unavailable(MasterplanError):
    """Something the application depends on, mostly the database, is away."""

    http_status = 503


class NotFound(MasterplanError):
    """What was asked for does not exist, or not for this person."""

    http_status = 404


class Forbidden(MasterplanError):
    """This role may not do this."""

    http_status = 403


class InputError(MasterplanError):
    """What a person gave cannot be used; `faults` says everything wrong with it at once.

    Each fault is a `(field, MasterplanError)` pair, so that a form can show it where it belongs.
    """

    http_status = 400

    def __init__(self, faults: list[tuple[str, MasterplanError]]) -> None:
        self.faults = faults
        Exception.__init__(self, "; ".join(str(fault) for _, fault in faults))
        self.msgid, self.facts = "{faults}", {"faults": str(self)}

    def message(self, language: str) -> str:
        """Every fault, one after another, in `language`."""
        return " ".join(fault.message(language) for _, fault in self.faults)
