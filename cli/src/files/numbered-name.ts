/** "name.ext", "name (1).ext", "name (2).ext"; both parts of ".tar.gz" and its like stay together. */
export function numberedName(name: string, number: number): string {
  if (number === 0) return name
  const [extension = ''] = /(?<=[^.])(\.tar)?\.[^.\s]{1,16}$/i.exec(name) ?? []
  return `${name.slice(0, name.length - extension.length)} (${number})${extension}`
}
