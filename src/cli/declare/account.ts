import { type Command, Option } from 'commander'
import type { LoginOptions, RegisterOptions, ResetOptions } from '../commands/account.ts'
import type { Run } from './run.ts'

const REGISTER_HELP = `
Examples:
  holler account register --server 'holler://chat.example.org:7443?pin=sha256-…' --handle alice
  holler account register --server "$LINK" --invite 7QK2M-0XW8Z-4TNB3-19HJD-PQRST --handle alice
  pass show holler | holler account register --server "$LINK" --handle alice --password-stdin`

const LOGIN_HELP = `
Examples:
  holler account login --server 'holler://chat.example.org:7443?pin=sha256-…' --user alice
  holler account login --server "$LINK" --user 10001 --password-file ~/.holler-password`

export function declareAccount(program: Command, run: Run): void {
  const account = program.command('account').description('make an account, log in, log out')
  withPassword(account.command('register'))
    .description('make an account on a server and log in with it')
    .requiredOption('--server <link>', "the server's link, as its administrator gave it")
    .requiredOption('--handle <name>', 'the name that others will find you by')
    .option('--invite <token>', 'where registration is by invitation')
    .addHelpText('after', REGISTER_HELP)
    .action((options: RegisterOptions) =>
      run(async (context) => {
        const { register } = await import('../commands/account.ts')
        await register(context, options)
      }),
    )
  withPassword(account.command('login'))
    .description('log in; the daemon stays logged in across restarts')
    .requiredOption('--server <link>', "the server's link")
    .requiredOption('--user <name>', 'your handle or number')
    .addHelpText('after', LOGIN_HELP)
    .action((options: LoginOptions) =>
      run(async (context) => {
        const { login } = await import('../commands/account.ts')
        await login(context, options)
      }),
    )
  withPassword(account.command('reset'))
    .description('set a new password with a code from whoever runs the server, and log in')
    .requiredOption('--server <link>', "the server's link")
    .requiredOption('--user <name>', 'your handle or number')
    .requiredOption('--code <code>', 'as it was given to you; it works once')
    .action((options: ResetOptions) =>
      run(async (context) => {
        const { reset } = await import('../commands/account.ts')
        await reset(context, options)
      }),
    )
  account
    .command('logout')
    .description('log out and forget the password; history stays')
    .action(() =>
      run(async (context) => {
        const { logout } = await import('../commands/account.ts')
        await logout(context)
      }),
    )
}

function withPassword(command: Command): Command {
  const stdin = new Option('--password-stdin', 'read the password from standard input')
  const file = new Option('--password-file <file>', 'read the password from a file')
  return command.addOption(stdin.conflicts('passwordFile')).addOption(file)
}
