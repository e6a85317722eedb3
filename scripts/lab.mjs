/**
 * `npm run lab`: the programs of dist/ in network namespaces behind the kernel's NATs and our own router's. Needs root
 * and Debian's packages below; makes namespaces whose names begin with `h`, and removes them whatever happens.
 */
import { existsSync } from 'node:fs'
import { ensureBuilt, giveUp, requireNode } from './bootstrap.mjs'
import { runSuites } from './suites.mjs'

requireNode()
if (process.getuid?.() !== 0) giveUp('The laboratory makes network namespaces: run it as root')
for (const [tool, debianPackage] of [
  ['/sbin/ip', 'iproute2'],
  ['/usr/sbin/nft', 'nftables'],
  ['/usr/bin/turnserver', 'coturn'],
  ['/usr/bin/stun', 'stun-client'], // npm puts the stun package's own command first in PATH
  ['/usr/sbin/miniupnpd', 'miniupnpd-nftables'],
]) {
  if (!existsSync(tool)) {
    giveUp(`The laboratory needs "${tool}" (on Debian: apt-get install ${debianPackage})`)
  }
}
ensureBuilt()
await runSuites(['.mocharc.lab.json'], process.argv.slice(2))
