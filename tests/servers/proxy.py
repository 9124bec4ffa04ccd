"""A proxy before a server, which makes each round trip longer and counts the requests that pass.

`python -m tests.servers.proxy PORT MILLISECONDS` listens on a free port, which it prints, and on a request to `/count`
of its own answers with how many others there were.
"""

import asyncio
import re
import sys
from collections import deque
from typing import Final

from tests.servers.started import HOST

_REQUEST: Final = re.compile(rb"(?:GET|PUT|POST|DELETE|HEAD) (\S+) HTTP/1\.1\r\n")
_PART: Final = 1 << 16


class Proxy:
    """Passes connections on to a server, and what a client says by so many seconds later."""

    def __init__(self, port: int, delay: float) -> None:
        self.requests = 0
        self._port = port
        self._delay = delay

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        first = await reader.read(_PART)
        if first.startswith(b"GET /count "):
            text = str(self.requests).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(text), text))
            await writer.drain()
            writer.close()
            return
        from_server, to_server = await asyncio.open_connection(HOST, self._port)
        await asyncio.gather(self._late(first, reader, to_server), self._pass(from_server, writer))

    async def _late(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting: deque[tuple[float, bytes]] = deque()
        clock = asyncio.get_running_loop().time
        arrived = asyncio.Event()

        async def send() -> None:
            while True:
                while not waiting:
                    arrived.clear()
                    await arrived.wait()
                due, part = waiting.popleft()
                await asyncio.sleep(max(0.0, due - clock()))
                if not part:
                    writer.close()
                    return
                writer.write(part)
                await writer.drain()

        sending = asyncio.create_task(send())
        part = first
        while True:
            self.requests += len(_REQUEST.findall(part))
            waiting.append((clock() + self._delay, part))
            arrived.set()
            if not part:
                break
            part = await reader.read(_PART)
        await sending

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while part := await reader.read(_PART):
                writer.write(part)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()


async def main(port: int, milliseconds: float) -> None:
    """Serve until killed."""
    proxy = Proxy(port, milliseconds / 1000)
    server = await asyncio.start_server(proxy.serve, HOST, 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
