import type { BunPlugin } from 'bun'
import { compile, compileModule } from 'svelte/compiler'
import { compileScript, parse } from 'vue/compiler-sfc'

/** Has Bun read the files of Vue's components, as Vite does with Vue's own plugin. */
export const vueFiles: BunPlugin = {
  name: 'vue',
  setup(build) {
    build.onLoad({ filter: /\.vue$/ }, async ({ path }) => {
      const { descriptor, errors } = parse(await Bun.file(path).text(), { filename: path })
      if (errors.length > 0) throw new AggregateError(errors, path)
      return { contents: compileScript(descriptor, { id: path, inlineTemplate: true }).content, loader: 'ts' }
    })
  },
}

/** The same for Svelte's, and for its modules with runes. */
export const svelteFiles: BunPlugin = {
  name: 'svelte',
  setup(build) {
    build.onLoad({ filter: /\.svelte$/ }, async ({ path }) => {
      const { js, warnings } = compile(await Bun.file(path).text(), { filename: path, dev: true })
      if (warnings.length > 0) throw new AggregateError(warnings, path)
      return { contents: js.code, loader: 'js' }
    })
    build.onLoad({ filter: /\.svelte\.ts$/ }, async ({ path }) => {
      const plain = new Bun.Transpiler({ loader: 'ts' }).transformSync(await Bun.file(path).text())
      return { contents: compileModule(plain, { filename: path, dev: true }).js.code, loader: 'js' }
    })
  },
}
