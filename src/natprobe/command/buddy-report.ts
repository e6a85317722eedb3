/**
 * What hollerd knows of a buddy's NAT, in the form of a report: his daemon's own tests, which came with the last
 * introduction. They are of IPv4.
 */
import { HollerError } from '../../core/holler-error.ts'
import type { OldReport } from '../compare.ts'
import { askDaemon } from './ask-daemon.ts'

/** @throws HollerError `CONFIG_INVALID`: no daemon, no such buddy, or nothing is known of his NAT yet. */
export async function buddyReport(
  buddy: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<OldReport> {
  const answer = await askDaemon('net.path', { buddy }, env)
  if (answer.kind === 'nobody') {
    throw unknown(buddy, `no report has that name, and no hollerd answers that may know a buddy`)
  }
  if (answer.kind === 'refused') throw unknown(buddy, answer.why)
  const nat = answer.result['nat']
  if (typeof nat !== 'object' || nat === null) {
    throw unknown(
      buddy,
      `nothing is known of that NAT yet: it is told when a session begins (holler net ping ${buddy})`,
    )
  }
  const { mapping, filtering, ports, isPooled } = nat as Readonly<Record<string, unknown>>
  const ipv4 = {
    mapping: { value: mapping },
    filtering: { value: filtering },
    allocator: { value: ports },
    pooling: { value: isPooled },
  }
  return { families: { ipv4 } }
}

function unknown(buddy: string, why: string): HollerError {
  return new HollerError('CONFIG_INVALID', `Cannot predict the path to "${buddy}": ${why}`)
}
