"""requests over SOCKS. Arguments: proxy, web server (ports), and user and password if wanted."""

import sys

import requests

proxy, web = sys.argv[1:3]
login = f"{sys.argv[3]}:{sys.argv[4]}@" if len(sys.argv) > 3 else ""
schemes = ["socks5", "socks5h"] if login else ["socks5", "socks5h", "socks4", "socks4a"]
session = requests.Session()
session.trust_env = False
for scheme in schemes:
    host = "localhost" if scheme in ("socks5h", "socks4a") else "127.0.0.1"
    through = {"http": f"{scheme}://{login}127.0.0.1:{proxy}"}
    print(session.get(f"http://{host}:{web}/", proxies=through, timeout=60).text)
