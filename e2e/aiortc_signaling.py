"""What the programs with aiortc have in common: how they speak to the server, as the quick reference has it."""

import json
import urllib.request

import aioice.ice
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp

# aioice leaves loopback out; here nothing else may be used.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


# Told at the registration. Deployed clients build their connections from exactly this.
ice_servers = []


def take_ice_servers(registered_auth):
    ice_servers[:] = [RTCIceServer(**entry) for entry in registered_auth["ice_servers"]]


def open_connection():
    return RTCPeerConnection(RTCConfiguration(iceServers=list(ice_servers)))


def tell(event, **details):
    print(json.dumps({"event": event, **details}), flush=True)


def post(url, body=None, id_token=None):
    headers = {"Content-Type": "application/json"}
    if id_token:
        headers["Authorization"] = f"Bearer {id_token}"
    data = json.dumps(body or {}).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method="POST")
    with urllib.request.urlopen(request) as response:
        return json.load(response)


async def handle_messages(websocket, connection, begin, peer_id):
    """Does what the messages of the server say, one after the other.

    `begin` makes another connection, and the first one where `connection` is None.
    """
    async for text in websocket:
        message = json.loads(text)
        kind = message.get("type")
        if kind == "registered_auth":
            take_ice_servers(message)
            tell("registered", peer_id=message["peer_id"])
        elif kind == "offer":
            if connection is None or connection.remoteDescription:
                # The other side has begun afresh, as when its first attempt has failed.
                connection = begin()
            await connection.setRemoteDescription(RTCSessionDescription(message["sdp"], "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
            sdp = connection.localDescription.sdp
            answer = {"type": "answer", "sender": peer_id, "target": message["sender"], "sdp": sdp}
            await websocket.send(json.dumps(answer))
        elif kind == "answer":
            await connection.setRemoteDescription(RTCSessionDescription(message["sdp"], "answer"))
        elif kind == "candidate":
            details = message["candidate"]
            candidate = candidate_from_sdp(details["candidate"].removeprefix("candidate:"))
            candidate.sdpMid = details["sdpMid"]
            candidate.sdpMLineIndex = details["sdpMLineIndex"]
            await connection.addIceCandidate(candidate)
        else:
            raise RuntimeError(f"unexpected message: {text}")
