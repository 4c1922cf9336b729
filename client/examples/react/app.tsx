import { type JoinOptions, Parley, ParleyError } from '@parley/client'
import { type FormEvent, StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { type UseChat, useChat } from './use-chat.ts'

// What is behind the # is never sent to a web server: #server=http://localhost:8001&room=…&token=…&name=ada
const given = new URLSearchParams(location.hash.slice(1))
const wsUrl = given.get('ws')

// Once for the whole page, and not in a component: it is who this page is.
const parley = new Parley(given.get('server') ?? 'http://localhost:8001', { ...(wsUrl && { wsUrl }) })

function App() {
  const [session, setSession] = useState(sessionOfLink)
  return (
    <main>
      <h1>Parley with React</h1>
      {session ? <InRoom session={session} /> : <NewRoom onCreated={setSession} />}
    </main>
  )
}

function sessionOfLink(): JoinOptions | undefined {
  const [roomId, token, peerId] = ['room', 'token', 'name'].map(name => given.get(name))
  return roomId && token ? { roomId, token, ...(peerId && { peerId }) } : undefined
}

function NewRoom({ onCreated }: { readonly onCreated: (room: JoinOptions) => void }) {
  const [trouble, setTrouble] = useState('')
  const create = () => parley.createRoom().then(onCreated, error => setTrouble(sentence(error)))
  return (
    <>
      <button type="button" onClick={create}>
        New room
      </button>
      <p role="alert">{trouble}</p>
    </>
  )
}

function InRoom({ session }: { readonly session: JoinOptions }) {
  const view = useChat(parley, session)
  const { state, error, peers, rejoin } = view
  return (
    <>
      <p role="status">
        {state.status}
        {error && `: ${error.message}`}
      </p>
      {state.status === 'closed' && (
        <button type="button" onClick={rejoin}>
          Enter again
        </button>
      )}
      <p>
        <a href={linkTo(session)} target="_blank" rel="noreferrer">
          Link for the others
        </a>
      </p>
      {peers.length === 0 && <p>Nobody else is here yet.</p>}
      <ul>
        {peers.map(({ id }) => (
          <OtherPeer key={id} peerId={id} view={view} />
        ))}
      </ul>
    </>
  )
}

function linkTo({ roomId, token }: JoinOptions): string {
  const { httpUrl: server, wsUrl: ws } = parley.address
  return `${location.pathname}#${new URLSearchParams({ server, ws, room: roomId, token })}`
}

function OtherPeer({ peerId, view }: { readonly peerId: string; readonly view: UseChat }) {
  const { status, error } = view.connections.get(peerId) ?? { status: 'closed' }
  const say = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    void view.say(peerId, String(new FormData(form).get('text')))
    form.reset()
  }
  return (
    <li>
      <h2>{peerId}</h2>
      <p>{status === 'closed' ? 'not connected' : status}</p>
      {status === 'closed' ? (
        <button type="button" onClick={() => view.connect(peerId)}>
          Connect
        </button>
      ) : (
        <button type="button" onClick={() => view.disconnect(peerId)}>
          Disconnect
        </button>
      )}
      <ol>
        {view.lines
          .filter(line => line.peerId === peerId)
          .map(({ key, text, isMine }) => (
            <li key={key}>
              <b>{isMine ? 'I' : peerId}:</b> {text}
            </li>
          ))}
      </ol>
      <form onSubmit={say}>
        <input name="text" required autoComplete="off" aria-label={`Text for ${peerId}`} />
        <button type="submit">Send</button>
      </form>
      <p role="alert">{error?.message}</p>
    </li>
  )
}

const sentence = (error: unknown): string => (error instanceof ParleyError ? error.message : String(error))

const root = document.getElementById('root')
if (!root) throw new Error('There is no element for the app.')
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
