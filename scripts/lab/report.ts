/** The laboratory's report: what was measured, as a page. */
import { quantile } from './quantile.ts'

export interface Met {
  readonly path: string
  readonly relay: string | null
  readonly reason: string
  readonly strategies: readonly string[]
  readonly relayTripMs: number
  readonly firstMessageMs: number
  readonly directMs?: number
}

/** One measurement; a line of the results' file. */
export type LabResult =
  | { readonly group: 'pairs'; readonly a: string; readonly b: string; readonly meeting: Met }
  | {
      readonly group: 'meetings'
      readonly name: string
      readonly meeting: Met
      /** Of messages that made a transfer, where there was one. */
      readonly slowestMs?: number
    }
  | {
      readonly group: 'changes'
      readonly name: string
      readonly againMs: number
      /** What p95 has to be. */
      readonly withinMs: number
    }
  | { readonly group: 'outages'; readonly name: string; readonly slowestMs: number }
  | { readonly group: 'privacy'; readonly name: string; readonly packets: number }
  | { readonly group: 'router'; readonly packetsPerSecond: number; readonly roundTripMs: number }
  /** The first message and a relay trip, on a machine that had nothing else to do. */
  | { readonly group: 'first'; readonly relayTripMs: number; readonly firstMessageMs: number }

/** A result as it is in the file: with the system's load (one minute) when it was measured. */
export type RecordedResult = LabResult & { readonly load?: number }

/** What the report cannot measure. */
export interface ReportContext {
  readonly command: string
  readonly date: string
  readonly machine: string
  readonly cores: number
}

type Of<G extends LabResult['group']> = Extract<LabResult, { group: G }>

/** Every result of a kind, by the name of what was measured, in the order in which they came. */
export function renderReport(results: readonly RecordedResult[], context: ReportContext): string {
  const of = <G extends LabResult['group']>(group: G): readonly Of<G>[] =>
    results.filter((result): result is Of<G> => result.group === group)
  return [
    introduction(context, of('router')),
    machineSection(context, results),
    firstSection(of('first')),
    pairsSection(of('pairs')),
    meetingsSection(of('meetings')),
    changesSection(of('changes')),
    outagesSection(of('outages')),
    privacySection(of('privacy')),
  ]
    .filter((section) => section !== '')
    .join('\n\n')
    .concat('\n')
}

function introduction(
  { command, date, machine }: ReportContext,
  speed: readonly Of<'router'>[],
): string {
  const [router] = speed
  const routers =
    router === undefined
      ? ''
      : `\n\nThe user-space router carried ${group(router.packetsPerSecond)} packets of 1,200 bytes in a second of computing; a round trip through it took
${router.roundTripMs.toFixed(1)} ms (p50), of which the line's delay was none.`
  return `# What the laboratory measured

Written by \`${command}\` on ${date}; ${machine}. Do not edit.

Real programs (\`holler-server\`, \`hollerd\`) in network namespaces, behind the routers of [laboratory.md](laboratory.md), each of
which two foreign programs have judged. Unless a line says otherwise, it is 10 ms from a home to the exchange: 20 ms to the
server and back, 40 ms from home to home and back. Times are from the request on one control socket to the event on the
other's, disk writes on both sides included.

- **Relay trip**: from \`message.send\` to \`message.received\` over a session that lives on the relay.
- **First message**: the same while no session lives.
- **Direct**: from sending that message until both sides talk directly.${routers}`
}

/** Times of a machine that others use are not the programs' own: whoever reads must know. */
function machineSection({ cores }: ReportContext, results: readonly RecordedResult[]): string {
  const loads = results.flatMap(({ load }) => load ?? [])
  if (loads.length === 0) return ''
  const [p50, most] = [quantile(loads, 0.5), Math.max(...loads)]
  const share = loads.filter((load) => load > 2 * cores).length / loads.length
  const verdict =
    share === 0
      ? ''
      : ` **${whole(100 * share)} % of the measurements were made while it was more than twice as busy as it can bear:** their
times are longer than the programs', and attempts that need milliseconds fail more often.`
  return `While it was measured, ${p50.toFixed(1)} processes wanted the ${cores} cores (load, p50), ${most.toFixed(1)} at most; the laboratory
itself is some of them.${verdict}`
}

function firstSection(first: readonly Of<'first'>[]): string {
  if (first.length === 0) return ''
  const row = (name: string, times: readonly number[]): readonly string[] => [
    name,
    ...[0.5, 0.95, 1].map((share) => whole(quantile(times, share))),
  ]
  return `## The first message

With nothing else going on, ${first.length} times, in ms:

${table(
  ['', 'p50', 'p95', 'worst'],
  [
    row(
      'relay trip',
      first.map(({ relayTripMs }) => relayTripMs),
    ),
    row(
      'first message',
      first.map(({ firstMessageMs }) => firstMessageMs),
    ),
  ],
)}`
}

