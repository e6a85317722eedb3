/**
 * `npm run bench -- NAME [OPTIONS]`: measurements; without a name it lists them. What is measured against others runs the
 * build in dist/, and the others are packages of scripts/bench/package.json alone, installed when first needed.
 */
import { ensureBuilt, ensureInstalled, giveUp } from './bootstrap.mjs'

const benches = {
  'reliable-udp': 'our connection beside other transports: CPU, rates, latency, loss, fairness',
  server: 'holler-server beside prosody, ejabberd and coturn: CPU for each operation, memory',
  'server-load': '5,000 TLS sessions for five minutes, then kill -9 and all of them back',
  soak: '10 GB over an impaired link: every byte checked, memory flat, quiet at the end',
}

const [name, ...options] = process.argv.slice(2)
if (name === undefined) {
  console.log('npm run bench -- NAME [OPTIONS]    (--help tells the options)\n')
  for (const [bench, what] of Object.entries(benches)) console.log(`  ${bench.padEnd(14)} ${what}`)
  process.exit(0)
}
if (!Object.hasOwn(benches, name)) giveUp(`No bench "${name}"; there are ${Object.keys(benches)}`)
ensureInstalled()
ensureBuilt()
await import('tsx/esm')
const { main } = await import(`./bench/${name}.ts`)
process.exit(await main(options)) // what a failed run left open must not keep it
