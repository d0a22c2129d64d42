"""An api as it is asked."""

from minimesh.dataplane.transcoding.messages import Messages, messages_of
from minimesh.dataplane.transcoding.routes import Routes
from minimesh.model.transcoding import Api


class Compiled:
    """`routes` say what a request means, `messages` what that is in bytes."""

    def __init__(self, api: Api) -> None:
        self.routes = Routes(api.bindings)
        self.messages: Messages = messages_of(api)
