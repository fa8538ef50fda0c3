"""receiver.py: takes webhooks on loopback, for the demo and for trying out; checks signatures.

usage: receiver.py KEY_FILE PORT [refuse-first]       PORT 0: any

Prints "listening PORT", then a line for each request:

    taken DELIVERY RUN STATE CAUSE EXIT_CODE     answered 204
    refused DELIVERY                             answered 503, the first request of all, where that
                                                 is wanted: it must come again, with the same id
    forged DELIVERY                              answered 400: the signature is not right
"""
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

KEY_FILE, PORT = sys.argv[1], int(sys.argv[2])
BODY_MAX = 1 << 20
FRESH_S = 300


def signature_is_right(headers, body):
    """As docs/api.md says: HMAC-SHA-256 over TIMESTAMP.DELIVERY.BODY, and not an old one."""
    with open(KEY_FILE, encoding="ascii") as file:  # The daemon makes it at its first start.
        key = file.readline().strip()
    timestamp = headers["Drover-Timestamp"]
    signed = f"{timestamp}.{headers['Drover-Delivery']}.".encode() + body
    right = "v1=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
    fresh = abs(time.time() - int(timestamp)) < FRESH_S
    return fresh and hmac.compare_digest(right, headers["Drover-Signature"])


def say(*words):
    """A line, written at once: others may write to the same terminal."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Receiver(BaseHTTPRequestHandler):
    refuses = "refuse-first" in sys.argv[3:]

    def do_POST(self):
        body = self.rfile.read(min(int(self.headers["Content-Length"]), BODY_MAX))
        self.send_response(self.judge(body))
        self.end_headers()

    def judge(self, body):
        delivery = self.headers["Drover-Delivery"]
        if not signature_is_right(self.headers, body):
            say("forged", delivery)
            return 400
        if Receiver.refuses:
            Receiver.refuses = False
            say("refused", delivery)
            return 503
        notice = json.loads(body)
        words = [notice[name] for name in ("run", "state", "cause", "exit_code")]
        say("taken", delivery, *("null" if word is None else word for word in words))
        return 204

    def log_message(self, *_):
        """What is said of each request is said by judge()."""


def end_with(parent):
    """Whoever started us may be killed without a word; then nobody is left to end us."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


server = HTTPServer(("127.0.0.1", PORT), Receiver)
threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
say("listening", server.server_port)
server.serve_forever()
