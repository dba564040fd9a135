"""PySocks: a tunnel by each protocol, and datagrams. Arguments: proxy, echo, UDP echo (ports)."""

import socket
import sys

import socks

proxy, echo, udp = map(int, sys.argv[1:4])


def tunnel(kind, host, rdns):
    with socks.socksocket() as s:
        s.set_proxy(kind, "127.0.0.1", proxy, rdns=rdns)
        s.settimeout(60)
        s.connect((host, echo))
        s.sendall(b"x" * 100_000)
        s.shutdown(socket.SHUT_WR)
        back = b""
        while piece := s.recv(65536):
            back += piece
        assert back == b"x" * 100_000, len(back)


tunnel(socks.SOCKS5, "127.0.0.1", False)
tunnel(socks.SOCKS5, "localhost", True)
print("socks5 ok")
tunnel(socks.SOCKS4, "127.0.0.1", False)
tunnel(socks.SOCKS4, "localhost", True)
print("socks4 ok")
tunnel(socks.HTTP, "localhost", True)
print("http ok")

with socks.socksocket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.set_proxy(socks.SOCKS5, "127.0.0.1", proxy)
    s.settimeout(5)
    # Datagrams may be lost, even here.
    for _ in range(12):
        s.sendto(b"ping", ("127.0.0.1", udp))
        try:
            data, sender = s.recvfrom(1000)
        except socket.timeout:
            continue
        assert data == b"ping" and sender == ("127.0.0.1", udp), (data, sender)
        break
    else:
        raise SystemExit("no datagram came back")
print("udp ok")
