"""A worker as people deployed them for the original server: it stays for as long as nothing unexpected happens.

    deployed-worker.py HTTP_URL WS_URL ROOM_ID TOKEN [ROLE]

Registers as "Worker-3108" (v2 workers say their ROLE, too) and answers every offer, each with a connection of its own.
It leaves its main loop, and with it whatever job it is doing, when it is sent an error or any type that it does not
know, and when its WebSocket is closed: then it ends with exit code 3. Tells what happens in JSON lines on standard
output, and does what it is told on standard input:

    answer      sends the answer to the oldest offer that has none
    register    sends register again on its open connection, with the ID token of its start
    stop        ends with exit code 0

On a data channel, "job" is answered with "working", and "done?" with "result".
"""

import asyncio
import json
import sys

import websockets
from aiortc import RTCSessionDescription
from aiortc_signaling import open_connection, post, take_ice_servers, tell

PEER_ID = "Worker-3108"


def serve(channel):
    replies = {"job": "working", "done?": "result"}

    @channel.on("message")
    def on_message(message):
        channel.send(replies[message])


async def answer(websocket, offer, connections):
    connection = open_connection()
    connections.append(connection)
    connection.on("datachannel", serve)
    await connection.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
    await connection.setLocalDescription(await connection.createAnswer())
    sdp = connection.localDescription.sdp
    reply = {"type": "answer", "sender": PEER_ID, "target": offer["sender"], "sdp": sdp}
    await websocket.send(json.dumps(reply))
    tell("answered", target=offer["sender"])


async def main_loop(websocket, offers):
    """Ends with the reason why the worker is lost."""
    async for text in websocket:
        message = json.loads(text)
        kind = message.get("type")
        if kind == "registered_auth":
            take_ice_servers(message)
            tell("registered", admin=message.get("admin_peer_id"))
        elif kind == "offer":
            offers.append(message)
            tell("offered", sender=message["sender"])
        elif kind != "candidate":
            # The first version's server dropped candidates, so its workers never looked at them.
            return text
    return f"closed with {websocket.close_code}"


async def obey(websocket, offers, connections, register):
    loop = asyncio.get_running_loop()
    while True:
        command = (await loop.run_in_executor(None, sys.stdin.readline)).strip()
        if command == "answer":
            await answer(websocket, offers.pop(0), connections)
        elif command == "register":
            await websocket.send(json.dumps(register))
        else:
            return


async def run(http_url, ws_url, room_id, token, role=None):
    id_token = post(f"{http_url}/anonymous-signin")["id_token"]
    register = {"type": "register", "peer_id": PEER_ID, "room_id": room_id, "token": token, "id_token": id_token}
    if role:
        register.update(role=role, is_admin=False, metadata={"tags": ["worker"], "properties": {}})
    offers, connections = [], []
    async with websockets.connect(ws_url) as websocket:
        await websocket.send(json.dumps(register))
        lost = asyncio.create_task(main_loop(websocket, offers))
        told = asyncio.create_task(obey(websocket, offers, connections, register))
        await asyncio.wait({lost, told}, return_when=asyncio.FIRST_COMPLETED)
        if lost.done():
            tell("lost", reason=lost.result())
        for connection in connections:
            await connection.close()
    # A thread may still wait for standard input, which would keep the process.
    sys.stdout.flush()
    return 3 if lost.done() and not told.done() else 0


if __name__ == "__main__":
    import os

    os._exit(asyncio.run(run(*sys.argv[1:])))
