/** Why the system has not done something, by the code of Node's errors. */
const reasons: { readonly [code: string]: string } = {
  ENOENT: 'it does not exist',
  EACCES: 'that is not permitted',
  EPERM: 'that is not permitted',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'there is no quota left',
  EFBIG: 'it is too big for the file system',
  EISDIR: 'it is a folder',
  ENOTDIR: 'it is no folder',
  EEXIST: 'there is a file of that name',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'its name is too long',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  EIO: 'the disk has an error',
}

export const reasonOf = (code: string): string | undefined => reasons[code]

/** The code of an error of Node; '' if it has none. */
export const systemCode = (error: unknown): string => {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  return typeof code === 'string' ? code : ''
}
