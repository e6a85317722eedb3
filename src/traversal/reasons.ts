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
  'address-pool',
  'attempt-failed',
  'attempt-unanswered',
  'attempt-forbidden',
  'no-sockets',
  'router-table-full',
  'probes-used-up',
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
  'address-pool': `one of the routers gives new connections another public address, so nobody knows where they come from: ${EITHER_SIDE}`,
  'attempt-failed': `the routers give ports that were guessed at in vain; it is tried again later: ${EITHER_SIDE}`,
  'attempt-unanswered':
    'the buddy’s daemon did not take part in guessing ports: it may be busy with another one, forbid it, or be of an older version; it is tried again later',
  'attempt-forbidden':
    'this daemon was told to guess no ports ("port-guessing = false"): allow it, or enable PCP or UPnP on the router',
  'no-sockets':
    'the system gave this daemon no more sockets: raise the limit of open files of the service',
  'router-table-full': `a router’s table of flows was full, so guessing ports was stopped: end what opens many connections there, or ${EITHER_SIDE}`,
  'probes-used-up':
    'the buddy’s address has been asked as often as a stranger’s may be; it is tried again within a minute',
  'nothing-heard': `no packet came through in either direction: ${EITHER_SIDE}`,
  'heard-but-unanswered': `the buddy's packets arrive here but ours do not arrive there: ${EITHER_SIDE}`,
  'direct-lost':
    'the direct path stopped working and is being looked for again; nothing is lost meanwhile',
  'direct-slower': 'the direct path works, but is slower or loses more than the relay',
}
