"""What a program does that knows nothing of SOCKS. Arguments: `udp` or `bind`, a port."""

import ctypes
import os
import socket
import sys

what, port = sys.argv[1], int(sys.argv[2])

if what == "udp":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    # Datagrams may be lost, even here.
    for _ in range(12):
        s.sendto(b"ping", ("127.0.0.1", port))
        try:
            data, sender = s.recvfrom(1000)
        except socket.timeout:
            continue
        assert data == b"ping", data
        print("udp ok")
        break
    else:
        raise SystemExit("no datagram came back")
else:
    # As FTP does it: a connection, and a port on which the other side calls back.
    control = socket.create_connection(("127.0.0.1", port))
    server = socket.socket()
    server.bind(("0.0.0.0", 0))
    server.listen(1)
    control.sendall(server.getsockname()[1].to_bytes(2, "big"))
    # Python's own accept is accept4, which the library does not replace.
    peer, length = ctypes.create_string_buffer(128), ctypes.c_uint(128)
    called = ctypes.CDLL(None, use_errno=True).accept(server.fileno(), peer, ctypes.byref(length))
    assert called >= 0, os.strerror(ctypes.get_errno())
    text = b""
    while piece := os.read(called, 100):
        text += piece
    assert text == b"called back", text
    print("bind ok")
