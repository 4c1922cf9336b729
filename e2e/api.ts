/** What `POST /create-room` gives out, as far as a peer needs it to register. */
export interface Room {
  readonly room_id: string
  readonly token: string
}

export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** What the server answers to a POST, whether it is an error or not. */
export async function post(url: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', headers, ...(body && { body: JSON.stringify(body) }) })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

/** Signs in anonymously and returns the ID token. */
export async function signIn(httpUrl: string): Promise<string> {
  const { id_token } = await succeed(post(`${httpUrl}/anonymous-signin`))
  return String(id_token)
}

export async function createRoom(httpUrl: string, idToken: string): Promise<Room> {
  const request = post(`${httpUrl}/create-room`, undefined, { Authorization: `Bearer ${idToken}` })
  const { room_id, token } = await succeed(request)
  return { room_id: String(room_id), token: String(token) }
}

async function succeed(request: Promise<Answer>): Promise<Answer['body']> {
  const { status, body } = await request
  if (status !== 200) throw new Error(`answered ${status}: ${JSON.stringify(body)}`)
  return body
}
