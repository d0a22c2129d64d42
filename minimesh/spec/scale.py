"""`replicas`: how many of a service run, or between which bounds their number follows the load."""

from minimesh.model.service import Scale
from minimesh.spec import codes
from minimesh.spec.kinds import Either, Integer, Positive
from minimesh.spec.schema import Fields, Key, Table

MOST_REPLICAS = 100
MOST_REQUESTS = 1_000_000

MIN = Key("min", Integer(1, MOST_REPLICAS, "1"), "as many run always", "1")
MAX = Key("max", Integer(1, MOST_REPLICAS, "4"), "as many run at most", required=True)
RPS = Key("rps", Positive(MOST_REQUESTS, "200"), "requests a second that each should take at most", required=True)


def _scale(fields: Fields) -> int | Scale:
    scale = Scale(fields.get(MIN, 1), fields.get(MAX, MOST_REPLICAS), fields.get(RPS, 1.0))
    if scale.min > scale.max:
        message = f"`min` of {fields.node.label} is {scale.min}, above `max`, which is {scale.max}"
        fields["min"].note(codes.VALUE, message, fields["min"].pair(str(scale.max)))
    return scale


REPLICAS = Key(
    "replicas",
    Either[int | Scale](
        Integer(1, MOST_REPLICAS, "2"), Table((MIN, MAX, RPS), _scale, example="{ min = 1, max = 4, rps = 200 }")
    ),
    "how many of it run; as a table: by load",
    "1",
)
