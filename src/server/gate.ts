import { Crowd, type CrowdMember } from '../core/crowd.ts'

/** Connections without a login, in all: 30 KiB each, so 60 MiB. */
export const MOST_STRANGERS = 2_048

/** …and from one network: an office whose daemons all come back at once. */
export const MOST_STRANGERS_PER_NETWORK = 256

/** A connection that has not logged in. */
export type Stranger = CrowdMember

/** Connections before their login; whoever wants to log in does it within a second. */
export class Gate extends Crowd<Stranger> {
  constructor() {
    super({
      most: MOST_STRANGERS,
      mostPerNetwork: MOST_STRANGERS_PER_NETWORK,
      why: 'too many connections without a login',
    })
  }
}
