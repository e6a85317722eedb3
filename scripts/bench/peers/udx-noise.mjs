import { connect as connectUdx } from './udx.mjs'

export const connect = (role, addresses) => connectUdx(role, addresses, true)
