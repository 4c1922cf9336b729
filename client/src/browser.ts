/** All of the SDK in one file, for a page without a bundler: `dist/parley.min.js`. */
export * from './files/index.ts'
export * from './index.ts'
