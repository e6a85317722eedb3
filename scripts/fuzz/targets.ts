/** Every decoder of the project. */
import type { FuzzTarget } from './target.ts'
import { controlTargets } from './targets/control.ts'
import { peerTargets } from './targets/peer.ts'
import { portMappingTargets } from './targets/port-mapping.ts'
import { relayTargets } from './targets/relay.ts'
import { reliableUdpTargets } from './targets/reliable-udp.ts'
import { serverTargets } from './targets/server.ts'
import { stunTargets } from './targets/stun.ts'
import { traversalTargets } from './targets/traversal.ts'

export const targets: readonly FuzzTarget[] = [
  ...controlTargets,
  ...peerTargets,
  ...portMappingTargets,
  ...relayTargets,
  ...reliableUdpTargets,
  ...serverTargets,
  ...stunTargets,
  ...traversalTargets,
]
