/** How the page of /docs looks: light and dark, on a phone and on a desk. */
export const style = `
:root {
  color-scheme: light dark;
  --text: light-dark(#1c2024, #e4e6e9);
  --quiet: light-dark(#5b636b, #a3abb3);
  --page: light-dark(#ffffff, #14171a);
  --box: light-dark(#f4f5f7, #1e2226);
  --line: light-dark(#dcdfe3, #343a40);
  --link: light-dark(#0b57b0, #8ab8f5);
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0 auto; padding: 1rem 1rem 4rem; max-width: 56rem; overflow-wrap: anywhere;
  background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif;
}
h1, h2, h3 { line-height: 1.25; margin: 2.5rem 0 .5rem; }
h1 { margin-top: 1rem; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
h3 { font-size: 1.2rem; }
h4 { margin: 1rem 0 .25rem; font-size: .9rem; color: var(--quiet); }
p { margin: .5rem 0; }
a { color: var(--link); }
code, pre { font: .9em/1.45 ui-monospace, monospace; }
nav li { break-inside: avoid; }
article { margin-top: 2rem; }
pre { padding: .75rem; overflow-x: auto; overflow-wrap: normal; background: var(--box); border-radius: .4rem; }
nav ul { columns: 17rem; padding-left: 1.2rem; margin: .25rem 0; }
dl { margin: .25rem 0; padding-left: .75rem; border-left: 2px solid var(--line); }
dt { margin-top: .35rem; }
dd { margin: 0 0 0 1rem; }
.quiet { color: var(--quiet); }
.method { padding: .1rem .4rem; border-radius: .3rem; background: var(--box); }
nav .method { padding: 0; background: none; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .4rem .6rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--quiet); }
th, td:first-child { white-space: nowrap; }
@media (max-width: 44rem) {
  thead { display: none; }
  table, tbody, tr, td { display: block; }
  tr { padding: .6rem 0; border-bottom: 1px solid var(--line); }
  td { padding: 0; border: 0; }
  td[data-label]::before { content: attr(data-label) ": "; color: var(--quiet); }
}
`
