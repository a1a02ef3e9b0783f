"""The daemon's log: one line each, constant words first, then key=value."""

import json
import logging
import sys

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class KeyValueFormatter(logging.Formatter):
    """Writes `time LEVEL logger: message key=value ...`; values with spaces are quoted."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record, with its traceback if it has one."""
        facts = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        words = [f"{self.formatTime(record)} {record.levelname} {record.name}: {record.getMessage()}"]
        words += [f"{name}={_quote(str(value))}" for name, value in facts.items()]
        line = " ".join(words)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _quote(text: str) -> str:
    plain = text and not any(letter.isspace() or letter in "\"'=" for letter in text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def configure_logging(level: str) -> None:
    """Send records of `level` (debug, info, warning, error) and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("asyncio", "watchfiles", "alembic", "grpc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
