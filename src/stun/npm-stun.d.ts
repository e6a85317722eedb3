// The npm package `stun` has no types. This declares the few parts that codec.ts uses, and nothing that it must not
// use: the package's server, its `request()` and its checks of MESSAGE-INTEGRITY and FINGERPRINT are unsafe
// (docs/protocol/stun.md, "What the package is used for").
declare module 'stun' {
  interface StunAddressValue {
    readonly address: string
    readonly port: number
  }

  interface StunPackageAttribute {
    readonly type: number
    readonly value: unknown
  }

  interface StunPackageMessage {
    addAttribute(type: number, ...values: readonly unknown[]): StunPackageAttribute | undefined
    getAttribute(type: number): StunPackageAttribute | undefined
  }

  export function createMessage(type: number, transactionId: Buffer): StunPackageMessage
  export function encode(message: StunPackageMessage): Buffer
  export function decode(bytes: Buffer): StunPackageMessage
}
