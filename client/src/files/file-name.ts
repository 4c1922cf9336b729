/** What cannot be seen: control and format characters, those that turn the direction of text around, halves of characters. */
export const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** Windows takes these for devices, whatever extension they have. */
const devices = /^(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³]|conin\$|conout\$)\s*(\.|$)/i

/**
 * A name under which a file of another peer may be kept in a folder of one's own, on any system: without folders, nothing
 * invisible, not hidden, no device, not too long, never empty. Whether there is such a file already is for the caller
 * to see. What is safe already stays as it is.
 * @param bytes that it may have in UTF-8, at least 64; fewer than 255 if the caller wants to add something
 */
export function safeFileName(name: string, bytes = 255): string {
  let safe =
    name
      // The end has the extension. No system takes so long a name anyway.
      .slice(-1024)
      .replace(invisible, '')
      .normalize('NFC')
      .replace(/[<>:"|?*]/g, '_')
      .split(/[/\\]/)
      .map(part => part.replace(/^[\s.]+|[\s.]+$/g, ''))
      .findLast(part => part) ?? 'file'
  if (devices.test(safe)) safe = `_${safe}`
  // The last character before the extension, until it fits.
  while (new TextEncoder().encode(safe).length > bytes) safe = safe.replace(/.(\.\w{1,15})?$/u, '$1')
  return safe.replace(/[\s.]+$/, '')
}
