/** The pictures of the page, as inline SVG: the way to the servers, the mapping samples, the idle mappings. */
import type { Finding } from './finding.ts'
import type { Lifetime } from './lifetime-judgement.ts'
import type { Evidence } from './question.ts'
import type { FamilyReport, ServerReport } from './report.ts'

/** Text from outside, which may hold anything. */
export function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '')
}

const WIDTH = 760

function svg(height: number, title: string, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">${parts.join('')}</svg>`
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escaped(content)}</text>`
}

/** A character of the small text, at its widest. */
const CHARACTER = 7

/** Long names and IPv6 addresses lose their middle; the table has them whole. */
function shortened(content: string, width: number): string {
  const most = Math.floor(width / CHARACTER)
  if (content.length <= most) return content
  const half = Math.floor((most - 1) / 2)
  return `${content.slice(0, half)}…${content.slice(-half)}`
}

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly kind: string
  readonly lines: readonly string[]
}

const BOX_HEIGHT = 58

/** A titled box: the first line is the title. */
function box({ x, y, width, kind, lines }: Box): string {
  const rows = lines.map((line, index) =>
    text(
      x + width / 2,
      y + 18 + index * 16,
      shortened(line, width),
      index === 0 ? 'class="title"' : 'class="small"',
    ),
  )
  return `<rect x="${x}" y="${y}" width="${width}" height="${BOX_HEIGHT}" rx="8" class="${kind}"/><g text-anchor="middle">${rows.join('')}</g>`
}

// ---- The way to the servers ------------------------------------------------------------------------------------------

const ROW = 74

/** From the host through the NAT, where there is one, to each server. */
export function wayPicture(family: FamilyReport, servers: readonly ServerReport[]): string {
  const height = Math.max(1, servers.length) * ROW + 8
  const middle = height / 2
  const y = middle - BOX_HEIGHT / 2
  const isNatted = family.natted === true
  const host = box({ x: 4, y, width: 180, kind: 'host', lines: ['this host', family.local ?? ''] })
  const nat = box({
    x: 252,
    y,
    width: 200,
    kind: 'nat',
    lines: ['NAT', family.public[0] ?? 'no public address', family.classic],
  })
  const start = isNatted ? 452 : 184
  return svg(height, 'The way from this host to the servers', [
    isNatted ? line(184, middle, 252, middle, 'way') : '',
    ...servers.map((server, index) => serverWay(server, start, middle, index * ROW + ROW / 2 + 4)),
    host,
    isNatted ? nat : '',
  ])
}

function serverWay(server: ServerReport, x: number, from: number, y: number): string {
  const isSilent = server.answered === false
  const told = isSilent
    ? server.address === undefined
      ? ''
      : 'no answer'
    : server.rttMs === undefined
      ? ''
      : `${server.rttMs.p50} ms, loss ${Math.round((server.lossRatio ?? 0) * 100)} %`
  const lines = [server.server, server.address ?? 'name not found', told]
  return (
    line(x, from, 536, y, isSilent ? 'way silent' : 'way') +
    box({ x: 536, y: y - BOX_HEIGHT / 2, width: 220, kind: isSilent ? 'lost' : 'server', lines })
  )
}

function line(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" class="${kind}"/>`
}

// ---- Mapping samples -------------------------------------------------------------------------------------------------

/** One socket, several destinations: the same colour is the same public address and port. */
export function mappingPicture({ mapping }: FamilyReport): string {
  const rows = mapping.evidence.slice(0, 16)
  const seen = [...new Set(rows.map(({ mapped }) => mapped).filter((one) => one !== undefined))]
  const parts = rows.map(({ to, mapped }, index) => {
    const y = 20 + index * 28
    const colour = mapped === undefined ? 'none' : `c${seen.indexOf(mapped) % COLOURS}`
    return [
      text(4, y + 5, `asked ${to}`),
      line(270, y, 400, y, 'way'),
      `<circle cx="412" cy="${y}" r="8" class="dot ${colour}"/>`,
      text(430, y + 5, mapped === undefined ? 'no answer' : `saw us as ${mapped}`),
    ].join('')
  })
  return svg(rows.length * 28 + 12, 'How each destination saw one socket', parts)
}

