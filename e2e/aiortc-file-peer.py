"""A peer that exchanges files as deployed programs do: "NAME:SIZE", binary chunks, "END_OF_FILE", and KEEP_ALIVE in between.

    aiortc-file-peer.py worker HTTP_URL WS_URL ROOM_ID TOKEN FILE            answers the first offer, waits for a file,
                                                                             and sends FILE back
    aiortc-file-peer.py client HTTP_URL WS_URL ROOM_ID TOKEN FILE WORKER     offers WORKER a data channel, and sends FILE

Ends when the data channel is closed; a client, when a line comes on standard input. Tells what happens in JSON lines on
standard output. It knows the quick reference and nothing else: any message of a type beyond that ends it with an error.
"""

import asyncio
import hashlib
import json
import os
import sys

import websockets
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc_signaling import handle_messages, post, tell

CHUNK = 16384
KEEP_ALIVE = b"KEEP_ALIVE"


async def send_file(channel, path):
    """Sends the file as deployed programs do, no faster than the channel takes it."""
    channel.send(KEEP_ALIVE)
    channel.send(f"{os.path.basename(path)}:{os.path.getsize(path)}")
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            while channel.bufferedAmount > 16 * CHUNK:
                await asyncio.sleep(0.001)
            channel.send(chunk)
    channel.send("END_OF_FILE")
    channel.send(KEEP_ALIVE)


async def send_and_wait(channel, path, done):
    """A client that closed right away would take along what aiortc has not sent yet; deployed ones wait for an answer."""
    await send_file(channel, path)
    await asyncio.to_thread(sys.stdin.readline)
    done.set()


def exchange(role, channel, path, done):
    """As a client sends the file; as a worker takes one before."""
    received = {"name": None, "size": 0, "bytes": bytearray()}
    tell("open", label=channel.label)
    if role == "client":
        asyncio.ensure_future(send_and_wait(channel, path, done))

    @channel.on("message")
    def on_message(message):
        if message == KEEP_ALIVE:
            return
        if isinstance(message, bytes):
            received["bytes"].extend(message)
        elif message == "END_OF_FILE":
            content = received["bytes"]
            assert len(content) == received["size"], "the size is not the one that was announced"
            tell("file", name=received["name"], size=len(content), sha256=hashlib.sha256(content).hexdigest())
            asyncio.ensure_future(send_file(channel, path))
        else:
            name, size = message.rsplit(":", 1)
            received.update(name=name, size=int(size), bytes=bytearray())

    @channel.on("close")
    def on_close():
        done.set()


async def run(role, http_url, ws_url, room_id, token, path, worker=None):
    peer_id = f"aiortc-{role}"
    id_token = post(f"{http_url}/anonymous-signin")["id_token"]
    done = asyncio.Event()

    connections = []

    def begin():
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connections.append(connection)

        @connection.on("connectionstatechange")
        def on_state():
            # Whoever is just sending when the other side closes is not told so by the channel.
            if connection.connectionState == "closed" and connection in opened:
                done.set()

        @connection.on("datachannel")
        def on_channel(channel):
            opened.add(connection)
            exchange(role, channel, path, done)

        return connection

    opened = set()
    connection = begin()
    if role == "client":
        channel = connection.createDataChannel("my-data-channel")
        channel.on("open", lambda: exchange(role, channel, path, done))
        await connection.setLocalDescription(await connection.createOffer())

    websocket = await websockets.connect(ws_url)
    register = {"type": "register", "peer_id": peer_id, "room_id": room_id, "token": token, "id_token": id_token}
    await websocket.send(json.dumps(register))
    if role == "client":
        offer = {"type": "offer", "sender": peer_id, "target": worker, "sdp": connection.localDescription.sdp}
        await websocket.send(json.dumps(offer))

    messages = asyncio.create_task(handle_messages(websocket, connection, begin, peer_id))
    ended = asyncio.create_task(done.wait())
    await asyncio.wait({messages, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        await messages
        raise RuntimeError("the server closed the WebSocket")
    for each in connections:
        await each.close()
    await websocket.close()
    await messages


asyncio.run(run(*sys.argv[1:]))
