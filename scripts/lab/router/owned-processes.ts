import type { ChildProcess } from 'node:child_process'

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Takes the child along when this process ends without time to stop it; resolves when the child has ended. */
export function own(child: ChildProcess): Promise<void> {
  running.add(child)
  return new Promise((resolve) => {
    const handleEnd = (): void => {
      running.delete(child)
      resolve()
    }
    child.once('close', handleEnd)
    child.once('error', handleEnd)
  })
}
