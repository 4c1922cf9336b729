export * from './decode.ts'
export * from './errors.ts'
export * from './limits.ts'
export * from './messages.ts'
