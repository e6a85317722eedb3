/** Why a path is what it is, and what would make it better. A closed union: it labels metrics, and people read it. */

export const pathReasons = [
  'direct',
  'waiting-for-introduction',
  'punching',
  'policy-relay',
  'policy-lan',
  'no-candidates',
  'no-usable-candidates',
  'both-mappings-dependent',
  'local-mapping-dependent',
  'remote-mapping-dependent',
  'nothing-heard',
  'heard-but-unanswered',
  'direct-lost',
  'direct-slower',
] as const

export type PathReason = (typeof pathReasons)[number]

const EITHER_SIDE =
  'either side: enable PCP or UPnP on the router, open its IPv6 firewall for this port, or add a firewall rule that drops unasked-for packets in its INPUT chain'

/** What to do about it, as a sentence without a full stop; empty where there is nothing to do. */
export const remedies: Readonly<Record<PathReason, string>> = {
  direct: '',
  'waiting-for-introduction': '',
  punching: 'wait a few seconds: a direct path is being tried',
  'policy-relay': 'set the path policy of this buddy to "auto" to allow a direct path',
  'policy-lan':
    'set the path policy of this buddy to "auto", or join the same network: only local paths are allowed',
  'no-candidates':
    'the buddy offers no addresses: UDP may be blocked there, or the buddy wants the relay',
  'no-usable-candidates':
    'no address of the buddy can be reached from here: get IPv6 on both sides, or a public IPv4 address on one',
  'both-mappings-dependent': `both routers give every destination another port: ${EITHER_SIDE}`,
  'local-mapping-dependent': `the router here gives every destination another port: here: set its NAT to endpoint-independent ("full cone"), or ${EITHER_SIDE}`,
  'remote-mapping-dependent': `the buddy's router gives every destination another port: there: set its NAT to endpoint-independent ("full cone"), or ${EITHER_SIDE}`,
  'nothing-heard': `no packet came through in either direction: ${EITHER_SIDE}`,
  'heard-but-unanswered': `the buddy's packets arrive here but ours do not arrive there: ${EITHER_SIDE}`,
  'direct-lost':
    'the direct path stopped working and is being looked for again; nothing is lost meanwhile',
  'direct-slower': 'the direct path works, but is slower or loses more than the relay',
}
