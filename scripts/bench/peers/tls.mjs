import { connect as connectTcp } from './tcp.mjs'

export const connect = (role, addresses) => connectTcp(role, addresses, true)
