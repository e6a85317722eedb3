/**
 * Packages that need not be there. `load` holds the `require`; what it throws, whatever the reason (not installed, no
 * binary for this platform, a loader that refuses native code), means doing without. `HOLLER_PORTABLE=1` makes the
 * process do without all of them (docs/adr/0014-optional-native-helpers.md).
 */
export function optionalPackage<T>(load: () => T): T | undefined {
  // eslint-disable-next-line no-restricted-globals -- which of two equal implementations runs is no input of a machine
  if (process.env['HOLLER_PORTABLE'] === '1') return undefined
  try {
    return load()
  } catch {
    return undefined
  }
}
