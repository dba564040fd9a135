"""aiohttp-socks: pages side by side. Arguments: proxy, web server (ports)."""

import asyncio
import sys

import aiohttp
from aiohttp_socks import ProxyConnector

proxy, web = sys.argv[1:3]


async def main():
    count = 0
    for url in (f"socks5://127.0.0.1:{proxy}", f"socks4://127.0.0.1:{proxy}", f"http://127.0.0.1:{proxy}"):
        connector = ProxyConnector.from_url(url, rdns=True)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def page():
                async with session.get(f"http://localhost:{web}/", timeout=aiohttp.ClientTimeout(60)) as answer:
                    return await answer.text()

            pages = await asyncio.gather(*(page() for _ in range(20)))
            assert all(text == "a page" for text in pages), pages
            count += len(pages)
    print(count, "pages")


asyncio.run(main())
