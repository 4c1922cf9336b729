/** TCP ports that nobody uses at the moment, for programs that cannot be told to take one. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () =>
    Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } }),
  )
  const ports = servers.map(({ port }) => port)
  for (const server of servers) server.stop(true)
  return ports
}
