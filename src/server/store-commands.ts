/** `holler-server check`, `backup` and `restore`: what an operator does with a store, mostly while no server runs. */
import { existsSync } from 'node:fs'
import { HollerError } from '../core/holler-error.ts'
import { systemClock } from '../io/system-clock.ts'
import { withSnapshot } from './backup/snapshot.ts'
import { restoreBackup } from './backup/restore-backup.ts'
import { writeBackup } from './backup/write-backup.ts'
import type { CommandOutside } from './command-outside.ts'
import { DamagedData } from './damaged-data.ts'
import { DataDirectory } from './data-directory.ts'
import { openChecked, wordsOfRepair } from './open-store.ts'
import { checkIntegrity, type IntegrityReport } from './store/integrity.ts'

/** Looks at a copy of the store as it is at this instant; with `repair`, at the store itself, and mends it. */
export async function checkStore(
  data: string,
  isRepairing: boolean,
  { stdout }: CommandOutside,
): Promise<void> {
  const directory = new DataDirectory(data)
  const report = isRepairing
    ? await checkAndRepair(directory, stdout)
    : await withSnapshot(
        directory,
        async (store) => await checkIntegrity(store, { mends: false, isTimeUp: () => false }),
      )
  tellReport(report, stdout)
  if (report.found === 0) return
  const hint = isRepairing ? '' : '; --repair mends what can be mended, while no server runs'
  throw new DamagedData(`${report.found} records are damaged or missing${hint}`)
}

async function checkAndRepair(
  directory: DataDirectory,
  stdout: CommandOutside['stdout'],
): Promise<IntegrityReport> {
  if (!existsSync(directory.storePath)) {
    throw new HollerError('NOT_FOUND', `There is no store in "${directory.path}"`)
  }
  const { store, report } = await openChecked(directory.storePath, {
    clock: systemClock,
    mends: true,
    onRepair: (repair) => stdout.write(`${wordsOfRepair(repair)}: ${JSON.stringify(repair)}\n`),
  })
  await store.close()
  return report
}

export async function backUp(
  data: string,
  { to, program }: { readonly to: string; readonly program: string },
  { stdout }: CommandOutside,
): Promise<void> {
  const done = await writeBackup({ data: new DataDirectory(data), to, program, clock: systemClock })
  stdout.write(`${done.records} records and ${done.files} files are in ${to}\n`)
  if (done.damaged.length === 0) return
  for (const what of done.damaged) stdout.write(`Left out: ${what} is damaged\n`)
  throw new DamagedData(`The store is damaged: ${done.damaged.length} records were left out`)
}

export async function restore(
  data: string,
  from: string,
  { stdout }: CommandOutside,
): Promise<void> {
  const { at, program, records, files, report } = await restoreBackup(from, data)
  stdout.write(`${records} records and ${files} files of ${at} (${program}) are in ${data}\n`)
  if (report.found > 0) tellReport(report, stdout)
}

function tellReport(report: IntegrityReport, stdout: CommandOutside['stdout']): void {
  for (const { what, how, done } of report.findings) stdout.write(`${what}: ${how}, ${done}\n`)
  const unnamed = report.found - report.findings.length
  if (unnamed > 0) stdout.write(`… and ${unnamed} more\n`)
  stdout.write(`${report.records} records checked, ${report.found} damaged or missing\n`)
}
