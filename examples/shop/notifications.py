"""Writes to customers. Takes a message at once and sends it later, from a worker of its own."""

import queue
import time

from shoplib import Answer, Refused, Request, Service, log

SENDING_TAKES = 0.05  # seconds

service = Service()
outbox: "queue.Queue[str]" = queue.Queue(maxsize=1000)


@service.on("POST", "/messages")
def accept(request: Request) -> Answer:
    try:
        outbox.put_nowait(str(request.json().get("text", ""))[:200])
    except queue.Full:
        raise Refused(503, "the outbox is full") from None
    return Answer(202, {"waiting": outbox.qsize()})


def send_all() -> None:
    while True:
        message = outbox.get()
        time.sleep(SENDING_TAKES)
        log.info("sent %r", message)


if __name__ == "__main__":
    service.run(beside=send_all)
