/**
 * The report as one page that needs nothing else: no script, no font, no picture from elsewhere. What it shows comes from
 * the network, so all text is escaped, and the page forbids itself to load anything.
 */
import type { Change } from './compare.ts'
import type { FamilyName, FamilyReport, Report, ServerReport, UplinkReport } from './report.ts'
import {
  escaped,
  lifetimePicture,
  mappingPicture,
  portsPicture,
  wayPicture,
} from './svg-pictures.ts'
import {
  aroundRows,
  changeRows,
  familyNotes,
  familyRows,
  familyTitles,
  type Row,
  uplinkTitle,
  verdictSentences,
} from './text-report.ts'

export function renderPage(report: Report): string {
  const { families, servers, advice, changes, verdict, startedAt, tookMs } = report
  const names = ['ipv4', 'ipv6'] as const
  const sections = names.map((name) => renderFamily(name, families[name], servers))
  const uplinks = (report.otherUplinks ?? []).map(renderUplink)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>natprobe: ${escaped(verdict)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1 class="${verdict}">${escaped(verdictSentences[verdict])}</h1>
<p class="when">natprobe, ${escaped(startedAt)}, in ${Math.round(tookMs / 100) / 10} s</p>
${advice.length === 0 ? '' : `<ul>${advice.map((one) => `<li>${escaped(one)}</li>`).join('')}</ul>`}
${changes === undefined ? '' : changed(changes)}${sections.join('')}${around(report)}${uplinks.join('')}</main>
</body>
</html>
`
}

function renderUplink(uplink: UplinkReport): string {
  const { families, servers, why } = uplink
  const through = `, through ${escaped(uplink.interface)}`
  const names = ['ipv4', 'ipv6'] as const
  const sections = names.map((name) => renderFamily(name, families[name], servers, through))
  return `<section>
<h2>${escaped(uplinkTitle(uplink))}</h2>
${why === undefined ? '' : paragraphs([why])}</section>
${sections.join('')}${around(uplink, through)}`
}

/** `through`: as text for the title, escaped. */
function renderFamily(
  name: FamilyName,
  family: FamilyReport | undefined,
  servers: readonly ServerReport[],
  through = '',
): string {
  if (family === undefined) return ''
  const own = servers.filter(({ address }) => address === undefined || isOf(name, address))
  const { mapping, allocator, lifetime } = family
  return `<section>
<h2>${familyTitles[name]}${through}</h2>
<div class="picture">${wayPicture(family, own)}</div>
${table(familyRows(family))}
${paragraphs(familyNotes(family))}${picture('One socket, several destinations', mapping.evidence, () => mappingPicture(family))}${picture(
    'Public ports of fresh sockets',
    allocator?.evidence.filter(({ mapped }) => mapped !== undefined),
    portsPicture,
  )}${picture('Idle mappings', lifetime?.evidence, () => (lifetime === undefined ? '' : lifetimePicture(lifetime)))}</section>
`
}

/** The gateway, the ports that are let out, the path to a peer. */
function around(report: Parameters<typeof aroundRows>[0], through = ''): string {
  const rows = aroundRows(report)
  return rows.length === 0
    ? ''
    : `<section>\n<h2>Around${through}</h2>\n${table(rows)}\n</section>\n`
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(
    ([title, value]) => `<tr><th scope="row">${escaped(title)}</th><td>${escaped(value)}</td></tr>`,
  )
  return `<table>${lines.join('')}</table>`
}

function changed(changes: readonly Change[]): string {
  const rows = changes.length === 0 ? '<p>Nothing.</p>' : table(changeRows(changes))
  return `<section>\n<h2>Changed</h2>\n${rows}\n</section>\n`
}

function paragraphs(sentences: readonly string[]): string {
  return sentences.map((one) => `<p class="note">${escaped(one)}</p>\n`).join('')
}

function picture<Item>(
  title: string,
  items: readonly Item[] | undefined,
  draw: (items: readonly Item[]) => string,
): string {
  return items === undefined || items.length === 0
    ? ''
    : `<h3>${title}</h3>\n<div class="picture">${draw(items)}</div>\n`
}

// An IPv6 endpoint has its address in brackets; its pseudonym says the family.
function isOf(name: FamilyName, address: string): boolean {
  const isIpv6 = address.startsWith('[') || address.includes('-ipv6-')
  return isIpv6 === (name === 'ipv6')
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1d2733; --quiet: #5b6875; --page: #fff; --line: #c3ccd6;
  --host: #dbe9f8; --nat: #fdebc8; --server: #dcf1e0; --lost: #f9dcd5; --alive: #4a9e62; --gone: #c8553d; --open: #b4bcc5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --quiet: #9aa7b4; --page: #161b21; --line: #46525f;
  --host: #24405c; --nat: #5c4a1f; --server: #23492f; --lost: #632c20; --alive: #4a9e62; --gone: #c8553d; --open: #59646f; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 800px; margin: 0 auto; padding: 24px 16px; }
h1 { font-size: 1.6rem; margin: 0; padding-left: 12px; border-left: 8px solid var(--open); }
h1.direct { border-color: var(--alive); } h1.relay-likely, h1.udp-blocked { border-color: var(--gone); }
h2 { margin: 28px 0 8px; } h3 { margin: 24px 0 6px; font-size: 1rem; }
p.note { color: var(--quiet); margin: 6px 8px; }
.when { color: var(--quiet); margin: 4px 0 12px 20px; }
table { border-collapse: collapse; width: 100%; margin-top: 12px; }
th, td { text-align: left; padding: 4px 8px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 400; color: var(--quiet); width: min(14rem, 40%); }
/* On a phone pictures are moved by the finger: at a third of their size nobody reads them. */
.picture { overflow-x: auto; } svg { width: 100%; min-width: 600px; height: auto; display: block; } svg text { fill: var(--ink); font-size: 13px; }
svg .title { font-weight: 600; } svg .small { font-size: 12px; } svg .axis-name { fill: var(--quiet); text-anchor: middle; }
.host { fill: var(--host); } .nat { fill: var(--nat); } .server { fill: var(--server); } .lost { fill: var(--lost); }
rect.alive { fill: var(--alive); } rect.gone { fill: var(--gone); } rect.open { fill: var(--open); }
.way { stroke: var(--quiet); stroke-width: 2; } .silent { stroke-dasharray: 5 5; stroke: var(--gone); }
.axis { stroke: var(--line); } .dot { stroke: var(--page); } .dot.none { fill: none; stroke: var(--gone); }
.c0 { fill: #2f78c4; } .c1 { fill: #d1702b; } .c2 { fill: #7a52b3; } .c3 { fill: #2f9488; } .c4 { fill: #b8436f; }
`
