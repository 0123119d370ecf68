"""Other people's programs for tests: `scim`, `send` and `receive`."""

import base64
import json
import sys
from datetime import datetime, timezone

import scim2_server.testserver.cli as scim
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks.webhooks import Webhook


def serve_scim():
    """The server on a free port, which it does not tell by itself."""
    make_server = scim.make_server

    def telling(*arguments, **named):
        server = make_server(*arguments, **named)
        print(server.server_port, flush=True)
        return server

    scim.make_server = telling
    sys.argv = ["scim2-server", "--port", "0", "--bearer-token", sys.argv[2]]
    scim.main()


TEXTS = [
    "plain",
    "with space",
    'quotes " and \\ and %',
    "Euro € 😀",
    "ünïcödé/±",
    "100%25",
    "a,b;c=d",
    "z\u0301",
]
DATA = [
    (None, None),
    ("application/json", {"email": "a@b", "deep": {"list": [1, None, "é"]}}),
    ("application/json", {}),
    ("text/plain", "text é"),
    ("application/octet-stream", bytes(range(256))),
]


def send():
    """Events of every kind in both modes that the SDK has."""
    for index, text in enumerate(TEXTS):
        for kind, data in DATA:
            attributes = {
                "id": text,
                "source": f"https://x.example/{index}?a=b",
                "type": "com.example." + str(index),
                "subject": text,
                "time": datetime(2026, 1, 2, 3, 4, index, tzinfo=timezone.utc),
                "specversion": "1.0",
                "tenant": text,
            }
            if kind:
                attributes["datacontenttype"] = kind
            event = CloudEvent(attributes=attributes, data=data)
            for mode in ["structured", "binary"]:
                message = getattr(http, f"to_{mode}_event")(event)
                headers = dict(message.headers)
                body = message.body if isinstance(message.body, bytes) else (message.body or "").encode()
                expected = base64.b64encode(data).decode() if isinstance(data, bytes) else data
                print(
                    json.dumps(
                        {
                            "mode": mode,
                            "headers": headers,
                            "body": base64.b64encode(body).decode(),
                            "text": text,
                            "index": index,
                            "data": expected,
                            "kind": kind,
                        }
                    )
                )


def receive():
    """One request of a sink: its signature is verified, and the event is what the SDK reads."""
    request = json.load(sys.stdin)
    body = base64.b64decode(request["body"])
    Webhook(request["secret"]).verify(body, request["headers"])
    event = http.from_http_event(http.HTTPMessage(headers=request["headers"], body=body))
    read = {name: str(value) for name, value in event.get_attributes().items()}
    print(json.dumps({"attributes": read, "data": event.get_data()}))


{"scim": serve_scim, "send": send, "receive": receive}[sys.argv[1]]()
