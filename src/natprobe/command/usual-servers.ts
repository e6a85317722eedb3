/** Whom to ask when the user names nobody: the server of the account in use, else the list in the configuration. */
import { join } from 'node:path'
import { readConfigFileIfThere } from '../../io/config-file.ts'
import { parseServerName, type ServerName } from '../command-line.ts'
import { askDaemon } from './ask-daemon.ts'

type Environment = Readonly<Record<string, string | undefined>>

const SYSTEM_CONFIG = '/etc/holler/natprobe.toml'

/** @throws HollerError `CONFIG_INVALID` when a configuration file is there and cannot be used. */
export async function usualServers(env: Environment): Promise<readonly ServerName[]> {
  const ofAccount = await serverOfAccount(env)
  if (ofAccount.length > 0) return ofAccount
  for (const path of [...userConfig(env), SYSTEM_CONFIG]) {
    const servers = await configuredServers(path)
    if (servers !== undefined) return servers
  }
  return []
}

/** The main endpoint of its STUN service: it names the others. */
async function serverOfAccount(env: Environment): Promise<readonly ServerName[]> {
  const status = await askDaemon('net.status', {}, env)
  const servers = status.kind === 'answered' ? status.result['stunServers'] : undefined
  if (!Array.isArray(servers)) return []
  const [first] = servers as readonly unknown[]
  const name = typeof first === 'string' ? parseServerName(first) : undefined
  return name?.ok === true ? [name.value] : []
}

/** `undefined` where there is no such file. */
async function configuredServers(path: string): Promise<readonly ServerName[] | undefined> {
  const file = await readConfigFileIfThere(path)
  if (file === undefined) return undefined
  const { servers } = file.values
  if (!Array.isArray(servers)) throw file.fault('servers', 'is no list')
  return servers.map((server: unknown) => {
    const name = typeof server === 'string' ? parseServerName(server) : undefined
    if (name?.ok !== true) throw file.fault('servers', `"${String(server)}" is no SERVER[:PORT]`)
    return name.value
  })
}

function userConfig(env: Environment): readonly string[] {
  const home = env['HOME']
  const base = env['XDG_CONFIG_HOME'] ?? (home === undefined ? undefined : join(home, '.config'))
  return base === undefined ? [] : [join(base, 'holler', 'natprobe.toml')]
}
