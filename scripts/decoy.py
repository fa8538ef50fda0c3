"""decoy.py: a provider of models that no test may ask, in the place of the user's own.

    decoy.py COMMAND [ARGUMENT...]    runs it beside a decoy; exit code 1 when the decoy was asked

Whoever runs the tests may have keys in the environment, DROVER_MODEL, and a server of models on
the machine. `with Decoy() as decoy:` listens on a free port; `decoy.env` is the environment of a
user whose keys, default model and local servers all lead there, `decoy.asked` lists the requests.
The decoy answers as a provider does, so that a test that asks it goes on and asks more.
"""
import http.server
import json
import os
import subprocess
import sys
import threading

MODEL = "model-of-the-user"
ASKED_MAX = 100
CHAT = {"id": "1", "object": "chat.completion.chunk", "model": MODEL,
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "asked the decoy"},
                     "finish_reason": "stop"}]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length).decode("utf-8", "replace")
        self.server.note(f"{self.command} {self.path} {body[-200:]}")
        if self.command == "GET":
            kind, text = "application/json", json.dumps({"data": [{"id": MODEL}]})
        else:
            kind, text = "text/event-stream", f"data: {json.dumps(CHAT)}\n\ndata: [DONE]\n\n"
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = answer

    def log_message(self, *_args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self._lock = threading.Lock()

    def note(self, request):
        with self._lock:
            if len(self.asked) < ASKED_MAX:
                self.asked.append(request)


class Decoy:
    def __enter__(self):
        self._server = Server()
        self.asked = self._server.asked
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._server.shutdown()
        self._server.server_close()

    @property
    def env(self):
        host = f"127.0.0.1:{self._server.server_port}"
        env = {"OLLAMA_HOST": host, "LLAMACPP_HOST": host, "DROVER_MODEL": f"openai/{MODEL}"}
        for provider in ("OPENAI", "ANTHROPIC", "DEEPSEEK"):
            env[f"{provider}_API_KEY"] = "sk-of-the-user-0123456789"
            env[f"{provider}_BASE_URL"] = f"http://{host}/v1"
        return env


def main():
    with Decoy() as decoy:
        env = {**os.environ, **decoy.env}
        code = subprocess.run(sys.argv[1:], env=env, check=False).returncode
    for request in decoy.asked:
        print(f"decoy: was asked: {request}", file=sys.stderr)
    return 1 if decoy.asked else code


if __name__ == "__main__":
    sys.exit(main())