function pairsSection(pairs: readonly Of<'pairs'>[]): string {
  if (pairs.length === 0) return ''
  const kinds = [...new Set(pairs.flatMap(({ a, b }) => [a, b]))]
  const cell = (one: string, other: string): string => {
    const met = pairs.filter(({ a, b }) => (a === one && b === other) || (a === other && b === one))
    return met.length === 0 ? '' : cellOf(met.map(({ meeting }) => meeting))
  }
  const rows = kinds.map((kind, index) => [
    `**${kind}**`,
    ...kinds.map((other, column) => (column < index ? '' : cell(kind, other))),
  ])
  const met = pairs.map(({ meeting }) => meeting)
  const times = met.flatMap(({ directMs }) => directMs ?? [])
  return `## Every kind of home with every kind

Path, then p50 of the first message and of talking directly in ms; in brackets how many of how many rounds were direct.
Over all pairs the first message took ${beyond(met)} ms longer than a relay trip (p50), ${beyond(met, 0.95)} ms (p95).
Those that became direct (${times.length} of ${met.length}) took ${whole(quantile(times, 0.5))} ms (p50), ${whole(quantile(times, 0.95))} ms (p95).

${table(['', ...kinds], rows)}`
}

function cellOf(met: readonly Met[]): string {
  const direct = met.filter(({ path }) => path !== 'relay')
  const first = quantile(
    met.map(({ firstMessageMs }) => firstMessageMs),
    0.5,
  )
  const times = direct.flatMap(({ directMs }) => (directMs === undefined ? [] : [directMs]))
  if (direct.length === 0) return `relay ${whole(first)} (0/${met.length})`
  return `${direct[0]?.path ?? ''} ${whole(first)} / ${whole(quantile(times, 0.5))} (${direct.length}/${met.length})`
}

function meetingsSection(meetings: readonly Of<'meetings'>[]): string {
  if (meetings.length === 0) return ''
  const rows = byName(meetings).map(([name, all]) => {
    const met = all.map(({ meeting }) => meeting)
    const p50 = (pick: (one: Met) => number | undefined): string =>
      whole(
        quantile(
          met.flatMap((one) => pick(one) ?? []),
          0.5,
        ),
      )
    const paths = [
      ...new Set(met.map(({ path, relay }) => `${path}${relay === null ? '' : ` (${relay})`}`)),
    ]
    const reasons = [...new Set(met.map(({ reason }) => reason))]
    const slowest = all.flatMap(({ slowestMs }) => slowestMs ?? [])
    return [
      name,
      paths.join(', '),
      p50(({ relayTripMs }) => relayTripMs),
      p50(({ firstMessageMs }) => firstMessageMs),
      p50(({ directMs }) => directMs),
      String(met.length),
      reasons.join(', '),
      slowest.length === 0 ? '' : whole(Math.max(...slowest)),
    ]
  })
  return `## Other networks

${table(['what', 'path', 'relay trip', 'first message', 'direct', 'rounds', 'reason', 'slowest of the long messages'], rows)}`
}

function changesSection(changes: readonly Of<'changes'>[]): string {
  if (changes.length === 0) return ''
  const rows = byName(changes).map(([name, all]) => {
    const times = all.map(({ againMs }) => againMs)
    const [wanted = 0] = all.map(({ withinMs }) => withinMs)
    const p95 = quantile(times, 0.95)
    return [
      name,
      String(times.length),
      whole(quantile(times, 0.5)),
      whole(p95),
      whole(Math.max(...times)),
      `${whole(wanted)} ${p95 <= wanted ? 'met' : '**missed**'}`,
    ]
  })
  return `## In the middle of a chat

Both write four messages a second; none was lost, doubled or out of order. Until both talk directly again, in ms, from the
moment in which the network is as it should be:

${table(['what happens', 'rounds', 'p50', 'p95', 'worst', 'wanted p95'], rows)}`
}

function outagesSection(outages: readonly Of<'outages'>[]): string {
  if (outages.length === 0) return ''
  const rows = outages.map(({ name, slowestMs }) => [name, whole(slowestMs)])
  return `## Without server, relay or traffic

Nothing was lost, doubled or out of order.

${table(['what happens', 'slowest message, ms'], rows)}`
}

function privacySection(privacy: readonly Of<'privacy'>[]): string {
  if (privacy.length === 0) return ''
  const rows = privacy.map(({ name, packets }) => [name, String(packets)])
  return `## What others get to see

Counted by tcpdump.

${table(['who sees what', 'packets'], rows)}`
}

/** How much longer than a relay trip the first message took. */
function beyond(met: readonly Met[], share = 0.5): string {
  const extra = met.map(({ firstMessageMs, relayTripMs }) => firstMessageMs - relayTripMs)
  return whole(quantile(extra, share))
}

function byName<T extends { readonly name: string }>(results: readonly T[]): [string, T[]][] {
  const groups = new Map<string, T[]>()
  for (const result of results) {
    groups.set(result.name, [...(groups.get(result.name) ?? []), result])
  }
  return [...groups]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function whole(value: number): string {
  return Number.isNaN(value) ? '' : group(Math.round(value))
}

function group(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
