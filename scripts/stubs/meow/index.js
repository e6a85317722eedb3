'use strict'

module.exports = function unreachable() {
  throw new Error('This part of the stun package is not used by holler')
}
