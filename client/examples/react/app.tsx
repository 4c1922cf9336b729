import { type CreatedRoom, Parley, ParleyError } from '@parley/client'
import { type FormEvent, StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { type Session, type UseParley, useParley } from './use-parley.ts'

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

function sessionOfLink(): Session | undefined {
  const [roomId, token, peerId] = ['room', 'token', 'name'].map(name => given.get(name))
  return roomId && token ? { roomId, token, ...(peerId && { peerId }) } : undefined
}

function NewRoom({ onCreated }: { readonly onCreated: (room: CreatedRoom) => void }) {
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

function InRoom({ session }: { readonly session: Session }) {
  const view = useParley(parley, session)
  const { state, peers } = view
  return (
    <>
      <p role="status">
        {state.status}
        {'error' in state && state.error ? `: ${state.error.message}` : ''}
      </p>
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

function linkTo({ roomId, token }: Session): string {
  const { httpUrl: server, wsUrl: ws } = parley.address
  return `${location.pathname}#${new URLSearchParams({ server, ws, room: roomId, token })}`
}

function OtherPeer({ peerId, view }: { readonly peerId: string; readonly view: UseParley }) {
  const [trouble, setTrouble] = useState('')
  const status = view.connections.get(peerId) ?? 'closed'
  // What a promise rejects with belongs on the screen; otherwise it would be an unhandled rejection.
  const attempt = (act: Promise<void>) => {
    setTrouble('')
    act.catch(error => setTrouble(sentence(error)))
  }
  const say = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    attempt(view.say(peerId, String(new FormData(form).get('text'))))
    form.reset()
  }
  return (
    <li>
      <h2>{peerId}</h2>
      <p>{status === 'closed' ? 'not connected' : status}</p>
      {status === 'closed' ? (
        <button type="button" onClick={() => attempt(view.connect(peerId))}>
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
      <p role="alert">{trouble}</p>
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
