"""Well-known programs that speak no HTTP: by their images and by the schemes of their URLs, with their ports."""

import re

SCHEMES = {
    "http": 80,
    "ws": 80,
    "https": 443,
    "wss": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "redis": 6379,
    "valkey": 6379,
    "amqp": 5672,
    "mongodb": 27017,
    "nats": 4222,
    "kafka": 9092,
    "memcached": 11211,
    "smtp": 25,
}
"""By scheme, the port that is meant where none is written."""

_IMAGES = {
    "postgres": 5432,
    "postgis": 5432,
    "pgvector": 5432,
    "timescaledb": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "redis": 6379,
    "redis-stack-server": 6379,
    "valkey": 6379,
    "mongo": 27017,
    "rabbitmq": 5672,
    "nats": 4222,
    "kafka": 9092,
    "zookeeper": 2181,
    "memcached": 11211,
    "azure-sql-edge": 1433,
}


_PORTS = {*_IMAGES.values(), 22, 25, 53, 1025, 1433, 1521}


def speaks_http(image: str, port: int) -> bool:
    """Whether nothing says that a container speaks something else on its port."""
    return plain_port(image) is None and port not in _PORTS


def plain_port(image: str) -> int | None:
    """The port of the image of a well-known program that speaks no HTTP; None for all others."""
    name = re.sub(r"[:@].*", "", image.rpartition("/")[2])
    return _IMAGES.get(name)
