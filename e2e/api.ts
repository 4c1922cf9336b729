/** What `POST /create-room` gives out, as far as a peer needs it to register. */
export interface Room {
  readonly room_id: string
  readonly token: string
}

/** Signs in anonymously and returns the ID token. */
export async function signIn(httpUrl: string): Promise<string> {
  const { id_token } = await post(`${httpUrl}/anonymous-signin`)
  return String(id_token)
}

export async function createRoom(httpUrl: string, idToken: string): Promise<Room> {
  const { room_id, token } = await post(`${httpUrl}/create-room`, { Authorization: `Bearer ${idToken}` })
  return { room_id: String(room_id), token: String(token) }
}

async function post(url: string, headers: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const response = await fetch(url, { method: 'POST', headers })
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as Record<string, unknown>
}