const COLOURS = 5

const PLOT = { left: 70, top: 14, height: 150 } as const

/** Fresh sockets, one after another: their public ports. */
export function portsPicture(evidence: readonly Evidence[]): string {
  const ports = evidence
    .map(({ test, mapped }) => ({ order: Number(/\d+$/.exec(test)?.[0]), port: portOf(mapped) }))
    .filter((sample): sample is { order: number; port: number } => sample.port !== undefined)
  const low = Math.min(...ports.map(({ port }) => port))
  const high = Math.max(...ports.map(({ port }) => port))
  const step = (WIDTH - PLOT.left - 30) / Math.max(1, ports.length - 1)
  const bottom = PLOT.top + PLOT.height
  const dots = [...ports]
    .sort((a, b) => a.order - b.order)
    .map(({ order, port }, index) => {
      const y = bottom - ((port - low) / Math.max(1, high - low)) * PLOT.height
      const x = PLOT.left + 10 + index * step
      return `<circle cx="${round(x)}" cy="${round(y)}" r="5" class="dot c0"><title>socket ${order}: port ${port}</title></circle>`
    })
  return svg(bottom + 40, 'Public ports of fresh sockets', [
    line(PLOT.left, PLOT.top - 8, PLOT.left, bottom + 8, 'axis'),
    line(PLOT.left, bottom + 8, WIDTH - 10, bottom + 8, 'axis'),
    text(PLOT.left - 8, PLOT.top + 5, `${high}`, 'text-anchor="end"'),
    text(PLOT.left - 8, bottom + 5, `${low}`, 'text-anchor="end"'),
    text(
      WIDTH / 2,
      bottom + 30,
      'sockets in the order in which they were used',
      'class="axis-name"',
    ),
    ...dots,
  ])
}

function portOf(endpoint: string | undefined): number | undefined {
  const port = Number(/:(\d+)$/.exec(endpoint ?? '')?.[1])
  return Number.isNaN(port) ? undefined : port
}

// ---- Idle mappings ---------------------------------------------------------------------------------------------------

/** A bar for each idle time: was the mapping still there? */
export function lifetimePicture({ value, evidence }: Finding<Lifetime>): string {
  const named = evidence.map(({ test }) => Number(/^idle for (\d+) s/.exec(test)?.[1] ?? 0))
  const seconds = [...new Set(named)].filter((bucket) => bucket > 0).sort((a, b) => a - b)
  const longest = seconds.at(-1) ?? 1
  const bars = seconds.map((bucket, index) => {
    const y = 8 + index * 26
    const fate = fateOf(bucket, value)
    const width = round((bucket / longest) * 420)
    return [
      text(60, y + 15, `${bucket} s`, 'text-anchor="end"'),
      `<rect x="70" y="${y}" width="${width}" height="20" rx="4" class="${fate}"/>`,
      text(78 + width, y + 15, fateWords[fate]),
    ].join('')
  })
  return svg(seconds.length * 26 + 12, 'Idle mappings', bars)
}

type Fate = 'alive' | 'gone' | 'open'

const fateWords: Readonly<Record<Fate, string>> = {
  alive: 'still there',
  gone: 'gone',
  open: 'not known',
}

function fateOf(seconds: number, { atLeastMs, atMostMs }: Lifetime): Fate {
  const ms = seconds * 1000
  if (atLeastMs !== null && ms <= atLeastMs) return 'alive'
  return atMostMs !== null && ms > (atLeastMs ?? 0) && atMostMs < ms + GRACE_MS ? 'gone' : 'open'
}

/** `atMostMs` counts the time of the proof, which is shorter than this. */
const GRACE_MS = 10_000

function round(value: number): number {
  return Math.round(value * 10) / 10
}
