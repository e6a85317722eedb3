/** What an administrator reads: one line for each thing, columns that line up, and the next step where there is one. */
import type {
  AccountDetail,
  AccountView,
  AdminResult,
  InviteView,
  StatsView,
} from './admin-schema.ts'

export function accountTable(accounts: readonly AccountView[]): string {
  if (accounts.length === 0) return 'There are no accounts yet'
  const rows = accounts.map((account) => [
    String(account.number),
    account.handle,
    stateOf(account),
    `since ${dayOf(account.createdAt)}`,
  ])
  return columns(rows)
}

export function accountLine(account: AccountView): string {
  return `${account.handle} (${account.number}) is ${stateOf(account)}`
}

export function detailText(account: AccountDetail): string {
  const { session, buddies, mail } = account
  const { accepted, asked, asking, blocked } = buddies
  return columns([
    ['account', `${account.number} ${account.handle}`],
    [
      'state',
      account.disabledAt === null ? stateOf(account) : `disabled since ${account.disabledAt}`,
    ],
    ['made', account.createdAt],
    [
      'session',
      session === null ? 'none' : `${session.client} from ${session.remote} since ${session.since}`,
    ],
    ['devices', String(account.devices)],
    ['buddies', `${accepted}, ${asked} asked, ${asking} asking, ${blocked} blocked`],
    ['mail waiting', mailText(mail)],
  ])
}

export function resetText({
  account,
  code,
  expiresAt,
  link,
}: AdminResult<'account.reset'>): string {
  return [
    `A new password for ${account.handle} (${account.number}) can be set once until ${expiresAt} with:`,
    '',
    `  holler account reset --server '${link}' --user ${account.handle} --code ${code}`,
    '',
    'The old password works until then. Whoever has the code can take the account: pass it on safely.',
  ].join('\n')
}

export function deletedText({ number, handle, buddies }: AdminResult<'account.delete'>): string {
  const lists = buddies === 1 ? '1 list' : `${buddies} lists`
  return `${handle} (${number}) is deleted, and gone from ${lists}`
}

export function invitationText(invite: AdminResult<'invite.create'>): string {
  const uses = invite.uses === 1 ? '1 account' : `${invite.uses} accounts`
  const until = invite.expiresAt === null ? 'does not expire' : `expires ${invite.expiresAt}`
  return [
    `Invitation ${invite.id} for ${uses}, ${until}. It is shown this once:`,
    '',
    `  holler account register --server '${invite.link}' --invite ${invite.token} --handle NAME`,
  ].join('\n')
}

export function inviteTable(invites: readonly InviteView[]): string {
  if (invites.length === 0) return 'There are no invitations'
  return columns(invites.map(cellsOf))
}

export function inviteLine(invite: InviteView): string {
  return columns([cellsOf(invite)])
}

export function statsText(stats: StatsView): string {
  return columns([
    ['version', stats.version],
    ['started', stats.startedAt],
    ['link', stats.link],
    ...(stats.role === 'server' ? peopleRows(stats) : []),
    ['relay sessions', String(stats.relaySessions)],
    ...(stats.role === 'server' ? [] : channelRows(stats)),
    ['memory', `${Math.round(stats.memoryBytes / 1024 / 1024)} MiB`],
    ...(stats.isDraining ? [['draining', 'yes']] : []),
  ])
}

function peopleRows(stats: Extract<StatsView, { role: 'server' }>): readonly (readonly string[])[] {
  return [
    ['registration', stats.isRegistrationOpen ? 'open' : 'by invitation'],
    ['accounts', String(stats.accounts)],
    ['online', String(stats.online)],
    ['not logged in', String(stats.strangers)],
    ['mail waiting', stats.mail === null ? 'being counted' : mailText(stats.mail)],
  ]
}

function channelRows(stats: Extract<StatsView, { role: 'relay' }>): readonly (readonly string[])[] {
  return [
    ['channels', String(stats.relayChannels)],
    ['streams', String(stats.relayStreams)],
  ]
}

function mailText({ messages, bytes }: AccountDetail['mail']): string {
  return `${messages} messages, ${bytes} bytes`
}

export function drainText({ sessions, spreadMs }: AdminResult<'drain'>): string {
  return spreadMs === 0
    ? `${sessions} sessions go on until the end, and no new ones begin`
    : `${sessions} sessions were sent away, to come back within ${spreadMs / 1000} s`
}

function cellsOf(invite: InviteView): readonly string[] {
  return [
    invite.id,
    invite.state,
    `${invite.used} of ${invite.uses} used`,
    invite.expiresAt === null ? 'never expires' : `expires ${invite.expiresAt}`,
    invite.note.replace(/\p{Cc}/gu, ' '),
  ]
}

function stateOf({ isDisabled, isOnline }: AccountView): string {
  if (isDisabled) return 'disabled'
  return isOnline ? 'online' : 'offline'
}

function dayOf(moment: string): string {
  return moment.slice(0, 'YYYY-MM-DD'.length)
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length)
    }
  }
  const padded = (cell: string, index: number): string => cell.padEnd(widths[index] ?? 0)
  return rows.map((row) => row.map(padded).join('  ').trimEnd()).join('\n')
}
