"""AWS for the conformance suites, from a server that was not written here: moto, one request at a time.

As shipped, moto looks at a conditional header and writes afterwards, so two racing writers can both win; under one
lock its compare-and-swap is atomic.

    pip install 'moto[server]'
    python tests/servers/moto_locked.py 0        # prints the address it listens on; 0 takes any free port
    TAG2PR_S3_ENDPOINT=http://127.0.0.1:PORT TAG2PR_SQS_ENDPOINT=http://127.0.0.1:PORT cargo test -p tag2pr-state
    TAG2PR_AWS_ENDPOINT=http://127.0.0.1:PORT cargo test -p tag2pr-connect
"""

import logging
import sys
from threading import Lock

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


class OneAtATime:
    """A WSGI application that lets the next request in when the answer to the last one is whole."""

    def __init__(self, application):
        self.application = application
        self.lock = Lock()

    def __call__(self, environ, start_response):
        with self.lock:
            return list(self.application(environ, start_response))


def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit("usage: moto_locked.py PORT")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", int(sys.argv[1]), application, threaded=True)
    print(f"http://127.0.0.1:{server.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
