import { ServerLink, type ServerLinkOptions } from '../../../src/tcp/server-link.ts'
import type { ServerLinkEvent } from '../../../src/tcp/server-link-event.ts'
import { SeededRandom } from '../../sim/seeded-random.ts'
import { deviceIdentity, deviceKeys, LinkBench, pass, secret } from './link-bench.ts'

export type ResumingBench = LinkBench<ServerLinkEvent> & { readonly link: ServerLink }

/** A link that comes back with a ticket: connected, the first thing said. */
export function resuming(options: Partial<ServerLinkOptions> = {}): ResumingBench {
  const link = new ServerLink({
    user: 'alice',
    deviceIdentity,
    deviceKeys,
    client: 'hollerd/0.1.0',
    random: new SeededRandom(1),
    savedSecret: secret,
    savedPass: pass,
    ...options,
  })
  const bench = Object.assign(new LinkBench<ServerLinkEvent>(link), { link })
  bench.do((now) => bench.link.start(now))
  bench.connected()
  return bench
}
