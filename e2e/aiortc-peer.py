"""A peer as people deployed them for the original server: aiortc, websockets, and the quick reference.

    aiortc-peer.py worker HTTP_URL WS_URL ROOM_ID TOKEN    joins the room and answers the first offer
    aiortc-peer.py client HTTP_URL WS_URL                  creates a room, reads the id of a worker from standard
                                                           input, offers it a data channel, and deletes the room

Tells what happens in JSON lines on standard output. On the data channel it greets, sends back the bytes that came
before "end of bytes", and ends at "goodbye". Its SDP carries all of its candidates; those of the other side trickle in.
"""

import asyncio
import hashlib
import json
import sys

import websockets
from aiortc_signaling import handle_messages, open_connection, post, tell

CHUNK = 16384


def converse(channel, done):
    """Holds this side of the conversation on an open data channel."""
    received = bytearray()

    @channel.on("message")
    def on_message(message):
        if isinstance(message, bytes):
            received.extend(message)
        elif message == "end of bytes":
            tell("bytes", count=len(received), sha256=hashlib.sha256(received).hexdigest())
            for at in range(0, len(received), CHUNK):
                channel.send(bytes(received[at : at + CHUNK]))
            channel.send("end of bytes")
        elif message == "goodbye":
            done.set()
        else:
            tell("text", text=message)

    tell("open")
    channel.send("hello from aiortc")


async def run(role, http_url, ws_url, room_id=None, token=None):
    peer_id = f"aiortc-{role}"
    id_token = post(f"{http_url}/anonymous-signin")["id_token"]
    done = asyncio.Event()

    connections = []

    def begin():
        connection = open_connection()
        connections.append(connection)
        connection.on("datachannel", lambda channel: converse(channel, done))
        return connection

    connection = None

    if role == "client":
        # It offers right behind register, so it does not know yet what the server will tell.
        connection = begin()
        room = post(f"{http_url}/create-room", id_token=id_token)
        room_id, token = room["room_id"], room["token"]
        tell("room", room_id=room_id, token=token)
        worker = sys.stdin.readline().strip()
        channel = connection.createDataChannel("parley")
        channel.on("open", lambda: converse(channel, done))
        await connection.setLocalDescription(await connection.createOffer())

    websocket = await websockets.connect(ws_url)
    register = {"type": "register", "peer_id": peer_id, "room_id": room_id, "token": token, "id_token": id_token}
    await websocket.send(json.dumps(register))
    if role == "client":
        # Right behind register, as deployed clients do.
        offer = {"type": "offer", "sender": peer_id, "target": worker, "sdp": connection.localDescription.sdp}
        await websocket.send(json.dumps(offer))

    messages = asyncio.create_task(handle_messages(websocket, connection, begin, peer_id))
    goodbye = asyncio.create_task(done.wait())
    await asyncio.wait({messages, goodbye}, return_when=asyncio.FIRST_COMPLETED)
    if not goodbye.done():
        await messages
        raise RuntimeError("the server closed the WebSocket")
    for each in connections:
        await each.close()
    await websocket.close()
    await messages
    if role == "client":
        # After closing, and without an Authorization header, as deployed clients do.
        tell("deleted", **post(f"{http_url}/delete-peers-and-room", {"peer_id": peer_id}))


asyncio.run(run(*sys.argv[1:]))
