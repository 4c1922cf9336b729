"""A peer with an unmodified aiortc that connects many times, and sends back the text that arrives on any channel.

    aiortc-echo-peer.py worker HTTP_URL WS_URL ROOM_ID TOKEN PEER_ID    answers every offer on a connection of its own
    aiortc-echo-peer.py deaf-worker HTTP_URL …                          the same, and never looks at candidate messages
    aiortc-echo-peer.py client HTTP_URL WS_URL ROOM_ID TOKEN PEER_ID    makes an offer to each peer id that it reads
                                                                        from standard input

Each connection replaces the one before. Ends when standard input does.
"""

import asyncio
import json
import sys

import websockets
from aiortc_signaling import handle_messages, open_connection, post


async def ignore(_candidate):
    pass


async def run(role, http_url, ws_url, room_id, token, peer_id):
    id_token = post(f"{http_url}/anonymous-signin")["id_token"]
    websocket = await websockets.connect(ws_url)
    register = {"type": "register", "peer_id": peer_id, "room_id": room_id, "token": token, "id_token": id_token}
    await websocket.send(json.dumps(register))
    current = None

    def begin():
        nonlocal current
        if current:
            asyncio.ensure_future(current.close())
        current = open_connection()
        if role == "deaf-worker":
            current.addIceCandidate = ignore

        @current.on("datachannel")
        def on_channel(channel):
            # Bytes are only for the volume.
            channel.on("message", lambda message: isinstance(message, str) and channel.send(message))

        return current

    async def read_lines():
        nonlocal messages
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            if role != "client":
                continue
            connection = begin()
            connection.createDataChannel("parley")
            await connection.setLocalDescription(await connection.createOffer())
            messages.cancel()
            messages = asyncio.create_task(handle_messages(websocket, connection, begin, peer_id))
            offer = {"type": "offer", "sender": peer_id, "target": line, "sdp": connection.localDescription.sdp}
            await websocket.send(json.dumps(offer))

    messages = asyncio.create_task(handle_messages(websocket, None, begin, peer_id))
    await read_lines()
    await websocket.close()


asyncio.run(run(*sys.argv[1:]))
