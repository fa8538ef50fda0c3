"""figure.py SOCKET NAME: one figure of /metrics, from a daemon's socket."""
import http.client
import socket
import sys


class Local(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


connection = Local(sys.argv[1])
connection.request("GET", "/metrics", headers={"Host": "localhost"})
for line in connection.getresponse().read().decode().splitlines():
    name, _, value = line.partition(" ")
    if name == sys.argv[2]:
        print(value)
