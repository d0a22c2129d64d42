"""A second look at what probes saw: an answer may be somebody else's, and a program may listen elsewhere."""

from dataclasses import replace

from anyio import to_thread

from minimesh.model.address import Address
from minimesh.supervise.census import Census
from minimesh.supervise.probe import Answer
from minimesh.supervise.tenant import Tenant

FIRST_LOOK = 1.0
"""Seconds after the start: most programs need less to listen."""
LONGEST_PAUSE = 10.0


class Doubt:
    """Of one run of a replica. Looks are made at every good answer, else ever less often; not on the loop."""

    def __init__(self, tenant: Tenant, census: Census, began: float) -> None:
        self._tenant = tenant
        self._census = census
        self._pause = FIRST_LOOK
        self._due = began + FIRST_LOOK
        self._seen = ""
        self._found = ""

    async def examine(self, answer: Answer, now: float) -> Answer:
        """The answer, or what is wrong with it: then it is not a good one, and its text a whole sentence."""
        if answer.ok or now >= self._due:
            self._due, self._pause = now + self._pause, min(2 * self._pause, LONGEST_PAUSE)
            self._seen = answer.text
            self._found = await self._look(answer)
        # What was found stays true until the program is seen to do something else.
        if self._found and answer.text == self._seen:
            return replace(answer, ok=False, text=self._found, sentence=True)
        return answer

    async def stray(self) -> str | None:
        """Where a program without a probe listens instead; "": nowhere yet; None: all is well."""
        seen = await self._census.look()
        return self._tenant.elsewhere(seen) or (None if self._tenant.port in seen.taken else "")

    async def _look(self, answer: Answer) -> str:
        if not isinstance(answer.address, Address):
            return self._tenant.elsewhere(await self._census.look())
        return await to_thread.run_sync(self._tenant.usurper, answer.address)
